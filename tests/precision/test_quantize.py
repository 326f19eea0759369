"""`stackc build --quantize`: the file is what ONNX Runtime's quantizers make, its errors are measured and held."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from onnx.numpy_helper import to_array
from onnxruntime.quantization import QuantType
from onnxruntime.quantization import quantize_dynamic as quantize_by_hand

from stackc.artifact.folder import load_artifact, run_artifact
from stackc.artifact.verify import verify
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.export.template import PATH
from stackc.ir.budget import Budget
from stackc.pipeline import Built, Options, build, lower_with_weights
from stackc.precision import reduce_file
from stackc.precision.formats import FORMATS, Format
from stackc.precision.request import Quantization

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"


def feeds_of(folder: Path) -> dict[str, np.ndarray]:
    vectors = np.load(folder / "testvectors.npz")
    return {name.removeprefix("input."): vectors[name] for name in vectors.files if name.startswith("input.")}


def run_file(path: Path, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    outputs: list[np.ndarray] = onnxruntime.InferenceSession(str(path)).run(None, dict(feeds))
    return outputs


def refused(spec: Path, tmp_path: Path, quantization: Quantization) -> SpecError:
    out = tmp_path / "refused"
    with pytest.raises(SpecError) as caught:
        build(spec, Options(out=out, measure=False, quantize=quantization))
    assert not list(out.glob("*"))  # whole or not at all
    return caught.value


def said(error: SpecError) -> list[tuple[str, str]]:
    return [(diagnostic.code, diagnostic.message) for diagnostic in error.diagnostics]


def test_int8_is_what_quantize_dynamic_makes(plain: Built, int8: Built, tmp_path: Path) -> None:
    by_hand = tmp_path / "by_hand.onnx"
    quantize_by_hand(
        plain.folder / "model.onnx", by_hand, op_types_to_quantize=["MatMul"], per_channel=True,
        weight_type=QuantType.QInt8,
    )  # fmt: skip
    feeds = feeds_of(int8.folder)
    expected, given = run_file(by_hand, feeds), run_file(int8.folder / "model.onnx", feeds)
    assert np.array_equal(given[0], expected[0])
    assert not np.array_equal(given[0], run_file(plain.folder / "model.onnx", feeds)[0])


@pytest.mark.parametrize("format", ["float16", "bfloat16"])
def test_halves_are_the_module_with_rounded_weights(spec: Path, tmp_path: Path, format: Format) -> None:
    built = build(spec, Options(out=tmp_path, measure=False, quantize=Quantization(format)))
    module = lower_with_weights(built.checked, None, 0).eval()
    half = {"float16": torch.float16, "bfloat16": torch.bfloat16}[format]
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim >= 2:
                parameter.copy_(parameter.to(half).float())
        feeds = feeds_of(built.folder)
        expected = module(*(torch.from_numpy(feeds[name]) for name in built.checked.program.inputs)).numpy()
    assert run_artifact(built.folder, feeds)["logits"] == pytest.approx(expected, abs=1e-5)
    sizes = [(built.folder / "model.onnx").stat().st_size, sum(p.numel() for p in module.parameters()) * 4]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_builds_and_verifies(spec: Path, data: Path, tmp_path: Path, format: Format) -> None:
    quantization = Quantization(format, data=data, budget=Budget(cosine=0.9))
    built = build(spec, Options(out=tmp_path, measure=False, quantize=quantization))
    precision = load_artifact(built.folder).manifest.precision
    assert precision["format"] == format
    assert set(precision["formats"].values()) == {format}
    assert {"encoder.0.mlp", "encoder.1.mlp", "encoder.0.attn", "head"} <= {c["path"] for c in precision["components"]}

    # the errors in the manifest are those of the file, computed here from what PyTorch gave
    points = {row["draw"] for row in precision["outputs"]}
    assert {"random", "data.npz, batch 1", "data.npz, batch 3"} <= points
    vectors = np.load(built.folder / "testvectors.npz")
    (given,) = run_file(built.folder / "model.onnx", feeds_of(built.folder))
    row = next(r for r in precision["outputs"] if (r["point"], r["draw"]) == ("prime", "random"))
    assert row["max_error"] == pytest.approx(np.abs(given - vectors["output.logits"]).max(), rel=1e-6)

    # each output that was recorded is within what was allowed, and something changed
    (distance,) = verify(built.folder).distances
    assert 0.0 < distance.found <= distance.allowed


def test_every_node_has_the_stamp_of_its_component(int8: Built) -> None:
    model = onnx.load(int8.folder / "model.onnx")
    stamps = [{p.key: p.value for p in node.metadata_props}.get(PATH) for node in model.graph.node]
    assert None not in stamps
    paths = {call.path for call in int8.checked.program.calls}
    assert set(stamps) <= paths
    products = {stamp for node, stamp in zip(model.graph.node, stamps, strict=True) if node.op_type == "MatMulInteger"}
    assert products == {"encoder.0.attn", "encoder.0.mlp", "encoder.1.attn", "encoder.1.mlp", "head"}
    declared = {value.name for value in model.graph.value_info}
    assert declared <= {output for node in model.graph.node for output in node.output}


def test_the_same_build_gives_the_same_bytes(spec: Path, int8: Built, tmp_path: Path) -> None:
    again = build(spec, Options(out=tmp_path, measure=False, quantize=Quantization("int8")))
    assert (again.folder / "model.onnx").read_bytes() == (int8.folder / "model.onnx").read_bytes()


def test_what_is_kept_stays_float32(spec: Path, plain: Built, tmp_path: Path) -> None:
    kept = ("encoder.*.attn", "encoder.1.mlp.down", "head")
    built = build(spec, Options(out=tmp_path, measure=False, quantize=Quantization("int8", kept)))
    formats = load_artifact(built.folder).manifest.precision["formats"]
    assert set(formats) == {"encoder.0.mlp.up.weight", "encoder.0.mlp.down.weight", "encoder.1.mlp.up.weight"}
    stored = {t.name: t for t in onnx.load(built.folder / "model.onnx").graph.initializer}
    original = {t.name: t for t in onnx.load(plain.folder / "model.onnx").graph.initializer}
    untouched = original.keys() - formats.keys()
    assert all(np.array_equal(to_array(stored[name]), to_array(original[name])) for name in untouched)
    assert not formats.keys() & stored.keys()


def test_beyond_the_budget_at_the_lines_to_blame_and_the_help_is_followed(spec: Path, tmp_path: Path) -> None:
    worst = build(spec, Options(out=tmp_path / "loose", measure=False, quantize=Quantization("int8"))).precision
    assert worst is not None
    reached = max(row.error.max_error for row in worst.rows)
    error = refused(spec, tmp_path, Quantization("int8", budget=Budget(max_error=0.93 * reached)))
    assert {diagnostic.code for diagnostic in error.diagnostics} == {"P731"}
    assert all(diagnostic.span is not None for diagnostic in error.diagnostics)
    first = error.diagnostics[0]
    assert "int8 is beyond the budget: at " in first.message
    assert first.hint is not None

    # both of what it says work
    named = re.search(r"`--keep ([\w.,]+)` leaves", first.hint)
    allowed = re.search(r"`--max-error ([\d.e-]+)`", first.hint)
    assert named is not None
    assert allowed is not None
    kept = Quantization("int8", tuple(named[1].split(",")), Budget(max_error=0.93 * reached))
    build(spec, Options(out=tmp_path / "kept", measure=False, quantize=kept))
    looser = Quantization("int8", budget=Budget(max_error=float(allowed[1])))
    build(spec, Options(out=tmp_path / "looser", measure=False, quantize=looser))


def test_a_budget_that_nothing_reaches(spec: Path, tmp_path: Path) -> None:
    error = refused(spec, tmp_path, Quantization("int4-weights", budget=Budget(max_error=1e-9)))
    assert str(error.diagnostics[0].hint).startswith("choose a format that is closer to float32, or allow it: `--max-e")


def test_the_budget_of_the_spec_counts_unless_the_command_has_one(spec: Path, tmp_path: Path) -> None:
    strict = tmp_path / "strict.yaml"
    strict.write_text(spec.read_text(encoding="utf-8") + "budget: {max_error: 1e-7}\n", encoding="utf-8")
    error = refused(strict, tmp_path, Quantization("int8"))
    assert "max_error ≤ 1e-07 is allowed" in error.diagnostics[0].message
    quantization = Quantization("int8", budget=Budget(cosine=0.9))
    assert build(strict, Options(out=tmp_path / "out", measure=False, quantize=quantization)).precision


def test_mistakes_and_what_is_said_of_them(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(spec, tmp_path, Quantization("int8-static"))
    assert said(error) == [
        ("P732", "int8-static needs data: it measures on it which range the numbers of every product have")
    ]
    error = refused(spec, tmp_path, Quantization("int8", ("encoder.0.atn", "head")))
    assert said(error) == [("P733", "--keep encoder.0.atn: no weight of that name changes its format")]
    assert error.diagnostics[0].hint == "did you mean 'encoder.0.attn'?"
    assert said(refused(spec, tmp_path, Quantization("int8", ("*",)))) == [("P733", "--keep leaves no weight for int8")]

    def failing(*_: object) -> onnx.ModelProto:
        raise ValueError("Failed to find proper\nai.onnx domain")

    monkeypatch.setattr(reduce_file, "quantize_dynamic", failing)
    message = "ONNX Runtime's quantizer does not make int8 of the model: Failed to find proper ai.onnx domain"
    assert said(refused(spec, tmp_path, Quantization("int8"))) == [("P735", message)]


def test_a_model_without_products(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(
        "stackc: 1\ninputs: {x: {shape: [batch, 3, 8, 8]}}\ngraph: x --> conv[conv2d] --> relu\n"
        "nodes: {conv: {out: 4, kernel: 3}}\n",
        encoding="utf-8",
    )
    error = refused(path, tmp_path, Quantization("int8"))
    assert said(error) == [("P734", "there is nothing to make int8: no MatMul in the file has a constant weight")]
    assert error.diagnostics[0].hint == "`--quantize float16` changes 'conv'"
    build(path, Options(out=tmp_path / "out", measure=False, quantize=Quantization("float16")))


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"ids": np.zeros((2, 5), np.int64)}, "R411"),
        ({"ids": np.full((2, 5), 20), "mask": np.ones((2, 5), np.int64)}, "R418"),
        ({"ids": np.zeros((2, 14), np.int64), "mask": np.ones((2, 14), np.int64)}, "R417"),
        ({"ids": np.zeros((2, 5), np.int64), "mask": np.ones((3, 5), np.int64)}, "R416"),
    ],
)
def test_data_that_does_not_fit(spec: Path, tmp_path: Path, arrays: Any, code: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    error = refused(spec, tmp_path, Quantization("int8", data=tmp_path / "bad.npz"))
    assert error.diagnostics[0].code == code
    assert error.diagnostics[0].message.startswith(f"{tmp_path / 'bad.npz'}: ")


def test_products_of_two_axes_are_quantized_too(tmp_path: Path) -> None:
    """They are Gemm in the file, which ONNX Runtime's quantizers take as MatMul and Add."""
    path = tmp_path / "flat.yaml"
    path.write_text(
        "stackc: 1\ninputs: {x: {shape: [batch, 48], min: -1, max: 1}}\n"
        "graph: x --> one[linear] --> gelu --> two[linear]\nnodes: {one: {out: 64}, two: {out: 8}}\n",
        encoding="utf-8",
    )
    built = build(path, Options(out=tmp_path, measure=False, quantize=Quantization("int8")))
    assert set(load_artifact(built.folder).manifest.precision["formats"]) == {"one.weight", "two.weight"}
    operators = {node.op_type for node in onnx.load(built.folder / "model.onnx").graph.node}
    assert "MatMulInteger" in operators
    assert "Gemm" not in operators


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        (
            "bert_encoder",
            {"dim": "64", "hidden": "128", "layers": "2", "heads": "4", "vocab": "99", "positions": "8"},
        ),
        ("gpt2", {"dim": "64", "layers": "2", "heads": "4", "vocab": "100"}),
    ],
)
def test_a_default_artifact_survives_quantize_dynamic(name: str, sizes: dict[str, str], tmp_path: Path) -> None:
    """With `op_types_to_quantize`: by default that tool takes ONNX's Attention for com.microsoft's, and its file does
    not load."""
    from stackc.frontend import Overrides

    built = build(SPECS / f"{name}.yaml", Options(Overrides(sizes), out=tmp_path, measure=False))
    quantize_by_hand(built.folder / "model.onnx", tmp_path / "q.onnx", op_types_to_quantize=["MatMul"])
    vectors = np.load(built.folder / "testvectors.npz")
    (given,) = run_file(tmp_path / "q.onnx", feeds_of(built.folder))
    (expected,) = (vectors[key] for key in vectors.files if key.startswith("output."))
    cosine = (given * expected).sum() / np.linalg.norm(given) / np.linalg.norm(expected)
    assert 0.99 < cosine < 0.9999999


