"""specs/unet.yaml against the U-Net written out in plain PyTorch, at the sizes where its skips hang on the contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stackc.artifact.folder import run_artifact
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "unet.yaml"


class DoubleConv(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.conv1(x)).relu()
        y: Tensor = self.norm2(self.conv2(x)).relu()
        return y


class Up(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, width, 2, stride=2)
        self.conv = DoubleConv(2 * width, width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        y: Tensor = self.conv(torch.cat([skip, self.up(x)], dim=1))
        return y


class UNet(nn.Module):
    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.enc1 = DoubleConv(channels, width)
        self.enc2 = DoubleConv(width, 2 * width)
        self.enc3 = DoubleConv(2 * width, 4 * width)
        self.enc4 = DoubleConv(4 * width, 8 * width)
        self.bottom = DoubleConv(8 * width, 16 * width)
        self.dec4 = Up(16 * width, 8 * width)
        self.dec3 = Up(8 * width, 4 * width)
        self.dec2 = Up(4 * width, 2 * width)
        self.dec1 = Up(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for encoder in (self.enc1, self.enc2, self.enc3, self.enc4):
            skips.append(encoder(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.bottom(x)
        for decoder in (self.dec4, self.dec3, self.dec2, self.dec1):
            x = decoder(x, skips.pop())
        y: Tensor = self.head(x)
        return y


def trained(model: nn.Module) -> nn.Module:
    """The model with statistics as training leaves them, not as they start."""
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize("opset", [18, 23])
def test_unet_is_the_one_of_plain_pytorch(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = trained(UNet(channels=3, width=4, classes=5))
    save_file(model.state_dict(), tmp_path / "unet.safetensors")
    overrides = Overrides(params={"width0": "4", "classes": "5"}, dims={"batch": 2})
    options = Options(overrides, tmp_path / "unet.safetensors", tmp_path, opset=opset, measure=False)
    built = build(SPEC, options)

    assert built.parity is not None
    assert not built.parity.failures
    assert built.checked.cost.parameters == sum(p.numel() for p in model.parameters())
    for height, width in ((16, 16), (48, 80), (16, 112)):
        image = torch.randn(2, 3, height, width)
        (logits,) = run_artifact(built.folder, {"image": image.numpy()}, "cpu").values()
        assert logits.shape == (2, 5, height, width)
        with torch.no_grad():
            np.testing.assert_allclose(logits, model(image).numpy(), rtol=0, atol=2e-5)


def test_the_published_size_has_31_million_parameters() -> None:
    with torch.device("meta"):
        expected = sum(p.numel() for p in UNet(channels=3, width=64, classes=2).parameters())
    assert check_spec(SPEC).cost.parameters == expected == 31_037_698


def test_error_skips_do_not_meet_without_the_contract(tmp_path: Path) -> None:
    loose = tmp_path / "unet.yaml"
    loose.write_text(SPEC.read_text(encoding="utf-8").replace(", multiple_of: 16", ""), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        check_spec(loose)
    assert {d.code for d in caught.value.diagnostics} == {"T201"}
    assert "cannot concatenate" in caught.value.diagnostics[0].message
