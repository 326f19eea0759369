"""The keys of everything that stackc writes for programs: no rename inside stackc may rename one of them.

Each output has a text in tests/json_keys with a line for every key: its path, and which JSON types it has. `*` stands
for names that come from a spec or a machine, `[]` for the items of a list. Where an output is meant to change, write
the texts anew, and read what is different: `STACKC_WRITE_KEYS=1 pytest tests/test_json_keys.py; git diff`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import pytest
import yaml
from click.testing import CliRunner

from stackc.cli import cli

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
GOLDEN = TESTS / "json_keys"
SPECS = (
    *(GOLDEN / name for name in ("tiny.yaml", "after.yaml", "json_keys_layers.py")),
    *(TESTS / "bad_specs" / name for name in ("N306_two_masks.yaml", "N310_repeat_below_one.yaml")),
)
WRITE = bool(os.environ.get("STACKC_WRITE_KEYS"))

Run = Callable[[str], str]
"""What a command prints; it is run once."""


# -- what there is

# Where the commands are run there are the SPECS, and of them: tiny.npz, weights for tiny.yaml; proven/tiny, built with
# those and all that a build can find out; random/tiny, built with nothing of that, and twin.onnx, a copy of its model.
OWN = "--trust json_keys_layers"
CPU = "--provider cpu --threads 1"
PROVEN = f"build tiny.yaml {OWN} {CPU} --weights tiny.npz --per-component -o proven --json"
RANDOM = f"build tiny.yaml {OWN} --no-verify --no-bench --functions -o random --json"
PAGE = f"show tiny.yaml {OWN} --depth 2 -o show.html"
DIFF_PAGE = f"diff tiny.yaml after.yaml {OWN} --html diff.html"
QUICK = f"{CPU} --seconds 0 --sittings 1 --json"


@dataclass(frozen=True)
class Output:
    """One kind of output: the commands that print it, or the files that hold it.

    `data` has the paths of objects whose keys are names and no words of the format, `varies` the types of what is not
    the same on every machine. Nothing is looked at that is deeper than `depth`.
    """

    name: str
    commands: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    varies: Mapping[str, str] = field(default_factory=dict)
    depth: int = 100


BODY = ("nodes", "nodes.*.reparam", "nodes.*.tie", "outputs")
LOCK = ("dims", "inputs", *BODY, "blocks", *(f"blocks.*.{path}" for path in BODY if "tie" not in path), "weights.map")
MANIFEST = ("code", "dims", "files", "parity.rows[].sizes", "spec", "tolerances", "versions", "weights")
BUSY = {"busy_cores_of_others": "float|null"}
SPREAD = {"parity.rows[].spread": "float|null"}  # null at a row that passes without it
OUTPUTS = (
    Output(
        "bench",
        (
            f"bench proven/tiny {OWN} --only eager,onnx --per-component {QUICK}",
            f"bench random/tiny/model.onnx twin.onnx --dims batch=2,seq=2 {QUICK}",
        ),
        data=("inputs", "sizes", "versions", "per_component[].sizes"),
        varies=BUSY
        | {
            "candidates[].device_memory_bytes": "int|null",
            "candidates[].elsewhere[]": "str",
            "candidates[].peak_memory_bytes": "int|null",
        },
    ),
    Output("build", (PROVEN, RANDOM), data=MANIFEST, varies=SPREAD),
    Output("cache", ("cache --json",)),
    Output("cache_clear", ("cache --json --clear",)),
    Output(
        "check",
        (f"check tiny.yaml {OWN} --json", f"check tiny.yaml {OWN} --format json"),
        data=("inputs", "outputs"),
    ),
    Output(
        "check_errors",
        (
            "check N306_two_masks.yaml --json",
            "check N310_repeat_below_one.yaml --format json",
            "check missing.yaml --json",
        ),
    ),
    Output("diff", (f"diff tiny.yaml after.yaml {OWN} --json",)),
    Output("diff_page", files=("diff.html",), data=("marks",)),
    Output("doctor", ("doctor --json",), varies={"[].fix": "str|null"}),
    Output("explain", ("explain --json",), data=("",)),
    Output("explain_code", ("explain N301 --json", "explain S009 --json")),
    Output("lock", files=("proven/tiny/spec.lock.yaml",), data=LOCK),
    Output("manifest", files=("proven/tiny/manifest.json", "random/tiny/manifest.json"), data=MANIFEST, varies=SPREAD),
    Output("model", files=("proven/tiny/model.onnx", "random/tiny/model.onnx")),
    Output("ops", ("ops --json", "ops merge --json", "ops --search softmax --json"), data=("", "*")),
    Output(
        "ops_name",
        tuple(f"ops {name} --json" for name in ("attention", "concat", "embedding", "linear", "stack", "torch")),
        data=("buffers", "outputs", "parameters"),
    ),
    Output(
        "parity",
        files=("proven/tiny/parity.json",),
        data=("components[].sizes", "outputs[].sizes"),
        varies={"components[].spread": "float|null", "outputs[].spread": "float|null"},
    ),
    Output(
        "weights",
        (
            f"weights tiny.yaml {OWN} --json",
            f"weights tiny.yaml tiny.npz {OWN} --json",
            f"weights after.yaml tiny.npz {OWN} --json",
        ),
        data=("proposals",),
    ),
    Output(
        "plan",
        (
            f"plan tiny.yaml {OWN} --depth 2 --json",
            f"plan tiny.yaml {OWN} --memory 4400B --json",
            f"plan after.yaml {OWN} --memory 1GB --json",
        ),
        data=(
            *("inputs", "outputs", "peaks[].dims"),
            *(f"memory.fits.{dtype}[].beside" for dtype in ("float16", "float32", "int8")),
        ),
    ),
    Output("reduce", (f"reduce tiny.yaml {OWN} --command false --json",), varies={"file": "str|null"}),
    Output("report", files=("proven/tiny/report.json",), data=("profile.sizes",), varies=BUSY),
    Output("report_page", files=("proven/tiny/report.html",), data=("overlays[].values",)),
    Output("schema", ("schema",), depth=1),
    Output("show_page", files=("show.html",), data=("overlays[].values",)),
    Output("tune_plan", (f"tune tiny.yaml {OWN} --plan --json",), data=("candidates",)),
    Output("verify", (f"verify proven/tiny {CPU} --json",)),
    Output("zoo", ("zoo --json",), data=("[].record",), varies={"[].record": "object|null"}),
)
ELSEWHERE = {
    (command, "--json") for command in ("attribute", "deploy", "evaluate", "generate", "import", "run", "train")
}
"""Options whose keys another test has: tests/cli/test_commands.py, tests/hub/test_import.py, …"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs commands in a folder that has what they name. There is no OpenVINO there, so that a bench leaves it out."""
    folder = tmp_path_factory.mktemp("json_keys")
    for path in SPECS:
        shutil.copy(path, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("STACKC_CACHE", str(folder / "cache"))
        patch.setattr(sys, "path", [*sys.path])  # to which stackc adds the folder, for json_keys_layers.py
        patch.setitem(sys.modules, "openvino", None)
        np.savez("tiny.npz", **_weights())

        once = cache(_run)
        for command in (PAGE, DIFF_PAGE, PROVEN, RANDOM):
            once(command)

        shutil.copy("random/tiny/model.onnx", "twin.onnx")
        yield once
        sys.modules.pop("json_keys_layers", None)


def _weights() -> dict[str, Any]:
    """Tensors for tiny.yaml."""
    shapes: dict[str, tuple[int, ...]] = {"word.weight": (16, 8), "head.bias": (16,), "gate.weight": (4, 16)}
    shapes |= {"the.bias": (4,), "extra.step": (1,)}
    for layer in ("once", "layers.0", "layers.1"):
        shapes |= {f"{layer}.up.weight": (16, 8), f"{layer}.up.bias": (16,)}
        shapes |= {f"{layer}.down.weight": (8, 16), f"{layer}.down.bias": (8,)}

    random = np.random.default_rng(0)
    return {name: random.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def _run(command: str) -> str:
    """What a command prints, whether it succeeds or not."""
    done = CliRunner().invoke(cli, command.split())
    assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
    assert done.stdout, (command, done.stderr)
    return done.stdout


# -- its keys


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.name)
def test_keys_are_what_they_were(output: Output, run: Run) -> None:
    found: dict[str, set[str]] = {}
    for value in _values(output, run):
        _gather(value, "", output, 0, found)

    assert set(output.data) <= found.keys(), "all that is said to be data is there"
    text = "".join(f"{line}\n" for line in _lines(found, output.varies))

    golden = GOLDEN / f"{output.name}.txt"
    if WRITE:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), "programs rely on these: see the top of this file"


