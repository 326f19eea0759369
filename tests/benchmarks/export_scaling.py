"""How the cost of an export grows with depth: BERT encoders of a tiny width, so that weights do not matter.

1. The export stage on 96 layers against 2, everything compiled from scratch: at most 1.1×. The stage is
   what `link_program` times as units, compile and link; writing (weights, and a full check of the file) has a row.
2. The linker alone on 250 to 10,000 layers: linear, below 1 s for 1,000 and below 10 s for 10,000.
3. The whole-model export of the lowered module, torch.onnx.export(dynamo=True), against the stage on as many layers: at
   least 3× slower.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from stackc.core.versions import tool_versions
from stackc.export import link_program, write_model
from stackc.export.compile import compile_units
from stackc.export.link import link
from stackc.export.objects import Object
from stackc.export.pipeline import spans_of
from stackc.export.units import Unit, units_of
from stackc.frontend import Checked, Overrides, check_spec
from stackc.ir.program import Program
from stackc.proof.points import Point, draw_feeds
from stackc.timing import Comparison, measure
from stackc.torch_backend.lower import lower

SPEC = Path(__file__).parents[2] / "specs" / "bert_base.yaml"
TINY = {"dim": "32", "hidden": "64", "heads": "2", "vocab": "100"}
OPSET = 23
DEPTH_TARGET, WHOLE_TARGET = 1.1, 3.0
LINK_TARGETS = {1000: 1.0, 10_000: 10.0}


def main() -> None:
    """Print a row for each comparison; exit status 1 where one misses its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="rounds of the first two (default: 20)")
    parser.add_argument("--layers", type=int, nargs=2, default=(2, 96), help="the depths compared (default: 2 96)")
    parser.add_argument(
        "--linked", type=int, nargs="+", default=(250, 1000, 2000, 10_000), help="depths for the linker"
    )
    parser.add_argument("--whole", type=int, default=48, help="depth of the whole-model export, 0 for none")
    parser.add_argument("--whole-rounds", type=int, default=3, help="rounds of the whole-model export (default: 3)")
    parser.add_argument("--once", type=int, help="only run the stage on that many layers, once: what `cold` times")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if options.once:
        _stage(_checked(options.once).program)
        return
    print(f"{os.cpu_count()} cores, opset {OPSET}, {tool_versions()}")
    few, many = sorted(options.layers)
    _cold(few, many)
    reached = [
        _depth(few, many, options.rounds),
        _linear(sorted(options.linked), options.rounds),
        _whole(options.whole, options.whole_rounds) if options.whole else True,
    ]
    sys.exit(not all(reached))


def _checked(layers: int) -> Checked:
    return check_spec(SPEC, Overrides(TINY | {"layers": str(layers)}))


def _stage(program: Program) -> None:
    """Units, compile and link: the export stage but for what it writes."""
    units = units_of(program, OPSET)
    link(program, units, compile_units(spans_of(program, units)), opset=OPSET)


def _cold(few: int, many: int, rounds: int = 3) -> None:
    """Whole processes in turns, which import the exporter and run the stage once."""
    commands = [[sys.executable, __file__, "--once", str(layers)] for layers in (few, many)]
    seconds = [[_seconds(partial(subprocess.run, command, check=True)) for command in commands] for _ in range(rounds)]
    shallow, deep = np.median(seconds, axis=0)
    print(f"cold, a process each, imports included: {few} layers {shallow:.2f} s, {many} layers {deep:.2f} s", end=": ")
    print(f"{deep / shallow:.2f}", flush=True)


