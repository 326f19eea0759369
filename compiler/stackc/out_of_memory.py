"""Memory that is not to be had: what PyTorch and NumPy say of it, as a diagnostic."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked

# Of a tensor too large to be asked for neither raises a MemoryError.
_SAID = re.compile(r"can't allocate memory|size calculation overflowed|dimension exceeded|array is too big")


@contextmanager
def report_out_of_memory(checked: Checked) -> Iterator[None]:
    """Raise SpecError E504 where a model, or what the proof runs it on, does not fit in memory."""
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if not isinstance(error, MemoryError) and not _SAID.search(str(error)):
            raise
        least = {name: limits.least for name, limits in checked.program.contract.items()}
        sizes = ", ".join(f"{name}={size}" for name, size in least.items())
        smallest = f"; the smallest sizes of the dims are {sizes}" if sizes else ""
        message = f"the model does not fit in memory: it has {checked.cost.parameters:,} parameters{smallest}"
        hint = "`stackc plan` says what takes how much; `--set` and `--dims` make a model smaller"
        raise SpecError(Diagnostic("E504", message, hint=hint)) from error
