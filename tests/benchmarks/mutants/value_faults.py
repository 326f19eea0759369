"""Faults in norms, activations and sizes, and such as only some values of the inputs show."""

from __future__ import annotations

import numpy as np
import onnx
from tests.benchmarks.mutants.faults import fault
from tests.benchmarks.mutants.graph import Graph, NotHere
from tests.benchmarks.mutants.wiring_faults import in_op

NORMS = ("LayerNormalization", "RMSNormalization", "BatchNormalization", "InstanceNormalization", "GroupNormalization")
ACTIVATIONS = ("Relu", "Gelu", "Tanh", "Sigmoid", "LeakyRelu", "Erf")


@fault("norms", "eps ten times as large", *NORMS)
def multiply_eps(graph: Graph, node: onnx.NodeProto) -> None:
    epsilon = graph.attribute(node, "epsilon").f
    graph.set_attribute(node, "epsilon", max(10 * epsilon, 1e-5))


@fault("norms", "eps dropped", *NORMS)
def drop_eps(graph: Graph, node: onnx.NodeProto) -> None:
    graph.set_attribute(node, "epsilon", 0.0)


@fault("norms", "eps of 1e-3 in a norm written out", "Add")
def change_written_eps(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "rms_norm", "layer_norm", "batch_norm", "group_norm")
    if graph.array(node.input[1]).size != 1:
        raise NotHere
    node.input[1] = graph.constant(np.float32(1e-3))


@fault("norms", "wrong axis", "LayerNormalization", "RMSNormalization")
def change_axis(graph: Graph, node: onnx.NodeProto) -> None:
    """Normalize positions together, with the weight still along the last axis."""
    graph.set_attribute(node, "axis", -2)


@fault("norms", "wrong axis", "ReduceMean", "ReduceL2", "ReduceSum")
def change_reduced_axis(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "rms_norm", "layer_norm", "l2_normalize", "mean_pool")
    axis = graph.array(node.input[1])
    node.input[1] = graph.constant(np.where(axis == 0, 1, 0), "int64")


@fault("norms", "weight dropped", *NORMS)
def drop_weight(graph: Graph, node: onnx.NodeProto) -> None:
    node.input[1] = graph.constant(np.ones_like(graph.array(node.input[1])))


@fault("norms", "weight dropped", "Mul")
def drop_written_weight(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "rms_norm")
    (name, *_) = graph.weights(node) or [""]
    node.input[list(node.input).index(name)] = graph.constant(np.ones_like(graph.array(name)))


@fault("norms", "running statistics swapped", "BatchNormalization")
def swap_statistics(graph: Graph, node: onnx.NodeProto) -> None:
    """Mean for variance; of the mean its size, which is one."""
    mean, variance = graph.array(node.input[3]), graph.array(node.input[4])
    node.input[3], node.input[4] = graph.constant(variance), graph.constant(np.abs(mean) + np.float32(0.1))


@fault("norms", "variance of one pass", "LayerNormalization", rare=True)
def one_pass_variance(graph: Graph, node: onnx.NodeProto) -> None:
    """E[x²] − E[x]²: right where the mean is small."""
    x, *rest = node.input
    epsilon = graph.attribute(node, "epsilon").f
    axes = graph.constant([-1], "int64")

    def mean(of: str) -> str:
        if graph.opset >= 18:
            return graph.insert(node, "ReduceMean", [of, axes], keepdims=1)
        return graph.insert(node, "ReduceMean", [of], keepdims=1, axes=[-1])

    center = mean(x)
    squares = mean(graph.insert(node, "Mul", [x, x]))
    variance = graph.insert(node, "Sub", [squares, graph.insert(node, "Mul", [center, center])])
    root = graph.insert(node, "Sqrt", [graph.insert(node, "Add", [variance, graph.constant(np.float32(epsilon))])])
    normal = graph.insert(node, "Div", [graph.insert(node, "Sub", [x, center]), root])
    weighted = graph.insert(node, "Mul", [normal, rest[0]]) if rest else normal
    graph.replace_node(node, "Add" if len(rest) > 1 else "Identity", [weighted, *rest[1:]])


@fault("activations", "gelu of tanh in place of erf", "Gelu")
def approximate_gelu(graph: Graph, node: onnx.NodeProto) -> None:
    exact = graph.attribute(node, "approximate").s == b"none"
    graph.set_attribute(node, "approximate", "tanh" if exact else "none")


@fault("activations", "erf replaced by a tanh", "Erf")
def tanh_for_erf(graph: Graph, node: onnx.NodeProto) -> None:
    factor = graph.constant(np.float32(1.1283792))
    scaled = graph.insert(node, "Mul", [node.input[0], factor])
    cubed = graph.insert(node, "Mul", [node.input[0], graph.insert(node, "Mul", [node.input[0], node.input[0]])])
    bent = graph.insert(node, "Mul", [cubed, graph.constant(np.float32(0.10091))])
    graph.replace_node(node, "Tanh", [graph.insert(node, "Add", [scaled, bent])])


