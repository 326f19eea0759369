"""Detection of objects: which of many boxes are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import Axes
from stackc.components.base import Component, Signature, SignatureError, require_float, require_layout
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range, Size
from stackc.components.registry import component
from stackc.core.types import TensorType, shape

if TYPE_CHECKING:
    from torch import nn

Overlap = Annotated[float, Range(minimum=0.0, maximum=1.0)]


@component("non_max_suppression", "boxes", "scores", outputs=("boxes", "scores", "classes", "count"))
class NonMaxSuppression(Component):
    """y = the boxes of each class that overlap no better one; of all classes the best ones, by falling score.

    A box is kept if its score is above `score_threshold`, and no kept box of its class with a higher score (at equal
    scores, one further in front) has an intersection over union with it above `iou_threshold`.
    boxes: [batch, n, 4], two opposite corners, or center and sizes; scores: [batch, classes, n] → y: the outputs boxes
    [batch, max, 4], scores [batch, max], classes [batch, max] and count [batch], how many of the max there are. Behind
    them boxes and scores are 0 and classes −1. Felzenszwalb et al. 2010.
    """

    max: Annotated[Size, "how many boxes of each image are kept at most"]
    iou_threshold: Annotated[Overlap, "boxes that overlap more are suppressed"] = 0.5
    score_threshold: Annotated[float | None, "the score that a box must exceed"] = None
    center_point_box: Annotated[bool, "boxes are [x, y, width, height] of their center, not two corners"] = False

    def pointwise_axes(self, boxes: TensorType, scores: TensorType) -> tuple[Axes, ...]:
        """Return the batch: images are independent."""
        return ({0: (0, 0, 0, 0)}, {0: (0, 0, 0, 0)})

    def signature(self, boxes: TensorType, scores: TensorType) -> Signature:
        """Return the types of the boxes that are kept, their scores and classes, and how many there are."""
        require_float(boxes, "boxes")
        require_float(scores, "scores")
        require_layout(boxes, "[batch, n, 4]", "boxes")
        require_layout(scores, "[batch, classes, n]", "scores")
        if boxes.shape[2] != 4:
            raise SignatureError(f"expects [batch, n, 4], got {boxes}", port="boxes", hint="put `transpose` before it")
        if scores.shape[::2] != boxes.shape[:2]:
            expected = scores.with_shape(boxes.shape[0], scores.shape[1], boxes.shape[1])
            hint = "put `transpose` before it" if scores.shape[1] == boxes.shape[1] else None
            raise SignatureError(f"expects scores {expected} for {boxes}, got {scores}", port="scores", hint=hint)

        batch = boxes.shape[0]
        kept = TensorType("int64", shape(batch, self.max))
        workspace = scores.shape[0] * scores.shape[1] * scores.shape[2] * 8
        outputs = (boxes.with_shape(batch, self.max, 4), scores.with_shape(batch, self.max), kept)
        return Signature((*outputs, TensorType("int64", shape(batch))), workspace=workspace)

    def construction(self, boxes: TensorType, scores: TensorType) -> ConstructorCall[nn.Module]:
        """Return the selection as a module."""
        from stackc.modules.detection import NonMaxSuppression

        return construct(NonMaxSuppression, self.max, self.iou_threshold, self.score_threshold, self.center_point_box)
