"""Resident memory of this process, now and at its peak, and memory used on the GPU."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident() -> int | None:
    """Return the resident bytes; on macOS, which counts only the peak, the peak; None on other systems."""
    return _status_bytes("VmRSS") if sys.platform == "linux" else peak_resident()


def peak_resident() -> int | None:
    """Return the most bytes that were resident at once since the last `reset_peak`."""
    if sys.platform == "linux":
        return _status_bytes("VmHWM")
    elif sys.platform == "win32":
        return None
    else:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def reset_peak() -> None:
    """Restart the count of `peak_resident`, if the system can do that."""
    if sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return


def _status_bytes(field: str) -> int | None:
    match = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def used_on(device: str) -> int | None:
    """Return the bytes used on the GPU, by all processes; None on the CPU, and if PyTorch has no CUDA."""
    if device == "cpu":
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return total - free
