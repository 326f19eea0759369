"""The memory that `stackc plan --train` announces, beside what training steps take: the peak of RssAnon beyond imports.

Each model trains in a process of its own, on examples of zeros: three steps of AdamW, with a
loss on its output. From the project's folder: `python -m tests.benchmarks.train_memory`. Linux alone has RssAnon.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SPECS = Path(__file__).parents[2] / "specs"
ALLOWED = 0.15
STEPS = 3


@dataclass(frozen=True)
class Case:
    """A spec, its batch, the sizes of its other dims, and the train graph that is drawn to it."""

    spec: str
    batch: int
    sizes: dict[str, int]
    label: str
    graph: str


_RESNET = "resnet_image_classification"
_CLASSES = "{label: {dtype: int64, shape: [%s], below: %s}}"
CASES = (
    Case("bert_base", 8, {"seq": 64}, "{label: {shape: [batch, 768]}}", "pooled --> loss[mse]"),
    Case("bert_base", 2, {"seq": 32}, "{label: {shape: [batch, 768]}}", "pooled --> loss[mse]"),
    Case("unet", 2, {"height": 128, "width": 128}, _CLASSES % ("batch, height, width", "classes"), "head --> loss"),
    Case("unet", 8, {"height": 96, "width": 96}, _CLASSES % ("batch, height, width", "classes"), "head --> loss"),
    Case("gpt2", 2, {"seq": 64}, _CLASSES % ("batch, seq", "vocab"), "lm_head --> loss"),
    Case("gpt2", 8, {"seq": 128}, _CLASSES % ("batch, seq", "vocab"), "lm_head --> loss"),
    Case(
        "resnet_image_classification",
        8,
        {"height": 64, "width": 64},
        _CLASSES % ("batch", "labels"),
        "classifier --> loss",
    ),
    Case(
        "resnet_image_classification",
        16,
        {"height": 128, "width": 128},
        _CLASSES % ("batch", "labels"),
        "classifier --> loss",
    ),
)


def main() -> None:
    """Print a row for each case; exit status 1 where the plan is off by more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", nargs=2, metavar=("SPEC", "BATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        _train(Path(options.worker[0]), int(options.worker[1]))
        return

    print("| model | planned MB | measured MB | planned / measured |\n|---|---|---|---|")
    ratios = [_compare(case) for case in CASES]
    sys.exit(any(abs(ratio - 1) > ALLOWED for ratio in ratios))


def _compare(case: Case) -> float:
    """Print planned and measured bytes, and return their ratio."""
    from stackc.frontend import check_spec
    from stackc.training.train_plan import plan_training

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{case.spec}.yaml"
        path.write_text(_with_training(case), encoding="utf-8")
        planned = plan_training(check_spec(path)).rank.peak
        command = [sys.executable, "-m", "tests.benchmarks.train_memory", "--worker", str(path), str(case.batch)]
        measured = json.loads(subprocess.check_output(command))
    sizes = ", ".join(f"{name} {size}" for name, size in {"batch": case.batch, **case.sizes}.items())
    print(
        f"| {case.spec}, {sizes} | {planned / 1e6:.0f} | {measured / 1e6:.0f} | {planned / measured:.3f} |", flush=True
    )
    return float(planned / measured)


def _with_training(case: Case) -> str:
    """Return the text of a spec of the zoo with open dims set, and a loss."""
    text = (SPECS / f"{case.spec}.yaml").read_text(encoding="utf-8")
    for name, size in case.sizes.items():
        text = _with_maximum(text, name, size)
    node, arrow, loss = case.graph.split()
    axis = "" if case.spec != "gpt2" else ", axis: -1"
    op = f"nodes: {{loss: {{op: cross_entropy{axis}}}}}" if loss == "loss" else ""
    lines = (
        "train:", f"  inputs: {case.label}", "  graph: |", f"    {node} {arrow} {loss}", "    label -->|target| loss",
        *([f"  {op}"] if op else []), f"  data: {{batch: {case.batch}}}", "  optimizer: {op: adamw, lr: 1e-4}",
        "  steps: 3",
    )  # fmt: skip
    return "\n".join([text.rstrip(), *lines]) + "\n"


def _with_maximum(text: str, name: str, size: int) -> str:
    """Return a spec whose dim `name` is at most `size`."""
    return re.sub(rf"\b({name}: {{min: \d+, max: )\w+", rf"\g<1>{size}", text, count=1)


def _train(spec: Path, batch: int) -> None:
    """Train a few steps, and print the most bytes of RssAnon beyond those of imports, as JSON."""
    import numpy as np

    from stackc.frontend import check_spec
    from stackc.training.optimizer import make_optimizer
    from stackc.training.prepare import training_module
    from stackc.training.ranks import RankBatch
    from stackc.training.step import Model, update

    training = check_spec(spec).training
    assert training is not None
    sizes = {name: limits.maximum or 0 for name, limits in training.program.contract.items()} | {"batch": batch}
    feeds = {
        name: np.zeros([dim.evaluate(sizes) for dim in type_.shape], type_.dtype)
        for name, type_ in training.program.inputs.items()
    }
    _warm_up()
    with PeakSampler() as sampler:
        model = Model(training_module(check_spec(spec), training), training)
        model.start_training()
        optimizer = make_optimizer(training.settings.optimizer, model.module, training.settings.groups)
        for _ in range(STEPS):
            update(model, optimizer, RankBatch.alone(feeds))
    print(json.dumps(sampler.peak - sampler.before))


def _warm_up() -> None:
    """Train a tiny network for a step, since the first step of a process imports more of PyTorch."""
    import torch

    tiny = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 3))
    optimizer = torch.optim.AdamW(tiny.parameters())
    tiny(torch.zeros(2, 1, 8, 8)).sum().backward()
    optimizer.step()


class PeakSampler:
    """The most RssAnon of this process that was seen in a block, looked at every millisecond."""

    def __enter__(self) -> PeakSampler:
        """Start to look."""
        self.before = self.peak = anonymous_bytes()
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Look no more."""
        self._is_done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._is_done.is_set():
            self.peak = max(self.peak, anonymous_bytes())
            time.sleep(0.001)


def anonymous_bytes() -> int:
    """Return the RssAnon of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not report RssAnon")


if __name__ == "__main__":
    main()
