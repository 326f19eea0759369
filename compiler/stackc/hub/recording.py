"""Vectors of the original: what its class of transformers computes, which the imported module is held to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked
from stackc.proof.points import draw_feeds, points_of
from stackc.proof.value_draws import choices_of
from stackc.runtime import Array

_FOREIGN = (OSError, ValueError, RuntimeError, TypeError, AttributeError, ImportError, KeyError)


def has_transformers() -> bool:
    """Return whether transformers is installed."""
    return find_spec("transformers") is not None


def record_vectors(path: Path, class_name: str, checked: Checked) -> dict[str, Array]:
    """Run the class of transformers on a folder or GGUF; return inputs and outputs as `weights.reference` has them.

    Inputs and outputs of the spec have the names of the class's arguments and results. Raises SpecError (H907) if
    transformers cannot run it, or returns nothing under the name of an output.
    """
    import torch
    import transformers

    try:
        model_class = getattr(transformers, class_name)
        place = {"gguf_file": path.name} if path.is_file() else {}
        model = model_class.from_pretrained(
            path.parent if place else path, local_files_only=True, dtype=torch.float32, attn_implementation="eager",
            **place,
        ).eval()  # fmt: skip

        arrays: dict[str, Array] = {}
        for case, feeds in _recorded_feeds(checked):
            with torch.no_grad():
                results = model(**{name: torch.from_numpy(array) for name, array in feeds.items()})
            arrays |= {f"{case}/input.{name}": array for name, array in feeds.items()}
            arrays |= {f"{case}/output.{name}": results[name].numpy() for name in checked.program.outputs}
    except _FOREIGN as error:
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        message = f"transformers {transformers.__version__} cannot run {class_name}: {reason}"
        raise SpecError(Diagnostic("H907", message, None, "import it without --check")) from error
    return arrays


def _recorded_feeds(checked: Checked) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yield inputs at small sizes, with full masks and with masks that are padded on the right."""
    point = replace(next(p for p in points_of(checked.program) if p.name == "prime"), draw="full")
    feeds = draw_feeds(checked.program, checked.ranges, point)
    yield "full", feeds

    padded = draw_feeds(checked.program, checked.ranges, point, seed=1)
    masks = [name for name, allowed in checked.ranges.items() if choices_of(allowed) and padded[name].ndim == 2]
    if masks:
        yield "padded", padded | {name: _padded(padded[name]) for name in masks}


def _padded(mask: Array) -> Array:
    """Return a mask whose rows end earlier and earlier, none before its second third."""
    rows, length = mask.shape
    ends = length - (np.arange(rows) * (length // 3)) // max(1, rows - 1)
    return np.where(np.arange(length) < ends[:, None], mask, 0).astype(mask.dtype)