def test_the_commands(spec: Path, plain: Built, int8: Built, tmp_path: Path) -> None:
    """`run`, `verify`, `show`, `diff` and a later build know what the artifact is."""
    run = CliRunner().invoke
    np.savez(tmp_path / "x.npz", **feeds_of(int8.folder))  # type: ignore[arg-type]
    assert run(cli, ["run", str(int8.folder), "-i", str(tmp_path / "x.npz"), "--json"]).exit_code == 0
    assert "opset 23, int8, with random weights" in run(cli, ["verify", str(int8.folder)]).output
    assert json.loads(run(cli, ["verify", str(int8.folder), "--json"]).output)["precision"] == "int8"
    assert run(cli, ["show", str(int8.folder)]).exit_code == 0
    assert "precision    float32 → int8" in run(cli, ["diff", str(plain.folder), str(int8.folder)]).output
    facts = json.loads(run(cli, ["diff", str(spec), str(int8.folder), "--json"]).output)
    assert facts["precision"] == {"before": "float32", "after": "int8"}
    page = (int8.folder / "report.html").read_text(encoding="utf-8")
    assert "<h2>Precision</h2>" in page
    assert "encoder.1.mlp" in page

    weights = run(cli, ["build", str(spec), "--weights", str(int8.folder), "-o", str(tmp_path), "--no-bench"])
    assert weights.exit_code == 1
    assert "its model has them in int8" in str(weights.exception)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", "a"], "--keep is for --quantize"),
        (["--data", "x.npz"], "--data is for --quantize"),
        (["--cosine", "0.9"], "--max-error and --cosine is for --quantize"),
        (["--quantize", "int8", "--no-verify", "--cosine", "0.9"], "which --no-verify skips"),
        (["--quantize", "int8", "--until", "prove"], "which comes after --until prove"),
        (["--quantize", "int8", "--functions"], "which --functions hides in functions"),
        (["--quantize", "int9"], "Invalid value for '--quantize'"),
        (["--quantize", "int8", "--cosine", "1"], "Invalid value for '--cosine'"),
        (["--quantize", "int8", "--max-error", "0"], "Invalid value for '--max-error'"),
    ],
)
def test_options_that_contradict(spec: Path, options: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, ["build", str(spec), *options])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_without_a_proof_the_format_is_all_that_is_known(spec: Path, tmp_path: Path) -> None:
    built = build(spec, Options(out=tmp_path, verify=False, measure=False, quantize=Quantization("int8")))
    precision = load_artifact(built.folder).manifest.precision
    assert (precision["format"], precision["budget"], precision["outputs"]) == ("int8", None, [])
    assert built.precision is not None
    assert built.precision.describe() == "9 weights in int8, not held to a budget"


