"""Names of foreign files reach the terminal without characters that steer it, whichever command reads the file."""

from __future__ import annotations

import ast
import json
import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper
from safetensors.numpy import save_file

import stackc
from stackc.artifact.manifest import parse_manifest, write_manifest
from stackc.cli import cli
from stackc.cli.report import report_diagnostics
from stackc.cli.screen import safe_json
from stackc.pipeline import Options

HOSTILE = "n\x1b]0;title\x07\x9b31m\u202e\x08\ranswer\n\u2028\u2066e"
"""A window title (click removes colours alone), a C1 control, reversed text, backspace, and forged lines."""

SPEC = """\
stackc: 1
name: small
inputs: {x: {shape: [batch, 4]}}
graph: x --> y[linear]
nodes: {y: {out: 2}}
"""
SCREEN = {"completion.py", "explain.py", "help.py", "ops.py", "cache.py", "screen.py"}
"""Modules that print what stackc itself has written, and the one that prints for all others."""


def is_steering(character: str) -> bool:
    return character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")


def command(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], color=False)


def shown(result: Result) -> str:
    """What the user sees, of a command that ended without a traceback."""
    error, text = result.exception, result.output
    assert error is None or isinstance(error, (SystemExit, stackc.SpecError))
    if isinstance(error, stackc.SpecError):  # `main` prints these
        printed = click.Command("printed", callback=partial(report_diagnostics, error))
        text += CliRunner().invoke(printed).output + str(error)
    return text


def assert_safe(result: Result, mention: str = "answer") -> None:
    text = shown(result)
    assert mention in text
    assert [character for character in text if is_steering(character)] == []
    assert not [line for line in text.splitlines() if line.startswith("answer")], "a name begins no line"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    (folder / "small.yaml").write_text(SPEC, encoding="utf-8")
    return stackc.build(folder / "small.yaml", Options(out=folder, measure=False)).folder


def write_safetensors(path: Path) -> None:
    save_file({HOSTILE: np.zeros((2, 4), np.float32), "y.bias": np.zeros(2, np.float32)}, path)


def write_npz(path: Path) -> None:
    arrays: dict[str, Any] = {HOSTILE: np.zeros((2, 4), np.float32), "x": np.zeros((1, 4), np.float32)}
    np.savez(path, **arrays)


def write_torch(path: Path) -> None:
    import torch

    torch.save({HOSTILE: torch.zeros(2, 4), "y.bias": torch.zeros(2)}, path)


@pytest.mark.parametrize(
    ("name", "write"), [("w.safetensors", write_safetensors), ("w.npz", write_npz), ("w.pt", write_torch)]
)
def test_files_of_weights(name: str, write: Callable[[Path], None], spec: Path) -> None:
    write(spec.with_name(name))
    assert_safe(command("build", spec, "--until", "weights", "--weights", spec.with_name(name)))


def test_the_name_of_a_file_of_weights(spec: Path) -> None:
    name = HOSTILE.replace("/", "")
    write_safetensors(spec.with_name(name))
    spec.write_text(SPEC + f"weights: {json.dumps(name)}\n", encoding="utf-8")
    assert_safe(command("check", spec), "U+")  # refused as text of the spec


def test_arrays_to_run_on(artifact: Path, tmp_path: Path) -> None:
    write_npz(tmp_path / "in.npz")
    assert_safe(command("run", artifact, "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz"))


def test_members_of_an_archive(artifact: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        archive.writestr(HOSTILE, b"no array")
    assert_safe(command("run", artifact, "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz"), "")


@pytest.mark.parametrize("name", ["verify", "run"])
def test_the_manifest_of_an_artifact(name: str, artifact: Path, tmp_path: Path) -> None:
    """It is sealed with its own digest, which anyone can compute."""
    copy = tmp_path / "copy"
    shutil.copytree(artifact, copy)
    manifest = parse_manifest((copy / "manifest.json").read_text(encoding="utf-8"))
    files = {**manifest.files, HOSTILE: "0" * 64}
    (copy / "manifest.json").write_text(write_manifest(replace(manifest, files=files)), encoding="utf-8")
    np.savez(tmp_path / "in.npz", x=np.zeros((1, 4), np.float32))
    options = ["-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz"] if name == "run" else []
    assert_safe(command(name, copy, *options))


def write_onnx(path: Path, *, op: str = "Relu", external: bool = False) -> None:
    """A model whose names are hostile; with an operator that does not exist, ONNX Runtime quotes them."""
    declared = [helper.make_tensor_value_info(HOSTILE + end, TensorProto.FLOAT, [HOSTILE, 4]) for end in "io"]
    node = helper.make_node(op, [declared[0].name], [declared[1].name], name=HOSTILE, domain="")
    graph = helper.make_graph([node], HOSTILE, declared[:1], declared[1:])
    if external:
        tensor = graph.initializer.add(name=HOSTILE, data_type=TensorProto.FLOAT, dims=[1])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../" + HOSTILE)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)


@pytest.mark.parametrize("options", [{"op": "Nonsense"}, {"external": True}], ids=["operator", "external"])
def test_an_onnx_file(options: dict[str, object], tmp_path: Path) -> None:
    write_onnx(tmp_path / "m.onnx", **options)  # type: ignore[arg-type]
    assert_safe(command("bench", tmp_path / "m.onnx", "--seconds", "0.1"))


def test_json_has_them_as_escapes() -> None:
    text = json.dumps({"name": HOSTILE + "\U000e0041"}, ensure_ascii=False, indent=2)
    assert not [character for character in safe_json(text) if is_steering(character)]
    assert json.loads(safe_json(text)) == json.loads(text)


def test_only_the_screen_prints() -> None:
    """Every other module passes what it prints through it; `nl=False` alone may bypass it, for bytes and JSON."""
    folder = Path(stackc.__file__).parent / "cli"
    calls = [
        f"{path.name}:{node.lineno}"
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("click.echo", "click.secho", "print")
        and path.name not in SCREEN and "safe_json" not in ast.unparse(node) and "long_table" not in ast.unparse(node)
        and ast.unparse(node) != "click.echo(shown, nl=False)"
    ]  # fmt: skip
    assert calls == []
