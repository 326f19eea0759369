"""specs/yolov8.yaml against YOLOv8 written out in plain PyTorch, and its boxes against suppression one by one."""

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

SPEC = Path(__file__).parents[2] / "specs" / "yolov8.yaml"
CLASSES, BINS, MAX_BOXES, SCORE, IOU = 3, 4, 20, 0.5, 0.5
SMALL = {
    "depth": "0.5", "breadth": "0.0625", "classes": str(CLASSES), "bins": str(BINS),
    "max_boxes": str(MAX_BOXES), "score_threshold": str(SCORE), "iou_threshold": str(IOU),
}  # fmt: skip
Detections = tuple[Tensor, Tensor, Tensor, Tensor]


class Conv(nn.Module):
    def __init__(self, channels: int, out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, width: int, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.cv1, self.cv2 = Conv(width, width, 3), Conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    def __init__(self, channels: int, out: int, layers: int, shortcut: bool = False) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(channels, out), Conv((2 + layers) * out // 2, out)
        self.m = nn.ModuleList(Bottleneck(out // 2, shortcut) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        parts = [*self.cv1(x).chunk(2, 1)]
        for bottleneck in self.m:
            parts.append(bottleneck(parts[-1]))
        y: Tensor = self.cv2(torch.cat(parts, 1))
        return y


class SPPF(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(width, width // 2), Conv(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.cv1(x)
        wider = [nn.functional.max_pool2d(narrow, 2 * radius + 1, 1, radius) for radius in (2, 4, 6)]
        y: Tensor = self.cv2(torch.cat([narrow, *wider], 1))
        return y


class Detect(nn.Module):
    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        sides, classes = max(16, widths[0] // 4, 4 * BINS), max(widths[0], CLASSES)

        def branch(channels: int, width: int, out: int) -> nn.Sequential:
            return nn.Sequential(Conv(channels, width, 3), Conv(width, width, 3), nn.Conv2d(width, out, 1))

        self.cv2 = nn.ModuleList(branch(channels, sides, 4 * BINS) for channels in widths)
        self.cv3 = nn.ModuleList(branch(channels, classes, CLASSES) for channels in widths)

    def forward(self, *levels: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes [batch, n, 4], left, top, right and bottom in pixels, and probabilities [batch, classes, n]."""
        boxes, scores = [], []
        for x, stride, sides, classes in zip(levels, (8, 16, 32), self.cv2, self.cv3, strict=True):
            height, width = x.shape[2:]
            shares = sides(x).reshape(len(x), 4, BINS, height, width).softmax(2)
            distances = sum(i * shares[:, :, i] for i in range(BINS))
            rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            centers = torch.stack([columns, rows]).to(x.dtype) + 0.5
            corners = torch.cat([centers - distances[:, :2], centers + distances[:, 2:]], 1) * stride
            boxes.append(corners.flatten(2).transpose(1, 2))
            scores.append(classes(x).sigmoid().flatten(2))
        return torch.cat(boxes, 1), torch.cat(scores, 2)


class Yolov8(nn.Module):
    """The detector with widths of a sixteenth and half of the layers."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            Conv(3, 8, 3, 2), Conv(8, 8, 3, 2), C2f(8, 8, 2, True), Conv(8, 16, 3, 2), C2f(16, 16, 3, True),
            Conv(16, 32, 3, 2), C2f(32, 32, 3, True), Conv(32, 64, 3, 2), C2f(64, 64, 2, True), SPPF(64),
            nn.Identity(), nn.Identity(), C2f(96, 32, 2), nn.Identity(), nn.Identity(), C2f(48, 16, 2),
            Conv(16, 16, 3, 2), nn.Identity(), C2f(48, 32, 2), Conv(32, 32, 3, 2), nn.Identity(), C2f(96, 64, 2),
            Detect([16, 32, 64]),
        ]  # fmt: skip
        self.model = nn.ModuleList(layers)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        m = self.model
        c3 = m[4](m[3](m[2](m[1](m[0](image)))))
        c4 = m[6](m[5](c3))
        c5 = m[9](m[8](m[7](c4)))
        p4 = m[12](torch.cat([twice(c5), c4], 1))
        n3 = m[15](torch.cat([twice(p4), c3], 1))
        n4 = m[18](torch.cat([m[16](n3), p4], 1))
        n5 = m[21](torch.cat([m[19](n4), c5], 1))
        predictions: tuple[Tensor, Tensor] = m[22](n3, n4, n5)
        return predictions


def twice(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def overlap(a: Tensor, b: Tensor) -> float:
    """Return the intersection over union of two boxes."""
    sides = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0)
    common = sides.prod()
    return float(common / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common))


def suppressed(boxes: Tensor, scores: Tensor) -> Detections:
    """Take the boxes of each image one by one, the best first, unless one of its class that was taken overlaps it."""
    batch = len(boxes)
    kept_boxes, kept_scores = boxes.new_zeros(batch, MAX_BOXES, 4), boxes.new_zeros(batch, MAX_BOXES)
    classes, count = torch.full((batch, MAX_BOXES), -1), torch.zeros(batch, dtype=torch.int64)
    for image in range(batch):
        candidates = [(float(scores[image, c, i]), c, i) for c, i in (scores[image] > SCORE).nonzero().tolist()]
        kept: list[tuple[float, int, int]] = []
        for score, c, i in sorted(candidates, reverse=True):
            if all(other != c or overlap(boxes[image, i], boxes[image, j]) <= IOU for _, other, j in kept):
                kept.append((score, c, i))
        assert len(kept) < len(candidates)
        for place, (score, c, i) in enumerate(kept[:MAX_BOXES]):
            kept_boxes[image, place], kept_scores[image, place], classes[image, place] = boxes[image, i], score, c
        count[image] = min(len(kept), MAX_BOXES)
    return kept_boxes, kept_scores, classes, count


@pytest.fixture(scope="module")
def model() -> Yolov8:
    """A detector with every parameter drawn, rounded to float32, that computes in float64."""
    model = Yolov8().eval()
    draw_parameters(model)
    return model.double()


@pytest.fixture(scope="module")
def weights(model: Yolov8, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("yolov8") / "yolov8.safetensors"
    state = {name: x.float() if x.is_floating_point() else x for name, x in model.state_dict().items()}
    save_file({**state, "model.22.dfl.conv.weight": torch.arange(float(BINS)).reshape(1, -1, 1, 1)}, path)
    return path


def image(batch: int, height: int, width: int) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(32, 64), (96, 64)])
def test_boxes_scores_and_classes_are_those_of_plain_pytorch(
    height: int, width: int, model: Yolov8, weights: Path
) -> None:
    module = lower_with_weights(check_spec(SPEC, Overrides(SMALL)), weights, 0).double().eval()
    x = image(2, height, width).double()
    with torch.no_grad():
        boxes, scores, classes, count = module(x)
        expected = suppressed(*model(x))
    torch.testing.assert_close(boxes, expected[0], rtol=0, atol=1e-9 * float(expected[0].abs().max()))
    torch.testing.assert_close(scores, expected[1], rtol=0, atol=1e-9)
    assert torch.equal(classes, expected[2])
    assert torch.equal(count, expected[3])


@pytest.mark.slow
def test_the_file_finds_the_same_boxes(model: Yolov8, weights: Path, tmp_path: Path) -> None:
    overrides = Overrides(SMALL, {"batch": 2, "height": 64, "width": 32})
    built = build(SPEC, Options(overrides, weights, tmp_path, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
    x = image(2, 64, 32)
    outputs = run_artifact(built.folder, {"image": x.numpy()}, "cpu")
    with torch.no_grad():
        expected = suppressed(*model(x.double()))
    for output, value in zip(outputs.values(), expected, strict=True):
        np.testing.assert_allclose(output, value.numpy(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        ({}, 3_157_200),
        ({"depth": "0.33", "breadth": "0.5"}, 11_166_560),
        ({"depth": "0.67", "breadth": "0.75", "max_width": "768"}, 25_902_640),
        ({"depth": "1", "breadth": "1", "max_width": "512"}, 43_691_520),
        ({"depth": "1", "breadth": "1.25", "max_width": "512"}, 68_229_648),
    ],
)
def test_each_scale_has_as_many_parameters_as_published(sizes: dict[str, str], parameters: int) -> None:
    """But for the 16 numbers of the cells, which are counted there and no parameters here."""
    assert check_spec(SPEC, Overrides(sizes)).cost.parameters == parameters - 16
