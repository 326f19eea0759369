"""Up to which size each dim of every spec is proven, what that costs, and whether faults beyond whole passes are found.

For each dim: the contract's maximum, the largest size of a whole pass, and the largest size at which every component
that depends on positions is proven by itself. "Added" is what the proof takes more than one whose largest point halves
the dims in the order of the spec and whose components are not run at larger sizes (0.1.0): seconds by the clock and of
the processors, and memory at its peak. At most 20 s and 4 GB, 3 s for bert_base.

Then faults are planted in the linked model, at a component of each op that was run by itself: its output grows by half
from the middle between the largest whole pass and the maximum on. Each must be found, and blamed on that component.
long_window is the model of the issue: its window dropped, and its positions wrong from 6000 on.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
from onnx import helper, numpy_helper
from torch import nn

from stackc.core.diagnostics import SpecError
from stackc.core.versions import tool_versions
from stackc.export import link_program, write_model
from stackc.frontend import Checked, check_source, check_spec
from stackc.ir.program import Call, Program
from stackc.proof import parity as proof
from stackc.proof import points
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Reference
from stackc.proof.points import Point, points_of, timing_point
from stackc.proof.report import Parity
from stackc.proof.size_proof import prove_sizes
from stackc.proof.stamped_model import StampedModel, stamp_of
from stackc.runtime import Session, open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

SPECS = Path(__file__).parents[2] / "specs"
LONG_WINDOW = """\
stackc: 1
name: long_window
dims: {batch: {min: 1, max: 4}, seq: {min: 1, max: 8192}}
inputs: {x: {shape: [batch, seq, 64]}}
graph: |
  x --> e[add] --> attn[attention] --> y[add]
  x --> wpe[learned_position] --> e
  e --> y
nodes: {wpe: {max: 8192, dim: 64}, attn: {heads: 8, causal: true, window: 4096}}
"""
SECONDS = {"bert_base": 3.0}  # that may be added; 20 for all others
MEMORY = 4e9

Change = Callable[[onnx.GraphProto], None]


@dataclass(frozen=True)
class Model:
    """A linked model with random weights, its reference, and the file in a folder."""

    checked: Checked
    reference: Reference
    folder: Path

    @staticmethod
    def of(checked: Checked, folder: Path) -> Model:
        """Lower, link and write a model."""
        module: nn.Module = lower(checked.typed)
        tensors = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
        write_model(link_program(checked.program), tensors, folder)
        return Model(checked, Reference.of(module), folder)

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "model.onnx"

    def open(self, path: Path) -> Session:
        """Open a file on the CPU."""
        return open_session(path, "cpu")

    def prove(self) -> Parity:
        """Prove the file as a build does."""
        program, ranges = self.checked.program, self.checked.ranges
        return proof.prove(program, self.reference, self.open(self.path), self.path, ranges)

    def blamed(self, parity: Parity, change: Change) -> str:
        """Return the message of the proof of a changed file beyond the sizes of whole passes; "" if it passes."""
        model = onnx.load(self.path, load_external_data=False)
        change(model.graph)
        path = self.folder / "changed.onnx"
        onnx.save(model, path)
        under_test = ModelUnderTest(StampedModel.load(path, self.checked.program), "cpu", None)
        try:
            prove_sizes(under_test, self.reference, parity, self.checked.ranges)
        except SpecError as error:
            return "; ".join(diagnostic.message for diagnostic in error.diagnostics)
        return ""


def main() -> None:
    """Print a table; exit status 1 where a budget is exceeded or a fault is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", help="names of specs (default: all, and long_window)")
    parser.add_argument("--faults", type=int, default=3, help="planted in each model at most (default: 3)")
    options = parser.parse_args()

    print(f"{os.cpu_count()} cores, {tool_versions()}")
    reached = True
    for path in [*sorted(SPECS.iterdir()), Path("long_window.yaml")]:
        if options.specs and path.stem not in options.specs:
            continue
        is_file = path.parent == SPECS
        checked = check_spec(path) if is_file else check_source(Source(path.name, LONG_WINDOW))
        with tempfile.TemporaryDirectory() as folder:
            reached &= _report(Model.of(checked, Path(folder)), path.stem, options.faults)
        gc.collect()
    sys.exit(not reached)


def _report(model: Model, name: str, most: int) -> bool:
    """Print the rows of one model, and return whether it keeps the budgets and finds all faults."""
    program = model.checked.program
    with mock.patch.object(points, "points_of", _earlier_points), mock.patch.object(proof, "prove_sizes", _unchanged):
        before, _ = _measured(model.prove)
    after, parity = _measured(model.prove)

    added = after.seconds - before.seconds
    memory = max(0.0, after.memory - before.memory)
    print(f"{name}: {added:.1f} s added ({after.processor - before.processor:.1f} s of the processors)", end=", ")
    print(f"{memory / 1e9:.2f} GB, {len(parity.probes)} rows of components beyond whole passes", flush=True)
    for dim in parity.coverage:
        print(f"  {dim.name}: contract {dim.maximum}, whole {dim.whole}, components {dim.components}")
        for gap in dim.gaps:
            print(f"    {gap.path} ({gap.op}) to {gap.size}: {gap.reason}")

    found = [_found(model, parity, fault) for fault in _faults(program, parity, name, most)]
    return all(found) and added <= SECONDS.get(name, 20.0) and memory <= MEMORY