TWO = """\
stackc: 1
name: two
inputs: {x: {shape: [batch, 32], min: -1, max: 1}}
graph: x --> near[linear] --> far[linear]
nodes: {near: {out: 32}, far: {out: 32}}
outputs: {near: near, far: far}
budget: {max_error: 1e-5, outputs: [near]}
"""


def test_a_budget_for_some_outputs(tmp_path: Path) -> None:
    """What is not held is measured all the same, and `verify` allows what was seen."""
    path = tmp_path / "two.yaml"
    path.write_text(TWO, encoding="utf-8")
    built = build(path, Options(out=tmp_path, measure=False, quantize=Quantization("int8", ("near",))))
    rows = load_artifact(built.folder).manifest.precision["outputs"]
    worst = {name: max(row["max_error"] for row in rows if row["output"] == name) for name in ("near", "far")}
    assert worst["near"] <= 1e-5 < worst["far"]
    assert {distance.output: distance.found <= distance.allowed for distance in verify(built.folder).distances} == {
        "near": True,
        "far": True,
    }
    error = refused(path, tmp_path, Quantization("int8", ("near",), Budget(max_error=1e-5)))
    assert "the output 'far'" in error.diagnostics[0].message
    error = refused(path, tmp_path, Quantization("int8", budget=Budget(cosine=0.9, outputs=("fa",))))
    assert said(error) == [("P736", "the budget is for 'fa', which is no output of the model")]
    assert error.diagnostics[0].hint == "did you mean 'far'?"
