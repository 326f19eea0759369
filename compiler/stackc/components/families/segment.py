"""Entries combined by index, over lists such as the edges of a graph: each entry belongs to the segment of its index.

Segments need not be sorted, and may be empty. The index is a list of whole numbers from 0 to size − 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from stackc.components.axes import Axes, except_along
from stackc.components.base import (
    Component,
    Port,
    Signature,
    SignatureError,
    axis_of,
    require_float,
    require_integer,
    require_layout,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.registry import component
from stackc.components.size_checks import at_least_one, read_off_all
from stackc.components.size_expressions import Extent
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn

INDEX = Port("index")
LIKE = Port("like", optional=True)


@dataclass(frozen=True, kw_only=True)
class _Segments(Component):
    """The base class of components that read entries of an axis with an index each, in `size` segments."""

    size: Annotated[Extent, "the number of segments, such as that of nodes; `like` is any tensor that has its dims"]
    axis: Annotated[int, "the axis of the entries, counted from 0, or from the end if negative"] = 0

    mixes = ("combines entries of the axis by index", None)

    def pointwise_axes(self, x: TensorType, index: TensorType, like: TensorType | None = None) -> tuple[Axes, ...]:
        """Return all axes of x but that of the entries."""
        return (except_along(lambda self, x: (axis_of(self.axis, x),))(self, x)[0], {}, {})

    def index_bounds(self, x: TensorType, index: TensorType, like: TensorType | None = None) -> Mapping[str, Dim]:
        """Return the number of segments."""
        return {"index": Dim.of(self.size)}

    def _axis_of_entries(self, x: TensorType, index: TensorType, like: TensorType | None) -> int:
        """Return the axis of the entries. Raises SignatureError unless x, index and `like` fit."""
        require_float(x, is_arithmetic=True)
        require_integer(index, "index")
        axis = axis_of(self.axis, x)
        require_one_index_each(x, axis, index)
        read_off_all((self.size,), x, like, "size")
        return axis


def require_one_index_each(x: TensorType, axis: int, index: TensorType, port: str = "x") -> None:
    """Raise SignatureError unless index is a list with an index for each entry of an axis of x."""
    if index.rank != 1 or index.shape[0] != x.shape[axis]:
        message = f"expects one index for each of the {x.shape[axis]} entries of {port}, axis {axis}, got {index}"
        raise SignatureError(message, port="index")


@dataclass(frozen=True, kw_only=True)
class _Reduction(_Segments):
    """The base class of reductions over segments."""

    torch_name: ClassVar[str]

    def signature(self, x: TensorType, index: TensorType, like: TensorType | None = None) -> Signature:
        """Return the type with one entry for each segment."""
        axis = self._axis_of_entries(x, index, like)
        y = x.with_shape(*x.shape[:axis], self.size, *x.shape[axis + 1 :])
        return Signature((y,), limits=at_least_one((self.size,)))

    def construction(
        self, x: TensorType, index: TensorType, like: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return the reduction as a module."""
        from stackc.modules.segment import SegmentReduction

        (size,) = read_off_all((self.size,), x, like, "size")
        return construct(SegmentReduction, self.torch_name, size, axis_of(self.axis, x))


@component("segment_sum", "x", INDEX, LIKE)
class SegmentSum(_Reduction):
    """y[i] = Σ x[j] over the j with index[j] = i: the messages that arrive at each node of a graph, added.

    x: [edges, ...], index: [edges] whole numbers from 0 to size − 1 → y: [size, ...], 0 where there is none.
    """

    torch_name: ClassVar[str] = "sum"


@component("segment_mean", "x", INDEX, LIKE)
class SegmentMean(_Reduction):
    """y[i] = the mean of x[j] over the j with index[j] = i.

    x: [edges, ...], index: [edges] whole numbers from 0 to size − 1 → y: [size, ...], 0 where there is none.
    """

    torch_name: ClassVar[str] = "mean"


@component("segment_max", "x", INDEX, LIKE)
class SegmentMax(_Reduction):
    """y[i] = the maximum of x[j] over the j with index[j] = i.

    x: [edges, ...], index: [edges] whole numbers from 0 to size − 1 → y: [size, ...], 0 where there is none.
    """

    torch_name: ClassVar[str] = "amax"


