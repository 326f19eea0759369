"""What an attribution reads: a spec or an artifact with its weights, examples, baselines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from torch import nn

from stackc.artifact.folder import MANIFEST
from stackc.artifact.packaging import value_infos
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked, Overrides, check_spec
from stackc.pipeline import lower_with_weights
from stackc.runtime import Array, check_feeds, read_npz
from stackc.weights.files import Paths


def read_attributed_model(
    path: Path, overrides: Overrides, weights: Paths | None, seed: int
) -> tuple[Checked, nn.Module]:
    """Return a spec, or the spec of an artifact, with its module; the weights of an artifact are those of its model.

    Raises SpecError if the spec or the weights do not fit, or the weights of an artifact cannot be read back (W804).
    """
    checked = check_spec(path, overrides)
    if weights is None and (path / MANIFEST).exists():
        weights = path
    return checked, lower_with_weights(checked, weights, seed)


def read_examples(checked: Checked, path: Path) -> dict[str, Array]:
    """Read an array for every input of the model; others in the file are left out. Raises SpecError R411 to R422."""
    arrays = read_npz(path)
    feeds = {name: array for name, array in arrays.items() if name in checked.program.inputs}
    check_feeds(value_infos(checked.program.inputs, checked.ranges), feeds, checked.program.contract)
    return feeds


def read_baselines(texts: Iterable[str]) -> dict[str, Array]:
    """Read `baselines.npz`, or `image=0.5`. Raises SpecError: R421 and R422 for a file, R444 for a number."""
    baselines: dict[str, Array] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        if not equals:
            baselines |= read_npz(Path(text))
            continue
        try:
            baselines[name] = np.array(float(number))
        except ValueError:
            hint = f"write a number: `--baseline {name}=0.5`"
            raise SpecError(Diagnostic("R444", f"'{number}' is no number, for '{name}'", hint=hint)) from None
    return baselines
