"""What exact norms cost: the file of a norm against that of the exporter's own translation, run in turns.

Each line has the ratio of wall times (of the medians, and of the fastest turns), and both errors at
mean 1000 beside PyTorch's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from stackc.core.versions import tool_versions
from stackc.export import link_program, write_model
from stackc.export.translations import TRANSLATIONS
from stackc.frontend import Checked, check_source
from stackc.proof.components import Reference
from stackc.proof.eager import run_eager
from stackc.runtime import Session, open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

MEAN = 1000.0
CASES = [
    ("group_norm", "y[group_norm]", "y: {groups: 8, axis: 1}", 18),
    ("group_norm", "y[group_norm]", "y: {groups: 8, axis: 1}", 23),
    ("instance_norm", "y[instance_norm]", "y: {axis: 1, affine: true}", 23),
    ("batch_norm", "y[batch_norm]", "y: {axis: 1}", 23),
    ("batch_norm behind conv2d", "c[conv2d] --> y[batch_norm]", "c: {out: 64, kernel: 3}, y: {axis: 1}", 23),
]
SHAPES = ((8, 64, 56, 56), (1, 32, 64, 64))


def main() -> None:
    """Print a line for each norm, opset and shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=60)
    options = parser.parse_args()

    print(f"{tool_versions()}, {options.threads} threads, {options.turns} turns")
    for name, drawing, nodes, opset in CASES:
        for shape in SHAPES:
            line = _compare(drawing, nodes, opset, shape, options.threads, options.turns)
            print(f"{name:25} opset {opset} {shape!s:16} {line}", flush=True)


def _compare(drawing: str, nodes: str, opset: int, shape: tuple[int, ...], threads: int, turns: int) -> str:
    spec = (
        "stackc: 1\nname: norm\ndims: {h: {min: 3}, w: {min: 3}}\n"
        f"inputs: {{x: {{shape: [batch, {shape[1]}, h, w]}}}}\n"
        f"graph: x --> {drawing}\nnodes: {{{nodes}}}\n"
    )
    checked = check_source(Source("norm.yaml", spec))
    reference = Reference.of(lower(checked.typed))
    ours = _session(checked, reference, opset, threads)
    with mock.patch.dict(TRANSLATIONS, clear=True):
        theirs = _session(checked, reference, opset, threads)

    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    seconds: list[list[float]] = []
    for _ in range(turns):
        seconds.append([])
        for session in (ours, theirs):
            start = time.perf_counter()
            session.run({"x": x})
            seconds[-1].append(time.perf_counter() - start)

    shifted = {"x": x + np.float32(MEAN)}
    truth = run_eager(reference.double, shifted, checked.program, torch.float64).outputs["y"]
    results = [session.run(shifted)["y"] for session in (ours, theirs)]
    results.append(run_eager(reference.single, shifted, checked.program).outputs["y"])
    errors = ", ".join(f"{np.abs(y - truth).max():.1e}" for y in results)
    median, fastest = np.median(seconds, axis=0), np.min(seconds, axis=0)
    return f"time {median[0] / median[1]:.2f} ({fastest[0] / fastest[1]:.2f}), error, without, PyTorch: {errors}"


def _session(checked: Checked, reference: Reference, opset: int, threads: int) -> Session:
    tensors = {name: tensor.detach().numpy() for name, tensor in reference.module.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(link_program(checked.program, opset=opset), tensors, Path(folder)).paths[0]
        return open_session(path, "cpu", threads=threads)


if __name__ == "__main__":
    main()
