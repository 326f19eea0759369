"""Training from a large parquet against the same arrays in memory: the time of a step, and memory of one's own.

`python -m tests.benchmarks.data [--gigabytes 2] [--steps 300]`; each candidate is a process, which trains the digits
network of tests/training/digits.py. Memory is RssAnon at its peak, over that of a run on 1,000 rows in memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet
from tests.training.digits import SPEC, TRAIN

ROWS = 20_000
"""Rows that are written at a time."""


def write_table(path: Path, rows: int) -> None:
    """Write images of random numbers and labels."""
    random = np.random.default_rng(0)
    schema = pyarrow.schema(
        [("image", pyarrow.list_(pyarrow.list_(pyarrow.list_(pyarrow.float32(), 8), 8), 1)), ("label", pyarrow.int64())]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, ROWS):
            count = min(ROWS, rows - start)
            images = pyarrow.array(random.random(count * 64, np.float32))
            for size in (8, 8, 1):
                images = pyarrow.FixedSizeListArray.from_arrays(images, size)
            labels = pyarrow.array(random.integers(0, 10, count))
            writer.write_table(pyarrow.table([images, labels], schema=schema))


def train(spec: Path, data: Path) -> None:
    """Train in this process, and print the median time of a step and the peak of RssAnon."""
    from stackc.frontend import check_spec
    from stackc.training.loop import TrainOptions, train_model

    peak, times, done = 0, list[float](), threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            status = Path("/proc/self/status").read_text(encoding="utf-8")
            peak = max(peak, int(status.split("RssAnon:")[1].split()[0]))

    threading.Thread(target=watch, daemon=True).start()
    checked = check_spec(spec)
    with tempfile.TemporaryDirectory() as folder:
        options = TrainOptions(data={"train": data}, out=Path(folder) / "run")
        train_model(checked, options, lambda event: times.append(time.perf_counter()))
    done.set()
    print(json.dumps({"step": float(np.median(np.diff(times))), "peak": peak / 1024}))


def measured(spec: Path, data: Path) -> dict[str, float]:
    """Train in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.data", "--spec", str(spec), "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Print what was measured beside its target; the exit status is 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--spec", type=Path)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    if arguments.spec:
        train(arguments.spec, arguments.data)
        return 0

    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder)
        plain = TRAIN.replace("validation: test.npz, ", "").replace("epochs: 3", f"steps: {arguments.steps}")
        spec = beside / "digits.yaml"
        spec.write_text(SPEC + plain, encoding="utf-8")
        large, small = beside / "large.parquet", beside / "small.npz"
        write_table(large, int(arguments.gigabytes * 1e9 / (64 * 4 + 8)))
        random = np.random.default_rng(0)
        np.savez(small, image=random.random((1000, 1, 8, 8), np.float32), label=random.integers(0, 10, 1000))

        measured(spec, large)  # converts the table
        table, arrays = measured(spec, large), measured(spec, small)
        ratio, memory = table["step"] / arrays["step"], table["peak"] - arrays["peak"]
        size = large.stat().st_size / 1e9
    print(f"step from a parquet of {size:.2f} GB / from arrays: {ratio:.2f} (to reach: 1.1)")
    print(f"memory of its own beyond that of the arrays' run: {memory:.0f} MB (to reach: 300)")
    return int(ratio > 1.1 or memory > 300)


if __name__ == "__main__":
    raise SystemExit(main())
