"""How long a command takes to start: whole processes, in turns with the least that any such command has to import.

Within 2×: `stackc --help` of `import click`, `stackc check specs/bert_base.yaml` of `import networkx, yaml, click`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from stackc.core.versions import tool_versions
from stackc.timing import Comparison, measure

SPEC = Path(__file__).parents[2] / "specs" / "bert_base.yaml"
TARGET = 2.0


def main() -> None:
    """Print a row for each command; exit status 1 where one is above its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of one process of each kind (default: 30)")
    rounds: int = parser.parse_args().rounds
    stackc = _stackc()
    print(f"{' '.join(stackc)}; {os.cpu_count()} cores, Python {sys.version.split()[0]}, {tool_versions()}")
    rows = [
        _row("click", stackc, ["--help"], rounds),
        _row("networkx, yaml, click", stackc, ["check", str(SPEC)], rounds),
    ]
    sys.exit(not all(rows))


def _stackc() -> list[str]:
    """The installed console script beside this Python; `python -m stackc` where there is none."""
    script = shutil.which("stackc", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "stackc"]


def _row(imports: str, stackc: list[str], arguments: list[str], rounds: int) -> bool:
    """Compare a command with a Python that only imports; whether the command is within the target."""
    python = [sys.executable, "-c", f"import {imports}"]
    commands = {f"import {imports}": python, f"stackc {arguments[0]}": [*stackc, *arguments]}
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
    compared = measure({n: partial(run, c) for n, c in commands.items()}, seconds=0, rounds=(rounds, rounds))
    print(f"{compared.ratios[0]}  [at most {TARGET}]  {_milliseconds(compared)}")
    return compared.ratios[0].value <= TARGET


def _milliseconds(compared: Comparison) -> str:
    medians = ", ".join(f"{name} {timing.median * 1e3:.0f} ms" for name, timing in compared.timings.items())
    busy = "unknown" if compared.others is None else f"{compared.others:.2f}"
    return f"{medians}; cores busy, these processes' own included: {busy}"


if __name__ == "__main__":
    main()
