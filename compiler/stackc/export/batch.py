"""Step 3 of the export: a batch of units → one ONNX graph, as one PyTorch module and one call of torch.onnx.export.

Each unit (prepared by prepare.py) runs on inputs of its own. Parameters and buffers are inputs of the batch, so that
no weight becomes part of the graph. split.py takes the graph apart again, along the interfaces returned here.
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
from torch import Tensor, nn

from stackc.core.torch_internals import FakeTensorMode, size_one_is_ordinary
from stackc.export.guards import guards_of
from stackc.export.prepare import PreparedUnit, prepare
from stackc.export.shape_sources import Axis, choose_source, shared_sizes
from stackc.export.split import UnitInterface
from stackc.export.translations import translations
from stackc.export.units import Unit


class UnitBatch(nn.Module):
    """A batch of units: each runs on its own slice of a flat list of tensors."""

    def __init__(self, units: Sequence[PreparedUnit]) -> None:
        super().__init__()
        self.units = units

    def forward(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return the outputs of all units, one unit after another."""
        remaining = iter(tensors)
        return [y for unit in self.units for y in unit.run(list(itertools.islice(remaining, len(unit.tensors))))]


def export_batch(units: Sequence[Unit], opset: int) -> tuple[onnx.ModelProto, list[UnitInterface]]:
    """Return one graph of all units, and the interface of each in it.

    Raises Unexportable, and whatever the modules and the exporter raise.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with _quiet("torch", "onnx_ir"), np.errstate(over="ignore"):
        return _export([prepare(unit, mode) for unit in units], opset)


def _export(units: Sequence[PreparedUnit], opset: int) -> tuple[onnx.ModelProto, list[UnitInterface]]:
    # a batch of constants alone has no inputs, which torch.export cannot do: it gets one that nothing reads
    tensors = [tensor for unit in units for tensor in unit.tensors] or [torch.zeros(())]
    dynamic = [axes for unit in units for axes in _dynamic_axes(unit)] or [None]

    with size_one_is_ordinary(), torch.no_grad():
        program = torch.export.export(UnitBatch(units).eval(), (tensors,), dynamic_shapes=(dynamic,))
    constraints = guards_of(program, units)
    exported = torch.onnx.export(
        program,
        opset_version=opset,
        dynamo=True,
        optimize=True,
        verbose=False,
        custom_translation_table=dict(translations(opset)),
    )
    assert exported is not None

    model = exported.model_proto
    interfaces = _interfaces(model.graph, units, constraints)
    choose_source(model.graph.node, _shared_sizes(units, interfaces))
    return model, interfaces


def _dynamic_axes(unit: PreparedUnit) -> list[Any]:
    """Return what is dynamic in each of `unit.tensors`: nothing of the state, every unnumbered axis of an input."""
    inputs = [x for x in unit.unit.inputs if x is not None]
    axes = [{axis: torch.export.Dim.AUTO for axis, dim in enumerate(x.shape) if dim.constant is None} for x in inputs]
    return [None] * len(unit.state) + axes


def _interfaces(
    graph: onnx.GraphProto, units: Sequence[PreparedUnit], constraints: Sequence[tuple[str, ...]]
) -> list[UnitInterface]:
    """Match graph inputs and outputs with units by position: the exporter renames an input that is an output too."""
    inputs, outputs = (iter([value.name for value in values]) for values in (graph.input, graph.output))
    interfaces = []
    for unit, texts in zip(units, constraints, strict=True):
        names = dict(zip(itertools.islice(inputs, len(unit.tensors)), unit.names, strict=True))
        interfaces.append(UnitInterface(names, tuple(itertools.islice(outputs, unit.outputs)), texts))

    unread = [] if any(unit.tensors for unit in units) else [*itertools.islice(inputs, 1)]
    assert not [*inputs, *outputs], f"the exporter dropped or added an input or output of the batch, besides {unread}"
    return interfaces


def _shared_sizes(units: Sequence[PreparedUnit], interfaces: Sequence[UnitInterface]) -> dict[Axis, Axis]:
    shared: dict[Axis, Axis] = {}
    for unit, interface in zip(units, interfaces, strict=True):
        names = list(interface.names)[len(unit.state) :]
        connected = [x for x in unit.unit.inputs if x is not None]
        shared |= shared_sizes(dict(zip(names, connected, strict=True)))
    return shared


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Silence loggers: they report optional packages that are not installed, errors that are also raised, and what an
    optimization skips."""
    loggers = {name: logging.getLogger(name) for name in names}
    levels = {name: logger.level for name, logger in loggers.items()}
    for logger in loggers.values():
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, logger in loggers.items():
            logger.setLevel(levels[name])
