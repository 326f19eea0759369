"""Names of every kind, in every place where another program may have put them: no traceback, and nothing that steers.

tests/cli/test_foreign_names.py has one hostile name in every kind of file; here are the other kinds of names, drawn at
random too, and names that no file can have.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cli.test_foreign_names import HOSTILE, SPEC, command, is_steering, shown

import stackc

NAMES = {
    "control": HOSTILE,
    "markup": "[bold red]answer[/bold red] [/] [link=x] <script>answer</script> `answer` | **answer**",
    "long": "answer" + "n." * 50_000,
    "right to left": "\u05e9\u05dc\u05d5\u05ddanswer\u0645\u0631",
    "path": "../../answer/..\\c:\\answer",
    "surrogate": "\ud800answer\udfff",
    "invisible": "a\u200banswer\U000e0041\u00ad",
    "format": "%s {0} {answer} %(x)s $answer {i}.*.**",
    "accents": "answer" + "\u0301" * 3000,
    "quotes": "\"answer': {#",
    "empty": "",
}
TEXTS = st.text(st.characters(), max_size=30)
"""Every code point, also control characters and halves of surrogate pairs."""

CONFIG = {
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 1,
    "num_attention_heads": 4, "intermediate_size": 40, "max_position_embeddings": 19, "type_vocab_size": 3,
}  # fmt: skip
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "a value that is known": lambda name: {"hidden_act": name},
    "a size": lambda name: {"hidden_size": name},
    "a value that is not known": lambda name: {"unknown": name},
    "a key": lambda name: {name: 1},
    "a mapping": lambda name: {"quantization_config": {name: name}},
    "the type": lambda name: {"model_type": name},
    "the class": lambda name: {"architectures": [name]},
    "the path": lambda name: {"_name_or_path": name},
}


def assert_harmless(*arguments: object) -> str:
    """Run a command, which may fail, and return what it prints: text without characters that steer."""
    text = shown(command(*arguments))
    text.encode()
    assert [character for character in text if is_steering(character)] == []
    return text


def write_tensors(path: Path, **shapes: tuple[int, ...]) -> None:
    """Write a safetensors file whose names may be anything that JSON can say."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))


def list_weights(name: str, folder: Path) -> None:
    """Let `stackc weights` compare a file with this name, as the one that is wanted and as one that is not."""
    spec, file = folder / "small.yaml", folder / "w.safetensors"
    spec.write_text(SPEC, encoding="utf-8")
    for shapes in ({name: (2, 4), "y.bias": (2,)}, {"y.weight": (2, 4), "y.bias": (2,), f"{name}1": (3,)}):
        write_tensors(file, **shapes)
        assert_harmless("weights", spec, file)
        printed = assert_harmless("weights", spec, file, "--json")
        if "W804" not in printed:  # halves of surrogate pairs are no safetensors
            assert json.loads(printed)["unused"] == [
                tensor for tensor in shapes if tensor not in ("y.weight", "y.bias")
            ]


def import_config(changes: dict[str, Any], folder: Path) -> None:
    """Let `stackc import` read a config with these changes, beside weights that are not those of the model."""
    source = folder / "bert"
    source.mkdir(exist_ok=True)
    write_tensors(source / "model.safetensors", **{"embeddings.word_embeddings.weight": (61, 24), "other": (2,)})
    (source / "config.json").write_text(json.dumps(CONFIG | changes), encoding="utf-8")
    assert_harmless("import", source, "-o", folder / "out")


@pytest.mark.parametrize("kind", NAMES)
def test_tensors(kind: str, tmp_path: Path) -> None:
    list_weights(NAMES[kind], tmp_path)


def test_a_long_name_that_no_parameter_would_use_is_shortened(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SPEC, encoding="utf-8")
    write_tensors(tmp_path / "w.safetensors", **{"z.weight": (2, 4), "z.bias": (2,), NAMES["long"]: (3,)})
    text = assert_harmless("weights", tmp_path / "small.yaml", tmp_path / "w.safetensors")
    assert "no parameter would use answern.n" in text
    assert len(text) < 2000


@pytest.mark.parametrize(
    "name", ["null", "true", "12", "@x", "&x", "!x", "%x", "`x", "- x", "? x", "> x", "x:", "a: b", "a #b"]
)
def test_proposals_are_yaml(name: str, tmp_path: Path) -> None:
    """As another reader of YAML has it, each text is the name of the tensor."""
    (tmp_path / "small.yaml").write_text(SPEC, encoding="utf-8")
    write_tensors(tmp_path / "w.safetensors", **{name: (2, 4), "y.bias": (2,)})
    text = shown(command("weights", tmp_path / "small.yaml", tmp_path / "w.safetensors"))
    (proposal,) = [line for line in text.splitlines() if line.startswith("    y.weight: ")]
    assert yaml.safe_load(proposal) == {"y.weight": name}


@pytest.mark.parametrize("place", PLACES)
def test_configs(place: str, tmp_path: Path) -> None:
    for name in NAMES.values():
        import_config(PLACES[place](name), tmp_path)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXTS, place=st.sampled_from(list(PLACES)))