def _earlier_points(program: Program, *, thorough: bool = False) -> list[Point]:
    return [*points_of(program)[:3], timing_point(program, points.FLOP_BUDGET)]


def _unchanged(under_test: object, reference: object, parity: Parity, *others: object, **options: object) -> Parity:
    return parity


# -- cost


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock and of the processors, and the bytes of memory at the peak beyond those at the start."""

    seconds: float
    processor: float
    memory: float


def _measured(run: Callable[[], Parity]) -> tuple[Taken, Parity]:
    with _peak() as peak:
        start, processor = time.perf_counter(), time.process_time()
        parity = run()
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    return Taken(seconds, processor, peak[0]), parity


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Sample the resident memory of this process, every ten milliseconds."""
    peak, first, running = [0.0], _resident(), threading.Event()

    def watch() -> None:
        while not running.wait(0.01):
            peak[0] = max(peak[0], _resident() - first)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        running.set()
        thread.join()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


# -- faults


def _faults(program: Program, parity: Parity, name: str, most: int) -> Iterator[tuple[str, str, Change]]:
    """Yield the path of a component, what is planted there, and how."""
    if name == "long_window":
        yield "attn", "window dropped", _window_dropped
    calls = {call.path: call for call in program.calls}
    whole = {dim.name: dim.whole for dim in parity.coverage}
    ops: set[str] = set()
    for row in parity.probes:
        sizes = row.point.sizes
        dim = next((dim for dim in sizes if sizes[dim] > max(whole[dim], program.contract[dim].least)), None)
        if row.op in ops or dim is None or len(ops) >= most:
            continue
        if fault := _growth(calls[row.path], row.value, dim, row.point, whole[dim]):
            ops.add(row.op)
            yield row.path, f"{row.op} wrong from {fault[0]} on", fault[1]


def _found(model: Model, parity: Parity, fault: tuple[str, str, Change]) -> bool:
    path, what, change = fault
    message = model.blamed(parity, change)
    found = f"'{path}' (" in message
    print(f"  {what} at {path}: {'found' if found else f'MISSED {message}'}", flush=True)
    return found


def _window_dropped(graph: onnx.GraphProto) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array(-(1 << 40), np.int64), "far"))
    windows = [node for node in graph.node if node.op_type == "Trilu" and stamp_of(node) == "attn"]
    windows[-1].input[1] = "far"


def _growth(call: Call, value: str, dim: str, point: Point, whole: int) -> tuple[int, Change] | None:
    """Return the index from which an output of the call grows by half, and the change; None if it has no such axis."""
    shape = call.signature.outputs[call.outputs.index(value)].shape
    axis = next((axis for axis, size in enumerate(shape) if dim in size.symbols()), None)
    if axis is None:
        return None
    middle = {**point.sizes, dim: (whole + point.sizes[dim]) // 2}
    first = 6000 if call.path == "wpe" and point.sizes[dim] == 8192 else shape[axis].evaluate(middle)

    def change(graph: onnx.GraphProto) -> None:
        index, node = next((i, node) for i, node in enumerate(graph.node) if value in node.output)
        node.output[[*node.output].index(value)] = "plain"
        made = _growing("plain", value, axis, len(shape), first, graph)
        for new in made:
            new.metadata_props.extend(node.metadata_props)
        nodes = [*graph.node]
        del graph.node[:]
        graph.node.extend([*nodes[: index + 1], *made, *nodes[index + 1 :]])

    return first, change


def _growing(x: str, y: str, axis: int, rank: int, first: int, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return nodes that make y of x, half as large again from an index of an axis on."""
    numbers = {"axis": axis, "zero": 0, "one": 1, "first": first, "shape": [-1, *[1] * (rank - 1 - axis)]}
    for name, number in numbers.items():
        graph.initializer.append(numpy_helper.from_array(np.array(number, np.int64), f"grown {name}"))
    for name, factor in (("same", 1.0), ("more", 1.5)):
        graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), f"grown {name}"))

    steps = [
        ("Shape", [x], "sizes"),
        ("Gather", ["sizes", "axis"], "size"),
        ("Range", ["zero", "size", "one"], "index"),
        ("Less", ["index", "first"], "early"),
        ("Where", ["early", "same", "more"], "factors"),
        ("Reshape", ["factors", "shape"], "factor"),
    ]
    nodes = [
        helper.make_node(op, [name if name == x else f"grown {name}" for name in inputs], [f"grown {output}"])
        for op, inputs, output in steps
    ]
    return [*nodes, helper.make_node("Mul", [x, "grown factor"], [y])]


if __name__ == "__main__":
    main()
