"""Faults in the wiring of components, and in attention, its masks and positions."""

from __future__ import annotations

import numpy as np
import onnx
from tests.benchmarks.mutants.faults import fault
from tests.benchmarks.mutants.graph import Graph, NotHere

from stackc.proof.stamped_model import stamp_of

ATTENTION = ("Attention", "MultiHeadAttention", "GroupQueryAttention")


def in_op(graph: Graph, node: onnx.NodeProto, *ops: str) -> None:
    """Raise NotHere unless the node belongs to a component of one of these ops."""
    if graph.op(node) not in ops:
        raise NotHere


@fault("wiring", "two inputs swapped", "Concat", "Sub", "Div", "MatMul")
def swap_inputs(graph: Graph, node: onnx.NodeProto) -> None:
    """Swap what enters a component of two inputs."""
    in_op(graph, node, "concat", "subtract", "divide", "matmul")
    if len(node.input) < 2 or graph.weights(node):
        raise NotHere
    node.input[0], node.input[1] = node.input[1], node.input[0]


@fault("wiring", "residual skipped", "Add")
def skip_residual(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "add")
    graph.replace_node(node, "Identity", [node.input[0]])


@fault("wiring", "the other half of a sum skipped", "Add")
def skip_branch(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "add")
    graph.replace_node(node, "Identity", [node.input[1]])


@fault(
    "wiring",
    "component skipped",
    "LayerNormalization",
    "RMSNormalization",
    "BatchNormalization",
    "Relu",
    "Gelu",
    "Tanh",
)
def skip_component(graph: Graph, node: onnx.NodeProto) -> None:
    """What the component reads is passed on."""
    if len(graph.component(node)) != 1:
        raise NotHere
    graph.replace_node(node, "Identity", [node.input[0]])


@fault("wiring", "reads another layer's output", "Add", "LayerNormalization", "RMSNormalization", "MatMul")
def wrong_tap(graph: Graph, node: onnx.NodeProto) -> None:
    """Read the value of the same name of the layer before, or another sum of the same layer."""
    nodes = list(graph.proto.node)
    before = nodes[: [n.name for n in nodes].index(node.name)]
    source = graph.producer(node.input[0])
    if source is None or stamp_of(source) == stamp_of(node):
        raise NotHere
    alike = [n for n in before if n.op_type == source.op_type and graph.op(n) == graph.op(source)]
    alike = [n for n in alike if n.name != source.name and graph.is_last(n)]
    if not alike or not graph.is_last(source):
        raise NotHere
    node.input[0] = alike[-1].output[0]


@fault("wiring", "layer skipped")
def skip_layer(graph: Graph, node: onnx.NodeProto) -> None:
    """What reads the second layer reads the first one instead."""
    path = stamp_of(node) or ""
    earlier = path.replace(".1.", ".0.", 1)
    before = next((n for n in graph.proto.node if stamp_of(n) == earlier and graph.is_last(n)), None)
    if earlier == path or before is None or not graph.is_last(node):
        raise NotHere
    readers = [
        n for n in graph.readers(node.output[0]) if not (stamp_of(n) or "").startswith(path.split(".1.")[0] + ".1.")
    ]
    if not readers or len(readers) < len(graph.readers(node.output[0])):
        raise NotHere
    for reader in readers:
        for index, name in enumerate(reader.input):
            if name == node.output[0]:
                reader.input[index] = before.output[0]


@fault("wiring", "two outputs of the model swapped")
def swap_outputs(graph: Graph, node: onnx.NodeProto) -> None:
    """Two outputs of one shape, but for the names of dims, change places: their producers compute each other's names.

    ONNX Runtime does not open others.
    """
    outputs = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in graph.proto.output}
    mine = [name for name in node.output if name in outputs]
    others = [name for name in outputs if mine and name != mine[0] and outputs[name] == outputs[mine[0]]]
    other = graph.producer(others[0]) if others else None
    if other is None:
        raise NotHere
    node.output[list(node.output).index(mine[0])] = "swapped"
    other.output[list(other.output).index(others[0])] = mine[0]
    node.output[list(node.output).index("swapped")] = others[0]


@fault("wiring", "two inputs of the model swapped", "Gather")
def swap_model_inputs(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "embedding")
    names = [value.name for value in graph.proto.input]
    others = [name for name in names if name != node.input[1] and "mask" not in name]
    if node.input[1] not in names or not others:
        raise NotHere
    node.input[1] = others[0]


