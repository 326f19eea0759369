"""Where NaN or Inf arose: the first component, in running order, that makes it of finite numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.ir.program import Call
from stackc.proof.eager import run_call
from stackc.runtime import Array
from stackc.training.examples import Batch
from stackc.training.step import Model


def nonfinite_loss(model: Model, batch: Batch, step: int) -> SpecError:
    """Return L203 at the component that makes the loss of a batch NaN or Inf, or that has such weights already."""
    rows = f"rows {_shown(batch.rows)} of the file"
    call, has_weights = _first_nonfinite(model, batch.feeds)
    if call is None:
        message = f"the loss is not finite at step {step}, with {rows}, but every component computes finite numbers"
        return SpecError(Diagnostic("L203", message, hint="write `clip: 1.0`, or a lower `lr`"))

    what = "has weights that are not finite" if has_weights else "makes NaN or Inf of finite numbers"
    message = f"the loss is not finite at step {step}: '{call.path}' ({call.component.op}) {what}, with {rows}"
    hint = "the update before was too large: write `clip: 1.0`, or a lower `lr`" if has_weights else None
    return SpecError(Diagnostic("L203", message, call.span, hint))


def _first_nonfinite(model: Model, feeds: Mapping[str, Array]) -> tuple[Call | None, bool]:
    """Return the first call whose output is not finite, and whether its own weights are not."""
    precision = torch.float64 if model.training.settings.precision == "float64" else torch.float32
    values = {name: torch.from_numpy(array) for name, array in feeds.items()}
    for call in model.training.program.calls:
        outputs = run_call(model.module, call, values, precision)
        if not _are_finite(outputs):
            return call, not _are_finite(model.module.get_submodule(call.owner).parameters())
        values |= zip(call.outputs, outputs, strict=True)
    return None, False


def _are_finite(tensors: Iterable[torch.Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors if tensor.is_floating_point())


def _shown(rows: Array) -> str:
    listed = [str(row) for row in rows[:8]]
    return ", ".join(listed) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
