"""Run this model. `stackc deploy --to package` wrote the package; it needs ONNX Runtime and NumPy alone.

`run(feeds)` takes an array for each of INPUTS, by name, and returns those of OUTPUTS. Wrong inputs raise InputError,
with the messages of `stackc run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from stackc.artifact.manifest import parse_contract
from stackc.core.diagnostics import SpecError as InputError
from stackc.runtime.feeds import Array, check_feeds

__all__ = ["DIMS", "INPUTS", "MODEL", "OUTPUTS", "InputError", "run"]

MODEL = Path(__file__).with_name("model.onnx")
DIMS, INPUTS, OUTPUTS = parse_contract(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))


def run(
    feeds: Mapping[str, Any], *, threads: int | None = None, providers: tuple[str, ...] = ("CPUExecutionProvider",)
) -> dict[str, Array]:
    """Return the outputs by name. `threads` is the number for one operation, None for all cores.

    Raises InputError, with all problems in its text, if the arrays do not fit INPUTS and DIMS.
    """
    arrays = {name: np.asarray(array) for name, array in feeds.items()}
    check_feeds(INPUTS, arrays, DIMS)
    outputs = _session(threads, providers).run([value.name for value in OUTPUTS], arrays)
    return {value.name: array for value, array in zip(OUTPUTS, outputs, strict=True)}


@cache
def _session(threads: int | None, providers: tuple[str, ...]) -> Any:
    """Open the model once for each setting; a session can be run by many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    return onnxruntime.InferenceSession(str(MODEL), options, providers=[*providers])
