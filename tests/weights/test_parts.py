"""Parts of a model with weights of their own: included specs bring theirs, `weights:` names those of a part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

import stackc
from stackc.artifact.stored_weights import gather_part_weights
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_spec
from stackc.pipeline import Options, build, lower_with_weights

ENCODER = """\
stackc: 1
name: encoder
params: {dim: 6}
inputs: {x: {shape: [batch, dim]}}
graph: x --> up[linear] --> act[gelu] --> norm[layer_norm]
nodes: {up: {out: dim}, norm: {axis: -1}}
"""
MAP = "weights: {file: encoder.safetensors, map: {up.*: dense.*, norm.weight: gamma, norm.bias: beta}}\n"
HEAD = """\
stackc: 1
name: whole
inputs: {x: {shape: [batch, 6]}}
graph: x --> body[stack] --> head[linear]
nodes: {body: {of: %s, repeat: 2}, head: {out: 3%s}}
"""


def tensors(seed: int) -> dict[str, np.ndarray]:
    """The tensors of an encoder, under the names of the file."""
    random = np.random.default_rng(seed)
    shapes = {"dense.weight": (6, 6), "dense.bias": (6,), "gamma": (6,), "beta": (6,)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "encoder.yaml").write_text(ENCODER + MAP, encoding="utf-8")
    (tmp_path / "plain.yaml").write_text(ENCODER, encoding="utf-8")
    for seed, name in enumerate(("encoder", "other")):
        save_file(tensors(seed), tmp_path / f"{name}.safetensors")
    return tmp_path


def whole(folder: Path, of: str = "encoder.yaml", head: str = "", more: str = "") -> Path:
    path = folder / "whole.yaml"
    path.write_text(HEAD % (of, head) + more, encoding="utf-8")
    return path


def encoder(seed: int) -> nn.Module:
    """The encoder by hand."""
    model = nn.Sequential(nn.Linear(6, 6), nn.GELU(), nn.LayerNorm(6))
    values = zip(model.state_dict(), map(torch.from_numpy, tensors(seed).values()), strict=True)
    model.load_state_dict(dict(values))
    return model


def body_of(path: Path) -> nn.Module:
    body: nn.Module = lower_with_weights(check_spec(path), None, 0).get_submodule("body")
    return body


def test_a_stack_of_an_included_spec_has_its_weights(folder: Path) -> None:
    path = whole(folder)
    module, x = lower_with_weights(check_spec(path), None, 7), torch.randn(4, 6)
    expected = encoder(0)(encoder(0)(x))
    torch.testing.assert_close(module.get_submodule("head")(expected), module(x))
    for name, value in stackc.module(whole(folder, "plain.yaml"), seed=7).state_dict().items():
        if name.startswith("head"):  # no file has it: drawn as without any file
            assert torch.equal(module.state_dict()[name], value)


OTHER = "weights: other.safetensors"
MEMBERS = {
    "every member of its own": (f"[encoder.yaml, {{op: encoder.yaml, {OTHER}}}]", [0, 1, 0, 1]),
    "all members": (f"{{op: encoder.yaml, {OTHER}}}", [1, 1]),
    "by the index": ("{op: encoder.yaml, weights: \"${'other' if index else 'encoder'}.safetensors\"}", [0, 1]),
}


@pytest.mark.parametrize(("of", "seeds"), MEMBERS.values(), ids=MEMBERS)
def test_members_have_weights_of_their_own(folder: Path, of: str, seeds: list[int]) -> None:
    body = body_of(whole(folder, of))
    found = [body.state_dict()[f"{index}.up.weight"] for index in range(len(seeds))]
    assert all(torch.equal(w, torch.from_numpy(tensors(s)["dense.weight"])) for w, s in zip(found, seeds, strict=True))


def test_a_node_and_a_component_have_weights(folder: Path) -> None:
    save_file({"kernel": np.ones((3, 6), np.float32), "bias": np.zeros(3, np.float32)}, folder / "head.safetensors")
    head = ", weights: {file: head.safetensors, map: {weight: kernel}}"
    module = lower_with_weights(check_spec(whole(folder, head=head)), None, 0)
    assert torch.equal(module.state_dict()["head.weight"], torch.ones(3, 6))
    assert torch.equal(module.state_dict()["body.1.up.bias"], torch.from_numpy(tensors(0)["dense.bias"]))


def test_the_weights_of_the_whole_replace_those_of_parts(folder: Path) -> None:
    """As after training: named in the spec or on the command line, they win, and those of parts are not even opened."""
    random = lower_with_weights(check_spec(whole(folder, "plain.yaml")), None, 5).state_dict()
    save_file({name: value.numpy() for name, value in random.items()}, folder / "trained.safetensors")
    (folder / "encoder.safetensors").unlink()
    for more, override in (("weights: {file: trained.safetensors}\n", None), ("", folder / "trained.safetensors")):
        module = lower_with_weights(check_spec(whole(folder, more=more)), override, 0)
        assert all(torch.equal(value, random[name]) for name, value in module.state_dict().items())


def test_a_file_of_the_rest(folder: Path) -> None:
    """The file of the whole may lack what parts bring."""
    save_file(
        {"head.weight": np.ones((3, 6), np.float32), "head.bias": np.ones(3, np.float32)}, folder / "rest.safetensors"
    )
    module = lower_with_weights(check_spec(whole(folder, more="weights: {file: rest.safetensors}\n")), None, 0)
    assert torch.equal(module.state_dict()["head.weight"], torch.ones(3, 6))
    assert torch.equal(module.state_dict()["body.0.up.bias"], torch.from_numpy(tensors(0)["dense.bias"]))


def test_false_stands_for_random_weights(folder: Path) -> None:
    body = body_of(whole(folder, "{op: encoder.yaml, weights: false}"))
    drawn = body_of(whole(folder, "plain.yaml"))
    assert all(torch.equal(value, drawn.state_dict()[name]) for name, value in body.state_dict().items())


def refused(path: Path) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        lower_with_weights(check_spec(path), None, 0)
    return [
        (diagnostic.code, diagnostic.message.replace(f"{path.parent}/", "")) for diagnostic in caught.value.diagnostics
    ]


def test_error_weights_that_do_not_fit(folder: Path) -> None:
    assert refused(whole(folder, head=", weights: other.safetensors"))[0][0] in ("W801", "W802")
    assert refused(whole(folder, "{op: encoder.yaml, weights: none.safetensors}"))[0][0] == "W804"
    unmapped = refused(whole(folder, "{op: encoder.yaml, weights: {map: {up.*: dense.*}}}"))
    assert {code for code, _ in unmapped} == {"W801", "W802"}
    assert len(set(unmapped)) == len(unmapped)  # once for both members
    with pytest.raises(SpecError, match=r"W805.*'down.\*' matches no parameter"):
        check_spec(whole(folder, "{op: plain.yaml, weights: {file: other.safetensors, map: {down.*: dense.*}}}"))


@pytest.mark.parametrize(
    ("weights", "code", "message"),
    [
        ("{fil: x}", "S004", "unknown key 'fil' in weights of 'head'"),
        ("{map: {weight: kernel}}", "S006", "the weights of 'head' name no file"),
        ("3", "S005", "weights of 'head'.file must be a path, or a list of paths, but is a whole number"),
        ("{file: x.npz, reference: y.npz}", "S004", "unknown key 'reference' in weights of 'head'"),
    ],
)
def test_error_keys(folder: Path, weights: str, code: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_spec(whole(folder, head=f", weights: {weights}"))
    assert [(each.code, each.message) for each in caught.value.diagnostics] == [(code, message)]


def test_error_weights_under_train(folder: Path) -> None:
    train = """train:
  inputs: {t: {shape: [batch, 3]}}
  graph: |
    head --> loss[mse]
    t -->|target| loss
  nodes: {loss: {weights: other.safetensors}}
  data: {batch: 8}
  steps: 1
