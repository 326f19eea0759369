"""Interrupts (Ctrl-C) wait for the end of an import: PyTorch and NumPy cannot be imported again if theirs is cut short.

Modules of stackc can: they are imported anew. But a compiled extension refuses to be loaded a second time, so that
every later call in the process would fail, as in a notebook whose first cell was stopped.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

RETRY_SECONDS = 0.05


@contextmanager
def whole_imports() -> Iterator[None]:
    """Hold the first interrupt back while the main thread imports something; a second one is not held.

    Does nothing in other threads, which are never interrupted, and where SIGINT is ignored or handled outside Python.
    """
    previous = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or not callable(previous) or isinstance(previous, _HoldingHandler):
        yield
        return

    handler = _HoldingHandler(previous)
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if handler.held:  # the import was the last thing to be done
            previous(signal.SIGINT, None)


class _HoldingHandler:
    """A handler of SIGINT that passes it on to the previous handler as soon as no import is under way."""

    def __init__(self, previous: Callable[[int, FrameType | None], Any]) -> None:
        self.previous = previous
        self.held = False
        self.retrying = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        is_second = self.held and not self.retrying
        self.retrying = False
        if is_second or not _is_importing(frame):
            self.held = False
            self.previous(number, frame)
        else:
            self.held = True
            threading.Timer(RETRY_SECONDS, self._retry).start()

    def _retry(self) -> None:
        """Interrupt again, unless a second interrupt was passed on or the handler is no longer in place."""
        handler: object = signal.getsignal(signal.SIGINT)
        if self.held and handler is self:
            self.retrying = True
            _thread.interrupt_main()


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether an import that is not finished called this frame: its call stands in the stack."""
    while frame is not None:
        if frame.f_code.co_name == "_find_and_load" and frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
