"""Modules whose operators PyTorch composes of others, as `op: torch`: checked for any size, built and proven."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import stackc
from stackc.artifact.folder import run_artifact
from stackc.core.diagnostics import SpecError
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


class Sampled(nn.Module):
    def forward(self, x: Tensor, grid: Tensor) -> Tensor:
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


class ResizedLike(nn.Module):
    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, size=like.shape[-2:], mode="bilinear")


TWO = """\
stackc: 1
name: two
dims: {batch: {max: 3}, h: {max: 16}, w: {max: 16}, rows: {max: 9}, columns: {max: 9}}
inputs: {x: {shape: [batch, 3, h, w]}, z: {shape: [batch, rows, columns, 2], min: -1, max: 1}}
graph: |
  x --> y
  z -->|PORT| y
nodes: {y: {op: torch, of: OF}}
"""


@pytest.mark.parametrize("opset", [18, 23])
@pytest.mark.parametrize(("make", "port"), [(Sampled, "grid"), (ResizedLike, "like")])
def test_functions_of_two_tensors(make: type[nn.Module], port: str, opset: int, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    text = TWO.replace("PORT", port).replace("OF", f"{__name__}.{make.__name__}")
    path.write_text(text if port == "grid" else text.replace("rows, columns, 2", "1, rows, columns"), encoding="utf-8")
    built = build(path, Options(Overrides(trust=(__name__,)), out=tmp_path, opset=opset, measure=False))

    x, z = torch.randn(2, 3, 7, 11), torch.rand(2, 4, 5, 2) * 2 - 1
    z = z if port == "grid" else z[None, :, :, 0].transpose(0, 1)
    y = run_artifact(built.folder, {"x": x.numpy(), "z": z.numpy()})["y"]
    torch.testing.assert_close(torch.from_numpy(y), make()(x, z), rtol=1e-4, atol=1e-5)


class PaddedAttention(nn.Module):
    """Masks that are broadcast along queries: booleans, or numbers as PyTorch's layer makes them, never all -inf."""

    def __init__(self, booleans: bool) -> None:
        super().__init__()
        self.booleans = booleans
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if not self.booleans:
            padding = F.pad(mask[:, 1:], (1, 0), value=1) == 0
            y: Tensor = self.layer(x, x, x, key_padding_mask=padding, need_weights=False)[0]
            return y
        heads = x.unflatten(2, (2, 4)).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads, (mask != 0)[:, None, None])


PADDED = """\
stackc: 1
name: padded
dims: {batch: {max: 3}, seq: {max: 9}}
inputs: {x: {shape: [batch, seq, 8]}, mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}}
graph: |
  x --> y
  mask -->|mask| y
nodes: {y: {op: torch, of: OF.PaddedAttention, booleans: BOOLEANS}}
"""


@pytest.mark.parametrize("opset", [18, 23])
@pytest.mark.parametrize("booleans", [True, False])
def test_attention_of_padded_sequences(booleans: bool, opset: int, tmp_path: Path) -> None:
    """Without any key, PyTorch's result is 0."""
    path = tmp_path / "padded.yaml"
    path.write_text(PADDED.replace("OF", __name__).replace("BOOLEANS", str(booleans).lower()), encoding="utf-8")
    built = build(path, Options(Overrides(trust=(__name__,)), out=tmp_path, opset=opset, measure=False))

    torch.manual_seed(0)
    x, mask = torch.randn(2, 5, 8), torch.tensor([[1, 1, 0, 1, 0], [0] * 5])
    y = torch.from_numpy(run_artifact(built.folder, {"x": x.numpy(), "mask": mask.numpy()})["y"])
    expected = stackc.module(path, trust=(__name__,)).eval()(x, mask).detach()
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    assert booleans == torch.equal(expected[1], torch.zeros_like(expected[1]))


def test_error_a_window_names_the_sizes_that_it_works_at(tmp_path: Path) -> None:
    """Following the help leads to a proven file."""
    path = tmp_path / "unfold.yaml"
    spec = """\
stackc: 1
name: unfold
dims: DIMS
inputs: {x: {shape: [batch, 3, h, w]}}
graph: x --> y
nodes: {y: {op: torch, of: torch.nn.Unfold, kernel_size: 3}}
"""
    options = Options(Overrides(trust=("torch.nn",)), out=tmp_path, measure=False)
    path.write_text(spec.replace("DIMS", "{batch: {max: 3}}"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        build(path, options)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E502"
    assert diagnostic.hint == "declare the sizes that it works at: `dims: {h: {min: 3}, w: {min: 3}}`"

    path.write_text(spec.replace("DIMS", "{batch: {max: 3}, h: {min: 3}, w: {min: 3}}"), encoding="utf-8")
    built = build(path, options)
    assert built.parity is not None
    assert not built.parity.failures
