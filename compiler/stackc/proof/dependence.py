"""Along which dims the values of a component depend on other positions, or on the position itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackc.components.size_expressions import dims_of
from stackc.core.types import Dim
from stackc.ir.program import Call, Program
from stackc.proof.stamped_model import StampedModel, stamp_of

# operators that know no position: elementwise ones, products, norms over features, and those that move whole axes
_POSITIONLESS = frozenset({
    "Abs", "Add", "And", "BatchNormalization", "BiasGelu", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Concat",
    "Constant", "Div", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand", "FastGelu", "Flatten", "Floor",
    "FusedMatMul", "Gather", "Gelu", "Gemm", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity",
    "IsInf", "IsNaN", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax",
    "LpNormalization", "MatMul", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "QuickGelu", "RMSNormalization", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round", "Selu", "Shape", "Sigmoid", "Sign",
    "SimplifiedLayerNormalization", "Softmax", "Softplus", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Swish",
    "Tanh", "ThresholdedRelu", "Transpose", "Unsqueeze", "Where", "Xor",
})  # fmt: skip


def dependent_calls(program: Program) -> Iterator[tuple[Call, frozenset[Dim]]]:
    """Yield every call with the sizes of the axes along which it is not pointwise, if there are any with a dim.

    Axes of inputs, axes of outputs that come from no pointwise axis, and sizes in fields count.
    """
    known: dict[tuple[object, ...], frozenset[Dim]] = {}
    for call in program.calls:
        inputs = [program.types[name] if name is not None else None for name in call.inputs]
        key = (call.component, *inputs)
        if key not in known:
            known[key] = frozenset(size for size in _dependent_sizes(call, program) if size.symbols())
        if known[key]:
            yield call, known[key]


def _dependent_sizes(call: Call, program: Program) -> Iterator[Dim]:
    inputs = [program.types[name] if name is not None else None for name in call.inputs]
    pointwise = call.component.pointwise_axes(*inputs)
    for x, axes in zip(inputs, pointwise, strict=True):
        yield from (size for axis, size in enumerate(x.shape if x else ()) if axis not in axes)

    for number, y in enumerate(call.signature.outputs):
        places = {axis[number] for axes in pointwise for axis in axes.values()}
        yield from (size for axis, size in enumerate(y.shape) if axis not in places)
    yield from dims_of(call.component)


def positional_calls(stamped: StampedModel) -> Mapping[str, frozenset[Dim]]:
    """Return the calls that are pointwise, but have nodes in the file that can know a position, with all their sizes.

    None should depend on it: such a node is right for the sizes that were tried, and may be wrong beyond them.
    """
    paths = {stamp_of(node) for node in stamped.model.graph.node if node.op_type not in _POSITIONLESS}
    types = stamped.program.types
    return {
        call.path: frozenset(size for name in call.inputs if name is not None for size in types[name].shape)
        for call in stamped.program.calls
        if call.path in paths
    }
