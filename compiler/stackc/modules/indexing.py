"""Entries picked by index."""

import torch
from torch import Tensor, nn


class Gather(nn.Module):
    """Entries of an axis by index."""

    def __init__(self, axis: int = 0) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """x [..., n, ...], index [a, b, …] → [..., a, b, …, ...]."""
        y = x.index_select(self.axis, index.reshape(-1))
        if index.dim() == 1:
            return y
        return y.unflatten(self.axis, index.shape) if index.dim() else y.squeeze(self.axis)


class BatchedGather(nn.Module):
    """Entries of an axis by index, each sample by indices of its own."""

    def __init__(self, axis: int, batch_dims: int) -> None:
        super().__init__()
        self.axis = axis
        self.batch_dims = batch_dims

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """x [batch, …, n, ...], index [batch, a, b, …] → [batch, …, a, b, …, ...]."""
        batch, axis = self.batch_dims, self.axis
        own = index.shape[batch:]

        # one index for each element: [batch, 1, …, k, 1, …], repeated along the axes that only x has
        flat = index.long().flatten(batch) if own else index.long().unsqueeze(-1)
        for _ in range(axis - batch):
            flat = flat.unsqueeze(batch)
        for _ in range(x.dim() - axis - 1):
            flat = flat.unsqueeze(-1)
        sizes = [-1 if i < batch or i == axis else x.shape[i] for i in range(x.dim())]

        y = x.gather(axis, flat.expand(sizes))
        if len(own) == 1:
            return y
        return y.unflatten(axis, own) if own else y.squeeze(axis)


class GatherElements(nn.Module):
    """Elements by an index each, which is the same all along the `repeated` axes."""

    def __init__(self, axis: int = -1, repeated: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.axis = axis
        self.repeated = repeated

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """x [..., n, ...], index [..., k, ...] → [..., k, ...]."""
        index = index.long()
        if self.repeated:
            index = index.expand([size if axis in self.repeated else -1 for axis, size in enumerate(x.shape)])
        return x.gather(self.axis, index)


class Take(nn.Module):
    """The entries of an axis at constant indices, which count from the end if they are negative."""

    def __init__(self, indices: tuple[int, ...], axis: int = -1) -> None:
        super().__init__()
        self.indices = indices
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → [..., k, ...]."""
        index = torch.tensor(self.indices, device=x.device)
        if min(self.indices) < 0:
            index = torch.where(index < 0, index + x.shape[self.axis], index)
        return x.index_select(self.axis, index)
