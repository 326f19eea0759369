"""Report out-of-memory errors of PyTorch and NumPy as E504."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked

# Neither raises a MemoryError for a tensor whose size in bytes overflows or exceeds the address space.
_MESSAGES = re.compile(r"can't allocate memory|size calculation overflowed|dimension exceeded|array is too big")


@contextmanager
def report_out_of_memory(checked: Checked) -> Iterator[None]:
    """Raise SpecError E504 if the model, or an input of its proof, does not fit in memory."""
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if not isinstance(error, MemoryError) and not _MESSAGES.search(str(error)):
            raise

        least = {name: limits.least for name, limits in checked.program.contract.items()}
        sizes = ", ".join(f"{name}={size}" for name, size in least.items())
        smallest = f"; the smallest sizes of the dims are {sizes}" if sizes else ""
        message = f"the model does not fit in memory: it has {checked.cost.parameters:,} parameters{smallest}"
        hint = "run `stackc plan` to see what takes the memory; make the model smaller with `--set` or `--dims`"
        raise SpecError(Diagnostic("E504", message, hint=hint)) from error
