"""Nodes off the provider. All run on the CPU here, so the request for CUDA is simulated; the rest is real."""

import dataclasses

import onnx
import pytest

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.runtime import (
    Session,
    off_provider_lines,
    off_provider_nodes,
    open_session,
    placement,
    providers,
    require_placed,
)

MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
g (float[rows, 4] x, int64 index) => (float[rows, 3] y, float[3] row)
<float[4, 3] weight = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}>
{
  product = MatMul (x, weight)
  y = Relu (product)
  row = Gather (y, index)
}
"""
NAMES = ("encoder.0.q/MatMul", "encoder.0/Relu", "head/Gather")
LINE = Span("spec.yaml", 7, 3, 7)


@pytest.fixture(scope="module")
def session() -> Session:
    model = onnx.parser.parse_model(MODEL)
    for node, name in zip(model.graph.node, NAMES, strict=True):
        node.name = name
    return open_session(model.SerializeToString(), "cpu")


@pytest.fixture
def asked_for_cuda(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session with all nodes on the CPU, for which CUDA, with a kernel for MatMul alone, was asked for."""
    kernels = {"CUDAExecutionProvider": frozenset({("", "MatMul")})}
    monkeypatch.setattr(providers, "registered_kernels", kernels.get)
    return dataclasses.replace(session, provider="cuda")


def test_placement_names_every_node(session: Session) -> None:
    assert {(p.node, p.op_type, p.provider) for p in placement(session)} == {
        ("encoder.0.q/MatMul", "MatMul", "cpu"),
        ("encoder.0/Relu", "Relu", "cpu"),
        ("head/Gather", "Gather", "cpu"),
    }


def test_what_was_asked_for_passes(session: Session) -> None:
    require_placed(session)
    assert off_provider_nodes(session) == {}
    assert off_provider_lines(session) == []


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (
            ["encoder", "encoder.0", "encoder.0.q", "enc"],
            {"encoder.0.q": ["encoder.0.q/MatMul"], "encoder.0": ["encoder.0/Relu"], "": ["head/Gather"]},
        ),
        (None, {"encoder.0.q": [NAMES[0]], "encoder.0": [NAMES[1]], "head": [NAMES[2]]}),
    ],
)
def test_off_provider_nodes_belong_to_the_innermost_component(
    paths: list[str] | None, expected: dict[str, list[str]], asked_for_cuda: Session
) -> None:
    nodes_of = off_provider_nodes(asked_for_cuda, paths)
    assert {path: [p.node for p in nodes] for path, nodes in nodes_of.items()} == expected


ELSE = "for these types, or this is shape arithmetic, which ONNX Runtime leaves on the CPU"


def test_error_a_component_elsewhere(asked_for_cuda: Session) -> None:
    with pytest.raises(SpecError) as raised:
        require_placed(asked_for_cuda, {"encoder.0": LINE})
    assert set(raised.value.diagnostics) == {
        Diagnostic(
            "R407",
            "cuda is required, but 'encoder.0' has MatMul, Relu on cpu",
            LINE,
            hint=f"cuda has kernels for MatMul, but none {ELSE}; cuda has no kernel for Relu",
        ),
        Diagnostic("R407", "cuda is required, but the model has Gather on cpu", hint="cuda has no kernel for Gather"),
    }


def test_the_cause_is_open_if_kernels_are_unknown(asked_for_cuda: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "registered_kernels", lambda provider: None)
    assert off_provider_lines(asked_for_cuda)[0] == f"'encoder.0.q': MatMul on cpu (either cuda has no kernel {ELSE})"


def test_kernels_are_those_of_this_onnx_runtime() -> None:
    assert providers.has_kernel("cpu", "", "MatMul")
    assert providers.has_kernel("cpu", "com.microsoft", "MultiHeadAttention")
    assert not providers.has_kernel("cpu", "", "NoSuchOperator")
