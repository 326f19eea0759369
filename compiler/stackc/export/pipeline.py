"""The export stage from end to end: units → recall or compile → link, and then, apart from it, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stackc.cache import Cache
from stackc.core.diagnostics import Span
from stackc.core.types import BYTES, product
from stackc.export.compile_cached import compile_cached
from stackc.export.functions import fold_functions
from stackc.export.link import LinkedGraph, link
from stackc.export.units import Unit, units_of
from stackc.export.write import INLINE_LIMIT, write
from stackc.ir.program import Program
from stackc.runtime.compatibility import first_release

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class LinkedProgram:
    """A model that lacks nothing but its weights; `write_model` writes it with the program's. `seconds` are by stage.

    Of the units, `recalled` came from the cache. `runs_on` is the first release of ONNX Runtime that loads the model.
    """

    program: Program
    linked: LinkedGraph
    units: int
    recalled: int
    opset: int
    runs_on: str
    seconds: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A model that was written: its files with their SHA-256, the model first; the seconds of all stages."""

    assembled: LinkedProgram
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

    With `functions`, blocks and stacks are ONNX local functions; else the model is flat. PyTorch is imported where a
    unit is not in the cache. Raises SpecError E501 (a component cannot be exported) and E502 (it was compiled for fewer
    sizes than the contract allows).
    """
    clock = _Clock({})
    units = clock("units", lambda: units_of(program, opset, target))
    objects, recalled = clock("compile", lambda: compile_cached(spans_of(program, units), cache))
    linked = clock("link", lambda: link(program, units, objects, opset=opset))
    operators = {(node.domain, node.op_type) for node in linked.model.graph.node}
    runs_on = first_release(linked.model.ir_version, opset, operators)
    if functions:
        linked = clock(
            "fold", lambda: replace(linked, model=fold_functions(linked.model, linked.places, linked.exposed))
        )
    return LinkedProgram(program, linked, len(objects), recalled, opset, runs_on, clock.seconds)


def write_model(assembled: LinkedProgram, weights: Mapping[str, np.ndarray[Any, Any]], folder: Path) -> ExportedModel:
    """Write the model with its weights into an existing folder.

    `weights` has every parameter and buffer by its name in the state_dict; it is read one tensor at a time.
    """
    clock = _Clock(dict(assembled.seconds))
    inline = weight_bytes(assembled.program) <= INLINE_LIMIT
    files = clock("write", lambda: write(assembled.linked, weights, folder, inline=inline))
    return ExportedModel(assembled, files, clock.seconds)


def export(
    program: Program,
    weights: Mapping[str, np.ndarray[Any, Any]],
    folder: Path,
    *,
    opset: int = 23,
    target: str = "portable",
    functions: bool = False,
    cache: Cache | None = None,
) -> ExportedModel:
    """Write the program as an ONNX model into an existing folder: `link_program` and `write_model`, which may be taken apart."""
    assembled = link_program(program, opset=opset, target=target, functions=functions, cache=cache)
    return write_model(assembled, weights, folder)


def spans_of(program: Program, units: list[Unit]) -> dict[Unit, Span]:
    """The distinct units, each with the place in the spec of the first call that needs it."""
    spans: dict[Unit, Span] = {}
    for call, unit in zip(program.calls, units, strict=True):
        spans.setdefault(unit, call.span)
    return spans


def weight_bytes(program: Program) -> int:
    """The size of all parameters and buffers, each counted once however many calls share it."""
    return sum(BYTES[tensor.dtype] * product(tensor.shape).evaluate({}) for tensor in program.tensors().values())


@dataclass(frozen=True)
class _Clock:
    seconds: dict[str, float]

    def __call__(self, stage: str, run: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = run()
        self.seconds[stage] = time.perf_counter() - start
        return result
