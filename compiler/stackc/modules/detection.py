"""Detection of objects: which of many boxes are kept."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

Detections = tuple[Tensor, Tensor, Tensor, Tensor]


class NonMaxSuppression(nn.Module):
    """The best boxes of each image that overlap no better one of their class."""

    def __init__(
        self,
        max_boxes: int,
        iou_threshold: float = 0.5,
        score_threshold: float | None = None,
        center_point_box: bool = False,
    ) -> None:
        super().__init__()
        self.max_boxes = max_boxes
        self.iou_threshold = iou_threshold
        self.score_threshold = score_threshold
        self.center_point_box = center_point_box

    def forward(self, boxes: Tensor, scores: Tensor) -> Detections:
        """boxes [batch, n, 4], scores [batch, classes, n] → boxes, scores, classes [batch, max], count [batch]."""
        corners = corners_of(boxes, self.center_point_box)
        left = scores if self.score_threshold is None else scores.masked_fill(scores <= self.score_threshold, -math.inf)
        kept = torch.zeros_like(scores, dtype=torch.bool)

        # the best box that is left of each class is kept, and suppresses those that overlap it
        for _ in range(min(self.max_boxes, boxes.shape[1])):
            score, best = left.max(-1, keepdim=True)  # [batch, classes, 1]
            kept = kept.scatter(-1, best, kept.gather(-1, best) | (score > -math.inf))
            chosen = corners.gather(1, best.expand(-1, -1, 4))  # [batch, classes, 4]
            overlapping = intersection_over_union(chosen, corners) > self.iou_threshold  # [batch, classes, n]
            left = left.masked_fill(overlapping.scatter(-1, best, True), -math.inf)

        # equal scores stay in the order of classes and boxes, which `topk` does not promise
        ranked = ranking(scores, kept, self.max_boxes).sort(stable=True, dim=-1, descending=True)
        return best_of_all(boxes, ranked[0][:, : self.max_boxes], ranked[1][:, : self.max_boxes])

    def export_forward(self, opset: int, target: str) -> Callable[..., Detections]:
        """Export as one NonMaxSuppression, whose list of boxes becomes a mask."""

        def forward(boxes: Tensor, scores: Tensor) -> Detections:
            most, overlap = torch.full((1,), self.max_boxes, dtype=torch.int64), torch.full((1,), self.iou_threshold)
            score = None if self.score_threshold is None else torch.full((1,), self.score_threshold)
            chosen = torch.onnx.ops.symbolic(
                "::NonMaxSuppression",
                [boxes, scores, most, overlap, score],
                {"center_point_box": int(self.center_point_box)},
                dtype=torch.int64,
                shape=[boxes.shape[1], 3],
            )

            # only the run knows how many rows there are: their ones come of their values, not of the shape said above
            ones = (chosen[:, 0] >= 0).to(scores.dtype)
            inputs = [torch.zeros_like(scores), chosen, ones]
            kept = torch.onnx.ops.symbolic("::ScatterND", inputs, dtype=scores.dtype, shape=scores.shape)
            return best_of_all(boxes, *ranking(scores, kept > 0, self.max_boxes).topk(self.max_boxes))

        return forward


def corners_of(boxes: Tensor, center_point_box: bool) -> Tensor:
    """Return the lower and the upper corner of each box, [batch, n, 4]."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if center_point_box:
        first, second = first - second / 2, first + second / 2
    return torch.cat([torch.minimum(first, second), torch.maximum(first, second)], -1)


def intersection_over_union(chosen: Tensor, corners: Tensor) -> Tensor:
    """chosen [batch, classes, 4], corners [batch, n, 4] → [batch, classes, n], 0 where a box is empty."""
    one, all_boxes = chosen.unsqueeze(2), corners.unsqueeze(1)
    sides = torch.minimum(one[..., 2:], all_boxes[..., 2:]) - torch.maximum(one[..., :2], all_boxes[..., :2])
    intersection = sides.clamp(min=0).prod(-1)
    areas = (boxes[..., 2:] - boxes[..., :2] for boxes in (one, all_boxes))
    union = sum(area.prod(-1) for area in areas) - intersection
    return torch.where(intersection > 0, intersection / union, torch.zeros_like(union))


def ranking(scores: Tensor, kept: Tensor, most: int) -> Tensor:
    """Return the scores of kept boxes, all others −∞, and as many of these behind, [batch, classes·n + most]."""
    candidates = scores.masked_fill(~kept, -math.inf).flatten(1)
    return torch.cat([candidates, candidates.new_full((scores.shape[0], most), -math.inf)], 1)


def best_of_all(boxes: Tensor, scores: Tensor, order: Tensor) -> Detections:
    """boxes [batch, n, 4], the largest scores and their places in the ranking, [batch, max] → what is detected."""
    is_kept = scores > -math.inf
    order = order.masked_fill(~is_kept, 0)
    classes = order // boxes.shape[1]
    entries = (order - classes * boxes.shape[1]).unsqueeze(-1).expand(-1, -1, 4)

    chosen = boxes.gather(1, entries).masked_fill(~is_kept.unsqueeze(-1), 0)
    return chosen, scores.masked_fill(~is_kept, 0), classes.masked_fill(~is_kept, -1), is_kept.sum(1)
