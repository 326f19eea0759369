"""Models at the edge through every command: one choice, one identity, one embedding, an output that is an input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.test_foreign_names import command, shown

pytestmark = pytest.mark.slow

FLOATS = "stackc: 1\nname: edge\ninputs: {x: {shape: [batch, 8]}}\n"
IDS = "stackc: 1\nname: edge\ninputs: {x: {dtype: int64, shape: [batch, 8], below: 16}}\n"
MODELS = {
    "a choice": f"{FLOATS}graph: x --> y[argmax]\n",
    "a choice and its input": f"{FLOATS}graph: x --> y[argmax]\noutputs: {{y: y, same: x}}\n",
    "an identity": f"{IDS}graph: x --> y[identity]\n",
    "an embedding": f"{IDS}graph: x --> y[embedding]\nnodes: {{y: {{vocab: 16, dim: 4}}}}\n",
    "an output that is an input": f"{FLOATS}graph: x\noutputs: {{y: x}}\n",
}
FORMS = ("yaml", "mermaid", "torch", "graph", "typed", "program")


def succeeded(*arguments: object) -> str:
    result = command(*arguments)
    text = shown(result)
    assert result.exit_code == 0, f"{arguments}: {text}"
    return text


@pytest.mark.parametrize("name", MODELS)
def test_every_command(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec, folder = Path("edge.yaml"), Path("exported/edge")
    spec.write_text(MODELS[name], encoding="utf-8")
    succeeded("build", spec, "--no-bench", "--per-component")

    # the spec and its artifact, in every form
    for model in (spec, folder):
        facts = json.loads(succeeded("check", model, "--json"))
        for arguments in (("plan", model, "--memory", "1GB"), ("weights", model), ("show", model, "--tree")):
            assert "nan" not in succeeded(*arguments).lower()
        for form in FORMS:
            succeeded("show", model, "--as", form)
        for suffix in ("svg", "html", "png", "mmd"):
            succeeded("show", model, "-o", f"drawn.{suffix}")
        assert facts["inputs"].keys() == {"x"}
    assert "no differences" in succeeded("diff", spec, folder)
    assert json.loads(succeeded("weights", folder, "--json"))["tensors"] == expected_tensors(name)

    # written again, it is the same model
    for form, suffix in (("mermaid", "mmd"), ("yaml", "yaml")):
        Path(f"again.{suffix}").write_text(succeeded("show", spec, "--as", form), encoding="utf-8")
        assert "no differences" in succeeded("diff", spec, f"again.{suffix}")

    # the artifact computes what NumPy does
    assert all(output["found"] == 0 for output in json.loads(succeeded("verify", folder, "--json"))["outputs"])
    x = np.arange(16).reshape(2, 8) if "below" in MODELS[name] else np.random.default_rng(0).random((2, 8), np.float32)
    np.savez("in.npz", x=x)
    succeeded("run", folder, "-i", "in.npz", "-o", "out.npz")
    with np.load("out.npz") as out:
        if name == "an embedding":
            assert out["y"].shape == (2, 8, 4)
        else:
            np.testing.assert_array_equal(out["y"], x.argmax(-1) if "choice" in name else x)

    # nothing fails that could be reduced, except by a command that always does
    assert "P720" in shown(command("reduce", spec))
    succeeded("reduce", spec, "--command", "false", "-o", "reduced.yaml")
    succeeded("check", "reduced.yaml")


def expected_tensors(name: str) -> list[dict[str, Any]]:
    if name != "an embedding":
        return []
    place = {"file": "edge.yaml", "line": 4}
    return [{"name": "y.weight", "shape": [16, 4], "dtype": "float32", "trainable": True, "span": place}]


def test_bench_of_a_choice(tmp_path: Path) -> None:
    (tmp_path / "edge.yaml").write_text(MODELS["a choice"], encoding="utf-8")
    options = ("--only", "onnx", "--seconds", "0", "--sittings", "1", "--threads", "1")
    text = succeeded("bench", tmp_path / "edge.yaml", *options)
    assert "✓ open" in text
    assert "at batch=64: 20 rounds" in text