def _depth(few: int, many: int, rounds: int) -> bool:
    """The stage on many layers against few, then with writing; whether the first is within the target."""
    shallow, deep = _checked(few), _checked(many)
    names = [f"{layers} layers" for layers in (few, many)]
    programs = {name: checked.program for name, checked in zip(names, (shallow, deep), strict=True)}
    stage = measure({n: partial(_stage, p) for n, p in programs.items()}, seconds=0, rounds=(rounds, rounds))
    _print("units, compile, link", stage)
    with tempfile.TemporaryDirectory() as folder:
        writers = {n: _exporter(c, Path(folder)) for n, c in zip(names, (shallow, deep), strict=True)}
        written = measure(writers, seconds=0, rounds=(rounds, rounds))
    _print("with writing and its check", written)
    print(f"  [the first at most {DEPTH_TARGET}]")
    return stage.ratios[0].value <= DEPTH_TARGET


def _exporter(checked: Checked, folder: Path) -> Callable[[], object]:
    tensors = {name: tensor.detach().numpy() for name, tensor in lower(checked.typed).state_dict().items()}
    return lambda: write_model(link_program(checked.program, opset=OPSET), tensors, folder)


def _linear(depths: list[int], rounds: int) -> bool:
    """The linker at several depths; whether those with a target stay below it."""
    objects: dict[Unit, Object] = {}
    candidates = {}
    for depth in depths:
        program = _checked(depth).program
        units = units_of(program, OPSET)
        spans = spans_of(program, units)
        objects |= compile_units({unit: span for unit, span in spans.items() if unit not in objects})
        candidates[f"{depth}"] = partial(link, program, units, objects, opset=OPSET)
    compared = measure(candidates, seconds=0, rounds=(rounds, rounds))
    seconds = {int(name): timing.median for name, timing in compared.timings.items()}
    for depth, taken in seconds.items():
        print(f"link, {depth} layers: {taken:.3f} s, {taken / depth * 1e6:.0f} µs a layer")
    if len(seconds) > 1:
        slope = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0]
        print(f"  time grows as layers^{slope:.2f}")
    targets = ", ".join(f"{depth:,} layers below {target:g} s" for depth, target in LINK_TARGETS.items())
    print(f"  [{targets}]  {_others(compared)}", flush=True)
    return all(seconds.get(depth, 0.0) < target for depth, target in LINK_TARGETS.items())


def _whole(layers: int, rounds: int) -> bool:
    """The whole-model export against the stage, in turns after one of each; whether it is slower by the target."""
    checked = _checked(layers)
    whole = _whole_exporter(checked)
    seconds = []
    for _ in range(rounds + 1):
        seconds.append([_seconds(whole), _seconds(partial(_stage, checked.program))])
    slow, fast = np.median(seconds[1:], axis=0)
    least = min(a / b for a, b in seconds[1:])
    print(f"{layers} layers: whole-model torch.onnx.export {slow:.1f} s, the stage {fast:.2f} s", end=": ")
    print(f"{slow / fast:.1f}×, in no round below {least:.1f}×  [at least {WHOLE_TARGET}]")
    return bool(slow / fast >= WHOLE_TARGET)


def _whole_exporter(checked: Checked) -> Callable[[], object]:
    module = lower(checked.typed).eval()
    feeds = draw_feeds(checked.program, checked.ranges, Point("traced", {"batch": 2, "seq": 7}))
    inputs = tuple(torch.from_numpy(feeds[name]) for name in checked.program.inputs)
    dynamic = tuple(dict.fromkeys(range(x.dim()), torch.export.Dim.DYNAMIC) for x in inputs)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)

    def run() -> object:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # names of axes that hold the same size are dropped
            exported = torch.onnx.export(
                module, inputs, dynamo=True, optimize=True, opset_version=OPSET, verbose=False, dynamic_shapes=dynamic
            )
        assert exported is not None
        return exported.model_proto

    return run


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _print(what: str, compared: Comparison) -> None:
    medians = ", ".join(f"{name} {timing.median:.2f} s" for name, timing in compared.timings.items())
    print(f"{what}: {compared.ratios[0]}  {medians}; {_others(compared)}", flush=True)


def _others(compared: Comparison) -> str:
    return f"cores of others {'unknown' if compared.others is None else f'{compared.others:.2f}'}"


if __name__ == "__main__":
    main()
