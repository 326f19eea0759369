"""Entries picked by index: rows of a table that is computed, and the constant ones that a spec lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import Axes, pointwise, rearranged, replaced
from stackc.components.base import Component, Limit, Port, Signature, SignatureError, axis_of, require_integer
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Natural
from stackc.components.registry import component
from stackc.components.size_checks import require_entries
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn

Axis = Annotated[int, "the axis, counted from 0, or from the end if negative"]
INDEX = Port("index")


@component("gather", "x", INDEX)
class Gather(Component):
    """y[j, ...] = x[index[j], ...]: entries of an axis by index, for example the node at the start of each edge.

    x: [..., n, ...], index: [...] whole numbers from 0 to n − 1 → y: x with the axes of index in place of the axis.
    With `batch_dims: 1` each sample has indices of its own: x: [batch, n, ...], index: [batch, k] → y: [batch, k, ...].
    It is Gather of ONNX; that of PyTorch is `gather_elements`.
    """

    axis: Annotated[
        int | None, "the axis of x, counted from 0, or from the end if negative; by default the first after batch_dims"
    ] = None
    batch_dims: Annotated[Natural, "how many leading axes x and index share"] = 0

    mixes = ("picks entries of the axis by index", None)

    def pointwise_axes(self, x: TensorType, index: TensorType) -> tuple[Axes, ...]:
        """Return all axes but that of the entries."""
        axis, batch = self._axis(x), self.batch_dims
        added = index.rank - batch - 1
        kept = {i: (i if i < axis else i + added,) for i in range(x.rank) if i != axis}
        return kept, {i: (i if i < batch else axis + i - batch,) for i in range(index.rank)}

    def signature(self, x: TensorType, index: TensorType) -> Signature:
        """Return x with the axes of index in place of the axis."""
        require_integer(index, "index")
        axis, batch = self._axis(x), self.batch_dims
        if axis < batch:
            message = f"axis {self.axis} is one of the {batch} that x and index share"
            raise SignatureError(message, field="axis")
        if index.rank < batch or x.shape[:batch] != index.shape[:batch]:
            message = f"{x} and {index} differ in the first {batch} axes, which batch_dims shares"
            raise SignatureError(message, port="index")
        return Signature((x.with_shape(*x.shape[:axis], *index.shape[batch:], *x.shape[axis + 1 :]),))

    def index_bounds(self, x: TensorType, index: TensorType) -> Mapping[str, Dim]:
        """Return the number of entries of the axis."""
        return {"index": x.shape[self._axis(x)]}

    def construction(self, x: TensorType, index: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.index_select, or torch.gather with batch_dims, as a module."""
        from stackc.modules.indexing import BatchedGather, Gather

        axis = self._axis(x)
        return construct(BatchedGather, axis, self.batch_dims) if self.batch_dims else construct(Gather, axis)

    def _axis(self, x: TensorType) -> int:
        return axis_of(self.batch_dims if self.axis is None else self.axis, x)


@component("gather_elements", "x", INDEX)
class GatherElements(Component):
    """y[..., j, ...] = x[..., index[..., j, ...], ...]: an index for each element, as torch.take_along_dim has it.

    x: [..., n, ...], index: [..., k, ...] whole numbers from 0 to n − 1, the other axes equal, or 1 in index, whose
    entries are repeated there → y: x with k entries. It applies the indices of `sort` and `topk` to another tensor.
    """

    axis: Axis = -1

    mixes = ("picks entries of the axis by index", None)

    def pointwise_axes(self, x: TensorType, index: TensorType) -> tuple[Axes, ...]:
        """Return the other axes of x, and those of index that are not repeated."""
        others = self._others(x)
        own = {i: (i,) for i in range(x.rank) if i not in others or index.shape[i] != 1}
        return {i: (i,) for i in others}, own

    def signature(self, x: TensorType, index: TensorType) -> Signature:
        """Return x with an element for each index along the axis."""
        require_integer(index, "index")
        axis = axis_of(self.axis, x)
        if x.rank != index.rank or any(index.shape[i] not in (x.shape[i], 1) for i in self._others(x)):
            message = f"{index} differs from {x} in more than axis {self.axis}: every element of y has its own index"
            hint = "the component `gather` takes whole entries of an axis, with one index each"
            raise SignatureError(message, port="index", hint=hint)
        return Signature((x.with_shape(*x.shape[:axis], index.shape[axis], *x.shape[axis + 1 :]),))

    def index_bounds(self, x: TensorType, index: TensorType) -> Mapping[str, Dim]:
        """Return the number of entries of the axis."""
        return {"index": x.shape[axis_of(self.axis, x)]}

    def construction(self, x: TensorType, index: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.gather as a module."""
        from stackc.modules.indexing import GatherElements

        repeated = tuple(i for i in self._others(x) if index.shape[i] == 1 != x.shape[i])
        return construct(GatherElements, self.axis, repeated)

    def _others(self, x: TensorType) -> list[int]:
        """Return the axes of x but that of the entries."""
        axis = axis_of(self.axis, x)
        return [i for i in range(x.rank) if i != axis]


@component("take", "x")
class Take(Component):
    """y = x[..., indices, ...]: the entries of an axis that the spec lists, in that order; one may be there twice.

    x: [..., n, ...] → y: [..., k, ...] for k indices from 0 to n − 1, or from −n to −1 counted from the end.
    """

    indices: Annotated[tuple[int, ...], "the entries to take"]
    axis: Axis = -1

    mixes = ("takes only some entries of the axis", None)
    pointwise_axes = rearranged(lambda self, x: replaced(x, self.axis, 1))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type with one entry for each index."""
        axis = axis_of(self.axis, x)
        if not self.indices:
            raise SignatureError("indices lists no entry", field="indices")
        needed = max(i + 1 if i >= 0 else -i for i in self.indices)
        require_entries(x.shape[axis], needed, x, "indices")

        y = x.with_shape(*x.shape[:axis], len(self.indices), *x.shape[axis + 1 :])
        limit = Limit(x.shape[axis], f"its indices need an axis of {needed} entries", minimum=needed)
        return Signature((y,), limits=(limit,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.index_select with constant indices as a module."""
        from stackc.modules.indexing import Take

        return construct(Take, self.indices, axis_of(self.axis, x))