@fault("activations", "relu6 for relu", "Relu", rare=True)
def clip_relu(graph: Graph, node: onnx.NodeProto) -> None:
    graph.replace_node(node, "Clip", [node.input[0], graph.constant(np.float32(0)), graph.constant(np.float32(6))])


@fault("activations", "leaky slope of 1e-2 for relu", "Relu")
def leak(graph: Graph, node: onnx.NodeProto) -> None:
    graph.replace_node(node, "LeakyRelu", [node.input[0]], alpha=1e-2)


@fault("activations", "leaky slope doubled", "LeakyRelu")
def double_slope(graph: Graph, node: onnx.NodeProto) -> None:
    graph.set_attribute(node, "alpha", 2 * graph.attribute(node, "alpha").f)


@fault("activations", "softmax along another axis", "Softmax")
def change_softmax_axis(graph: Graph, node: onnx.NodeProto) -> None:
    graph.set_attribute(node, "axis", 1)


@fault("activations", "hard sigmoid for sigmoid", "Sigmoid")
def harden_sigmoid(graph: Graph, node: onnx.NodeProto) -> None:
    graph.replace_node(node, "HardSigmoid", [node.input[0]], alpha=0.2, beta=0.5)


@fault("activations", "softsign for tanh", "Tanh")
def sign_softly(graph: Graph, node: onnx.NodeProto) -> None:
    graph.replace_node(node, "Softsign", [node.input[0]])


@fault("activations", "another pooling", "MaxPool")
def average_pool(graph: Graph, node: onnx.NodeProto) -> None:
    for name in ("storage_order", "dilations"):
        for index, attribute in enumerate(node.attribute):
            if attribute.name == name:
                del node.attribute[index]
                break
    node.op_type = "AveragePool"


@fault("sizes", "a dim frozen at 7", "Add", "MatMul")
def freeze_dim(graph: Graph, node: onnx.NodeProto) -> None:
    """The number of positions is a constant: other sizes fail, or fold rows together."""
    in_op(graph, node, "mlp", "linear", "attention")
    (name, *_) = graph.weights(node) or [""]
    if not graph.is_last(node) or graph.ranks.get(node.output[0]) != 3:
        raise NotHere
    inner, output = graph.take_output(node)
    graph.insert(
        node, "Reshape", [inner, graph.constant([-1, 7, graph.array(name).shape[-1]], "int64")], output, after=True
    )


@fault("sizes", "a slice off by one", "Slice")
def shift_slice(graph: Graph, node: onnx.NodeProto) -> None:
    """Positions from one on, of a table that has one more than is needed."""
    in_op(graph, node, "learned_position")
    one = graph.constant([1], "int64")
    node.input[1], node.input[2] = one, graph.insert(node, "Add", [node.input[2], one])