@fault("attention", "queries and keys swapped", *ATTENTION)
def swap_queries_and_keys(graph: Graph, node: onnx.NodeProto) -> None:
    node.input[0], node.input[1] = node.input[1], node.input[0]


@fault("attention", "keys and values swapped", *ATTENTION)
def swap_keys_and_values(graph: Graph, node: onnx.NodeProto) -> None:
    node.input[1], node.input[2] = node.input[2], node.input[1]


@fault("attention", "causal dropped", "Trilu")
def drop_causal(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "attention")
    if graph.attribute(node, "upper").i:
        raise NotHere
    graph.replace_node(node, "Identity", [node.input[0]])


@fault("attention", "causal off by one", "Trilu")
def shift_causal(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "attention")
    diagonal = graph.array(node.input[1])
    node.input[1] = graph.constant(diagonal + 1, "int64")


@fault("attention", "one condition of a mask dropped", "And")
def drop_first_condition(graph: Graph, node: onnx.NodeProto) -> None:
    """Keep the second of the two that a mask combines: of padding, causal order or window."""
    in_op(graph, node, "attention")
    graph.replace_node(node, "Identity", [node.input[1]])


@fault("attention", "the other condition of a mask dropped", "And")
def drop_second_condition(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "attention")
    graph.replace_node(node, "Identity", [node.input[0]])


@fault("attention", "window dropped", "Trilu")
def drop_window(graph: Graph, node: onnx.NodeProto) -> None:
    """Keep positions however far back they are: a window is an upper triangle."""
    in_op(graph, node, "attention")
    if not graph.attribute(node, "upper").i:
        raise NotHere
    graph.replace_node(node, "Identity", [node.input[0]])


@fault("attention", "scale off", *ATTENTION)
def drop_scale(graph: Graph, node: onnx.NodeProto) -> None:
    """Do not divide scores by the root of the size of a head, or by twice that."""
    graph.set_attribute(node, "scale", 0.3)


@fault("attention", "scale off", "Mul")
def drop_written_scale(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "attention")
    if graph.array(node.input[1]).size != 1:
        raise NotHere
    node.input[1] = graph.constant(graph.array(node.input[1]) * np.float32(1.1))


@fault("attention", "heads merged wrong", "Transpose")
def merge_heads_wrong(graph: Graph, node: onnx.NodeProto) -> None:
    """Merge heads without putting positions in front of them."""
    in_op(graph, node, "attention")
    (reader, *_) = graph.readers(node.output[0]) or [node]
    if reader.op_type != "Reshape" or list(graph.attribute(node, "perm").ints) != [0, 2, 1, 3]:
        raise NotHere
    graph.replace_node(node, "Identity", [node.input[0]])


@fault("attention", "heads in another order", *ATTENTION)
def permute_heads(graph: Graph, node: onnx.NodeProto) -> None:
    """Take the values of the first head for the last one's too, where keys and queries differ."""
    if node.op_type != "Attention":
        raise NotHere
    _gather_heads(graph, node, 2)


@fault("attention", "kv groups permuted", "Attention")
def permute_groups(graph: Graph, node: onnx.NodeProto) -> None:
    _gather_heads(graph, node, 1)


def _gather_heads(graph: Graph, node: onnx.NodeProto, index: int) -> None:
    """Reverse the axis of heads of an operand of [batch, heads, positions, size]."""
    reversed_ = [graph.constant([number], "int64") for number in (-1, -(1 << 30), 1, -1)]
    node.input[index] = graph.insert(node, "Slice", [node.input[index], *reversed_])


@fault("attention", "kv groups permuted", "Unsqueeze")
def permute_written_groups(graph: Graph, node: onnx.NodeProto) -> None:
    """The same where heads are repeated node by node."""
    in_op(graph, node, "attention")
    if graph.ranks.get(node.output[0]) != 5:
        raise NotHere
    _gather_heads(graph, node, 0)


@fault("attention", "rotary off by one", "Cos")
def shift_queries(graph: Graph, node: onnx.NodeProto) -> None:
    """The positions of queries begin at one, those of keys at zero."""
    in_op(graph, node, "attention")
    angles = node.input[0]
    (sine,) = [n for n in graph.component(node, "Sin") if n.input[0] == angles]
    products = [n for n in graph.component(node, "Mul") if n.input[1].startswith("constant/")]
    frequencies = next((n.input[1] for n in products if graph.array(n.input[1]).size > 1), None)
    if frequencies is None:
        raise NotHere
    shifted = graph.insert(node, "Add", [angles, frequencies])
    for source in (node, sine):
        turned = graph.insert(source, source.op_type, [shifted], after=True)
        for reader in graph.readers(source.output[0])[:2]:
            reader.input[list(reader.input).index(source.output[0])] = turned


