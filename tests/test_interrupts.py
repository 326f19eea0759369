"""An import that is cut short leaves nothing behind: the next call in the same process works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """\
stackc: 1
name: small
inputs: {ids: {dtype: int64, shape: [batch, seq], below: 9}}
graph: ids --> e[embedding] --> n[layer_norm] --> a[attention] --> y[linear]
nodes: {e: {vocab: 9, dim: 8}, a: {heads: 2}, y: {out: 2}}
"""

# Every module of stackc that a check imports is cut short at its last line, when all that it registers anywhere is
# registered; each in a copy of a process that has other packages loaded already.
CUT_SHORT = """\
import ast, json, os, sys
from importlib.util import find_spec
import dataclasses, inspect, networkx, simpleeval, typing, yaml

def call():
    import stackc
    stackc.check("spec.yaml")

def last_line(name):
    spec = find_spec(name)
    with open(spec.origin, encoding="utf-8") as file:
        return spec.origin, ast.parse(file.read()).body[-1].lineno

def cut_short(name):
    origin, line = last_line(name)
    for module in [module for module in sys.modules if module.partition(".")[0] == "stackc"]:
        del sys.modules[module]  # `find_spec` imports parents

    def trace(frame, event, argument):
        if frame.f_code.co_filename != origin or frame.f_code.co_name != "<module>":
            return None
        if event == "line" and frame.f_lineno >= line:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        pass
    else:
        return "was not cut short"
    try:
        call()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

def in_a_copy(run):
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, json.dumps(run()).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        answer = json.load(pipe)
    os.waitpid(child, 0)
    return answer

def imported():
    call()
    return sorted(name for name in sys.modules if name.startswith("stackc."))

names = in_a_copy(imported)
chosen = [name for name in names if name.startswith(sys.argv[1])][:: int(sys.argv[2])]
print(json.dumps({name: in_a_copy(lambda: cut_short(name)) for name in chosen}))
"""

# An interrupt during the first import of a heavy package: a real signal, sent by a finder.
INTERRUPTED = """\
import json, signal, sys
import stackc

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control ignores it in background jobs

class Interrupting:
    def __init__(self, package, step):
        self.package, self.left = package, step

    def find_spec(self, name, path=None, target=None):
        self.left -= name.partition(".")[0] == self.package
        if not self.left:
            self.left = -1
            signal.raise_signal(signal.SIGINT)

def call():
    return sum(parameter.numel() for parameter in stackc.module("spec.yaml").parameters())

sys.meta_path.insert(0, Interrupting(sys.argv[1], int(sys.argv[2])))
try:
    first = call()
except BaseException as error:
    first = f"{type(error).__name__} {error}".strip()
del sys.meta_path[0]
answers = {"first": first, "then": call()}
print(json.dumps(answers))
"""


def answer(script: str, folder: Path, *arguments: str) -> dict[str, object]:
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied by fork")
@pytest.mark.parametrize(
    ("package", "step", "least"),
    [("stackc.components.families.", 2, 3), pytest.param("stackc.", 4, 20, marks=pytest.mark.slow)],
)
def test_a_module_that_was_cut_short_is_imported_anew(package: str, step: int, least: int, tmp_path: Path) -> None:
    answers = answer(CUT_SHORT, tmp_path, package, str(step))
    assert len(answers) >= least
    assert {name: problem for name, problem in answers.items() if problem} == {}


@pytest.mark.slow
@pytest.mark.parametrize(("package", "step"), [("numpy", 60), ("torch", 300)])
def test_an_interrupt_waits_for_the_import_of_a_heavy_package(package: str, step: int, tmp_path: Path) -> None:
    assert answer(INTERRUPTED, tmp_path, package, str(step)) == {"first": "KeyboardInterrupt", "then": 394}
