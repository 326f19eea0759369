"""The gallery: one PyTorch module that runs every unit on inputs of its own, exported by one call of torch.onnx.export.

Parameters and buffers are inputs of the gallery, so that no weight is baked into the graph.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import torch
import torch.fx.experimental._config as symbolic_shapes
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from stackc.export.guards import guards_of
from stackc.export.prepare import PreparedUnit, prepare
from stackc.export.shape_sources import Axis, choose_source, shared_sizes
from stackc.export.split import Wiring
from stackc.export.units import Unit


class UnitBatch(nn.Module):
    """Every exhibit on its own slice of a flat list of tensors."""

    def __init__(self, units: Sequence[PreparedUnit]) -> None:
        super().__init__()
        self.units = units

    def forward(self, tensors: list[Tensor]) -> list[Tensor]:
        """The outputs of all units, one after the other."""
        given = iter(tensors)
        return [y for e in self.units for y in e.run(list(itertools.islice(given, len(e.tensors))))]


def export_batch(units: Sequence[Unit], opset: int) -> tuple[onnx.ModelProto, list[Wiring]]:
    """One graph of all units, and where each of them sits in it. Raises whatever the modules and the exporter raise."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with _quiet("torch", "onnx_ir"), np.errstate(over="ignore"):
        return _exported([prepare(unit, mode) for unit in units], opset)


def _exported(units: Sequence[PreparedUnit], opset: int) -> tuple[onnx.ModelProto, list[Wiring]]:
    tensors = [tensor for e in units for tensor in e.tensors]
    dynamic = [axes for e in units for axes in _dynamic_axes(e)]
    # size 1 is a size like any other; without this the exporter takes every dim to be at least 2
    with symbolic_shapes.patch(backed_size_oblivious=True), torch.no_grad():  # type: ignore[attr-defined]  # made at run time
        program = torch.export.export(UnitBatch(units).eval(), (tensors,), dynamic_shapes=(dynamic,))
    constraints = guards_of(program, units)
    exported = torch.onnx.export(program, opset_version=opset, dynamo=True, optimize=True, verbose=False)
    assert exported is not None
    model = exported.model_proto
    wirings = _wirings(model.graph, units, constraints)
    shared: dict[Axis, Axis] = {}
    for e, wiring in zip(units, wirings, strict=True):
        connected = [x for x in e.unit.inputs if x is not None]
        shared |= shared_sizes(dict(zip(list(wiring.names)[len(e.state) :], connected, strict=True)))
    choose_source(model.graph.node, shared)
    return model, wirings


def _dynamic_axes(unit: PreparedUnit) -> list[Any]:
    """What is dynamic of each of `unit.tensors`: of the state nothing, of an input every axis without a number."""
    inputs = [x for x in unit.unit.inputs if x is not None]
    axes = [{axis: torch.export.Dim.AUTO for axis, dim in enumerate(x.shape) if dim.constant is None} for x in inputs]
    return [None] * len(unit.state) + axes


def _wirings(
    graph: onnx.GraphProto, units: Sequence[PreparedUnit], constraints: Sequence[tuple[str, ...]]
) -> list[Wiring]:
    """By position alone: the exporter renames an input whose value is an output as well."""
    inputs, outputs = (iter([value.name for value in values]) for values in (graph.input, graph.output))
    wirings = []
    for e, texts in zip(units, constraints, strict=True):
        names = dict(zip(itertools.islice(inputs, len(e.tensors)), e.names, strict=True))
        wirings.append(Wiring(names, tuple(itertools.islice(outputs, e.outputs)), texts))
    assert not [*inputs, *outputs], "the exporter dropped or added an input or output of the gallery"
    return wirings


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Keep loggers from telling of optional packages that are not installed, of errors that are raised as well, and of
    what an optimization passes over."""
    loggers = {name: logging.getLogger(name) for name in names}
    levels = {name: logger.level for name, logger in loggers.items()}
    for logger in loggers.values():
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, logger in loggers.items():
            logger.setLevel(levels[name])