def test_any_text(name: str, place: str, tmp_path: Path) -> None:
    list_weights(name, tmp_path)
    import_config(PLACES[place](name), tmp_path)


@pytest.mark.parametrize("kind", NAMES)
def test_files_that_an_index_names(kind: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SPEC, encoding="utf-8")
    write_tensors(tmp_path / "w.safetensors", a=(2,))
    index = tmp_path / "m.index.json"
    name = NAMES[kind]
    for files in ({name: "w.safetensors"}, {"a": name}, {"a": f"{name}.safetensors"}):
        index.write_text(json.dumps({"weight_map": files}), encoding="utf-8")
        assert_harmless("weights", tmp_path / "small.yaml", index)


@pytest.mark.parametrize("kind", NAMES)
def test_names_of_a_spec(kind: str, tmp_path: Path) -> None:
    """What may be written is drawn, listed and compared; what may not is a message."""
    (tmp_path / "small.yaml").write_text(SPEC, encoding="utf-8")
    written = json.dumps(NAMES[kind])
    for old, new in (
        ("y[linear]", f"y[{written}]"), ("batch", written), ("name: small", f"name: {written}"),
        ("out: 2", f"{written}: 2"), ("-->", f"-->|{written}|"), ("{y:", f"{{{written}:"),
        ("nodes", f"outputs: {{{written}: y}}\nnodes"),
    ):  # fmt: skip
        path = tmp_path / "named.yaml"
        path.write_text(SPEC.replace(old, new), encoding="utf-8", errors="surrogatepass")
        for arguments in (
            ("check", path), ("plan", path), ("show", path, "--tree"), ("diff", tmp_path / "small.yaml", path),
            ("diff", path, path, "--markdown"), ("weights", path),
        ):  # fmt: skip
            assert_harmless(*arguments)


@pytest.mark.parametrize("kind", NAMES)
def test_what_the_command_of_reduce_prints(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its output is not shown, whatever it is."""
    (tmp_path / "small.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "said.txt").write_text(NAMES[kind], encoding="utf-8", errors="replace")
    text = assert_harmless("reduce", tmp_path / "small.yaml", "--command", f"cat {tmp_path}/said.txt >&2; false {{}}")
    assert "reduced" in text
    captured = capfd.readouterr()
    assert not [character for character in captured.out + captured.err if is_steering(character)]


@pytest.mark.parametrize("kind", NAMES)
def test_plugins_that_doctor_tries(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package may call a component and itself anything, and fail with any message."""
    name = NAMES[kind]

    def load() -> Any:
        raise RuntimeError(name)

    package = SimpleNamespace(name=name, version=name)
    broken = SimpleNamespace(name=name, value="x:y", group="stackc.components", dist=package, load=load)
    for module in ("stackc.cli.diagnose", "stackc.components.plugins"):
        monkeypatch.setattr(f"{module}.plugins", lambda: {name: broken})
    text = assert_harmless("doctor")
    assert "component" in text
    assert json.loads(shown(command("doctor", "--json")))


# -- names that no file can have

LONG = "n" * 300
ARGUMENTS = [
    ("check", LONG), ("check", f"{LONG}.md#x"), ("plan", LONG), ("show", LONG), ("diff", "small.yaml", LONG),
    ("weights", "small.yaml", LONG), ("weights", "small.yaml", "w.npz", "-o", f"{LONG}.safetensors"), ("verify", LONG),
    ("run", LONG, "-i", "in.npz", "-o", "out.npz"), ("bench", f"{LONG}.onnx"), ("reduce", LONG),
    ("reduce", "small.yaml", "--command", "false", "-o", f"{LONG}.yaml"), ("import", LONG), ("import", ".", "-o", LONG),
    ("diff", "small.yaml", "small.yaml", "--html", f"{LONG}.html"), ("init", f"{LONG}.mmd"),
    ("init", "--template", "mlp", "-o", LONG), ("show", "small.yaml", "-o", f"{LONG}.svg"), ("schema", "-o", LONG),
    ("build", "small.yaml", "-o", LONG), ("build", "small.yaml", "-o", "/".join(["n" * 200] * 30)),
    ("build", "small.yaml", "--weights", LONG), ("bench", "small.yaml", "--plot", f"{LONG}.svg"), ("build", LONG),
]  # fmt: skip


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda arguments: " ".join(arguments).replace(LONG, "LONG")[:60])
def test_error_a_name_that_no_file_can_have(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SPEC, encoding="utf-8")
    result = command(*arguments)
    assert result.exit_code == 2
    assert "is longer than a name or a path may be" in " ".join(shown(result).replace("│", " ").split())
    assert LONG not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def test_error_weights_that_no_file_can_be(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(f"{SPEC}weights: {{file: {LONG}.npz}}\n", encoding="utf-8")
    assert "W804" in assert_harmless("build", path, "--until", "weights")


def test_every_path_of_the_command_line_is_one_that_could_be() -> None:
    folder = Path(stackc.__file__).parent / "cli"
    users = [path.name for path in folder.glob("*.py") if "click.Path" in path.read_text(encoding="utf-8")]
    assert users == ["options.py"]
