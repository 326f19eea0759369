"""Check mutated specs, one after another, in a process that may compute and read its folder, and nothing else.

    python -m tests.mutated.child FOLDER FIRST COUNT [--faulty]

A seed determines a spec: `spec_of(seed)`. Before each, the seed is written to FOLDER/seed_FIRST, so that the parent
knows on which spec a process hung or died: the system ends a process that takes twice the time allowed for a spec. The
last line is JSON: the number of texts checked and of sound ones, the codes reported, the longest time in seconds, the
peak of memory in KiB, and every violation by seed. A faulty process commits a violation: `FAULTS[seed]`.
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
from stackc.components.fields import dataclass_fields, fields_of
from stackc.core.diagnostics import SpecError, render
from stackc.frontend import check_source
from stackc.ir.optimizers import OPTIMIZERS, SCHEDULES
from stackc.resolve.train_settings import Files, Loop, Patience
from stackc.spec.source import Source

SECONDS = 4.0  # of CPU time: 2 on an idle core, twice that where other tests run on the core's other thread
BYTES = 500_000_000
CORPUS = corpus()
NAMES, TEXTS = list(CORPUS), list(CORPUS.values())
STEMS = {path.stem for path in (TESTS.parent / "specs").iterdir()}
MODELS = [name for name in NAMES if Path(name).stem.removeprefix("turned_") in STEMS]
INCLUDING = (
    "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n  x --> y\nnodes: {y: {op: neighbour.md#one#layer}}\n"
)

# Audit events of everything but computing. Reading files is allowed or not by their path.
FORBIDDEN = re.compile(
    r"(exec|import)$|os\.(?!listdir|scandir)|"
    r"(code|marshal|pickle|ctypes|subprocess|pty|socket|shutil|tempfile|urllib|mmap|signal)\."
)


def use_cpu() -> None:
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
    use_cpu,
    lambda: re.match(r"(a|a)*b", "a" * 100),
)


def spec_of(seed: int) -> tuple[str, str]:
    """Return the name and the text of a mutated spec; every second one is a mutation of a whole model."""
    draw = random.Random(seed)
    name = draw.choice(MODELS if seed % 2 else NAMES)
    return name, mutated(CORPUS[name], draw, TEXTS)


class Guard:
    """An audit hook that records what the code inside of `with` does other than compute and read below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.is_active = os.path.join(os.path.realpath(folder), ""), False
        self.violations: list[str] = []
        sys.addaudithook(self._hook)

    def __enter__(self) -> None:
        self.violations, self.is_active = [], True

    def __exit__(self, *_: object) -> None:
        self.is_active = False

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.is_active and not self._is_allowed(event, arguments):
            self.violations.append(f"{event} {arguments!r:.200}")

    def _is_allowed(self, event: str, arguments: tuple[object, ...]) -> bool:
        if event in ("open", "os.listdir", "os.scandir"):
            reads = event != "open" or arguments[1] in ("r", "rb")
            return reads and os.path.join(os.path.realpath(str(arguments[0])), "").startswith(self.folder)
        if event == "compile":
            return arguments[1] == "<unknown>"  # the name that ast.parse gives the text of an expression
        return not FORBIDDEN.match(event)


def reported_codes(name: str, text: str, folder: Path) -> list[str]:
    """Return the codes reported for a text. Raises AssertionError if a message is not in the form of all messages."""
    file = str(folder / name)
    try:
        assert check_source(Source(file, text)).cost.parameters >= 0
    except SpecError as error:
        messages = [render(diagnostic, {file: text}) for diagnostic in error.diagnostics]
        assert messages
        assert all(re.match(r"error\[[SXNTWLGP]\d{3}\]: \S", message) for message in messages), messages
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


def limit_cpu_time(seconds: float) -> None:
    """Let the system end the process after about this much more CPU time, whatever it is doing."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, hard))


def main() -> None:
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    is_faulty = "--faulty" in sys.argv
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))

    # Whatever is imported or computed only once happens before the guard watches.
    for name, text in [("including.yaml", INCLUDING), *CORPUS.items()]:
        reported_codes(name, text, folder)
    for op in REGISTRY.values():
        fields_of(op)
    for make in (*OPTIMIZERS.values(), *SCHEDULES.values(), Loop, Files, Patience):
        dataclass_fields(make)

    guard, longest, sound = Guard(folder), 0.0, 0
    codes: Counter[str] = Counter()
    violations: list[dict[str, object]] = []
    with (folder / f"seed_{first}").open("w", encoding="utf-8") as progress:
        for seed in range(first, first + count):
            name, text = spec_of(seed)
            progress.seek(0)
            progress.write(f"{seed:<12}")
            progress.flush()
            limit_cpu_time(2 * SECONDS)

            start, failure, reported = time.process_time(), "", []
            with guard:
                try:
                    reported = reported_codes(name, text, folder)
                    if is_faulty:
                        FAULTS[seed]()
                except Exception:
                    failure = traceback.format_exc(limit=-6)
            elapsed = time.process_time() - start

            late = f"{elapsed:.1f} s" if elapsed > SECONDS else ""
            reasons = [reason for reason in (failure, late, "; ".join(guard.violations)) if reason]
            violations += [{"seed": seed, "what": reason} for reason in reasons[:1]]
            longest, sound = max(longest, elapsed), sound + (not reported)
            codes.update(set(reported))

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    summary = {"checked": count, "sound": sound, "codes": codes, "longest": longest, "peak": peak, "wrong": violations}
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
