"""A linked ONNX model that a fault is planted in: nodes by component, weights as arrays, nodes to insert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from stackc.onnx_format.nodes import reads
from stackc.proof.stamped_model import stamp_of

Array: TypeAlias = npt.NDArray[Any]
CONSTANT = "constant/"


class NotHere(Exception):
    """A fault does not apply to the node that it was offered."""


class Graph:
    """A flat model with its weights inside.

    `ops` has the op of every component by its path, `types` and `ranks` what onnx infers of its tensors; `largest` is
    the largest size that a dim may have.
    """

    def __init__(
        self, model: onnx.ModelProto, ops: Mapping[str, str], types: Mapping[str, int], ranks: Mapping[str, int],
        largest: int,
    ) -> None:  # fmt: skip
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.ops = ops
        self.types = types
        self.ranks = ranks
        self.largest = largest
        self.count = 0

    @property
    def proto(self) -> onnx.GraphProto:
        return self.model.graph

    @property
    def opset(self) -> int:
        return next(int(entry.version) for entry in self.model.opset_import if entry.domain == "")

    # -- nodes

    def node(self, name: str) -> onnx.NodeProto:
        """Return the node of a name. Raises NotHere."""
        found: onnx.NodeProto | None = next((node for node in self.proto.node if node.name == name), None)
        if found is None:
            raise NotHere
        return found

    def op(self, node: onnx.NodeProto) -> str:
        """Return the op of the component that a node belongs to."""
        return self.ops.get(stamp_of(node) or "", "")

    def component(self, node: onnx.NodeProto, *op_types: str) -> list[onnx.NodeProto]:
        """Return the nodes of the component that a node belongs to, in order, of these types."""
        path = stamp_of(node)
        return [n for n in self.proto.node if stamp_of(n) == path and (not op_types or n.op_type in op_types)]

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        return next((node for node in self.proto.node if tensor in node.output), None)

    def readers(self, tensor: str) -> list[onnx.NodeProto]:
        return [node for node in self.proto.node if tensor in reads(node)]

    def is_last(self, node: onnx.NodeProto) -> bool:
        """Return whether a node is the last of its component."""
        return bool(self.component(node)[-1].name == node.name)

    def is_float(self, node: onnx.NodeProto) -> bool:
        """Return whether all that a node reads and computes is known to be float32."""
        names = [*node.input, *node.output]
        return all(self.types.get(name) == onnx.TensorProto.FLOAT for name in names)

    # -- attributes

    def attribute(self, node: onnx.NodeProto, name: str) -> onnx.AttributeProto:
        """Return an attribute. Raises NotHere if the node has none of that name."""
        found: onnx.AttributeProto | None = next((a for a in node.attribute if a.name == name), None)
        if found is None:
            raise NotHere
        return found

    def set_attribute(self, node: onnx.NodeProto, name: str, value: object) -> None:
        for index, attribute in enumerate(node.attribute):
            if attribute.name == name:
                del node.attribute[index]
                break
        node.attribute.append(helper.make_attribute(name, value))

    # -- tensors

    def array(self, name: str) -> Array:
        """Return the numbers of an initializer. Raises NotHere if there is none of that name."""
        for tensor in self.proto.initializer:
            if tensor.name == name:
                return numpy_helper.to_array(tensor).copy()
        raise NotHere

    def set_array(self, name: str, array: Array) -> None:
        (tensor,) = (tensor for tensor in self.proto.initializer if tensor.name == name)
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))

    def weights(self, node: onnx.NodeProto) -> list[str]:
        """Return the weights that a node reads: initializers that are no constants of the linker."""
        names = {tensor.name for tensor in self.proto.initializer if not tensor.name.startswith(CONSTANT)}
        return [name for name in node.input if name in names]

    def matrix(self, node: onnx.NodeProto) -> tuple[str, Array]:
        """Return the first weight of a node that has two axes or more. Raises NotHere."""
        for name in self.weights(node):
            array = self.array(name)
            if array.ndim >= 2 and array.dtype == np.float32:
                return name, array
        raise NotHere

    def constant(self, value: object, dtype: str = "float32") -> str:
        """Add an initializer, and return its name."""
        name = f"{CONSTANT}fault{self._number()}"
        self.proto.initializer.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    # -- insertions

    def insert(
        self, near: onnx.NodeProto, op_type: str, inputs: list[str], output: str = "", *, after: bool = False,
        domain: str = "", **attributes: object,
    ) -> str:  # fmt: skip
        """Insert a node before or after another, of the same component; return its output."""
        output = output or self.fresh(near)
        new = helper.make_node(op_type, inputs, [output], name=f"{stamp_of(near)}/Fault{self._number()}", domain=domain)
        new.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        new.metadata_props.extend(near.metadata_props)
        index = next(i for i, node in enumerate(self.proto.node) if node.name == near.name) + after
        self.proto.node.insert(index, new)
        return output

    def take_output(self, node: onnx.NodeProto) -> tuple[str, str]:
        """Give the output of a node another name; return the new name, and the old one for another node to compute."""
        output, inner = node.output[0], self.fresh(node)
        node.output[0] = inner
        return inner, output

    def fresh(self, node: onnx.NodeProto) -> str:
        """Return a name for a new tensor of the component that a node belongs to."""
        return f"{stamp_of(node)}/fault{self._number()}"

    def replace_node(self, node: onnx.NodeProto, op_type: str, inputs: list[str], **attributes: object) -> None:
        """Make another node of a node, with the same output."""
        node.op_type = op_type
        node.domain = ""
        del node.input[:], node.attribute[:]
        node.input.extend(inputs)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())

    def _number(self) -> int:
        self.count += 1
        return self.count


def changed_components(before: onnx.ModelProto, after: onnx.ModelProto) -> frozenset[str]:
    """Return the paths of the components whose nodes or weights differ, or that read a weight which differs, or a
    tensor that another node of the model computes."""
    old = {node.name: node.SerializeToString(deterministic=True) for node in before.graph.node}
    new = {node.name: node.SerializeToString(deterministic=True) for node in after.graph.node}
    paths = {
        stamp_of(node)
        for graph, others in ((before.graph, new), (after.graph, old))
        for node in graph.node
        if others.get(node.name) != node.SerializeToString(deterministic=True)
    }
    changed = frozenset(_changed_tensors(before.graph, after.graph)) | _exchanged(before.graph, after.graph)
    paths |= {stamp_of(node) for node in before.graph.node if changed & set(reads(node))}
    return frozenset(path for path in paths if path)


def _exchanged(before: onnx.GraphProto, after: onnx.GraphProto) -> frozenset[str]:
    """Return the tensors that are computed by a node which computed another tensor before."""
    old, new = ({name: node.name for node in graph.node for name in node.output} for graph in (before, after))
    names = {node.name for node in before.node} & {node.name for node in after.node}
    return frozenset(t for t in old.keys() & new.keys() if old[t] != new[t] and {old[t], new[t]} <= names)


def _changed_tensors(before: onnx.GraphProto, after: onnx.GraphProto) -> Iterator[str]:
    old = {tensor.name: tensor.SerializeToString() for tensor in before.initializer}
    for tensor in after.initializer:
        if tensor.name in old and old[tensor.name] != tensor.SerializeToString():
            yield tensor.name
