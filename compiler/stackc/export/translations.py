"""Translate operators of PyTorch into ONNX that is as exact as PyTorch, where the exporter's own form is not.

Normalizations and variances where the mean is large: the exporter's GroupNormalization is E[x²] − E[x]² in single
precision, and its means are sums of one number after the other. Here each row is shifted by the mean of its first
numbers before it enters a kernel. The difference is as exact as the numbers themselves, and what is left of the mean is
about as large as the standard deviation. A table by operators of PyTorch gives a custom module the same form as a
component. Decision 042 has the measurements.

Attention, where a query may see no key: PyTorch's result is 0, the exporter's below opset 23 a mean of all values. And
with masks that are broadcast along queries, which ONNX Runtime's operator refuses. Decision 097.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from onnxscript import ir, onnx_types, opset18, opset23
from onnxscript.function_libs.torch_lib.ops.nn import aten_scaled_dot_product_attention

# annotations of onnxscript are for functions that it parses; those here are traced, which tells tensors from attributes
op: Any = opset18
op23: Any = opset23
if TYPE_CHECKING:
    TensorType: TypeAlias = Any
else:
    TensorType = onnx_types.TensorType

SHIFT = 32
"""How many numbers at the start of a row make the mean that it is shifted by."""


def batch_norm(
    x: TensorType,
    weight: TensorType | None,
    bias: TensorType | None,
    running_mean: TensorType,
    running_var: TensorType,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[TensorType, TensorType, TensorType]:
    """x [batch, features, ...], all others [features] → y like x, by running statistics, and what no export reads."""
    # BatchNormalization adds bias − mean · scale last, which rounds more than PyTorch does. Of all forms that subtract
    # the mean first, ONNX Runtime makes this one part of a convolution before it
    aligned = op.Constant(value_ints=[-1, *[1] * (len(x.shape) - 2)])
    centred = op.Add(x, op.Reshape(op.Neg(running_mean), aligned))

    zeros, ones = _for_each_feature(0.0, x), _for_each_feature(1.0, x)
    weight, bias = ones if weight is None else weight, zeros if bias is None else bias
    y = op.BatchNormalization(centred, weight, bias, zeros, running_var, epsilon=eps)
    return y, *_saved_statistics(x)


def batch_norm_without_statistics(
    x: TensorType,
    weight: TensorType | None,
    bias: TensorType | None,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[TensorType, TensorType, TensorType]:
    """x [batch, features, ...], weight and bias [features] → y like x, by the batch's statistics; the rest as above."""
    order = [1, 0, *range(2, len(x.shape))]
    features_first = op.Transpose(x, perm=order)
    rows = op.Reshape(features_first, op.Constant(value_ints=[1, x.shape[1], -1]))
    normalized = op.Reshape(_normalize_rows(rows, weight, bias, eps), op.Shape(features_first))
    return op.Transpose(normalized, perm=order), *_saved_statistics(x)


