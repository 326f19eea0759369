"""By weight and format: the error that a product brings to the outputs of the model, and the time that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stackc.ir.budget import DEFAULT, Budget
from stackc.ir.program import Program
from stackc.precision.assignment import takers
from stackc.precision.figures import output_error
from stackc.precision.formats import Format
from stackc.precision.quantize import ReducibleFile
from stackc.precision.reduce_file import reduce_model
from stackc.precision.weighted_nodes import WeightedNode
from stackc.runtime import Array, Feeds, open_session
from stackc.timing import measure, session_candidate
from stackc.tuning.switched_model import PREFIX, switched_model

MIXED: tuple[Format, ...] = ("int8", "int8-weights", "int4-weights")
"""The formats that save time, and that each product can have by itself."""


def brought_errors(
    file: ReducibleFile, format: Format, nodes: Sequence[WeightedNode], feeds: Feeds, budget: Budget = DEFAULT
) -> dict[str, float]:
    """Return the squared error that each weight brings to the outputs if it alone has the format, by its initializer.

    Errors are lengths of differences by the length of the output, of the output where that is largest,
    among those that the budget is for.
    """
    reduced = file.reduce({node.initializer: format for node in nodes})
    session = file.open(switched_model(file.model, reduced, nodes))
    off = {PREFIX + node.node: np.array(False) for node in nodes}
    plain = session.run({**feeds, **off})
    held = {name: output for name, output in plain.items() if budget.holds(name)}

    errors: dict[str, float] = {}
    for weight in dict.fromkeys(node.initializer for node in nodes):
        on = {PREFIX + node.node: np.array(True) for node in nodes if node.initializer == weight}
        errors[weight] = _squared_error(session.run({**feeds, **off, **on}), held)
    return errors


def _squared_error(outputs: Mapping[str, Array], plain: Mapping[str, Array]) -> float:
    floats = [name for name, x in plain.items() if x.dtype.kind == "f"]
    return max((output_error(outputs[name], plain[name]).relative ** 2 for name in floats), default=0.0)


def mixable_nodes(file: ReducibleFile, kept: Mapping[str, object]) -> dict[Format, list[WeightedNode]]:
    """Return the products that take each of the formats, without the weights that stay float32."""
    return {format: [node for node in takers(file.nodes, format) if node.initializer not in kept] for format in MIXED}


def rows_entering(program: Program, path: str, sizes: Mapping[str, int]) -> int:
    """Return how many rows enter the products of a component at these sizes: its first input but for the last axis."""
    call = next(call for call in program.calls if call.path == path)
    first = next((name for name in call.inputs if name is not None), None)
    shape = program.types[first].shape if first is not None else ()
    return int(np.prod([dim.evaluate(sizes) for dim in shape[:-1]], dtype=np.int64))


def product_times(
    rows: int, shape: tuple[int, ...], formats: Sequence[Format], provider: str, threads: int | None, seconds: float
) -> dict[str, float]:
    """Return the seconds of one product [rows, K] × [K, N] by itself, by format, `float32` among them.

    All of them are timed in turns. Numbers are random: the time of a product does not depend on them.
    """
    random = np.random.default_rng(0)
    matrix = random.standard_normal(shape, np.float32)
    plain = _product(matrix)
    node = WeightedNode("product", "MatMul", "weight", "product", shape)
    models = {"float32": plain} | {format: reduce_model(plain, [node], {"weight": format}) for format in formats}

    feeds = {"x": random.standard_normal((rows, shape[0]), np.float32)}
    candidates = {
        name: session_candidate(open_session(model.SerializeToString(), provider, threads=threads), feeds)
        for name, model in models.items()
    }
    timings = measure(candidates, seconds=seconds, rounds=(5, 1000), window=2).timings
    return {name: timing.median for name, timing in timings.items()}


def _product(matrix: Array) -> onnx.ModelProto:
    rows, columns = matrix.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"], name="product")],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", columns])],
        [numpy_helper.from_array(matrix, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
