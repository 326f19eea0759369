"""`import stackc`: the stages as functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stackc
from stackc.pipeline import Options

SPECS = Path(__file__).parents[1] / "specs"


def test_importing_it_loads_none_of_the_stages() -> None:
    code = "import sys; before = set(sys.modules); import stackc; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith("stackc")] == ["stackc"]
    heavy = {"numpy", "torch", "onnx", "onnxruntime", "networkx", "yaml", "click", "rich", "simpleeval", "dataclasses"}
    assert not heavy & set(loaded)


def test_load_gives_the_document() -> None:
    document = stackc.load(str(SPECS / "seed.mmd"))
    assert isinstance(document, stackc.Document)
    assert document.name == "seed"
    assert list(document.body.drawing.nodes) == ["A", "B", "C", "D", "E", "F"]


def test_check_takes_values_as_python_has_them() -> None:
    checked = stackc.check(SPECS / "stacked.yaml", params={"num_layers": 5}, dims={"batch": 2})
    assert isinstance(checked, stackc.Checked)
    assert checked.cost.parameters == 5 * (128 * 128 + 128)
    assert [str(t) for t in checked.program.inputs.values()] == ["float32[2, 128]"]


@pytest.mark.parametrize(("value", "bias"), [(True, 4), (False, 0)])
def test_true_and_false_are_those_of_yaml(value: bool, bias: int, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(
        "stackc: 1\nparams: {bias: true, name: null}\ninputs: {x: {shape: [batch, 8]}}\n"
        'graph: x --> y[linear] --> z["${name}"]\nnodes: {y: {out: 4, bias: bias}, z: {op: "${name}"}}\n',
        encoding="utf-8",
    )
    assert stackc.check(path, params={"bias": value, "name": "tanh"}).cost.parameters == 32 + bias


def test_everything_wrong_is_raised_together(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("stackc: 1\ninputs: {x: {shape: [4]}}\ngraph: x --> a[tnah] --> b[gleu]\n", encoding="utf-8")
    with pytest.raises(stackc.SpecError) as raised:
        stackc.check(path)
    assert all(isinstance(d, stackc.Diagnostic) for d in raised.value.diagnostics)
    assert [d.code for d in raised.value.diagnostics] == ["N301", "N301"]


def test_show_draws_a_path_or_what_is_checked() -> None:
    path = SPECS / "seed.mmd"
    assert stackc.show(path) == stackc.show(stackc.check(path), "mermaid")
    assert stackc.show(path, "svg", depth=2).startswith("<svg")
    assert "digraph" in stackc.show(path, "dot")
    assert stackc.show(path, "png").startswith(b"\x89PNG\r\n")


def test_error_a_form_that_show_does_not_have() -> None:
    with pytest.raises(
        ValueError, match="no drawing has the form 'nope'; there are 'mermaid', 'dot', 'svg', 'png', 'torch'"
    ):
        stackc.show(SPECS / "seed.mmd", "nope")  # type: ignore[call-overload]


@pytest.mark.parametrize("size", ["3", 2.5, True, None])
def test_error_a_size_that_is_no_whole_number(size: object) -> None:
    with pytest.raises(TypeError, match=f"dims: the size of 'seq' is a whole number, not {size!r}"):
        stackc.check(SPECS / "seed.mmd", dims={"seq": size})  # type: ignore[dict-item]


def test_error_a_size_below_one_and_one_that_numpy_made() -> None:
    with pytest.raises(ValueError, match="from 1 up, not 0"):
        stackc.check(SPECS / "seed.mmd", dims={"seq": 0})
    assert stackc.check(SPECS / "seed.mmd", dims={"seq": np.int64(8)}).program.inputs["x"].shape[1] == 8  # type: ignore[dict-item]


def test_messages_speak_of_what_python_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(
        "stackc: 1\nparams: {dim: null}\ninputs: {x: {shape: [dim]}}\ngraph: x --> y[tanh]\n", encoding="utf-8"
    )
    with pytest.raises(stackc.SpecError) as raised:
        stackc.check(path)
    assert raised.value.diagnostics[0].hint == "give it by `params['dim']`, or write its default"
    with pytest.raises(stackc.SpecError, match=r"params\['dimm'\]: error\[N312\]"):
        stackc.check(path, params={"dim": 3, "dimm": 4})
    with pytest.raises(stackc.SpecError, match=r"dims\['seqq'\]: error\[N312\]"):
        stackc.check(SPECS / "seed.mmd", dims={"seqq": 4})


def test_plan_counts_and_tells_what_fits() -> None:
    plan = stackc.plan(SPECS / "bert_base.yaml", dims={"batch": 1, "seq": 128}, memory="1GiB")
    assert isinstance(plan, stackc.Plan)
    assert plan.total.cost.parameters == 109_482_240
    assert (plan.memory, plan.fits["float32"]) == (2**30, ())  # no size is left open
    checked = stackc.check(SPECS / "bert_base.yaml", params={"layers": 2})
    fits = stackc.plan(checked, memory=10**9).fits["float32"]
    assert [fit.dim for fit in fits] == ["batch", "batch", "seq", "seq"]
    assert stackc.plan(checked).fits == {}
    assert max(row.level for row in stackc.plan(checked, depth=2).rows) == 1


def test_plan_refuses_what_is_no_memory() -> None:
    with pytest.raises(ValueError, match="'24 apples' is no memory; write 24GB"):
        stackc.plan(SPECS / "seed.mmd", memory="24 apples")


def test_diff_compares_paths_or_what_is_checked() -> None:
    shorter = stackc.check(SPECS / "stacked.yaml", params={"num_layers": 2})
    difference = stackc.diff(SPECS / "stacked.yaml", shorter)
    assert isinstance(difference, stackc.Difference)
    assert [(change.kind, change.op) for change in difference.changes] == [("removed", "linear")]
    assert not stackc.diff(SPECS / "seed.mmd", SPECS / "seed.mmd", params={"dim": 64}).changes


def test_params_come_too_late_for_what_is_checked() -> None:
    checked = stackc.check(SPECS / "seed.mmd")
    with pytest.raises(TypeError, match="checked already"):
        stackc.plan(checked, dims={"batch": 2})
    with pytest.raises(TypeError, match="checked already"):
        stackc.diff(checked, SPECS / "seed.mmd", params={"dim": 2})


def test_no_module_hides_a_function() -> None:
    """A module of its own name, imported, would stand in the package instead of the function."""
    folder = Path(stackc.__file__).parent
    names = {path.stem for path in folder.iterdir()}
    assert not names & set(stackc.__all__)


def test_compile_builds_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    built = stackc.compile(SPECS / "stacked.yaml", Options(out=tmp_path, measure=False))
    assert built.folder == tmp_path / "stacked"
    assert (tmp_path / "stacked" / "model.onnx").is_file()
    assert capfd.readouterr() == ("", "")


def test_what_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match="module 'stackc' has no attribute 'chekc'"):
        stackc.chekc  # type: ignore[attr-defined]  # noqa: B018  a name that is none
