"""A small transformer, lowered and compiled once for all tests of the proof."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from torch import nn

from stackc.components.base import Component
from stackc.export.compile import compile_units
from stackc.export.link import LinkedGraph, link
from stackc.export.objects import Object
from stackc.export.pipeline import spans_of
from stackc.export.units import Unit, units_of
from stackc.export.write import write
from stackc.frontend import Checked, check_source
from stackc.proof.components import Reference
from stackc.proof.parity import prove
from stackc.proof.report import Parity
from stackc.runtime import open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

SPEC = """\
stackc: 1
name: small
dims: {batch: {max: 3}, seq: {max: 13}}
inputs:
  ids: {dtype: int64, shape: [batch, seq], below: 20}
  mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}
graph: |
  ids --> left[embedding] --> both[concat]
  ids --> right[embedding] --> both
  both --> encoder[stack] --> square[linear] --> unit[l2_normalize] --> head[linear]
  mask -->|mask| encoder
nodes:
  left: {vocab: 20, dim: 8}
  right: {vocab: 20, dim: 8}
  both: {axis: -1}
  encoder: {of: layer, repeat: 2}
  square: {out: 16}
  head: {out: 5}
blocks:
  layer:
    inputs: [x, mask]
    graph: |
      x --> attn[attention] --> drop[dropout]
      drop --> add1[add] --> norm1[layer_norm]
      x --> add1
      mask -->|mask| attn
      norm1 --> mlp --> add2[add]
      norm1 --> add2 --> norm2[layer_norm]
    nodes:
      attn: {heads: 2, causal: true}
      mlp: {hidden: 24}
outputs: {logits: head, hidden: encoder}
"""

Change = Callable[[onnx.GraphProto], None]


@dataclass(frozen=True)
class Small:
    """The model in all stages, and a proof of it after a change of the linked file."""

    checked: Checked
    module: nn.Module
    units: list[Unit]
    objects: dict[Unit, Object]

    def linked(self, objects: dict[Unit, Object] | None = None) -> LinkedGraph:
        return link(self.checked.program, self.units, objects or self.objects, opset=23)

    def file(self, folder: Path, change: Change | None = None, linked: LinkedGraph | None = None) -> Path:
        """Write model.onnx with its weights, changed."""
        weights = {name: tensor.detach().numpy() for name, tensor in self.module.state_dict().items()}
        (path,) = write(linked or self.linked(), weights, folder, inline=True)
        if change:
            model = onnx.load(path)
            change(model.graph)
            onnx.save(model, path)
        return path

    def prove(self, path: Path, *, per_component: bool = False, thorough: bool = False, compare: bool = True) -> Parity:
        """Prove a file, its tensors compared with the parameters unless not `compare`."""
        session = open_session(path, "cpu", threads=1)
        checked = self.checked
        return prove(
            checked.program,
            Reference.of(self.module),
            session,
            path,
            checked.ranges,
            linked=self.linked() if compare else None,
            threads=1,
            per_component=per_component,
            thorough=thorough,
        )

    def with_unit(self, path: str, component: Component) -> dict[Unit, Object]:
        """Return objects in which that of a call was compiled from another component."""
        calls = zip(self.checked.program.calls, self.units, strict=True)
        unit = next(unit for call, unit in calls if call.path == path)
        other = dataclasses.replace(unit, component=component)
        compiled = compile_units({other: self.checked.program.calls[0].span})
        return {**self.objects, unit: compiled[other]}


@pytest.fixture(scope="package")
def small() -> Small:
    return compiled(SPEC)


def compiled(text: str) -> Small:
    """Return the model of a spec in all stages."""
    checked = check_source(Source("small.yaml", text))
    units = units_of(checked.program, 23)
    return Small(checked, lower(checked.typed), units, compile_units(spans_of(checked.program, units)))
