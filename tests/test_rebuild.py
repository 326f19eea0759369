"""A second build: with weights from a file, compiled components in the cache and nothing to run, it needs no PyTorch.

Weights from a file must give the same model, byte for byte, as the same weights of the module.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.hub.small_sizes import small_params

from stackc.artifact.folder import load_artifact, verify_files
from stackc.cache import user_cache
from stackc.core.diagnostics import Span
from stackc.export.compile_cached import compile_cached
from stackc.export.units import units_of
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build
from stackc.torch_backend.lower import lower

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[1] / "specs"
TINY = {
    "bert_base.yaml": {"vocab": "50", "dim": "24", "layers": "2", "hidden": "32"},
    "deep_bert.yaml": {"vocab": "50", "dim": "8", "encoders": "2", "layers": "1"},
    "detr.yaml": {"channels": "4", "dim": "32", "heads": "4", "hidden": "40", "layers": "2", "queries": "5"},
    "ensemble.yaml": {"vocab": "50", "dim": "16"},
    "gpt2.yaml": {"vocab": "97", "dim": "24", "layers": "2"},
    "minilm.yaml": {"vocab": "50", "dim": "24", "layers": "2"},
    "t5.yaml": {"vocab": "50", "dim": "16", "heads": "2", "head_dim": "8", "hidden": "24", "layers": "2"},
    "two_tower.yaml": {"users": "50", "catalogue": "40", "genres": "5", "dim": "16", "hidden": "24"},
    "unet.yaml": {"width0": "4"},
}
# weights are calculated when they are written, by ONNX Runtime: they are standardized, or products of norms
KINDS = (
    "convnext.yaml", "dlrm.yaml", "gcn.yaml", "gru_seq2seq.yaml", "llama.yaml", "lstm_forecaster.yaml", "mamba.yaml",
    "mobilenet_v2.yaml", "normalized.yaml", "seed.mmd", "stacked.yaml", "tcn.yaml", "wav2vec2_ctc.yaml", "whisper.yaml",
    *TINY,
)  # fmt: skip
"""Specs of every kind; tests/hub and tests/models prove others, at least one of each family."""
CALCULATED = {"ensemble.yaml", "tcn.yaml", "wav2vec2_ctc.yaml", "whisper.yaml"}
REBUILD = """
import json, sys
from pathlib import Path
from typing import Any
from stackc.pipeline import Options, build
from stackc.frontend import Overrides
for spec, params, weights, out in json.loads(sys.argv[1]):
    progress = []
    options = Options(Overrides(params), Path(weights), Path(out), verify=False)
    build(Path(spec), options, lambda stage, result: progress.append(f"{stage}: {result}"))
    heavy = {"torch", "onnxruntime", "onnxscript", "onnx_ir"} & sys.modules.keys()
    print(json.dumps([Path(spec).name, sorted(heavy), progress]))
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnxruntime"]:
        del sys.modules[name]
