"""Values that no input holds, and values in another element type."""

import torch
from torch import Tensor, nn


class InPrecision(nn.Module):
    """The base of modules that make numbers in the precision of the model, which `.double()` and `.to()` change.

    Only the element type of `like` is read: it holds no number, and no state_dict has it.
    """

    like: Tensor

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__()
        self.dtype = dtype
        self.register_buffer("like", torch.empty(0, device="cpu"), persistent=False)


def element_type(dtype: str, like: Tensor) -> torch.dtype:
    """The precision of the model, that of `like`, for float32; other element types as they are."""
    if dtype == "float32":
        return like.dtype
    named: torch.dtype = getattr(torch, dtype)
    return named


class Cast(InPrecision):
    """The same values in another element type."""

    def forward(self, x: Tensor) -> Tensor:
        """[...] → the same shape."""
        return x.to(element_type(self.dtype, self.like))


class Constant(InPrecision):
    """Numbers that are not learned, in C order."""

    def __init__(self, values: tuple[float, ...], shape: tuple[int, ...] = (), dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.values = values
        self.shape = shape

    def forward(self) -> Tensor:
        """The numbers in their shape; a single one fills it."""
        numbers = torch.tensor(self.values, dtype=element_type(self.dtype, self.like), device=self.like.device)
        return numbers.squeeze(0).expand(self.shape) if len(self.values) == 1 else numbers.reshape(self.shape)


class StoredConstant(nn.Module):
    """A tensor of the weights that is not learned; like untrained weights, it is random until it is loaded."""

    value: Tensor

    def __init__(self, shape: tuple[int, ...], dtype: str = "float32") -> None:
        super().__init__()
        named: torch.dtype = getattr(torch, dtype)
        drawn = torch.randn(shape) if named.is_floating_point else torch.randint(2, shape)
        self.register_buffer("value", drawn.to(named))

    def forward(self) -> Tensor:
        """The tensor itself."""
        return self.value


class Positions(InPrecision):
    """The positions along an axis, counted from `start`."""

    def __init__(self, axis: int = 1, start: int = 0, dtype: str = "int64") -> None:
        super().__init__(dtype)
        self.axis = axis
        self.start = start

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → [n]."""
        positions = torch.arange(x.shape[self.axis], device=x.device) + self.start
        return positions.to(element_type(self.dtype, self.like))


class RelativePositions(nn.Module):
    """Distances of positions as ids from 0 to 2·size − 1, that of distance 0 in the middle."""

    def __init__(self, size: int, max_distance: int = 0) -> None:
        super().__init__()
        self.size = size
        self.buckets = distance_buckets(size, max_distance) if max_distance else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """x [batch, queries, ...], context [batch, keys, ...] → [queries, keys]."""
        source = x if context is None else context
        queries, keys = (torch.arange(t.shape[1], device=x.device) for t in (x, source))
        offset = queries.unsqueeze(1) - keys.unsqueeze(0)
        if self.buckets is not None:
            table = torch.tensor(self.buckets, device=x.device)
            offset = table[offset.abs().clamp(max=len(self.buckets) - 1)] * offset.sign()
        return (offset + self.size).clamp(0, 2 * self.size - 1)


def distance_buckets(size: int, max_distance: int) -> list[int]:
    """The bucket of each distance up to max_distance: itself up to n = size / 2, then ones that widen, up to size.

    It is n + ⌈(n − 1)·log(d / n) / log((max_distance − 1) / n)⌉, computed in whole numbers, so that rounding cannot
    move a distance to another bucket.
    """
    near, last = size // 2, max_distance - 1
    buckets, more = list(range(near + 1)), 0
    for distance in range(near + 1, max_distance + 1):
        while distance ** (near - 1) * near**more > last**more * near ** (near - 1):
            more += 1
        buckets.append(near + more)
    return buckets


class Coordinates(nn.Module):
    """The place of each entry of a grid along each of its axes, from `low` to `high`."""

    def __init__(self, low: float = -1.0, high: float = 1.0, align_corners: bool = True) -> None:
        super().__init__()
        self.low = low
        self.high = high
        self.align_corners = align_corners

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, n₁, …, n_k] → [batch, k, n₁, …, n_k]."""
        sizes = x.shape[2:]
        along = [self.places(x, size) for size in sizes]
        aligned = [c.view([-1 if i == axis else 1 for i in range(len(sizes))]) for axis, c in enumerate(along)]
        grid = torch.stack([c.expand(sizes) for c in aligned])  # [k, n₁, …, n_k]
        return grid.expand(x.shape[0], *grid.shape)

    def places(self, x: Tensor, size: int) -> Tensor:
        """The places along an axis, in the type of x: of corners, or of the centers of cells."""
        index = torch.arange(size, dtype=x.dtype, device=x.device)
        last = index[-1:]
        corners = index / last.clamp(min=1)  # the last one is at the end, a single one at the start
        share = corners if self.align_corners else (index + 0.5) / (last + 1)
        return self.low + share * (self.high - self.low)


class OneHot(InPrecision):
    """1 at the place of each id, else 0."""

    def __init__(self, classes: int, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """[...] → [..., classes]."""
        ids = torch.arange(self.classes, dtype=x.dtype, device=x.device)
        return (x.unsqueeze(-1) == ids).to(element_type(self.dtype, self.like))
