"""The memory that this process takes, and the most that it took, as the system counts what is resident."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident() -> int | None:
    """Bytes that are resident now; where only the most so far is known (macOS), that; None where not even that is."""
    return _of_status("VmRSS") if sys.platform == "linux" else most_resident()


def most_resident() -> int | None:
    """The most bytes that were resident at once since the last `forget_most`."""
    if sys.platform == "linux":
        return _of_status("VmHWM")
    elif sys.platform == "win32":
        return None
    else:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def forget_most() -> None:
    """Let `most_resident` count from here on, where the system can do that."""
    if sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return


def _of_status(field: str) -> int | None:
    found = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def taken_on(device: str) -> int | None:
    """Bytes that are taken on the GPU, by whomever; None on the CPU, and where PyTorch has no CUDA."""
    if device == "cpu":
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return total - free
