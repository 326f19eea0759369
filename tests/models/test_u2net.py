"""specs/u2net.yaml against U²-Net written out in plain PyTorch, at sizes that no stage halves evenly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.hub.harness import draw_parameters
from torch import Tensor, nn

from stackc.artifact.folder import run_artifact
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build, lower_with_weights

SPEC = Path(__file__).parents[2] / "specs" / "u2net.yaml"
PUBLISHED = (
    [32, 32, 64, 128, 256, 256],
    [64, 128, 256, 512, 512, 512],
    [16, 32, 64, 128, 256],
    [64, 64, 128, 256, 512],
)
LITE = ([16] * 6, [64] * 6, [16] * 5, [64] * 5)
SMALL = ([2, 3, 2, 4, 3, 2], [4, 5, 6, 7, 8, 9], [3, 2, 4, 2, 3], [5, 4, 3, 6, 7])
Widths = tuple[list[int], list[int], list[int], list[int]]


class ConvNormRelu(nn.Module):
    def __init__(self, channels: int, out: int, rate: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(channels, out, 3, padding=rate, dilation=rate)
        self.bn_s1 = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn_s1(self.conv_s1(x))
        return y.relu()


class ResidualU(nn.Module):
    """A U of so many levels, the lowest of them dilated; `flat` with rates in place of all pools."""

    def __init__(self, levels: int, channels: int, inner: int, outer: int, flat: bool = False) -> None:
        super().__init__()
        self.levels, self.flat = levels, flat
        rates = {i: 2 ** (i - 1) for i in range(1, levels + 1)} if flat else {levels: 2}
        self.rebnconvin = ConvNormRelu(channels, outer)
        for i in range(1, levels + 1):
            self.add_module(f"rebnconv{i}", ConvNormRelu(outer if i == 1 else inner, inner, rates.get(i, 1)))
        for i in range(1, levels):
            rate = rates[i] if flat else 1
            self.add_module(f"rebnconv{i}d", ConvNormRelu(2 * inner, outer if i == 1 else inner, rate))

    def forward(self, x: Tensor) -> Tensor:
        entering: Tensor = self.rebnconvin(x)
        down = [self.get_submodule("rebnconv1")(entering)]
        for i in range(2, self.levels + 1):
            narrow = down[-1] if self.flat or i == self.levels else halved(down[-1])
            down.append(self.get_submodule(f"rebnconv{i}")(narrow))

        y = down.pop()
        for i in range(self.levels - 1, 0, -1):
            skip = down.pop()
            y = self.get_submodule(f"rebnconv{i}d")(torch.cat([enlarged(y, skip), skip], 1))
        total: Tensor = entering + y
        return total


class U2Net(nn.Module):
    def __init__(self, widths: Widths) -> None:
        super().__init__()
        inner, outer, inner_up, outer_up = widths
        levels = [7, 6, 5, 4, 4, 4]
        below = [3, *outer]
        for i in range(6):
            self.add_module(f"stage{i + 1}", ResidualU(levels[i], below[i], inner[i], outer[i], flat=i > 3))
        deeper = [*outer_up[1:], outer[5]]
        for i in range(5):
            block = ResidualU(levels[i], deeper[i] + outer[i], inner_up[i], outer_up[i], flat=i > 3)
            self.add_module(f"stage{i + 1}d", block)
        for i, width in enumerate([*outer_up, outer[5]], 1):
            self.add_module(f"side{i}", nn.Conv2d(width, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        down = [self.get_submodule("stage1")(x)]
        for i in range(2, 7):
            down.append(self.get_submodule(f"stage{i}")(halved(down[-1])))

        up = [down.pop()]
        for i in range(5, 0, -1):
            skip = down.pop()
            up.append(self.get_submodule(f"stage{i}d")(torch.cat([enlarged(up[-1], skip), skip], 1)))

        sides = [enlarged(self.get_submodule(f"side{i}")(y), x) for i, y in enumerate(reversed(up), 1)]
        return [y.sigmoid() for y in (self.outconv(torch.cat(sides, 1)), *sides)]


def halved(x: Tensor) -> Tensor:
    return nn.functional.max_pool2d(x, 2, 2, ceil_mode=True)


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    return nn.functional.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def overrides(widths: Widths, **dims: int) -> Overrides:
    names = ("inner", "outer", "inner_up", "outer_up")
    return Overrides({name: str(width) for name, width in zip(names, widths, strict=True)}, dims)


@pytest.fixture(scope="module")
def model() -> U2Net:
    """A small network with every parameter drawn, rounded to float32, that computes in float64."""
    model = U2Net(SMALL).eval()
    draw_parameters(model)
    return model.double()


@pytest.fixture(scope="module")
def weights(model: U2Net, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("u2net") / "u2net.safetensors"
    save_file({name: x.float() if x.is_floating_point() else x for name, x in model.state_dict().items()}, path)
    return path


@pytest.mark.slow
def test_every_map_is_that_of_plain_pytorch(model: U2Net, weights: Path) -> None:
    module = lower_with_weights(check_spec(SPEC, overrides(SMALL)), weights, 0).double().eval()
    for batch, height, width in ((2, 32, 32), (1, 75, 103)):
        image = torch.rand(batch, 3, height, width, dtype=torch.float64)
        with torch.no_grad():
            for ours, expected in zip(module(image), model(image), strict=True):
                torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_the_file_computes_the_same_maps(model: U2Net, weights: Path, tmp_path: Path) -> None:
    built = build(SPEC, Options(overrides(SMALL, batch=1, height=40), weights, tmp_path, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
    image = torch.rand(1, 3, 40, 67)
    outputs = run_artifact(built.folder, {"image": image.numpy()}, "cpu")
    with torch.no_grad():
        for output, expected in zip(outputs.values(), model(image.double()), strict=True):
            np.testing.assert_allclose(output, expected.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("widths", "parameters"), [(PUBLISHED, 44_009_869), (LITE, 1_131_181)])
def test_both_versions_have_as_many_parameters_as_published(widths: Widths, parameters: int) -> None:
    with torch.device("meta"):
        expected = sum(p.numel() for p in U2Net(widths).parameters())
    assert check_spec(SPEC, overrides(widths)).cost.parameters == expected == parameters
