"""How much memory a build takes of its own: RssAnon of `stackc build --no-verify`, weights from a file.

For bert_base (440 MB) and for 6 GB of weights it may rise over that of the same graph with hardly any weights by at
most 2.5 times the largest tensor; and the build of 6 GB has to pass in a control group of 1.5 GB, page cache included.
All components are in the cache. From the project's folder: `python -m tests.benchmarks.memory`.
Linux alone has RssAnon, and control groups are for root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.weights_file import Sample, bert, stacked

TINY = {"vocab": "30", "dim": "12", "hidden": "12"}
ALLOWED = 2.5
GROUPS = Path("/sys/fs/cgroup")


def main() -> None:
    """Print a row for each model; exit status 1 where one takes too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8192, help="of the large model's matrices (default: 8192)")
    parser.add_argument("--layers", type=int, default=23, help="how many of them (default: 23, 6.2 GB)")
    parser.add_argument("--limit", type=int, default=1_500_000_000, help="bytes of the control group (default: 1.5e9)")
    parser.add_argument("--folder", type=Path, help="where files go, twice the weights (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.environ["STACKC_CACHE"] = f"{folder}/cache"
        here = Path(folder)
        reached = [_own("bert_base", bert(here, {}), bert(here, TINY), here)]
        large, small = (stacked(here, width, options.layers) for width in (options.width, 8))
        reached += [_own("the large model", large, small, here), _limited(large, here, options.limit)]
    sys.exit(not all(reached))


@dataclass(frozen=True)
class Run:
    """A command that has ended: its exit status, the most memory of its own that it was seen with, its seconds."""

    status: int
    own: int
    seconds: float


def _own(name: str, sample: Sample, tiny: Sample, folder: Path) -> bool:
    """Whether memory stays within the baseline and 2.5 of the largest tensor."""
    runs = []
    for which in (tiny, sample):
        _build(which, folder)  # fills the cache
        runs.append(max((_build(which, folder) for _ in range(2)), key=lambda run: run.own))
    baseline, run = runs
    above = (run.own - baseline.own) / sample.largest
    print(f"{name}: {sample.size / 1e9:.2f} GB of weights, the largest tensor {sample.largest / 1e6:.0f} MB:", end=" ")
    print(f"{run.own / 1e6:.0f} MB of its own, {baseline.own / 1e6:.0f} MB with hardly any weights:", end=" ")
    print(f"{above:.2f} of the largest tensor  [at most {ALLOWED}]; {run.seconds:.1f} s", flush=True)
    return run.status == 0 and above <= ALLOWED


def _limited(sample: Sample, folder: Path, limit: int) -> bool:
    """Whether the build passes where this much memory is all there is."""
    with _group(limit) as procs:
        if procs is None:
            print("no control group can be made here: the limit was not tried")
            return True
        run = _build(sample, folder, procs)
    outcome = f"passes in {run.seconds:.1f} s" if run.status == 0 else f"ends with status {run.status}"
    print(f"{sample.size / 1e9:.2f} GB of weights in a control group of {limit / 1e9:.1f} GB: {outcome}", flush=True)
    return run.status == 0


def _build(sample: Sample, folder: Path, group: Path | None = None) -> Run:
    command = [sys.executable, "-m", "stackc", "build", *sample.arguments, "--no-verify", "--out", str(folder / "out")]
    if group is not None:  # a shell enters the group, and the build takes its place
        command = ["sh", "-c", f'echo $$ > {group}; exec "$@"', "sh", *command]
    return own_memory(command)


def own_memory(command: list[str]) -> Run:
    """Run a command to its end, looking at its memory every other millisecond."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    own = 0
    while process.poll() is None:
        own = max(own, _anonymous(process.pid))
        time.sleep(0.002)
    return Run(process.returncode, own, time.perf_counter() - start)


def _anonymous(process: int) -> int:
    """Bytes of a process that are not pages of a file; 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _group(limit: int) -> Iterator[Path | None]:
    """The file by which to enter a control group of this much memory, version 1 or 2; None if there is none."""
    version_2 = (GROUPS / "cgroup.controllers").is_file()
    group = (GROUPS if version_2 else GROUPS / "memory") / f"stackc-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        (group / ("memory.max" if version_2 else "memory.limit_in_bytes")).write_text(str(limit), encoding="ascii")
        yield group / "cgroup.procs"
    except OSError:
        yield None
    finally:
        time.sleep(0.5)  # a process that has just ended is still in it
        group.rmdir()


if __name__ == "__main__":
    main()
