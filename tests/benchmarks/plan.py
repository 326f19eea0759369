"""What `stackc plan` of a spec shaped like GPT-3 175B takes: whole processes, their time and the memory of their own.

At most 1.5 s and 150 MB. That the count of parameters is the closed form is tested in tests/test_plan.py.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SPEC = Path(__file__).parent / "gpt3.yaml"
SECONDS, MEGABYTES = 1.5, 150.0


def main() -> None:
    """Print medians and the worst of several runs; exit status 1 where the worst is above a target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="processes to start (default: 10)")
    rounds: int = parser.parse_args().rounds
    command = [sys.executable, "-m", "stackc", "plan", str(SPEC), "--depth", "3", "--memory", "400GB"]
    runs = [_run(command) for _ in range(rounds)]
    seconds, megabytes = ([run[number] for run in runs] for number in (0, 1))
    facts = json.loads(subprocess.check_output([*command, "--json"]))
    print(f"stackc plan {SPEC.name}: {facts['total']['parameters']:,} parameters")
    print(f"time:   median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s  [at most {SECONDS} s]")
    print(
        f"memory: median {statistics.median(megabytes):.0f} MB, worst {max(megabytes):.0f} MB  [at most {MEGABYTES} MB]"
    )
    sys.exit(max(seconds) > SECONDS or max(megabytes) > MEGABYTES)


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds of one process, and the most memory it had, in megabytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    main()
