"""`op: torch`: which code may run, where it is looked for, and the errors if it cannot be loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, Overrides, check_spec

LAYERS = """\
from pathlib import Path

import torch
from torch import nn

Path(__file__).with_suffix(".ran").touch()


class Scale(nn.Module):
    def __init__(self, factor: float, kinds: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


class Halves(nn.Module):
    def forward(self, x, gate=None):
        return torch.chunk(x if gate is None else x * gate, 2, -1)


number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder with a module of layers; restore imported modules and the import path afterwards."""
    before, path = set(sys.modules), list(sys.path)
    (tmp_path / "layers_here.py").write_text(LAYERS, encoding="utf-8")
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if "_here" in name:
            del sys.modules[name]


def checked(
    folder: Path, nodes: str, graph: str = "x --> y[torch]", trust: tuple[str, ...] = ("layers_here",)
) -> Checked:
    spec = folder / "spec.yaml"
    inputs = "{x: {shape: [batch, seq, dim]}}"
    spec.write_text(
        f"stackc: 1\nparams: {{dim: 8}}\ninputs: {inputs}\ngraph: |\n  {graph}\nnodes:\n  {nodes}\n", encoding="utf-8"
    )
    return check_spec(spec, Overrides(trust=trust))


def refused(folder: Path, nodes: str, trust: tuple[str, ...] = ("layers_here",)) -> tuple[str, str, str | None]:
    with pytest.raises(SpecError) as caught:
        checked(folder, nodes, trust=trust)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hint


def test_no_code_runs_without_trust(folder: Path) -> None:
    for trust in ((), ("layers",), ("layers_here.Scale",), ("layers_here_too",)):
        code, message, hint = refused(folder, "y: {of: layers_here.Scale, factor: 2}", trust)
        assert (code, hint) == ("N316", "`--trust layers_here` lets it run")
        assert (
            message == "'layers_here.Scale' is code that is not trusted to run, so its inputs and outputs are unknown"
        )
        assert not (folder / "layers_here.ran").exists()


def test_it_lies_beside_the_spec_and_takes_expressions(folder: Path) -> None:
    program = checked(folder, "y: {of: layers_here.Scale, factor: dim / 16}").program
    assert program.calls[0].component.construction().named == {"factor": 0.5}
    assert str(program.types["y"]) == "float32[batch, seq, 8]"
    assert (folder / "layers_here.ran").exists()


def test_trust_in_a_package_covers_what_is_in_it(folder: Path) -> None:
    package = folder / "package_here"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "inner" / "__init__.py").write_text(LAYERS, encoding="utf-8")
    for trust in ("package_here", "package_here.inner"):
        assert checked(folder, "y: {of: package_here.inner.Scale, factor: 2}", trust=(trust,))


def test_outputs_have_names(folder: Path) -> None:
    nodes = "halves: {op: torch, of: layers_here.Halves, outputs: [low, high]}"
    program = checked(folder, nodes, "x --> halves -->|high:x| y[tanh]\n  halves --> z[relu]\noutputs: [y, z]").program
    assert [(call.path, call.inputs) for call in program.calls] == [
        ("halves", ("x", None)), ("y", ("halves:high",)), ("z", ("halves",)),
    ]  # fmt: skip
    assert str(program.types["halves:high"]) == "float32[batch, seq, 4]"


def test_stacks_take_them(folder: Path) -> None:
    norm = "{op: torch, of: torch.nn.LayerNorm, normalized_shape: [dim]}"
    member = "{op: torch, of: layers_here.Scale}"
    nodes = f"y: {{of: {member}, repeat: 3, with: {{factor: index + 0.5}}, norm: {norm}}}"
    calls = checked(folder, nodes, "x --> y[stack]", ("layers_here", "torch.nn")).program.calls
    assert [call.component.construction().named["factor"] for call in calls[::2]] == [0.5, 1.5, 2.5]
    assert {call.component.op for call in calls[1::2]} == {"torch.nn.LayerNorm"}


@pytest.mark.parametrize(
    ("nodes", "code", "message", "hint"),
    [
        ("y: {of: layers_here.Scael, factor: 2}", "N317", "layers_here has no class 'Scael'", "did you mean 'Scale'?"),
        ("y: {of: layers_here.number}", "N317", "'layers_here.number' is not a subclass of torch.nn.Module",
         "known here: Halves, Scale"),
        ("y: {of: layers_here.Scale}", "N311", "'y' (layers_here.Scale) needs the field 'factor'",
         "write `factor: …`"),
        ("y: {of: layers_here.Scale, faktor: 2}", "N309", "'y' (layers_here.Scale) has no field 'faktor'",
         "did you mean 'factor'?"),
        ("y: {of: layers_here.Scale, factor: big}", "X002", "'big' is neither a param nor a dim",
         "known here: batch, dim, seq"),
        ("y: {of: layers_here.Scale, factor: 2, outputs: [a, b]}", "T210",
         "'y' (layers_here.Scale): it returns 1 output, but 2 are named", "write `outputs: [y]`"),
        ("y: {of: layers_here.absent.Scale}", "N317", "layers_here has no class 'absent.Scale'",
         "known here: Halves, Scale"),
    ],
)  # fmt: skip
def test_error_classes_and_their_fields(folder: Path, nodes: str, code: str, message: str, hint: str) -> None:
    assert refused(folder, nodes) == (code, message, hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no module 'broken_here'"),
        ("import absent_here", "No module named 'absent_here'"),
        ("x = 1\nx.y", "AttributeError: 'int' object has no attribute 'y' (broken_here.py, line 2)"),
        ("import sys\nsys.exit()", "SystemExit: it does not say why (broken_here.py, line 2)"),
        ("def f(:", "SyntaxError: invalid syntax (broken_here.py, line 1)"),
    ],
)  # fmt: skip
def test_error_modules_that_cannot_be_imported(folder: Path, text: str | None, message: str) -> None:
    if text:
        (folder / "broken_here.py").write_text(text, encoding="utf-8")
    code, shown, _ = refused(folder, "y: {of: broken_here.Scale}", ("broken_here",))
    assert (code, shown.removeprefix("broken_here cannot be imported: ")) == ("N317", message)


def test_error_another_module_of_that_name(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "layers_here.py").write_text(LAYERS, encoding="utf-8")
    checked(folder, "y: {of: layers_here.Scale, factor: 2}")
    code, message, _ = refused(other, "y: {of: layers_here.Scale, factor: 2}")
    assert (code, message) == (
        "N317",
        f"the module layers_here beside the spec is shadowed by {folder / 'layers_here.py'}",
    )
