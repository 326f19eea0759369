"""Modules whose operators PyTorch composes of others, as `op: torch`: checked for any size, built and proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.frontend import Overrides
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

UPSAMPLE = """\
stackc: 1
name: upsample
inputs: {x: {shape: [batch, 3, h, w]}}
graph: |
  x -->|input| up
nodes: {up: {op: torch, of: torch.nn.Upsample, scale_factor: 2, mode: bilinear}}
"""

SEVERAL = """\
stackc: 1
name: composites
dims: {batch: {max: 3}, h: {max: 24, multiple_of: 2}, w: {max: 24, multiple_of: 2}}
inputs: {x: {shape: [batch, 4, h, w]}}
graph: |
  x --> larger & cubic & framed & columns & normed & same & folded
nodes:
  larger:  {op: torch, of: torch.nn.Upsample, scale_factor: 1.5, mode: nearest}
  cubic:   {op: torch, of: torch.nn.Upsample, scale_factor: 2, mode: bicubic}
  framed:  {op: torch, of: torch.nn.ZeroPad2d, padding: 1}
  columns: {op: torch, of: torch.nn.Unfold, kernel_size: 3, padding: 1}
  normed:  {op: torch, of: torch.nn.LocalResponseNorm, size: 3}
  same:    {op: torch, of: torch.nn.Conv2d, in_channels: 4, out_channels: 3, kernel_size: 4, padding: same}
  folded:  {op: torch, of: torch.nn.PixelUnshuffle, downscale_factor: 2}
outputs: [larger, cubic, framed, columns, normed, same, folded]
"""


@pytest.mark.parametrize(("spec", "opset"), [(UPSAMPLE, 23), (SEVERAL, 18), (SEVERAL, 23)])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_composite_operators(spec: str, opset: int, tmp_path: Path) -> None:
    path = tmp_path / "composites.yaml"
    path.write_text(spec, encoding="utf-8")
    built = build(path, Options(Overrides(trust=("torch.nn",)), out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
