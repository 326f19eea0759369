"""Non-maximum suppression against ONNX's reference evaluator and against boxes chosen one by one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx.helper
import onnx.reference
import pytest
import torch
from torch import Tensor

from stackc.components.base import SignatureError
from stackc.components.families.detection import NonMaxSuppression
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

N = Dim.symbol("n")
BOXES, SCORES = TensorType("float32", shape(2, N, 4)), TensorType("float32", shape(2, 3, N))


def drawn(n: int) -> tuple[Tensor, Tensor]:
    """Boxes of many overlaps, given by any two opposite corners, and scores among which some are equal."""
    corner = torch.rand(2, n, 2)
    boxes = torch.cat([corner, corner + 0.5 * torch.rand(2, n, 2)], -1)
    boxes[:, ::2] = boxes[:, ::2].roll(2, -1)
    return boxes, (torch.rand(2, 3, n) * 20).round() / 20


def chosen_by_onnx(boxes: Tensor, scores: Tensor, most: int, iou: float, score: float, center: int) -> list[Any]:
    """Return the (image, class, box) of ONNX's reference, for each image by falling score, at most so many."""
    node = onnx.helper.make_node("NonMaxSuppression", list("bsmio"), ["y"], center_point_box=center)
    inputs = [onnx.ValueInfoProto(name=name) for name in "bsmio"]
    graph = onnx.helper.make_graph([node], "g", inputs, [onnx.ValueInfoProto(name="y")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    feeds = {
        "b": boxes.numpy(), "s": scores.numpy(), "m": np.array([most]),
        "i": np.array([iou], np.float32), "o": np.array([score], np.float32),
    }  # fmt: skip
    chosen: Any = onnx.reference.ReferenceEvaluator(model).run(None, feeds)
    rows = chosen[0].tolist()
    ranked = sorted(rows, key=lambda row: (row[0], -scores[tuple(row)].item(), row[1], row[2]))
    return [[row for row in ranked if row[0] == image][:most] for image in range(len(boxes))]


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("most", [1, 4, 30])
@pytest.mark.parametrize("n", [1, 2, 12])
def test_it_keeps_what_onnx_keeps(n: int, most: int, center: bool) -> None:
    torch.manual_seed(n)
    boxes, scores = drawn(n)
    if center:
        boxes = boxes.abs()
    module = NonMaxSuppression(max=most, iou_threshold=0.25, score_threshold=0.2, center_point_box=center)
    kept, values, classes, counts = module.module(BOXES, SCORES)(boxes, scores)
    expected = chosen_by_onnx(boxes, scores, most, 0.25, 0.2, int(center))

    for image, rows in enumerate(expected):
        count = len(rows)
        assert counts[image] == count
        assert classes[image].tolist() == [row[1] for row in rows] + [-1] * (most - count)
        torch.testing.assert_close(values[image, :count], torch.tensor([scores[tuple(row)] for row in rows]))
        torch.testing.assert_close(kept[image, :count], boxes[image, [row[2] for row in rows]])
        assert not kept[image, count:].any()
        assert not values[image, count:].any()


def test_boxes_without_an_area_suppress_none() -> None:
    module = NonMaxSuppression(max=3).module(BOXES, SCORES)
    _, _, classes, counts = module(torch.zeros(1, 2, 4), torch.zeros(1, 1, 2))
    assert (classes.tolist(), counts.tolist()) == ([[0, 0, -1]], [2])


def test_types() -> None:
    outputs = NonMaxSuppression(max=7).signature(BOXES, SCORES).outputs
    assert [*map(str, outputs)] == ["float32[2, 7, 4]", "float32[2, 7]", "int64[2, 7]", "int64[2]"]


def test_error_layouts(refused: Refused) -> None:
    error = refused(NonMaxSuppression(max=7), BOXES.with_shape(2, 4, N), SCORES)
    assert (error.message, error.port) == ("expects [batch, n, 4], got float32[2, 4, n]", "boxes")
    error = refused(NonMaxSuppression(max=7), BOXES, SCORES.with_shape(2, N, 3))
    assert error.message == "expects scores float32[2, n, n] for float32[2, n, 4], got float32[2, n, 3]"
    assert error.hint == "put `transpose` before it"
