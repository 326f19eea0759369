"""`stackc weights`: lists of parameters, comparisons, proposals, and files under the spec's names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

import stackc
from stackc.cli import cli

SPECS = Path(__file__).parents[2] / "specs"
BERT = {"layers": 2, "dim": 24, "heads": 3, "hidden": 40, "vocab": 60}
GPT2 = {"layers": 2, "dim": 24, "heads": 3, "positions": 16, "vocab": 50}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["weights", *map(str, arguments)])


def settings(params: dict[str, int]) -> str:
    return ",".join(f"{name}={value}" for name, value in params.items())


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    bert = BertConfig(num_hidden_layers=2, hidden_size=24, num_attention_heads=3, intermediate_size=40, vocab_size=60)
    gpt2 = GPT2Config(
        n_layer=2, n_embd=24, n_head=3, vocab_size=50, n_positions=16, bos_token_id=None, eos_token_id=None
    )
    return {"bert": BertModel(bert).state_dict(), "gpt2": GPT2LMHeadModel(gpt2).state_dict()}


def without_map(folder: Path, name: str) -> Path:
    text = (SPECS / f"{name}.yaml").read_text(encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(text[: text.index("\nweights:") + 1], encoding="utf-8")
    return path


SMALL = """\
stackc: 1
name: small
inputs: {x: {shape: [batch, 3, 8, 8]}}
graph: x --> a[conv2d] --> bn[batch_norm] --> b[conv2d]
nodes:
  a: {out: 3, kernel: 3}
  bn: {axis: 1}
  b: {out: 3, kernel: 3, tie: {weight: a.weight}}
"""


def test_the_list_has_every_parameter_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    rows = {row["name"]: row for row in json.loads(run(path, "--json").output)["tensors"]}
    module = stackc.module(path)
    parameters = dict(module.named_parameters())
    assert set(rows) == {*parameters, *dict(module.named_buffers())}
    for name, row in rows.items():
        assert row["trainable"] == (name in parameters)
        assert tuple(row["shape"]) == module.state_dict()[name].shape
        assert row["span"] == {"file": str(path), "line": 4}
    assert "running_mean" in run(path).output
    assert "float32, not trained" in run(path).output


@pytest.mark.parametrize(("name", "params", "dims"), [("bert", BERT, []), ("gpt2", GPT2, ["--dims", "seq=16"])])
def test_proposals_fix_a_spec_without_a_map(
    name: str, params: dict[str, int], dims: list[str], states: dict[str, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    """What is proposed is taken as it is, and then every tensor is the one that the shipped map finds."""
    spec_name = {"bert": "bert_base", "gpt2": "gpt2"}[name]
    spec, file = without_map(tmp_path, spec_name), tmp_path / "w.safetensors"
    save_file({key: tensor.clone() for key, tensor in states[name].items()}, file)
    options = ["--set", settings(params), *dims]
    result = run(spec, file, *options, "--json")
    assert result.exit_code == 1
    proposals = json.loads(result.output)["proposals"]

    lines = "".join(f'    "{key}": "{text}"\n' for key, text in proposals.items())
    with spec.open("a", encoding="utf-8") as text:
        text.write(f"weights:\n  map:\n{lines}  ignore: [transformer.wte.weight]\n")
    outs = {"proposed": tmp_path / "proposed.safetensors", "shipped": tmp_path / "shipped.safetensors"}
    for path, out in ((spec, outs["proposed"]), (SPECS / f"{spec_name}.yaml", outs["shipped"])):
        result = run(path, file, *options, "-o", out)
        assert result.exit_code == 0, result.output
    ours, theirs = load_file(outs["proposed"]), load_file(outs["shipped"])
    assert ours.keys() == theirs.keys()
    for key, tensor in ours.items():
        assert torch.equal(tensor, theirs[key]), key


def test_what_is_written_loads_into_the_module_and_back(tmp_path: Path, states: dict[str, Any]) -> None:
    """The file has the spec's own names, which every map accepts."""
    save_file({key: tensor.clone() for key, tensor in states["bert"].items()}, tmp_path / "w.safetensors")
    own = tmp_path / "own.safetensors"
    options = ["--set", settings(BERT)]
    assert run(SPECS / "bert_base.yaml", tmp_path / "w.safetensors", *options, "-o", own).exit_code == 0
    again = run(SPECS / "bert_base.yaml", own, *options)
    assert again.exit_code == 0, again.output
    assert "all match" in again.output
    module = stackc.module(SPECS / "bert_base.yaml", params=BERT)
    module.load_state_dict(load_file(own))


def test_a_prefix_is_one_line(tmp_path: Path, states: dict[str, Any]) -> None:
    save_file({f"module.{key}": tensor.clone() for key, tensor in states["bert"].items()}, tmp_path / "w.safetensors")
    result = run(SPECS / "bert_base.yaml", tmp_path / "w.safetensors", "--set", settings(BERT))
    assert result.exit_code == 1
    assert "help: write `weights: {prefix: module.}`" in result.output
    assert "1 error" in result.output


def test_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    assert run(path, "-o", tmp_path / "own.pt").exit_code == 2
    assert "name one" in run(path, "-o", tmp_path / "own.safetensors").output
    arrays: dict[str, Any] = {"a.weight": np.ones((1, 3, 3, 3), np.float32)}
    np.savez(tmp_path / "w.npz", **arrays)
    result = run(path, tmp_path / "w.npz", "-o", tmp_path / "own.safetensors")
    assert result.exit_code == 1
    assert not (tmp_path / "own.safetensors").exists()
