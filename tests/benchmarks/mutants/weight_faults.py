"""Faults in weights: rows, columns, scales, whole tensors in the wrong place, and lost digits."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
from tests.benchmarks.mutants.faults import fault
from tests.benchmarks.mutants.graph import Array, Graph, NotHere

PRODUCTS = ("MatMul", "Gemm", "Conv", "ConvTranspose", "Gather")


@fault("weights", "one row negated", "MatMul", "Gemm", "Conv", "ConvTranspose")
def negate_row(graph: Graph, node: onnx.NodeProto) -> None:
    name, array = graph.matrix(node)
    array[array.shape[0] // 2] *= -1
    graph.set_array(name, array)


@fault("weights", "two columns swapped", *PRODUCTS)
def swap_columns(graph: Graph, node: onnx.NodeProto) -> None:
    name, array = graph.matrix(node)
    if array.shape[1] < 2:
        raise NotHere
    array[:, [0, -1]] = array[:, [-1, 0]]
    graph.set_array(name, array)


@fault("weights", "square matrix transposed", "MatMul", "Gemm")
def transpose_square(graph: Graph, node: onnx.NodeProto) -> None:
    name, array = graph.matrix(node)
    if array.shape[0] != array.shape[1]:
        raise NotHere
    graph.set_array(name, array.T)


@fault("weights", "scaled by 1 + 1e-3", *PRODUCTS)
def scale(graph: Graph, node: onnx.NodeProto) -> None:
    name, array = graph.matrix(node)
    graph.set_array(name, array * np.float32(1 + 1e-3))


@fault("weights", "one number off by 1e-3", *PRODUCTS)
def shift_one_number(graph: Graph, node: onnx.NodeProto) -> None:
    name, array = graph.matrix(node)
    array.reshape(-1)[array.size // 2] += np.float32(1e-3)
    graph.set_array(name, array)


@fault("weights", "the weights of another layer", "MatMul", "Conv", "Gemm", "LayerNormalization", "RMSNormalization")
def take_other_layer(graph: Graph, node: onnx.NodeProto) -> None:
    """Read a weight of the same shape from elsewhere: the next layer's, as a rule."""
    (name, *_) = graph.weights(node) or [""]
    shape = graph.array(name).shape
    others = [t.name for t in graph.proto.initializer if t.name.rpartition(".")[2] == name.rpartition(".")[2]]
    others = [other for other in others if other != name and graph.array(other).shape == shape]
    if not others:
        raise NotHere
    node.input[list(node.input).index(name)] = others[0]


@fault("weights", "bias and weight swapped", "LayerNormalization", "BatchNormalization")
def swap_bias(graph: Graph, node: onnx.NodeProto) -> None:
    if len(node.input) < 3 or graph.array(node.input[1]).shape != graph.array(node.input[2]).shape:
        raise NotHere
    node.input[1], node.input[2] = node.input[2], node.input[1]


@fault("weights", "bias dropped", "Add", "Conv", "ConvTranspose", "Gemm")
def drop_bias(graph: Graph, node: onnx.NodeProto) -> None:
    if node.op_type == "Add":
        (name, *_) = [name for name in graph.weights(node) if name.endswith("bias")] or [""]
        zeros = np.zeros_like(graph.array(name))
        node.input[list(node.input).index(name)] = graph.constant(zeros)
    elif len(node.input) == 3:
        del node.input[2]
    else:
        raise NotHere


@fault("weights", "tie broken", "Gather", "MatMul", "Transpose", "Gemm")
def break_tie(graph: Graph, node: onnx.NodeProto) -> None:
    """Read a copy of a shared matrix, with one row as it was before the last step of training."""
    name, array = graph.matrix(node)
    if len(graph.readers(name)) < 2:
        raise NotHere
    array[array.shape[0] // 3] *= np.float32(0.99)
    node.input[list(node.input).index(name)] = graph.constant(array)


@fault("precision", "a matrix rounded to bfloat16", *PRODUCTS)
def round_to_bfloat16(graph: Graph, node: onnx.NodeProto) -> None:
    name, array = graph.matrix(node)
    graph.set_array(name, array.astype(ml_dtypes.bfloat16).astype(np.float32))


@fault("precision", "a matrix rounded to float16", *PRODUCTS)
def round_to_float16(graph: Graph, node: onnx.NodeProto) -> None:
    name, array = graph.matrix(node)
    graph.set_array(name, array.astype(np.float16).astype(np.float32))


@fault("precision", "a matrix rounded to int8", *PRODUCTS)
def round_to_int8(graph: Graph, node: onnx.NodeProto) -> None:
    name, array = graph.matrix(node)
    graph.set_array(name, _int8(array))


def _int8(array: Array) -> Array:
    step = np.abs(array).max(axis=tuple(range(1, array.ndim)), keepdims=True) / 127
    return np.asarray(np.round(array / np.where(step, step, 1)) * step, np.float32)


@fault("precision", "a node in float16", "MatMul", "Add", "Mul", "Conv", "Softmax", "Tanh", "Sigmoid", "Relu", "Div")
def compute_in_float16(graph: Graph, node: onnx.NodeProto) -> None:
    """Cast the operands to float16, and the result back; on integers it is not possible."""
    if not graph.is_float(node):
        raise NotHere
    for index, name in enumerate(node.input):
        node.input[index] = graph.insert(node, "Cast", [name], to=onnx.TensorProto.FLOAT16)
    inner, output = graph.take_output(node)
    graph.insert(node, "Cast", [inner], output, after=True, to=onnx.TensorProto.FLOAT)


@fault("precision", "a result rounded to bfloat16", "MatMul", "Conv", "Softmax", "Gemm", "LayerNormalization")
def round_result(graph: Graph, node: onnx.NodeProto) -> None:
    inner, output = graph.take_output(node)
    rounded = graph.insert(node, "Cast", [inner], after=True, to=onnx.TensorProto.BFLOAT16)
    last = graph.producer(rounded)
    assert last is not None, "it was just inserted"
    graph.insert(last, "Cast", [rounded], output, after=True, to=onnx.TensorProto.FLOAT)