def _values(output: Output, run: Run) -> Iterator[Any]:
    """All that there is of an output, as JSON has it."""
    for command in output.commands:
        yield json.loads(run(command))
    for file in output.files:
        yield from _READERS[Path(file).suffix](Path(file))


def _read_page(path: Path) -> Iterator[Any]:
    """The data that the script of a page is given."""
    scripts = re.findall(r'<script type="application/json">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert scripts
    return map(json.loads, scripts)


def _read_model(path: Path) -> Iterator[Any]:
    """What an ONNX file says of itself, of its functions and of its nodes, beside what ONNX is there for."""
    model = onnx.load(path)
    functions = list(model.functions)
    nodes = [*model.graph.node, *(node for function in functions for node in function.node)]
    groups = {"model": [model], "graph": [model.graph], "functions": functions, "nodes": nodes}
    yield {
        name: [{entry.key: entry.value for entry in one.metadata_props} for one in group]
        for name, group in groups.items()
    }


_READERS: dict[str, Callable[[Path], Iterator[Any]]] = {
    ".html": _read_page,
    ".json": lambda path: iter([json.loads(path.read_text(encoding="utf-8"))]),
    ".onnx": _read_model,
    ".yaml": lambda path: iter([yaml.safe_load(path.read_text(encoding="utf-8"))]),
}
_TYPES = {dict: "object", list: "array", str: "str", bool: "bool", int: "int", float: "float", type(None): "null"}


def _gather(value: Any, path: str, output: Output, depth: int, found: dict[str, set[str]]) -> None:
    """Note the type of a value and of all in it, by path."""
    found.setdefault(path, set()).add(_TYPES[type(value)])
    if depth == output.depth:
        return

    if isinstance(value, dict):
        for key, inner in value.items():
            name = "*" if path in output.data else key
            _gather(inner, f"{path}.{name}".removeprefix("."), output, depth + 1, found)
    elif isinstance(value, list):
        for inner in value:
            _gather(inner, f"{path}[]", output, depth + 1, found)


def _lines(found: Mapping[str, set[str]], varies: Mapping[str, str]) -> Iterator[str]:
    """Each path with its types, those that hold others left out where that is all that they ever do."""
    types = dict(found)
    for path, kinds in varies.items():
        assert types.get(path, set()) <= set(kinds.split("|")), path
        if path.removesuffix("[]") in types:
            types[path] = set(kinds.split("|"))

    holders = {re.sub(r"(^|\.)[^.\[]+$|\[\]$", "", path) for path in types if path}
    for path in sorted(types):
        if path not in holders or len(types[path]) > 1:
            yield f"{path}: {'|'.join(sorted(types[path], key=lambda name: (name == 'null', name)))}"


# -- that nothing is left out


def test_every_json_option_is_covered() -> None:
    context = click.Context(cli)
    offered: set[tuple[str, str]] = set()
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        offered |= {(name, how) for option in command.params for how in _ways_to_json(option)}

    words = [command.split() for output in OUTPUTS for command in output.commands]
    assert offered == ELSEWHERE | {
        (line[0], how) for line in words for how in ("--json", "--format json") if how in " ".join(line)
    }


def _ways_to_json(option: click.Parameter) -> Iterator[str]:
    """How an option asks for JSON."""
    if "--json" in option.opts:
        yield "--json"
    if isinstance(option.type, click.Choice) and "json" in option.type.choices:
        yield f"{option.opts[0]} json"


def test_every_text_is_of_an_output() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {output.name for output in OUTPUTS}