@fault("sizes", "positions of a table clipped", "Slice", rare=True)
def clip_positions(graph: Graph, node: onnx.NodeProto) -> None:
    """From half of the table on every position has the vector of the one in the middle."""
    in_op(graph, node, "learned_position")
    numbers = _numbers(graph, node, node.input[2])
    clipped = graph.insert(node, "Min", [numbers, graph.constant(graph.largest // 2, "int64")])
    graph.replace_node(node, "Gather", [node.input[0], clipped], axis=0)


def _numbers(graph: Graph, node: onnx.NodeProto, length: str) -> str:
    zero, one = graph.constant(0, "int64"), graph.constant(1, "int64")
    return graph.insert(node, "Range", [zero, graph.insert(node, "Squeeze", [length]), one])


@fault("sizes", "rotary positions clipped", "Range", rare=True)
def clip_rotary(graph: Graph, node: onnx.NodeProto) -> None:
    """Positions beyond three quarters of the largest size are that number."""
    in_op(graph, node, "attention", "sinusoidal_position")
    inner, output = graph.take_output(node)
    dtype = "float32" if graph.types.get(output) == onnx.TensorProto.FLOAT else "int64"
    graph.insert(node, "Min", [inner, graph.constant(graph.largest * 3 // 4, dtype)], output, after=True)


@fault("sizes", "wrong beyond three quarters of the positions", "Add", "MatMul", "LayerNormalization", rare=True)
def wrong_beyond(graph: Graph, node: onnx.NodeProto) -> None:
    """What is computed there is a thousandth too large."""
    in_op(graph, node, "mlp", "attention", "layer_norm", "rms_norm")
    if not graph.is_last(node) or graph.ranks.get(node.output[0]) != 3:
        raise NotHere
    inner, output = graph.take_output(node)
    length = graph.insert(node, "Shape", [inner], start=1, end=2, after=True)
    last = graph.producer(length)
    assert last is not None, "it was just inserted"
    zero, one, start = (graph.constant(x, "int64") for x in (0, 1, graph.largest * 3 // 4))
    scalar, numbers, beyond, column, factor = (graph.fresh(node) for _ in range(5))

    # inserted in reverse: each is put right behind the node that computes the length
    graph.insert(last, "Mul", [inner, factor], output, after=True)
    larger = [graph.constant(np.float32(x)) for x in (1.001, 1)]
    graph.insert(last, "Where", [column, *larger], factor, after=True)
    graph.insert(last, "Unsqueeze", [beyond, graph.constant([1], "int64")], column, after=True)
    graph.insert(last, "GreaterOrEqual", [numbers, start], beyond, after=True)
    graph.insert(last, "Range", [zero, scalar, one], numbers, after=True)
    graph.insert(last, "Squeeze", [length], scalar, after=True)


@fault("values", "wrong for id 7 only", "Gather", rare=True)
def wrong_id(graph: Graph, node: onnx.NodeProto) -> None:
    """One row of a table is a thousandth too large."""
    in_op(graph, node, "embedding")
    name, array = graph.matrix(node)
    if array.shape[0] < 9:
        raise NotHere
    array[7] *= np.float32(1.001)
    _read(graph, node, name, array)


@fault("values", "one row of a table negated", "Gather", rare=True)
def negate_one_row(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "embedding")
    name, array = graph.matrix(node)
    array[array.shape[0] * 2 // 3] *= -1
    graph.set_array(name, array)


@fault("values", "the last row of a table negated", "Gather", rare=True)
def negate_last_row(graph: Graph, node: onnx.NodeProto) -> None:
    in_op(graph, node, "embedding")
    name, array = graph.matrix(node)
    array[-1] *= -1
    _read(graph, node, name, array)


def _read(
    graph: Graph, node: onnx.NodeProto, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    node.input[list(node.input).index(name)] = graph.constant(array)


@fault("values", "wrong for negative inputs only", *ACTIVATIONS, "LayerNormalization", "Conv", "Gemm", rare=True)
def wrong_for_negative(graph: Graph, node: onnx.NodeProto) -> None:
    """Results are a ten-thousandth too large where they are negative."""
    _wrong_where(graph, node, "Less", 0.0, 1.0001)


@fault("values", "wrong for large inputs only", *ACTIVATIONS, "MatMul", "Conv", "Gemm", rare=True)
def wrong_for_large(graph: Graph, node: onnx.NodeProto) -> None:
    """A result is a hundredth too large where it is above 50."""
    _wrong_where(graph, node, "Greater", 50.0, 1.01)


@fault("values", "wrong near zero only", *ACTIVATIONS, "MatMul", "Conv", "Gemm", rare=True)
def wrong_near_zero(graph: Graph, node: onnx.NodeProto) -> None:
    """A result below 1e-3 of either sign is flushed to zero."""
    inner, output = graph.take_output(node)
    small, size = graph.fresh(node), graph.fresh(node)
    graph.insert(node, "Where", [small, graph.constant(np.float32(0)), inner], output, after=True)
    graph.insert(node, "Less", [size, graph.constant(np.float32(1e-3))], small, after=True)
    graph.insert(node, "Abs", [inner], size, after=True)


@fault("values", "wrong for zero only", *ACTIVATIONS, "Conv", "Gemm", rare=True)
def wrong_for_zero(graph: Graph, node: onnx.NodeProto) -> None:
    """What comes of an exact zero is 1e-3."""
    x = node.input[0]
    inner, output = graph.take_output(node)
    if graph.op(node) in ("conv2d", "linear"):
        raise NotHere
    zero = graph.fresh(node)
    graph.insert(node, "Where", [zero, graph.constant(np.float32(1e-3)), inner], output, after=True)
    graph.insert(node, "Equal", [x, graph.constant(np.float32(0))], zero, after=True)


def _wrong_where(graph: Graph, node: onnx.NodeProto, comparison: str, bound: float, factor: float) -> None:
    if node.op_type == "MatMul" and not graph.weights(node):
        raise NotHere
    inner, output = graph.take_output(node)
    there, larger = graph.fresh(node), graph.fresh(node)
    graph.insert(node, "Where", [there, larger, inner], output, after=True)
    graph.insert(node, comparison, [inner, graph.constant(np.float32(bound))], there, after=True)
    graph.insert(node, "Mul", [inner, graph.constant(np.float32(factor))], larger, after=True)