"""
    with pytest.raises(SpecError, match=r"L106.*'loss' is under train, where nothing has weights"):
        check_spec(whole(folder, more=train))


def test_all_weights_are_gathered_in_one_file(folder: Path) -> None:
    """For commands that continue with a lock, which does not name the files of parts."""
    checked = check_spec(whole(folder))
    path = gather_part_weights(checked, 7, folder)
    assert path == folder / "whole.safetensors"
    gathered, expected = (lower_with_weights(checked, file, 7).state_dict() for file in (path, None))
    assert all(torch.equal(gathered[name], value) for name, value in expected.items())


def test_error_weights_that_are_never_read(folder: Path) -> None:
    random = lower_with_weights(check_spec(whole(folder, "plain.yaml")), None, 5).state_dict()
    save_file({name: value.numpy() for name, value in random.items()}, folder / "trained.safetensors")
    path = whole(
        folder, "{op: encoder.yaml, weights: other.safetensors}", more="weights: {file: trained.safetensors}\n"
    )
    assert refused(path) == [
        ("W810", f"the weights of 'body.{index}' are never read: an outer file has all of them") for index in (0, 1)
    ]
    path.write_text(
        path.read_text()
        .replace("weights: {file: trained.safetensors}\n", "")
        .replace("--> head[linear]", "--> act[gelu] --> head[linear]")
        .replace("nodes: {", "nodes: {act: {weights: other.safetensors}, ")
    )
    assert refused(path) == [("W810", "the weights of 'act' are never read: it has no parameters")]


@pytest.mark.slow
def test_an_artifact_has_the_weights_of_parts(folder: Path) -> None:
    members = "[encoder.yaml, {op: encoder.yaml, weights: other.safetensors}]"
    built = build(whole(folder, members), Options(out=folder / "out", measure=False))
    assert built.parity is not None
    stored = lower_with_weights(check_spec(folder / "whole.yaml"), built.folder, 0).state_dict()
    expected = lower_with_weights(check_spec(folder / "whole.yaml"), None, 0).state_dict()
    assert all(torch.equal(stored[name], value) for name, value in expected.items())
    assert json.loads((built.folder / "manifest.json").read_text(encoding="utf-8"))["weights"].keys() == {
        "encoder.safetensors", "other.safetensors",
    }  # fmt: skip
