"""Every failure of a proof names its fix, or why there is none; a fix that can be followed is followed."""

from __future__ import annotations

import ast
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

import stackc.proof
from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.core.value_range import ValueRange
from stackc.frontend import Checked, Overrides, check_source
from stackc.pipeline import Options, build
from stackc.proof.advice import CUSTOM, FROZEN, OVERFLOW, RANDOM, REPORT, Advice
from stackc.proof.blame import eager_failure, interface_failure
from stackc.proof.points import Point
from stackc.proof.report import ComponentRow
from stackc.proof.tolerance import NonFinite, Verdict
from stackc.proof.value_draws import is_extreme, value_draws
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

if TYPE_CHECKING:
    from tests.proof.conftest import Small

HERE = __name__
ROOM = Path(stackc.proof.__file__).parent


def test_every_diagnostic_of_the_proof_is_written_with_a_help() -> None:
    """As the fourth argument or by name, and not None."""
    bare, count = [], 0
    for path in sorted(ROOM.glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "Diagnostic"):
                continue
            count += 1
            hints = [*call.args[3:4], *(word.value for word in call.keywords if word.arg == "hint")]
            if not hints or ast.unparse(hints[0]) == "None":
                bare.append(f"{path.name}:{call.lineno}")
    assert (bare, count > 10) == ([], True)


# -- faults of stackc or ONNX Runtime: planted in the file of a model


def tensor(graph: onnx.GraphProto, name: str) -> onnx.TensorProto:
    named: onnx.TensorProto = next(each for each in graph.initializer if each.name == name)
    return named


def weight_wrong(graph: onnx.GraphProto) -> None:
    weight = tensor(graph, "square.weight")
    weight.CopyFrom(numpy_helper.from_array(1.1 * numpy_helper.to_array(weight), weight.name))


def row_of_a_table_wrong(graph: onnx.GraphProto) -> None:
    """By one bit, which no output shows."""
    table = tensor(graph, "left.weight")
    array = numpy_helper.to_array(table).copy()
    array.view(np.uint32)[3, 3] ^= 1
    table.CopyFrom(numpy_helper.from_array(array, table.name))


def foreign_tensor(graph: onnx.GraphProto) -> None:
    graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "stray"))


def output_renamed(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("Identity", ["logits"], ["other"], name="other"))
    graph.output[0].name = "other"


