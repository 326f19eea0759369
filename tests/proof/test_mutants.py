"""Faults of every class of the mutants benchmark, planted in one small model: each is blamed on its component."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from tests.benchmarks.mutants.faults import planted
from tests.benchmarks.mutants.graph import Graph, changed_components
from tests.benchmarks.mutants.planting import FAULTS
from tests.benchmarks.mutants.settings import inferred_types
from tests.benchmarks.mutants.verdicts import named_causes
from tests.proof.conftest import Small

from stackc.core.diagnostics import SpecError

pytestmark = pytest.mark.slow

PLANTED = [
    ("weights", "one row negated", "encoder.0.mlp/MatMul"),
    ("weights", "the weights of another layer", "encoder.1.mlp/MatMul_1"),
    ("wiring", "two inputs swapped", "both/Concat"),
    ("wiring", "layer skipped", "encoder.1.norm2/LayerNormalization"),
    ("attention", "causal off by one", "encoder.0.attn/Trilu"),
    ("attention", "heads in another order", "encoder.1.attn/Attention"),
    ("masks", "the mask of position 4 ignored", "encoder.0.attn/Cast"),
    ("norms", "wrong axis", "encoder.1.norm1/LayerNormalization"),
    ("activations", "gelu of tanh in place of erf", "encoder.0.mlp/Gelu"),
    ("sizes", "a dim frozen at 7", "encoder.1.mlp/Add_1"),
    ("precision", "a result rounded to bfloat16", "square/MatMul"),
    ("values", "wrong for id 7 only", "left/Gather"),
]


@pytest.fixture(scope="module")
def graph(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    model = onnx.load(small.file(tmp_path_factory.mktemp("mutants")))
    ops = {call.path: call.component.op for call in small.checked.program.calls}
    return Graph(model, ops, *inferred_types(model), largest=13)


@pytest.mark.parametrize(("kind", "name", "node"), PLANTED)
def test_a_mutant_is_blamed_on_what_was_changed(
    kind: str, name: str, node: str, small: Small, graph: Graph, tmp_path: Path
) -> None:
    named = [fault for fault in FAULTS if (fault.kind, fault.name) == (kind, name)]
    (fault,) = (fault for fault in named if graph.node(node).op_type in (fault.op_types or [graph.node(node).op_type]))
    mutant = planted(fault, graph, node)
    assert mutant is not None, "the fault does not fit the node"
    onnx.save(mutant.model, tmp_path / "model.onnx")

    with pytest.raises(SpecError) as caught:
        small.prove(tmp_path / "model.onnx")
    program = small.checked.program
    blamed = {path for diagnostic in caught.value.diagnostics for path in named_causes(diagnostic, program)}
    assert blamed == changed_components(graph.model, mutant.model)


def test_every_class_of_faults_is_planted() -> None:
    assert {kind for kind, _, _ in PLANTED} == {fault.kind for fault in FAULTS}


def test_a_value_of_another_shape_is_blamed_by_component_too(small: Small, graph: Graph, tmp_path: Path) -> None:
    """The errors that later components inherit from it have no number."""
    mutant = Graph(graph.model, graph.ops, graph.types, graph.ranks, graph.largest)
    node = mutant.node("encoder.1.norm2/LayerNormalization")
    inner, output = mutant.take_output(node)
    ends = [mutant.constant([number], "int64") for number in (0, -1, 1)]
    mutant.insert(node, "Slice", [inner, *ends], output, after=True)
    onnx.save(mutant.model, tmp_path / "model.onnx")

    with pytest.raises(SpecError) as caught:
        small.prove(tmp_path / "model.onnx", per_component=True)
    (diagnostic,) = caught.value.diagnostics
    assert named_causes(diagnostic, small.checked.program) == ["encoder.1.norm2"]


def test_a_value_that_another_component_computes_is_blamed(small: Small, graph: Graph, tmp_path: Path) -> None:
    """The tables compute each other's values: neither passes one on."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    left, right = (next(node for node in model.graph.node if node.name == f"{id}/Gather") for id in ("left", "right"))
    left.output[0], right.output[0] = right.output[0], left.output[0]
    onnx.save(model, tmp_path / "model.onnx")

    with pytest.raises(SpecError, match="'right' does") as caught:
        small.prove(tmp_path / "model.onnx", compare=False)
    causes = {path for each in caught.value.diagnostics for path in named_causes(each, small.checked.program)}
    assert "left" in causes
    assert causes <= {"left", "right"}