@fault("attention", "positions off by one", "Range")
def shift_positions(graph: Graph, node: onnx.NodeProto) -> None:
    """Positions from one on; nothing changes where only their differences count."""
    inner, output = graph.take_output(node)
    one = graph.constant(1, "float32" if graph.types.get(output) == onnx.TensorProto.FLOAT else "int64")
    graph.insert(node, "Add", [inner, one], output, after=True)


@fault("attention", "rotary turned backwards", "Sin")
def turn_backwards(graph: Graph, node: onnx.NodeProto) -> None:
    inner, output = graph.take_output(node)
    graph.insert(node, "Neg", [inner], output, after=True)


@fault("attention", "wrong base of positions", "Mul")
def change_base(graph: Graph, node: onnx.NodeProto) -> None:
    """Frequencies of another base: those of the lowest are off by a hundredth."""
    in_op(graph, node, "attention", "sinusoidal_position")
    for index, name in enumerate(node.input):
        if name.startswith("constant/") and graph.array(name).size > 1:
            array = graph.array(name)
            exponents = np.arange(array.size, dtype=np.float32).reshape(array.shape) / array.size
            node.input[index] = graph.constant((array * 1.01**exponents).astype(np.float32))
            return
    raise NotHere


@fault("masks", "mask ignored", "Cast")
def ignore_mask(graph: Graph, node: onnx.NodeProto) -> None:
    """Every position is kept: the mask times zero is zero."""
    _mask(graph, node)
    node.input[0] = graph.insert(node, "Equal", [node.input[0], node.input[0]])


@fault("masks", "mask inverted", "Cast")
def invert_mask(graph: Graph, node: onnx.NodeProto) -> None:
    _mask(graph, node)
    inner, output = graph.take_output(node)
    graph.insert(node, "Not", [inner], output, after=True)


def _mask(graph: Graph, node: onnx.NodeProto) -> None:
    if "mask" not in node.input[0] or graph.attribute(node, "to").i != onnx.TensorProto.BOOL:
        raise NotHere


@fault("masks", "NaN where a row is fully masked", "Softmax", "Attention", rare=True)
def nan_on_padding(graph: Graph, node: onnx.NodeProto) -> None:
    """−∞ in the place of a large negative number."""
    wheres = [n for n in graph.component(node, "Where") if n.output[0] in _ancestors(graph, node)]
    if not wheres:
        raise NotHere
    wheres[-1].input[2] = graph.constant(-np.inf)


@fault("masks", "a fully masked row gives another answer", "Where", rare=True)
def weak_mask(graph: Graph, node: onnx.NodeProto) -> None:
    """Scores of masked positions are lowered by 1e4 only: other weights where everything is masked."""
    in_op(graph, node, "attention")
    if graph.array(node.input[2]).size != 1:
        raise NotHere
    node.input[2] = graph.constant(np.float32(-60.0))


@fault("masks", "the mask of the first position ignored", "Cast", rare=True)
def ignore_first(graph: Graph, node: onnx.NodeProto) -> None:
    _mask_at(graph, node, 0)


@fault("masks", "the mask of position 4 ignored", "Cast", rare=True)
def ignore_fourth(graph: Graph, node: onnx.NodeProto) -> None:
    _mask_at(graph, node, 4)


def _mask_at(graph: Graph, node: onnx.NodeProto, position: int) -> None:
    """Keep one position, whatever the mask says of it."""
    _mask(graph, node)
    inner, output = graph.take_output(node)
    zero = graph.constant(0, "int64")
    length = graph.insert(node, "Shape", [node.input[0]], start=1, end=2)
    numbers = graph.insert(node, "Range", [zero, graph.insert(node, "Squeeze", [length]), graph.constant(1, "int64")])
    here = graph.insert(node, "Equal", [numbers, graph.constant(position, "int64")])
    row = graph.insert(node, "Unsqueeze", [here, graph.constant([0], "int64")])
    graph.insert(node, "Or", [inner, row], output, after=True)


def _ancestors(graph: Graph, node: onnx.NodeProto) -> set[str]:
    """Return the tensors of the component that a node's result comes from."""
    found, pending = set(), list(node.input)
    path = stamp_of(node)
    while pending:
        name = pending.pop()
        source = graph.producer(name)
        if name not in found and source is not None and stamp_of(source) == path:
            found.add(name)
            pending.extend(source.input)
    return found
