"""`import stackc`: the stages as functions."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.training.digits import write_digits

import stackc

SPECS = Path(__file__).parents[1] / "specs"


def test_importing_it_loads_none_of_the_stages() -> None:
    code = "import sys; before = set(sys.modules); import stackc; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    parts = ("arguments", "interrupts", "public_types")
    own = ["stackc", "stackc._version", "stackc.core", *(f"stackc.core.{part}" for part in parts)]
    assert [name for name in loaded if name.startswith("stackc")] == own
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
        ValueError, match="no drawing has the form 'nope'; there are 'svg', 'png', 'mermaid', 'dot', 'html', 'torch'"
    ):
        stackc.show(SPECS / "seed.mmd", "nope")  # type: ignore[call-overload]


@pytest.mark.parametrize("size", ["3", 2.5, True, None])
def test_error_a_size_that_is_no_whole_number(size: object) -> None:
    with pytest.raises(TypeError, match=f"dims: the size of 'seq' must be an integer, not {size!r}"):
        stackc.check(SPECS / "seed.mmd", dims={"seq": size})  # type: ignore[dict-item]


def test_error_a_size_below_one_and_one_that_numpy_made() -> None:
    with pytest.raises(ValueError, match="must be at least 1, not 0"):
        stackc.check(SPECS / "seed.mmd", dims={"seq": 0})
    assert stackc.check(SPECS / "seed.mmd", dims={"seq": np.int64(8)}).program.inputs["x"].shape[1] == 8  # type: ignore[dict-item]


def test_messages_speak_of_what_python_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(
        "stackc: 1\nparams: {dim: null}\ninputs: {x: {shape: [dim]}}\ngraph: x --> y[tanh]\n", encoding="utf-8"
    )
    with pytest.raises(stackc.SpecError) as raised:
        stackc.check(path)
    assert raised.value.diagnostics[0].hint == "set it with `params['dim']`, or write a default"
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
    with pytest.raises(ValueError, match="'24 apples' is not a valid memory size; write 24GB"):
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


def test_build_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    built = stackc.build(SPECS / "stacked.yaml", stackc.Options(out=tmp_path, measure=False))
    assert isinstance(built, stackc.Built)
    assert built.folder == tmp_path / "stacked"
    assert (tmp_path / "stacked" / "model.onnx").is_file()
    assert capfd.readouterr() == ("", "")


def test_build_reports_its_stages_to_whom_asks(tmp_path: Path) -> None:
    stages = []
    options = stackc.Options(out=tmp_path, verify=False)
    stackc.build(SPECS / "normalized.yaml", options, progress=lambda stage, result: stages.append(stage))
    assert stages == ["check", "lower", "export", "write"]


def test_compile_is_the_old_name_of_build(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match=r"stackc\.compile is now stackc\.build"):
        built = stackc.compile(SPECS / "normalized.yaml", stackc.Options(out=tmp_path, verify=False))
    assert (built.folder / "model.onnx").is_file()


def test_a_document_is_checked_as_its_file_is() -> None:
    document = stackc.load(SPECS / "stacked.yaml")
    checked = stackc.check(document, params={"num_layers": 3})
    assert checked.document is document
    assert checked.cost == stackc.check(SPECS / "stacked.yaml", params={"num_layers": 3}).cost
    assert stackc.show(document) == stackc.show(SPECS / "stacked.yaml")


def test_module_has_random_weights_by_its_seed() -> None:
    first, again, other = (stackc.module(SPECS / "seed.mmd", seed=seed) for seed in (1, 1, 2))
    assert first.training
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert any(not torch.equal(t, other.state_dict()[name]) for name, t in first.state_dict().items())


def test_module_takes_a_file_or_a_state_dict(tmp_path: Path) -> None:
    checked = stackc.check(SPECS / "seed.mmd", params={"dim": 32})
    wanted = stackc.module(checked, seed=7).state_dict()
    save_file(wanted, tmp_path / "w.safetensors")
    arrays = {name: tensor.numpy() for name, tensor in wanted.items()}
    for weights in (tmp_path / "w.safetensors", wanted, arrays):
        loaded = stackc.module(checked, weights=weights).state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in wanted.items())
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict"):
        stackc.module(checked, weights={})
    with pytest.raises(stackc.SpecError):
        stackc.module(checked, weights=tmp_path / "none.safetensors")


def test_run_and_verify_take_the_folder(tmp_path: Path) -> None:
    built = stackc.build(SPECS / "normalized.yaml", stackc.Options(out=tmp_path, measure=False))
    verified = stackc.verify(built.folder)
    assert isinstance(verified, stackc.Verified)
    assert [distance.output for distance in verified.distances] == [*built.checked.program.outputs]

    (name,) = built.checked.program.inputs
    x = np.random.default_rng(0).standard_normal((3, 128)).astype("float32")
    outputs = stackc.run(built.folder, {name: x})
    with torch.inference_mode():
        expected = stackc.module(built.checked).eval()(torch.from_numpy(x)).numpy()
    (output,) = outputs.values()
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(stackc.SpecError, match="R41"):
        stackc.run(built.folder, {name: x.tolist()})  # float64


@pytest.mark.slow
def test_bench_times_an_engine(tmp_path: Path) -> None:
    result = stackc.bench(SPECS / "normalized.yaml", engines=["onnx"], threads=[1], dims={"batch": 2}, seconds=0.2)
    assert isinstance(result, stackc.Result)
    assert result.sizes == {"batch": 2}
    with pytest.raises(ValueError, match="no engine is called 'onyx'; there are eager"):
        stackc.bench(SPECS / "normalized.yaml", engines=["onyx"])
    with pytest.raises(ValueError, match="nothing to time"):
        stackc.bench()


@pytest.mark.slow
def test_notebooks_show_the_drawing_and_a_summary(tmp_path: Path) -> None:
    checked = stackc.check(SPECS / "bert_base.yaml")
    assert repr(checked) == "<Checked bert_base: 105 components, 109,482,240 parameters>"
    page = checked._repr_html_()
    assert len(page) < 200_000
    ElementTree.fromstring(page.replace("<br>", "").replace('">', '"/>', 1))  # well-formed
    assert "109,482,240 parameters" in page
    assert "logits" not in repr(checked)

    built = stackc.build(SPECS / "seed.mmd", stackc.Options(out=tmp_path, measure=False))
    assert repr(built).startswith(f"<Built {tmp_path / 'seed'}: ")
    assert " comparisons and 12 components alone, ONNX Runtime " in repr(built)
    assert len(repr(built)) - len(str(tmp_path)) < 160
    assert str(built.folder) in built._repr_html_()


@pytest.mark.slow
def test_the_example_of_the_docstring_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of it, as it stands there."""
    lines = [line[4:] for line in (stackc.__doc__ or "").splitlines() if line.startswith("    ")]
    (tmp_path / "specs").symlink_to(SPECS)
    write_digits(tmp_path)
    monkeypatch.chdir(tmp_path)
    array = np.zeros((2, 5, 128), "float32")
    names: dict[str, object] = {"array": array}
    exec("\n".join(lines), names)
    outputs = names["outputs"]
    assert isinstance(outputs, dict)
    assert outputs["F"].shape == (2, 5, 128)


def test_what_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match="module 'stackc' has no attribute 'chekc'"):
        stackc.chekc  # type: ignore[attr-defined]  # noqa: B018  a name that is none


def test_every_public_name_is_documented() -> None:
    for name in stackc.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(stackc, name)), name


@pytest.mark.slow
def test_reduce_takes_a_command(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'import sys; sys.exit(\"linear\" in open(sys.argv[1]).read())' {{}}"
    reduced = stackc.reduce(SPECS / "stacked.yaml", command=command)
    assert isinstance(reduced, stackc.Reduced)
    assert (reduced.components, reduced.before, reduced.failure.code) == (1, 3, "command")
    assert stackc.check(_written(tmp_path, reduced.text)).program.calls[0].component.op == "linear"
    with pytest.raises(stackc.SpecError, match="P720"):
        stackc.reduce(SPECS / "stacked.yaml", command="true")


def _written(folder: Path, text: str) -> Path:
    (folder / "reduced.yaml").write_text(text, encoding="utf-8")
    return folder / "reduced.yaml"