"""


@dataclass(frozen=True)
class Rebuilt:
    """The model of a first build, with random weights, and the result of a second one with the same from a file."""

    first: bytes
    again: Path
    heavy: list[str]
    progress: list[str]
    weights: Path


def plain(spec: Path, folder: Path) -> Path:
    """Copy the spec without its map of names: the file of weights has the names of the model."""
    text = re.sub(r"^weights:\n(?:[ ].*\n)*", "", spec.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (folder / spec.name).write_text(text, encoding="utf-8")
    return folder / spec.name


def save_state(spec: Path, params: Mapping[str, str], path: Path) -> None:
    checked = check_spec(spec, Overrides(params))
    state = lower(checked.typed).state_dict()
    safetensors.torch.save_file({name: state[name].contiguous() for name in checked.program.tensors()}, path)


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rebuilt]:
    """Build specs of every kind: all components compiled in one batch, and all second builds in one new process."""
    folder = tmp_path_factory.mktemp("specs")
    specs = [(plain(SPECS / name, folder), TINY.get(name) or small_params(Path(name).stem)) for name in KINDS]
    programs = [check_spec(spec, Overrides(params)).program for spec, params in specs]
    compile_cached({unit: Span("", 1) for program in programs for unit in units_of(program, 23)}, user_cache())

    firsts, jobs = {}, []
    for spec, params in specs:
        options = Options(Overrides(params), out=folder / "first", verify=False)
        firsts[spec.name] = build(spec, options).folder
        save_state(spec, params, spec.with_suffix(".safetensors"))
        jobs.append((str(spec), params, str(spec.with_suffix(".safetensors")), str(folder / "again")))

    command = [sys.executable, "-c", REBUILD, json.dumps(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        name: Rebuilt(
            (firsts[name] / "model.onnx").read_bytes(),
            folder / "again" / firsts[name].name,
            heavy,
            progress,
            (folder / name).with_suffix(".safetensors"),
        )
        for name, heavy, progress in map(json.loads, done.stdout.splitlines())
    }


@pytest.mark.parametrize("spec", KINDS)
def test_without_pytorch_it_is_the_same_model(rebuilt: dict[str, Rebuilt], spec: str) -> None:
    second = rebuilt[spec]
    assert second.heavy == (["onnxruntime"] if spec in CALCULATED else [])
    assert (second.again / "model.onnx").read_bytes() == second.first
    assert [line.partition(":")[0] for line in second.progress] == ["check", "weights", "export", "write"]
    count, recalled = re.findall(r"(\d+) distinct components?, (\d+) from the cache", second.progress[-2])[0]
    assert count == recalled


def test_the_manifest_has_the_skipped_stages_and_the_sources(rebuilt: dict[str, Rebuilt]) -> None:
    second = rebuilt["seed.mmd"]
    verify_files(load_artifact(second.again))
    assert {path.name for path in second.again.iterdir()} == {
        "model.onnx", "manifest.json", "spec.lock.yaml", "graph.svg", "report.html",
    }  # fmt: skip
    manifest = json.loads((second.again / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["provider"], manifest["parity"]) == (None, None)
    assert manifest["reason"] == "not opened: built without its proof"
    assert manifest["weights"] == {"seed.safetensors": sha256(second.weights.read_bytes()).hexdigest()}
    assert manifest["spec"] == {"seed.mmd": sha256((SPECS / "seed.mmd").read_bytes()).hexdigest()}


def test_without_the_cache_everything_is_compiled(tmp_path: Path) -> None:
    results: list[str] = []
    for cache in (True, False):
        options = Options(out=tmp_path, verify=False, cache=cache)
        build(SPECS / "normalized.yaml", options, lambda stage, result: results.append(result))
    assert "from the cache" not in results[-1]


def test_included_files_and_weights_that_the_spec_names_are_hashed(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    block = "stackc: 1\ninputs: {x: {shape: [batch, 4]}}\ngraph: x --> fc[linear]\nnodes: {fc: {out: 4}}\n"
    (tmp_path / "parts" / "block.yaml").write_text(block, encoding="utf-8")
    spec = tmp_path / "model.yaml"
    spec.write_text(
        "stackc: 1\nname: model\ninputs: {x: {shape: [batch, 4]}}\ngraph: x --> y\n"
        "nodes: {y: {op: parts/block.yaml}}\nweights: {file: w.npz}\n",
        encoding="utf-8",
    )
    tensors: dict[str, Any] = {"y.fc.weight": np.eye(4, dtype="f4"), "y.fc.bias": np.ones(4, "f4")}
    np.savez(tmp_path / "w.npz", **tensors)

    folder = build(spec, Options(out=tmp_path / "out", verify=False)).folder
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = {name: sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("model.yaml", "parts/block.yaml")}
    assert manifest["spec"] == files
    assert manifest["weights"] == {"w.npz": sha256((tmp_path / "w.npz").read_bytes()).hexdigest()}


def test_a_lock_gives_the_same_bytes_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec has params and an included file; the lock stands alone, and its nodes still lead to the spec's lines."""
    first, other = tmp_path / "first", tmp_path / "other"
    (first / "parts").mkdir(parents=True)
    other.mkdir()
    block = "stackc: 1\nparams: {width: int}\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> fc[linear] --> y[gelu]\n"
    (first / "parts" / "block.yaml").write_text(f"{block}nodes: {{fc: {{out: width}}}}\n", encoding="utf-8")
    (first / "model.yaml").write_text(
        "stackc: 1\nname: model\nparams: {width: 4, layers: 1}\ninputs: {x: {shape: [batch, 8]}}\n"
        "graph: x --> s[stack] --> y[linear]\n"
        "nodes: {s: {of: parts/block.yaml, repeat: layers, with: {width: width}}, y: {out: 3}}\n",
        encoding="utf-8",
    )

    monkeypatch.chdir(first)
    options = Options(Overrides({"width": "8", "layers": "3"}), out=Path("out"), verify=False)
    first_folder = build(Path("model.yaml"), options).folder.resolve()
    (other / "locked.yaml").write_bytes((first_folder / "spec.lock.yaml").read_bytes())

    monkeypatch.chdir(other)
    locked_folder = build(Path("locked.yaml"), Options(out=Path("out"), verify=False)).folder
    for name in ("model.onnx", "spec.lock.yaml"):
        assert (first_folder / name).read_bytes() == (locked_folder / name).read_bytes(), name
    assert b"parts/block.yaml:4" in (locked_folder / "model.onnx").read_bytes()


def test_shards_are_one_file_of_weights(tmp_path: Path) -> None:
    """An index as Hugging Face writes it, of shards of safetensors or torch.save; the model is that of one file."""
    spec = SPECS / "stacked.yaml"
    save_state(spec, {}, tmp_path / "whole.safetensors")
    state = safetensors.torch.load_file(tmp_path / "whole.safetensors")
    models = [build_model(spec, tmp_path / "whole.safetensors", tmp_path / "whole")]

    for kind in ("safetensors", "bin"):
        names = {name: f"model-{number % 2 + 1}-of-2.{kind}" for number, name in enumerate(state)}
        for file in set(names.values()):
            part = {name: tensor for name, tensor in state.items() if names[name] == file}
            (torch.save if kind == "bin" else safetensors.torch.save_file)(part, tmp_path / file)

        index = tmp_path / f"model.{kind}.index.json"
        index.write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": names}), encoding="utf-8")
        models.append(build_model(spec, index, tmp_path / kind))
        manifest = json.loads((tmp_path / kind / "stacked" / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["weights"].keys() == {index.name, *names.values()}
    assert models[0] == models[1] == models[2]


def build_model(spec: Path, weights: Path, out: Path) -> bytes:
    folder = build(spec, Options(weights=weights, out=out, verify=False)).folder
    return (folder / "model.onnx").read_bytes()