@component("segment_min", "x", INDEX, LIKE)
class SegmentMin(_Reduction):
    """y[i] = the minimum of x[j] over the j with index[j] = i.

    x: [edges, ...], index: [edges] whole numbers from 0 to size − 1 → y: [size, ...], 0 where there is none.
    """

    torch_name: ClassVar[str] = "amin"


@component("segment_softmax", "x", INDEX, LIKE)
class SegmentSoftmax(_Segments):
    """y[j] = exp(x[j]) / Σ exp(x[k]) over the k with index[k] = index[j]: weights that add up to 1 in each segment.

    x: [edges, ...], index: [edges] whole numbers from 0 to size − 1 → y: the type of x. With the scores of edges and
    the nodes that they end at it is the attention of Veličković et al. 2018, arXiv:1710.10903.
    """

    def signature(self, x: TensorType, index: TensorType, like: TensorType | None = None) -> Signature:
        """Return the same type."""
        self._axis_of_entries(x, index, like)
        return Signature((x,), limits=at_least_one((self.size,)))

    def construction(
        self, x: TensorType, index: TensorType, like: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return the softmax over segments as a module."""
        from stackc.modules.segment import SegmentSoftmax

        (size,) = read_off_all((self.size,), x, like, "size")
        return construct(SegmentSoftmax, size, axis_of(self.axis, x))


@component("scatter_add", "x", INDEX, "source")
class ScatterAdd(Component):
    """y = x, and then y[index[j], ...] += source[j, ...] for each j: entries added to those of x at an index.

    x: [..., n, ...], index: [m] whole numbers from 0 to n − 1, source: [..., m, ...] → y: the type of x. It is
    torch.Tensor.index_add.
    """

    axis: Annotated[int, "the axis of the entries, counted from 0, or from the end if negative"] = 0

    mixes = ("combines entries of the axis by index", None)

    def pointwise_axes(self, x: TensorType, index: TensorType, source: TensorType) -> tuple[Axes, ...]:
        """Return all axes of x and source but that of the entries."""
        axis = axis_of(self.axis, x)
        others: Axes = {i: (i,) for i in range(x.rank) if i != axis}
        return others, {}, others

    def signature(self, x: TensorType, index: TensorType, source: TensorType) -> Signature:
        """Return the type of x."""
        require_float(x, is_arithmetic=True)
        require_integer(index, "index")
        axis = axis_of(self.axis, x)
        if source != x.with_shape(*x.shape[:axis], *source.shape[axis : axis + 1], *x.shape[axis + 1 :]):
            message = f"cannot add {source} to entries of {x}: they differ in more than the size of axis {axis}"
            raise SignatureError(message, port="source")
        require_one_index_each(source, axis, index, "source")
        return Signature((x,))

    def index_bounds(self, x: TensorType, index: TensorType, source: TensorType) -> Mapping[str, Dim]:
        """Return the number of entries of x."""
        return {"index": x.shape[axis_of(self.axis, x)]}

    def construction(self, x: TensorType, index: TensorType, source: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.Tensor.index_add as a module."""
        from stackc.modules.segment import ScatterAdd

        return construct(ScatterAdd, axis_of(self.axis, x))


@component("degree", "x", Port("like"))
class Degree(Component):
    """y[i] = how many entries of x are i: the number of edges at each node.

    x: [edges] whole numbers from 0 to nodes − 1, like: [nodes, ...], of which the size and the element type are read
    → y: [nodes].
    """

    mixes = ("counts entries of the axis by index", None)
    size_ports = frozenset[str]()

    def signature(self, x: TensorType, like: TensorType) -> Signature:
        """Return a vector with one number for each node."""
        require_integer(x)
        require_layout(x, "[edges]")
        require_float(like, "like")
        if not like.rank:
            raise SignatureError(f"expects [nodes, ...], got {like}", port="like")
        return Signature((like.with_shape(like.shape[0]),))

    def index_bounds(self, x: TensorType, like: TensorType) -> Mapping[str, Dim]:
        """Return the number of nodes."""
        return {"x": like.shape[0]}

    def construction(self, x: TensorType, like: TensorType) -> ConstructorCall[nn.Module]:
        """Return the count as a module."""
        from stackc.modules.segment import Degree

        return construct(Degree)
