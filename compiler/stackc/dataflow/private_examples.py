"""Whether a model can be trained with `privacy`: each example has to have a gradient that is its own."""

from __future__ import annotations

from stackc.core.diagnostics import Collector, Span
from stackc.dataflow.batch import independent_examples
from stackc.dataflow.follow import AxisRefusal
from stackc.ir.training import Training

CODE = "L232"
_NORM_HINT = "take group_norm (`groups: …`), which sees one example alone, or freeze the node (`freeze: …`)"
_HINT = "privacy needs losses that are means over independent examples"


def refuse_dependent_examples(training: Training, span: Span) -> None:
    """Report every component that mixes the examples of a batch under `privacy`. Raises SpecError L232.

    What has no line of its own is reported at `span`, that of `privacy`.
    """
    if training.settings.privacy is None:
        return
    diagnostics, answer = Collector(), independent_examples(training)
    for name, axis in answer.axes.items():
        if axis:
            message = f"`privacy` takes rows of the data as examples, but axis 0 of '{name}' is not that of the batch"
            diagnostics.error(CODE, message, span, f"put {answer.dim} first in the shape of '{name}'")
    for refusal in answer.refusals:
        message = f"`privacy` needs independent examples, but {refusal.message}"
        diagnostics.error(CODE, message, refusal.span or span, _hint(refusal))
    diagnostics.raise_if_any()


def _hint(refusal: AxisRefusal) -> str:
    return _NORM_HINT if refusal.op == "batch_norm" else refusal.hint or _HINT
