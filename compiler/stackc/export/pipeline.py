"""The export stage from end to end: units → compiled objects → linked graph, and then, separately, → files.

This file calls the others in order: units.py finds the distinct components, compile_cached.py compiles each once
(by way of batch.py and split.py), link.py joins the compiled objects under the program's names (with storage.py and
template.py), and write.py writes the result with its weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stackc.cache import Cache
from stackc.core.diagnostics import Span
from stackc.core.plurals import counted
from stackc.core.types import BYTES, product
from stackc.export.compile_cached import compile_cached
from stackc.export.functions import fold_functions
from stackc.export.link import LinkedGraph, link
from stackc.export.units import Unit, units_of
from stackc.export.write import INLINE_LIMIT, NO_METADATA, write, write_step
from stackc.ir.program import Program
from stackc.runtime.compatibility import first_release

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class LinkedProgram:
    """A complete model except for its weights; `write_model` writes both. `seconds` are by stage.

    Of the `units` distinct components, `recalled` came from the cache. `runs_on` is the first release of ONNX Runtime
    that loads the model.
    """

    program: Program
    graph: LinkedGraph
    units: int
    recalled: int
    opset: int
    runs_on: str
    seconds: Mapping[str, float]

    def describe(self, target: str) -> str:
        """Say what the model consists of and what it runs on."""
        cached = f", {self.recalled} from the cache" if self.recalled else ""
        components = f"{counted(self.units, 'distinct component')}{cached}"
        nodes = counted(len(self.graph.model.graph.node), "ONNX node")
        operators = f", target {target}" if target != "portable" else ""
        return f"{components}, {nodes}, opset {self.opset}{operators}, runs on onnxruntime >= {self.runs_on}"


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A written model: its files with their SHA-256, the model first, and the seconds of all stages."""

    linked_program: LinkedProgram
    files: Mapping[Path, str]
    seconds: Mapping[str, float]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, the model first."""
        return tuple(self.files)


def link_program(
    program: Program,
    *,
    opset: int = 23,
    target: str = "portable",
    functions: bool = False,
    cache: Cache | None = None,
) -> LinkedProgram:
    """Compile the components of the program and link them.

    With `functions`, blocks and stacks become ONNX local functions; otherwise the model is flat. PyTorch is imported
    only if a unit is not in the cache. Raises SpecError E501 (a component cannot be exported) and E502 (it was compiled
    for fewer sizes than the contract allows).
    """
    clock = _Clock({})
    units = clock("units", lambda: units_of(program, opset, target))
    objects, recalled = clock("compile", lambda: compile_cached(spans_of(program, units), cache))
    linked = clock("link", lambda: link(program, units, objects, opset=opset))

    # Operators of functions hide from the graph, so the release is looked up before they are folded.
    operators = {(node.domain, node.op_type) for node in linked.model.graph.node}
    runs_on = first_release(linked.model.ir_version, opset, operators)
    if functions:
        folded = clock("fold", lambda: fold_functions(linked.model, linked.block_calls, linked.exposed))
        linked = replace(linked, model=folded)

    return LinkedProgram(program, linked, len(objects), recalled, opset, runs_on, clock.seconds)


def write_model(
    linked: LinkedProgram,
    weights: Mapping[str, np.ndarray[Any, Any]],
    folder: Path,
    metadata: Mapping[str, str] = NO_METADATA,
    *,
    step: LinkedProgram | None = None,
) -> ExportedModel:
    """Write the model with its weights into an existing folder, and its decoding step beside it, with the same weights.

    `weights` has every parameter and buffer by its name in the state_dict; it is read one tensor at a time. `metadata`
    goes into the model, by key.
    """
    clock = _Clock(dict(linked.seconds))
    inline = step is None and weight_bytes(linked.program) <= INLINE_LIMIT
    files = clock("write", lambda: write(linked.graph, weights, folder, inline=inline, metadata=metadata))
    if step is not None:
        clock("write step", lambda: write_step(step.graph, linked.graph, weights, folder, metadata))
    return ExportedModel(linked, files, clock.seconds)


def spans_of(program: Program, units: list[Unit]) -> dict[Unit, Span]:
    """Return the distinct units, each with the span of the first call that needs it."""
    spans: dict[Unit, Span] = {}
    for call, unit in zip(program.calls, units, strict=True):
        spans.setdefault(unit, call.span)
    return spans


def weight_bytes(program: Program) -> int:
    """Return the size of all parameters and buffers, each counted once however many calls share it."""
    return sum(BYTES[tensor.dtype] * product(tensor.shape).evaluate({}) for tensor in program.tensors().values())


@dataclass
class _Clock:
    """Measures stages: `seconds` grows by the name of each."""

    seconds: dict[str, float]

    def __call__(self, stage: str, run: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = run()
        self.seconds[stage] = time.perf_counter() - start
        return result
