"""What `stackc check` of large specs takes: whole processes, their time and the memory of their own.

A stack of 1,000 encoder layers within 1.5 s; 20,000 nodes, each written out, within 5 s and 400 MB, and in proportion
to 5,000 and 10,000: an exponent of at most 1.2.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = Path(__file__).parents[2] / "specs" / "bert_base.yaml"
LAYERS, LAYERS_SECONDS = 1000, 1.5
SIZES, SECONDS, MEGABYTES, EXPONENT = (5_000, 10_000, 20_000), 5.0, 400.0, 1.2


def main() -> None:
    """Print a row for each spec; exit status 1 where one is above its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="processes of each kind, in turns (default: 7)")
    rounds: int = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        commands = {f"{LAYERS:,} layers": ["check", str(SPEC), "--set", f"layers={LAYERS}"]}
        for size in SIZES:
            path = Path(folder) / f"nodes_{size}.yaml"
            path.write_text(written_out(size), encoding="utf-8")
            commands[f"{size:,} nodes"] = ["check", str(path)]
        turns = [{name: _run(command) for name, command in commands.items()} for _ in range(rounds)]
    seconds = {name: statistics.median(turn[name][0] for turn in turns) for name in commands}
    megabytes = {name: max(turn[name][1] for turn in turns) for name in commands}
    for name in commands:
        print(f"{name}: median {seconds[name]:.2f} s, at most {megabytes[name]:.0f} MB")
    layers, first, *_, last = seconds
    exponent = math.log(seconds[last] / seconds[first]) / math.log(SIZES[-1] / SIZES[0])
    print(f"{LAYERS:,} layers  [at most {LAYERS_SECONDS} s]")
    print(f"{SIZES[-1]:,} nodes  [at most {SECONDS} s, {MEGABYTES:.0f} MB], nodes^{exponent:.2f}  [at most {EXPONENT}]")
    within = seconds[layers] <= LAYERS_SECONDS and seconds[last] <= SECONDS and megabytes[last] <= MEGABYTES
    sys.exit(not (within and exponent <= EXPONENT))


def written_out(size: int) -> str:
    """A spec of `size` nodes, each drawn for itself: linear layers, each with an entry, and the sums behind them."""
    arrows, entries = ["x --> n0[linear] --> n1[gelu]"], ["n0: {out: dim}"]
    for number in range(2, size, 2):
        arrows += [f"n{number - 1} --> n{number}[linear] --> n{number + 1}[add]", f"n{number - 1} --> n{number + 1}"]
        entries.append(f"n{number}: {{out: dim, bias: {'true' if number % 4 else 'false'}}}")
    lines = ["stackc: 1", "params: {dim: 64}", "inputs: {x: {shape: [batch, seq, dim]}}", "graph: |"]
    return (
        "\n".join([*lines, *(f"  {arrow}" for arrow in arrows), "nodes:", *(f"  {entry}" for entry in entries)]) + "\n"
    )


def _run(arguments: list[str]) -> tuple[float, float]:
    """Seconds of one process, and the most memory it had, in megabytes."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "stackc", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"stackc {' '.join(arguments)} failed")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    main()
