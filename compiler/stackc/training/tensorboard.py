"""Losses and metrics as files of TensorBoard, in the folder of a run."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.training.history import report_full_disk

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class TensorBoard(ExitStack):
    """Writes events as scalars: `train/loss` and `train/lr` by step, `validation/NAME` by the steps made until then.

    The package is imported with the first event, after the first step. Raises SpecError L208 where it is not installed,
    L205 if the disk does not take its files.
    """

    def __init__(self, run: Path) -> None:
        super().__init__()
        if find_spec("tensorboard") is None:
            message = "files of TensorBoard need the package tensorboard"
            raise SpecError(Diagnostic("L208", message, hint="pip install 'stackc[train]'"))
        self._folder = run / FOLDER
        self._writer: SummaryWriter | None = None

    def write(self, event: dict[str, Any]) -> None:
        """Write an event of a step or an epoch."""
        with report_full_disk(self._folder):
            if self._writer is None:
                self._writer = self._open(event["step"])
            means = event["validation"] if "epoch" in event else {name: event[name] for name in ("loss", "lr")}
            kind = "validation" if "epoch" in event else "train"
            for name, value in means.items():
                self._writer.add_scalar(f"{kind}/{name}", value, event["step"])

    def _open(self, step: int) -> SummaryWriter:
        """Open the files; what earlier processes wrote from this step on is hidden."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(self._folder), purge_step=step)
        self.callback(writer.close)
        return writer
