"""Checks mutated specs, one after another, in a process that may calculate and read its folder, and nothing else.

    python -m tests.mutated.child FOLDER FIRST COUNT [--faulty]

A spec is a seed: `spec_of(seed)`. Before each, its number goes to FOLDER/seed_FIRST, so that whoever waits can tell
which one a process hung on or died of: the system ends a process that takes twice the time of a spec. The last line is
JSON: how many texts were checked and how many were sound, the codes that were said, the longest time in seconds, the
peak of memory in KiB, and all that must not be, by seed. A faulty process does what it must not: `FAULTS[seed]`.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.mutated.mutations import TESTS, corpus, mutated

from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.core.diagnostics import SpecError, render
from stackc.frontend import check_source
from stackc.spec.source import Source

SECONDS = 2.0
BYTES = 500_000_000
CORPUS = corpus()
NAMES, TEXTS = list(CORPUS), list(CORPUS.values())
STEMS = {path.stem for path in (TESTS.parent / "specs").iterdir()}
MODELS = [name for name in NAMES if Path(name).stem.removeprefix("turned_") in STEMS]
INCLUDING = (
    "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n  x --> y\nnodes: {y: {op: neighbour.md#one#layer}}\n"
)

# What code could do beside calculating, as Python's audit events call it. Reading is judged by its place.
FORBIDDEN = re.compile(
    r"(exec|import)$|os\.(?!listdir|scandir)|"
    r"(code|marshal|pickle|ctypes|subprocess|pty|socket|shutil|tempfile|urllib|mmap|signal)\."
)


def busy() -> None:
    """Use more CPU time than a spec may."""
    end = time.process_time() + SECONDS
    while time.process_time() < end:
        pass


FAULTS: tuple[Callable[[], object], ...] = (
    lambda: 1 // 0,
    lambda: Path(__file__).read_bytes(),
    lambda: eval("1"),
    lambda: subprocess.run([sys.executable, "--version"], check=True, capture_output=True),
    lambda: bytearray(BYTES),
    busy,
    lambda: re.match(r"(a|a)*b", "a" * 100),
)


def spec_of(seed: int) -> tuple[str, str]:
    """The name and the text of a mutated spec; every second one was a whole model."""
    draw = random.Random(seed)
    name = draw.choice(MODELS if seed % 2 else NAMES)
    return name, mutated(CORPUS[name], draw, TEXTS)


class Guard:
    """An audit hook that notes what the code between `with` does beside calculating and reading below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.inside, self.on = os.path.join(os.path.realpath(folder), ""), False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def __enter__(self) -> None:
        self.seen, self.on = [], True

    def __exit__(self, *_: object) -> None:
        self.on = False

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on and not self._is_fine(event, arguments):
            self.seen.append(f"{event} {arguments!r:.200}")

    def _is_fine(self, event: str, arguments: tuple[object, ...]) -> bool:
        if event in ("open", "os.listdir", "os.scandir"):
            reads = event != "open" or arguments[1] in ("r", "rb")
            return reads and os.path.join(os.path.realpath(str(arguments[0])), "").startswith(self.inside)
        if event == "compile":
            return arguments[1] == "<unknown>"  # what ast.parse calls the text of an expression
        return not FORBIDDEN.match(event)


def codes_said(name: str, text: str, folder: Path) -> list[str]:
    """The codes of all that is said to a text. AssertionError where a message is not in the form of all messages."""
    file = str(folder / name)
    try:
        assert check_source(Source(file, text)).cost.parameters >= 0
    except SpecError as error:
        said = [render(diagnostic, {file: text}) for diagnostic in error.diagnostics]
        assert said
        assert all(re.match(r"error\[[SXNTW]\d{3}\]: \S", message) for message in said), said
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


def allow(seconds: float) -> None:
    """From now on the process has about so much CPU time: the system ends it then, whatever it is doing."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, hard))


def main() -> None:
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    faulty = "--faulty" in sys.argv
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    for name, text in [("including.yaml", INCLUDING), *CORPUS.items()]:  # what is imported or computed once is so now
        codes_said(name, text, folder)
    for op in REGISTRY.values():
        fields_of(op)
    guard, longest, sound = Guard(folder), 0.0, 0
    codes: Counter[str] = Counter()
    wrong: list[dict[str, object]] = []
    with (folder / f"seed_{first}").open("w", encoding="utf-8") as progress:
        for seed in range(first, first + count):
            name, text = spec_of(seed)
            progress.seek(0)
            progress.write(f"{seed:<12}")
            progress.flush()
            allow(2 * SECONDS)
            start, failure, said = time.process_time(), "", []
            with guard:
                try:
                    said = codes_said(name, text, folder)
                    if faulty:
                        FAULTS[seed]()
                except Exception:
                    failure = traceback.format_exc(limit=-6)
            spent = time.process_time() - start
            late = f"{spent:.1f} s" if spent > SECONDS else ""
            wrong += [{"seed": seed, "what": what} for what in (failure, late, "; ".join(guard.seen)) if what][:1]
            longest, sound = max(longest, spent), sound + (not said)
            codes.update(set(said))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"checked": count, "sound": sound, "codes": codes, "longest": longest, "peak": peak, "wrong": wrong}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