def output_retyped(graph: onnx.GraphProto) -> None:
    """The file casts an output to float64, and says so."""
    producer = next(node for node in graph.node if "logits" in node.output)
    producer.output[0] = "logits32"
    graph.node.append(helper.make_node("Cast", ["logits32"], ["logits"], name="cast", to=onnx.TensorProto.DOUBLE))
    graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def dim_frozen(graph: onnx.GraphProto) -> None:
    graph.output[0].type.tensor_type.shape.dim[1].ClearField("dim_param")
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (weight_wrong, "P701"),
        (row_of_a_table_wrong, "P701"),
        (foreign_tensor, "P701"),
        (output_renamed, "P702"),
        (output_retyped, "P702"),
        (dim_frozen, "P704"),
    ],
)
def test_a_fault_of_the_file_is_to_be_reported(
    fault: Callable[[onnx.GraphProto], None], code: str, small: Small, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as refused:
        small.prove(small.file(tmp_path, fault))
    assert {diagnostic.code for diagnostic in refused.value.diagnostics} == {code}
    for diagnostic in refused.value.diagnostics:
        assert diagnostic.hint is not None
        assert diagnostic.hint.endswith(REPORT)


# -- custom code: followed, the build succeeds


class Drawing(nn.Module):
    """Adds a number that Python draws whenever it runs."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 100 * random.random()


class DrawingInTraining(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 100 * random.random() if self.training else x + 50


class Exporting(nn.Module):
    """Computes another function under torch.export."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (3 if torch.compiler.is_exporting() else 2)


class Exported(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


def custom(folder: Path, make: str) -> None:
    spec = folder / "model.yaml"
    nodes = f"{{y: {{op: torch, of: {HERE}.{make}}}}}"
    spec.write_text(
        f"stackc: 1\nname: model\ninputs: {{x: {{shape: [batch, 8]}}}}\ngraph: x --> y\nnodes: {nodes}\n",
        encoding="utf-8",
    )
    build(spec, Options(Overrides(trust=(HERE,)), out=folder, measure=False, threads=1, provider="cpu"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "right", "code", "fix"),
    [
        ("Drawing", "DrawingInTraining", "P703", RANDOM),
        ("Exporting", "Exported", "P701", CUSTOM),
    ],
)
def test_the_fix_of_custom_code_works(wrong: str, right: str, code: str, fix: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        custom(tmp_path, wrong)
    (diagnostic,) = refused.value.diagnostics
    assert (diagnostic.code, diagnostic.span is not None) == (code, True)
    assert diagnostic.hint is not None
    assert diagnostic.hint.endswith(fix)
    custom(tmp_path, right)


# -- kinds that no file of a test shows


SPEC = "stackc: 1\ninputs: {x: {shape: [batch, 8]}, w: {shape: [batch, 8], max: 1}}\ngraph: x & w --> y[add]\n"
CHECKED = check_source(Source("spec.yaml", SPEC))
FAR = Verdict(1e-7, 1e-2, 1e-6, "is 1.00e-02 from the truth; 1.00e-06 is allowed", 8)


def spec_of(make: str, graph: str = "x --> y") -> Checked:
    nodes = f"nodes: {{y: {{op: torch, of: {HERE}.{make}}}}}"
    text = f"stackc: 1\nname: model\ninputs: {{x: {{shape: [batch, 8]}}}}\ngraph: {graph}\n{nodes}\n"
    return check_source(Source("spec.yaml", text), Overrides(trust=(HERE,)))


def row(verdict: Verdict = FAR, draw: str = "full") -> ComponentRow:
    return ComponentRow("y", "add", "y", Point("prime", {"batch": 3}, draw), verdict, Span("spec.yaml", 3))


def test_draws_beyond_a_range_are_left_out_by_declaring_one() -> None:
    advice = Advice(CHECKED.program, CHECKED.ranges, "cpu")
    assert advice.of_component(row()) == REPORT
    hint = advice.of_component(row(draw="times 1e3"))
    assert hint == (
        "if the model never gets inputs times 1e3, declare what it gets, `x: {…, min: …, max: …}`, "
        f"`w: {{…, min: …, max: …}}`; {REPORT}"
    )
    text = SPEC.replace("8]}", "8], min: -2, max: 2}").replace("max: 1", "min: 0, max: 1")
    followed = check_source(Source("spec.yaml", text))
    assert not any(is_extreme(draw) for draw in value_draws(followed.program, followed.ranges))


def test_other_providers_and_overflows() -> None:
    advice = Advice(CHECKED.program, {"x": ValueRange(0.0, 1.0)}, "cuda")
    assert advice.of_component(row()) == f"{REPORT}; `--provider cpu` proves it on the processor"
    assert advice.of_outputs().startswith("each component alone is within its tolerance: ")
    assert REPORT in advice.of_outputs()
    overflow = Verdict(math.nan, math.nan, 0.0, "has NaN", 8, NonFinite(truth=0, torch=3, onnx=3))
    assert advice.of_component(row(overflow)) == OVERFLOW


class Broken(nn.Module):
    """Fails at any numbers, but not without them."""

    broken = False

    def forward(self, x: Tensor) -> Tensor:
        if self.broken:
            raise ValueError("no reason")
        return x * 2


def test_a_module_that_no_declaration_helps_is_to_be_mended() -> None:
    """A custom one; if one of stackc's fails, or only the whole does, that is to be reported."""
    checked = spec_of("Broken", "x --> a[relu] --> y")
    module = lower(checked.typed).eval()
    point, feeds = Point("smallest", {"batch": 1}, "full"), {"x": np.ones((1, 8), np.float32)}

    def failure() -> Diagnostic:
        (diagnostic,) = eager_failure(checked.program, module, point, feeds, ValueError("odd")).diagnostics
        return diagnostic

    assert (failure().code, failure().hint) == ("P705", REPORT)
    module.y.broken = True  # type: ignore[union-attr]  # a module of this file
    assert failure().hint == "none of the sizes and whole numbers that were tried work: mend its `forward`"
    module.a.forward = module.y.forward  # type: ignore[union-attr]  # the same failure
    assert failure().hint == REPORT


def test_a_size_that_custom_code_freezes() -> None:
    custom, summed = spec_of("Broken"), check_source(Source("spec.yaml", SPEC)).program
    problem = Diagnostic("P704", "the output 'y' of the file has its dim 'batch' frozen at 7", hint=REPORT)
    for program, hint in ((summed, REPORT), (custom.program, FROZEN)):
        (diagnostic,) = interface_failure(program, [problem], [row()]).diagnostics
        assert diagnostic.hint == hint
