"""Where the time of a model goes: the seconds, FLOPs and bytes of each component, from ONNX Runtime's own profile."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import onnx
from onnx.helper import tensor_dtype_to_np_dtype

from stackc.core.diagnostics import Span
from stackc.core.value_range import ValueRange
from stackc.export.functions import unfold_functions
from stackc.ir.program import Call, Program
from stackc.onnx_format.files import save_beside_data
from stackc.proof.points import Point, draw_feeds
from stackc.runtime import Feeds, open_session
from stackc.runtime.profile import NodeTime, Profile, read_profile
from stackc.runtime.session import OPTIMIZED
from stackc.timing.fused_nodes import nodes_within, stamped_path
from stackc.timing.matrix_product import FLOPS, open_product

WARM, ROUNDS, SECONDS = 2, (5, 50), 0.5
"""Runs that are not counted, the fewest and the most that are, and the seconds after which the fewest are enough."""

_PRODUCTS = {"MatMul", "Gemm", "Conv", "ConvTranspose", "Attention", "Einsum", "LSTM", "GRU", "RNN", "Scan", "Loop"}
"""Operators that do the counted FLOPs of a component."""
_MOVES = {"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Shape"}
"""Operators that compute nothing, and are free if they are fused."""
_LOOKUPS = {"Gather", "GatherElements", "GatherND"}
"""Operators that read a part of their table."""


@dataclass(frozen=True, slots=True)
class ComponentTime:
    """A component: the seconds of its nodes in a run, its FLOPs, and the bytes that its nodes read and write.

    `shared_with` are components that a node of it also belongs to, since ONNX Runtime has fused or merged them: the
    time of such a node is divided by the FLOPs of products, and by the numbers that other operators make.
    """

    path: str
    op: str
    span: Span
    seconds: float
    flops: int
    bytes: int
    shared_with: tuple[str, ...] = ()

    @property
    def flops_per_second(self) -> float:
        """The FLOPs that it reaches in a second; NaN if it does none, or no time was seen."""
        return self.flops / self.seconds if self.flops and self.seconds else math.nan


@dataclass(frozen=True)
class ComponentTimes:
    """All components in running order, at one point. `unattributed` seconds are of nodes that belong to none.

    `run_seconds` is a whole run, with what ONNX Runtime does between nodes, and slower than without a profile.
    `product_flops` is what a matrix product reaches in a second, timed in turns with the model.
    """

    rows: tuple[ComponentTime, ...]
    sizes: Mapping[str, int]
    runs: int
    threads: int
    run_seconds: float
    unattributed: float
    product_flops: float

    @property
    def seconds(self) -> float:
        """The seconds of all components together."""
        return sum(row.seconds for row in self.rows)

    def slowest_first(self) -> list[ComponentTime]:
        """Return the components by their time."""
        return sorted(self.rows, key=lambda row: -row.seconds)

    def share(self, row: ComponentTime) -> float:
        """Return the share that a component has in the time of all."""
        return row.seconds / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return all figures; the keys name the units."""
        return {
            "sizes": dict(self.sizes),
            "runs": self.runs,
            "threads": self.threads,
            "run_milliseconds": self.run_seconds * 1e3,
            "unattributed_milliseconds": self.unattributed * 1e3,
            "product_flops_per_second": self.product_flops,
            "components": [_row_json(row) for row in self.rows],
        }


def _row_json(row: ComponentTime) -> dict[str, Any]:
    return {
        "path": row.path,
        "op": row.op,
        "line": str(row.span),
        "milliseconds": row.seconds * 1e3,
        "flops": row.flops,
        "bytes": row.bytes,
        "shared_with": list(row.shared_with),
    }


def profile_at(
    program: Program,
    ranges: Mapping[str, ValueRange],
    model: Path,
    point: Point,
    threads: int | None,
    seed: int,
) -> ComponentTimes:
    """Return the time of each component at a point, on inputs drawn there. Raises what `time_components` does."""
    return time_components(program, model, draw_feeds(program, ranges, point, seed=seed), point.sizes, threads)


def time_components(
    program: Program, model: Path, feeds: Feeds, sizes: Mapping[str, int], threads: int | None = None
) -> ComponentTimes:
    """Profile the file of a program on the CPU, in turns with a matrix product; return the time of each component.

    Raises SpecError R405 or R406 if the model does not open or run.
    """
    threads = threads or os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="stackc-profile-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        file = unfold_functions(onnx.load(model, load_external_data=False))
        profile, product = _profile(_without_functions(model, file, folder), feeds, threads, folder)
        optimized = onnx.load(folder / OPTIMIZED, load_external_data=False)

    shares = _Shares.of(program, sizes, file)
    rows = _Rows(program, sizes)
    weights = _weight_bytes(optimized)
    within = nodes_within(file, optimized)
    for node in optimized.graph.node:
        if timed := profile.nodes.get(node.name):
            rows.add(timed, shares.of_nodes(within[node.name]), _bytes(node, timed, weights))

    product_flops = FLOPS / product
    return ComponentTimes(
        rows.finished(), dict(sizes), profile.runs, threads, profile.run_seconds, rows.unattributed, product_flops
    )