def group_norm(
    x: TensorType,
    num_groups: int,
    weight: TensorType | None = None,
    bias: TensorType | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> TensorType:
    """x [batch, features, ...], weight and bias [features] → y like x, with statistics over groups of features."""
    rows = op.Reshape(x, op.Constant(value_ints=[0, num_groups, -1]))
    normalized = op.Reshape(_normalize_rows(rows, None, None, eps), op.Shape(x))
    if weight is None and bias is None:
        return normalized

    # with statistics of 0 and 1, BatchNormalization is weight and bias in one pass; Mul and Add are two
    zeros, ones = _for_each_feature(0.0, x), _for_each_feature(1.0, x)
    weight, bias = ones if weight is None else weight, zeros if bias is None else bias
    return op.BatchNormalization(normalized, weight, bias, zeros, ones, epsilon=0.0)


def instance_norm(
    x: TensorType,
    weight: TensorType | None = None,
    bias: TensorType | None = None,
    running_mean: TensorType | None = None,
    running_var: TensorType | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = False,
) -> TensorType:
    """x [batch, features, ...], all others [features] → y like x, with statistics over positions, or running ones."""
    if not use_input_stats:
        return batch_norm(x, weight, bias, running_mean, running_var, eps=eps)[0]

    rows = op.Reshape(x, op.Constant(value_ints=[0, 0, -1]))
    return op.Reshape(_normalize_rows(rows, weight, bias, eps), op.Shape(x))


def variance(x: TensorType, dims: Sequence[int] | None, correction: float = 1.0, output_dtype: int = -1) -> TensorType:
    """x → its variance over the axes `dims`, as E[(x − m)²] − E[x − m]²: m, the mean as computed, is a little off."""
    axes = sorted((axis % len(x.shape) for axis in dims or range(len(x.shape))), reverse=True)
    centred = op.Sub(x, _mean(x, axes, keepdims=True))
    error = _mean(centred, axes)
    squares = _mean(op.Mul(centred, centred), axes)
    result = op.Relu(op.Sub(squares, op.Mul(error, error)))

    if correction:
        sizes = op.Gather(op.Shape(x), op.Constant(value_ints=axes))
        count = op.CastLike(op.ReduceProd(sizes, keepdims=False), x)
        result = op.Div(op.Mul(result, count), op.Sub(count, op.CastLike(correction, x)))
    return result if output_dtype == -1 else op.Cast(result, to=output_dtype)


def _mean(x: TensorType, axes: Sequence[int], keepdims: bool = False) -> TensorType:
    """x → its mean over axes that are sorted from the last, one after another: ONNX Runtime adds one by one."""
    for axis in axes:
        x = op.ReduceMean(x, op.Constant(value_ints=[axis]), keepdims=keepdims)
    return x


def _normalize_rows(rows: TensorType, weight: TensorType | None, bias: TensorType | None, eps: float) -> TensorType:
    """rows [batch, n, numbers], weight and bias [n] → (rows − mean) / √(variance + eps) · weight + bias."""
    last = op.Constant(value_ints=[2])
    first = op.Slice(rows, op.Constant(value_ints=[0]), op.Constant(value_ints=[SHIFT]), last)
    shifted = op.Sub(rows, op.ReduceMean(first, last, keepdims=True))

    weight = _for_each_feature(1.0, rows) if weight is None else weight
    bias = _for_each_feature(0.0, rows) if bias is None else bias
    return op.InstanceNormalization(shifted, weight, bias, epsilon=eps)


def _saved_statistics(x: TensorType) -> tuple[TensorType, TensorType]:
    """Two empty vectors: what an operator of PyTorch saves for its gradient."""
    empty = op.CastLike(op.Constant(value_floats=[]), x)
    return empty, empty


def _for_each_feature(value: float, x: TensorType) -> TensorType:
    """A vector of one value for each entry of axis 1 of x; a constant where that is a number."""
    return op.Expand(op.CastLike(op.Constant(value_floats=[value]), x), op.Shape(x, start=1, end=2))


def attention_of_primitives(
    query: TensorType,
    key: TensorType,
    value: TensorType,
    attn_mask: TensorType | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> TensorType:
    """query [batch, heads, queries, n], key, value [batch, heads, keys, n] → like query, 0 where a mask has no True."""
    y = aten_scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    if attn_mask is None or attn_mask.dtype != ir.DataType.BOOL:
        return y

    last = op.Constant(value_ints=[-1])
    keys = op.ReduceMax(op.Cast(attn_mask, to=ir.DataType.INT32), last, keepdims=True)
    return op.Where(op.Cast(keys, to=ir.DataType.BOOL), y, op.CastLike(0.0, y))


def attention_operator(
    query: TensorType,
    key: TensorType,
    value: TensorType,
    attn_mask: TensorType | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> TensorType:
    """query [batch, heads, queries, n], key, value [batch, heads, keys, n] → like query, by ONNX's operator.

    ONNX Runtime does not broadcast a mask along the queries.
    """
    assert len(query.shape) == len(key.shape) == len(value.shape) == 4, "only tensors with heads are supported"
    if attn_mask is not None and attn_mask.shape[-2] == 1 and query.shape[2] != 1:
        one = op.Constant(value_ints=[1])
        attn_mask = op.Expand(attn_mask, op.Concat(op.Shape(query, start=2, end=3), one, axis=0))
    y, _, _, _ = op23.Attention(query, key, value, attn_mask=attn_mask, scale=scale, is_causal=is_causal)
    return y


def where(condition: TensorType, x: TensorType, other: TensorType) -> TensorType:
    """condition: booleans, x and other: numbers or booleans → x where it is true; ONNX Runtime chooses no booleans."""
    if x.dtype != ir.DataType.BOOL:
        return op.Where(condition, x, other)
    return op.Or(op.And(condition, x), op.And(op.Not(condition), other))


def translations(opset: int) -> Mapping[Callable[..., Any], Callable[..., Any]]:
    """Return what the exporter takes in place of its own translations, by operator."""
    attention = attention_operator if opset >= 23 else attention_of_primitives
    return {**TRANSLATIONS, torch.ops.aten.scaled_dot_product_attention.default: attention}


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten._native_batch_norm_legit_no_training.default: batch_norm,
    torch.ops.aten._native_batch_norm_legit.no_stats: batch_norm_without_statistics,
    torch.ops.aten.group_norm.default: group_norm,
    torch.ops.aten.instance_norm.default: instance_norm,
    torch.ops.aten.where.self: where,
    torch.ops.prims.var.default: variance,  # var, std, var_mean and std_mean are decomposed to it
}
"""Those that are the same at every opset."""
