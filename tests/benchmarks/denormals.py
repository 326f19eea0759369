"""What denormals cost in ONNX Runtime: masked attention with masks of ones, random ones and half padding.

    python -m tests.benchmarks.denormals

The softmax of masked scores leaves numbers below 1e-38, and some processors multiply them slowly. A built file runs as
it is and with `session.set_denormal_as_zero`, beside eager PyTorch: processor time, in turns, one thread each.
Every candidate has a process of its own, since the first session of a process decides for all of its threads. Printed
are the ratios to eager of the same mask, and how far the outputs with the option are from those without. `--layers`,
`--seq` and `--rounds` make it smaller.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stackc.core.versions import tool_versions
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build
from stackc.runtime import Array, open_session, read_npz, write_npz
from stackc.torch_backend.lower import lower

SPEC = Path(__file__).parents[2] / "specs" / "bert_base.yaml"
MASKS = ("ones", "random", "half")
CANDIDATES = ("eager", "kept", "flushed")


def main() -> None:
    """Print a row for each mask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--seq", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--candidate", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.candidate:
        serve(options.candidate, options.folder, options.layers)
        return

    print(f"bert_base of {options.layers} layers at 1×{options.seq}, 1 thread, {tool_versions()}")
    with tempfile.TemporaryDirectory() as folder:
        make_inputs(Path(folder), options.layers, options.seq)
        for mask, seconds in measured(Path(folder), options).items():
            print(row(mask, seconds, Path(folder)), flush=True)


def make_inputs(folder: Path, layers: int, seq: int) -> None:
    """Build the file, and write its inputs with each mask."""
    overrides = Overrides(params={"layers": str(layers)})
    build(SPEC, Options(overrides, out=folder, verify=False))
    draws = np.random.default_rng(0)
    ids = draws.integers(0, 1000, (1, seq))
    masks: Mapping[str, Array] = {
        "ones": np.ones((1, seq), np.int64),
        "random": draws.integers(0, 2, (1, seq)),
        "half": (np.arange(seq) < seq // 2).astype(np.int64)[None],
    }
    for name, mask in masks.items():
        program = check_spec(SPEC).program
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        write_npz(folder / f"{name}.npz", {each: feeds[each] for each in program.inputs})


def measured(folder: Path, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the median processor seconds of each candidate, by mask; candidates take turns."""
    arguments = ["--folder", str(folder), "--layers", str(options.layers)]
    command = [sys.executable, "-m", "tests.benchmarks.denormals", *arguments]
    workers = {
        name: subprocess.Popen(
            [*command, "--candidate", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in CANDIDATES
    }
    rows: dict[str, dict[str, list[float]]] = {mask: {name: [] for name in CANDIDATES} for mask in MASKS}
    try:
        for mask in MASKS:
            for number in range(options.rounds + 2):
                for name, worker in workers.items():
                    assert worker.stdin is not None
                    assert worker.stdout is not None
                    print(mask, file=worker.stdin, flush=True)
                    seconds = json.loads(worker.stdout.readline())
                    if number >= 2:  # after warming up
                        rows[mask][name].append(seconds)
    finally:
        for worker in workers.values():
            assert worker.stdin is not None
            worker.stdin.close()
            worker.wait(30)
    return {mask: {name: statistics.median(times) for name, times in by.items()} for mask, by in rows.items()}


def serve(candidate: str, folder: Path, layers: int) -> None:
    """Run once for each line of the standard input, which names a mask, and answer with the processor seconds."""
    inputs = {mask: read_npz(folder / f"{mask}.npz") for mask in MASKS}
    if candidate == "eager":
        import torch

        torch.set_num_threads(1)
        module = lower(check_spec(SPEC, Overrides(params={"layers": str(layers)})).typed).eval()

        def run(mask: str) -> None:
            with torch.inference_mode():
                module(*[torch.from_numpy(array) for array in inputs[mask].values()])
    else:
        model = next(folder.glob("*/model.onnx"))
        session = open_session(model, "cpu", threads=1, flush_denormals=candidate == "flushed")

        def run(mask: str) -> None:
            write = not (folder / f"{candidate}.{mask}.npz").exists()
            outputs = session.run(inputs[mask])
            if write:
                write_npz(folder / f"{candidate}.{mask}.npz", outputs)

    for line in sys.stdin:
        start = time.process_time()
        run(line.strip())
        print(json.dumps(time.process_time() - start), flush=True)


def row(mask: str, seconds: Mapping[str, float], folder: Path) -> str:
    """Return the line of a mask."""
    kept, flushed = (read_npz(folder / f"{name}.{mask}.npz") for name in ("kept", "flushed"))
    apart = max(float(np.abs(kept[name] - flushed[name]).max()) for name in kept)
    shares = {name: seconds[name] / seconds["eager"] for name in ("kept", "flushed")}
    ratios = ", ".join(f"{name} / eager {share:.2f}" for name, share in shares.items())
    return f"mask {mask:7} {ratios}; outputs {'bit-equal' if apart == 0 else f'{apart:.1e} apart'}"


if __name__ == "__main__":
    main()
