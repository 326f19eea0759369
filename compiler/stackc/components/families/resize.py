"""Resizing of sequences and images, to sizes or by factors, and sampling of images at given places, channels first."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from stackc.components.axes import Axes, leading
from stackc.components.base import Component, Port, Signature, SignatureError, require_float, require_layout
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range
from stackc.components.registry import component
from stackc.components.size_checks import at_least_one
from stackc.components.size_expressions import Extent, SizeExpression, read_off
from stackc.components.windows import AXES, require_channels_first
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T", int | Dim, float)
Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic"]
Scale = Annotated[float, Range(minimum=2.0**-10, maximum=2.0**10)]

MOST_PARTS = 64
"""The largest denominator of a factor: ⌊n·factor⌋ is exact for the powers of two up to it."""


@component("resize", "x", Port("like", optional=True))
class Resize(Component):
    """y = x at ⌊i/s⌋ (nearest), ⌊(i + ½)/s⌋ (nearest-exact), or the entries around (i + ½)/s − ½ interpolated.

    s is the size of y over that of x, or `scale`. align_corners interpolates at i·(n − 1)/(m − 1) for sizes n and m;
    antialias widens the kernel by 1/s where x shrinks. Bicubic is Keys 1981 with a = −0.75, with antialias −0.5.
    x: [batch, channels, height, width] → y: [batch, channels, size], with a size for each axis, `scale` times those of
    x rounded down, or by default the sizes of `like`, any tensor of the same rank; with mode linear or nearest also
    [batch, channels, length]. `like` may as well be a tensor that has the dims named in `size`.
    """

    size: Annotated[Extent | tuple[Extent, ...] | None, "the size of each axis of y, or one for all of them"] = None
    scale: Annotated[Scale | tuple[Scale, ...] | None, "the factor of each axis, or one for all, in 64ths"] = None
    mode: Annotated[
        Mode, "which entries of x make one of y; linear is for sequences, bilinear and bicubic are for images"
    ] = "nearest"
    align_corners: Annotated[bool, "align the centers of the entries at the corners, not the corners"] = False
    antialias: Annotated[bool, "average over all entries that shrink into one, as Pillow does"] = False

    mixes = ("changes the number of entries", None)
    pointwise_axes = leading(2)

    def signature(self, x: TensorType, like: TensorType | None = None) -> Signature:
        """Return the type with other sizes of the positions."""
        require_float(x)
        self._require_mode(x)
        sizes = self._sizes(x, like)
        self._read_off(sizes, x, like)
        limits = at_least_one([size if size.constant is None else size.constant for size in sizes])
        return Signature((x.with_shape(*x.shape[:2], *sizes),), limits=limits)

    def construction(self, x: TensorType, like: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.interpolate as a module."""
        from stackc.modules.resize import Resize, ResizeByFactor

        smooth = {"align_corners": self.align_corners} if self.align_corners else {}
        smooth |= {"antialias": self.antialias} if self.antialias else {}
        sizes = self._sizes(x, like)
        if self.scale is not None:
            return construct(ResizeByFactor, self._factors(x), self.mode, **smooth)
        if like is None and not smooth and (factors := _exact_factors(x, sizes)):
            return construct(ResizeByFactor, factors, self.mode)
        return construct(Resize, self._read_off(sizes, x, like), self.mode, **smooth)

    def _require_mode(self, x: TensorType) -> None:
        """Raise SignatureError unless the mode suits the rank of x, and the options the mode."""
        ranks = {"linear": (3,), "bilinear": (4,), "bicubic": (4,)}.get(self.mode, (3, 4))
        if x.rank not in ranks:
            layouts = " or ".join(f"[{', '.join(('batch', 'channels', *AXES[rank]))}]" for rank in ranks)
            hint = {3: "write `mode: linear` for a sequence", 4: "write `mode: bilinear` for an image"}.get(x.rank)
            raise SignatureError(f"mode {self.mode} expects {layouts}, got {x}", port="x", hint=hint)

        is_nearest = self.mode.startswith("nearest")
        for name in ("align_corners", "antialias"):
            if getattr(self, name) and (is_nearest or (name == "antialias" and self.mode == "linear")):
                message = f"{name} has no effect with mode {self.mode}"
                raise SignatureError(message, code="T208", field=name, hint=f"remove {name}")
        if self.align_corners and self.antialias:
            message = "antialias and align_corners exclude each other, as in ONNX"
            raise SignatureError(message, field="align_corners", hint="remove one of them")
        if self.antialias and self.scale is not None:
            message = "antialias takes sizes, not factors"
            raise SignatureError(message, field="scale", hint="write `size:`, as in `size: [height//2, width//2]`")

    def _sizes(self, x: TensorType, like: TensorType | None) -> tuple[Dim, ...]:
        """Return the size of each axis of positions of y."""
        if self.size is not None and self.scale is not None:
            raise SignatureError("size and scale exclude each other", field="scale", hint="remove one of them")
        if self.scale is not None:
            factors = zip(x.shape[2:], self._factors(x), strict=True)
            return tuple(size * numerator // denominator for size, (numerator, denominator) in factors)
        if self.size is not None:
            return tuple(Dim.of(size) for size in self._each(self.size, x, "size"))

        if like is None:
            hint = "write `size: [224, 224]` or `scale: 2`, or draw an arrow into `like`"
            raise SignatureError("needs a size, a scale, or a tensor like which it is resized", field="size", hint=hint)
        if like.rank != x.rank:
            message = f"expects a tensor of {x.rank} axes to take the sizes from, got {like}"
            raise SignatureError(message, port="like")
        return like.shape[2:]

    def _read_off(
        self, sizes: tuple[Dim, ...], x: TensorType, like: TensorType | None
    ) -> tuple[int | SizeExpression, ...]:
        """Return the sizes for a module to compute. Raises SignatureError (T208) if `like` is unused."""
        is_unused = self.scale is not None or (self.size is not None and all(s.constant is not None for s in sizes))
        if like is not None and is_unused:
            message = "like is unused: all sizes are clear without it"
            raise SignatureError(message, code="T208", port="like", hint="remove the arrow into it")
        if self.scale is not None:
            return ()
        return tuple(read_off(size, (x, like), "size") for size in sizes)

    def _factors(self, x: TensorType) -> tuple[tuple[int, int], ...]:
        """Return the factor of each axis as a fraction. Raises SignatureError unless it is one of 64ths."""
        assert self.scale is not None
        scales = self._each(self.scale, x, "scale")
        exact = [Fraction(scale) for scale in scales]
        if all(fraction.denominator <= MOST_PARTS for fraction in exact):
            return tuple((fraction.numerator, fraction.denominator) for fraction in exact)

        nearest = [fraction.limit_denominator(MOST_PARTS) for fraction in exact]
        sizes = [size * near.numerator // near.denominator for size, near in zip(x.shape[2:], nearest, strict=True)]
        message = f"scale {scales[0] if len(set(scales)) == 1 else list(scales)} cannot be calculated exactly"
        raise SignatureError(message, field="scale", hint=f"write sizes, as in `size: [{', '.join(map(str, sizes))}]`")

    def _each(self, value: T | tuple[T, ...], x: TensorType, field: str) -> tuple[T, ...]:
        """Return one value for each axis of positions. Raises SignatureError if a list has another length."""
        axes = AXES[x.rank]
        values = value if isinstance(value, tuple) else (value,) * len(axes)
        if len(values) != len(axes):
            message = f"{field} must have a number for each of {', '.join(axes)}, but has {len(values)}"
            raise SignatureError(message, field=field)
        return values


def _exact_factors(x: TensorType, sizes: tuple[Dim, ...]) -> tuple[tuple[int, int], ...] | None:
    """Return the factor of each axis as a fraction if it is the same at all sizes, and exact in binary; else None."""
    factors = []
    for before, after in zip(x.shape[2:], sizes, strict=True):
        above, below = after.exactly(before), before.exactly(after)
        if before.constant is not None and after.constant is not None:
            factor = Fraction(after.constant, before.constant)
        elif above is not None and above.constant is not None:
            factor = Fraction(above.constant)
        elif below is not None and below.constant is not None:
            factor = Fraction(1, below.constant)
        else:
            return None
        if factor.denominator > MOST_PARTS or factor.denominator & (factor.denominator - 1):
            return None
        factors.append((factor.numerator, factor.denominator))
    return tuple(factors)


@component("grid_sample", "x", "grid")
class GridSample(Component):
    """y[c, i, j] = x[c] at the place grid[i, j] = (across, down), from −1 at one edge of the image to 1 at the other.

    Between pixels it interpolates; nearest takes the nearest one, whose jumps are choices. With align_corners, −1 and 1
    are the centers of the first and last pixel, else their outer edges. x: [batch, channels, height, width],
    grid: [batch, rows, columns, 2] → y: [batch, channels, rows, columns]. torch.nn.functional.grid_sample, ONNX's
    GridSample; Jaderberg et al. 2015, arXiv:1506.02025.
    """

    mode: Annotated[Literal["bilinear", "nearest", "bicubic"], "how y is made of pixels around a place"] = "bilinear"
    padding_mode: Annotated[
        Literal["zeros", "border", "reflection"], "what is outside of the image: zeros, its edge, or its mirror image"
    ] = "zeros"
    align_corners: Annotated[bool, "whether −1 and 1 are centers of pixels, not edges of the image"] = False

    def pointwise_axes(self, x: TensorType, grid: TensorType) -> tuple[Axes, ...]:
        """Return batch and channels of x, and all axes of the grid but that of the coordinates."""
        return {0: (0,), 1: (1,)}, {0: (0,), 1: (2,), 2: (3,)}

    def signature(self, x: TensorType, grid: TensorType) -> Signature:
        """Return the type with the rows and columns of the grid."""
        require_float(x)
        require_float(grid, "grid")
        require_channels_first(x, 4)
        require_layout(grid, "[batch, rows, columns, 2]", "grid")
        if (grid.dtype, grid.shape[0], grid.shape[3]) != (x.dtype, x.shape[0], Dim.of(2)):
            expected = f"{x.dtype}[{x.shape[0]}, rows, columns, 2]"
            raise SignatureError(f"expects a grid {expected}, got {grid}", port="grid")
        return Signature((x.with_shape(*x.shape[:2], *grid.shape[1:3]),))

    @property
    def is_step(self) -> bool:
        """The nearest pixel jumps."""
        return self.mode == "nearest"

    def construction(self, x: TensorType, grid: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.grid_sample as a module."""
        from stackc.modules.resize import GridSample

        return construct(GridSample, self.mode, self.padding_mode, self.align_corners)

    def expression(self, x: str, grid: str) -> str:
        """Return a call of torch.nn.functional.grid_sample."""
        modes = f"mode={self.mode!r}, padding_mode={self.padding_mode!r}, align_corners={self.align_corners}"
        return f"F.grid_sample({x}, {grid}, {modes})"