def _without_functions(model: Path, file: onnx.ModelProto, folder: Path) -> Path:
    """Return the file to profile: ONNX Runtime inlines functions under names of its own, so they are unfolded here."""
    if not onnx.load(model, load_external_data=False).functions:
        return model
    save_beside_data(file, folder / model.name, model.parent)
    return folder / model.name


def _profile(model: Path, feeds: Feeds, threads: int, folder: Path) -> tuple[Profile, float]:
    """Run the model and a matrix product in turns; return the profile, and the seconds of the product."""
    session = open_session(model, "cpu", threads=threads, profile=folder)
    run, multiply = session.bind(feeds), open_product("cpu", threads)
    products: list[float] = []
    end = math.inf
    while len(products) < WARM + ROUNDS[0] or (len(products) < WARM + ROUNDS[1] and time.perf_counter() < end):
        run()
        start = time.perf_counter()
        multiply()
        products.append(time.perf_counter() - start)
        if len(products) == WARM:
            end = time.perf_counter() + SECONDS
    return read_profile(session.end_profile(), WARM), median(products[WARM:])


def _weight_bytes(optimized: onnx.ModelProto) -> dict[str, int]:
    """Return the bytes of every initializer."""
    return {
        tensor.name: math.prod(tensor.dims) * tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for tensor in optimized.graph.initializer
    }


def _bytes(node: onnx.NodeProto, timed: NodeTime, weights: Mapping[str, int]) -> int:
    """Return the bytes that a node reads and writes: each value and each weight once, of a table what is looked up."""
    if node.op_type in _LOOKUPS:
        return 2 * timed.value_bytes
    return timed.value_bytes + sum(weights.get(name, 0) for name in node.input)


@dataclass(frozen=True, eq=False)
class _Shares:
    """The work of each node of the file, by which the time of fused ones is divided."""

    work: Mapping[str, float]

    @staticmethod
    def of(program: Program, sizes: Mapping[str, int], file: onnx.ModelProto) -> _Shares:
        calls = {call.path: call for call in program.calls}
        products: dict[str, int] = {}
        for node in file.graph.node:
            if node.op_type in _PRODUCTS:
                products[stamped_path(node)] = products.get(stamped_path(node), 0) + 1

        work = {}
        for node in file.graph.node:
            call = calls.get(stamped_path(node))
            if call is not None and node.op_type not in _MOVES:
                work[node.name] = float(_elements(program, call, sizes))
                if node.op_type in _PRODUCTS:
                    work[node.name] += call.signature.flops.evaluate(sizes) / products[call.path]
        return _Shares(work)

    def of_nodes(self, nodes: Iterable[onnx.NodeProto]) -> dict[str, float]:
        """Return the share of each component in nodes that are one; equal ones if all of them are free."""
        shares: dict[str, float] = {}
        for node in nodes:
            if path := stamped_path(node):
                shares[path] = shares.get(path, 0.0) + self.work.get(node.name, 0.0)
        total = sum(shares.values())
        return {path: work / total if total else 1 / len(shares) for path, work in shares.items()}


def _elements(program: Program, call: Call, sizes: Mapping[str, int]) -> int:
    """Return how many numbers the outputs of a component have."""
    return sum(math.prod(dim.evaluate(sizes) for dim in program.types[value].shape) for value in call.outputs)


class _Rows:
    """Adds up what nodes took, by component; `unattributed` are the seconds of nodes without one."""

    def __init__(self, program: Program, sizes: Mapping[str, int]) -> None:
        self.calls = {call.path: call for call in program.calls}
        self.sizes = sizes
        self.seconds = dict.fromkeys(self.calls, 0.0)
        self.bytes = dict.fromkeys(self.calls, 0.0)
        self.shared: dict[str, dict[str, None]] = {path: {} for path in self.calls}
        self.unattributed = 0.0

    def add(self, timed: NodeTime, shares: Mapping[str, float], moved: int) -> None:
        """Divide the time and the bytes of a node among components."""
        if not shares:
            self.unattributed += timed.seconds
        for path, share in shares.items():
            self.seconds[path] += share * timed.seconds
            self.bytes[path] += share * moved
            self.shared[path] |= dict.fromkeys(other for other in shares if other != path)

    def finished(self) -> tuple[ComponentTime, ...]:
        return tuple(self._row(path, call) for path, call in self.calls.items())

    def _row(self, path: str, call: Call) -> ComponentTime:
        flops = call.signature.flops.evaluate(self.sizes)
        seconds, moved = self.seconds[path], round(self.bytes[path])
        return ComponentTime(path, call.component.op, call.span, seconds, flops, moved, tuple(self.shared[path]))
