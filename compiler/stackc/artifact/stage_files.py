"""The files of a build that stops early: `stackc build --until STAGE -o FOLDER`.

check     spec.lock.yaml, graph.svg      the resolved spec and its drawing
weights   weights.json                   the tensor of the file for each parameter
lower     model.py, weights.safetensors  the module as plain PyTorch, and its initial weights if they are random
export    model.onnxtxt                  the linked graph without weights, in ONNX's text syntax
write     model.onnx                     with its external data, if any
open      model.onnx
prove     parity.json, testvectors.npz   beside the model
measure   report.json                    beside all of these
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.artifact.atomic import report_write_errors
from stackc.artifact.folder import DRAWING, LOCK, MANIFEST, REPORT
from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked
from stackc.view.svg import draw_svg
from stackc.weights.files.writing import write_safetensors
from stackc.weights.sources import Weights

if TYPE_CHECKING:
    from torch import nn

    from stackc.export import LinkedProgram
    from stackc.timing import Comparison


@contextmanager
def stage_folder(out: Path | None) -> Iterator[Path]:
    """Yield an empty folder. When the block ends, its files move to `out`; if that is None, they are removed.

    If the block raises, `out` stays as it was. Raises SpecError A607 if `out` is an artifact or not a folder, A608
    if it cannot be written.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="stackc-") as folder:
            yield Path(folder)
        return

    if (out / MANIFEST).exists() or (out.exists() and not out.is_dir()):
        message = f"{out} is {'an artifact' if out.is_dir() else 'not a folder'}; nothing was written"
        hint = "name another folder: a build that stops early makes no artifact"
        raise SpecError(Diagnostic("A607", message, hint=hint))

    with report_write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        workspace = tempfile.TemporaryDirectory(prefix=".stackc-", dir=out)
    with workspace as folder:
        yield Path(folder)
        with report_write_errors(out):
            for file in Path(folder).iterdir():
                os.replace(file, out / file.name)


def write_stage_files(
    stage: str,
    checked: Checked,
    weights: Weights | None,
    module: nn.Module | None,
    linked: LinkedProgram | None,
    speed: Comparison | None,
    folder: Path,
) -> None:
    """Write the results of `stage`, except for the model and its proof: the stages from `write` on write them."""
    if stage == "check":
        (folder / LOCK).write_text(write_lock(checked), encoding="utf-8")
        (folder / DRAWING).write_text(draw_svg(checked.typed), encoding="utf-8")
    elif stage == "weights" and weights is not None:
        (folder / "weights.json").write_text(_to_json(weights_table(weights)), encoding="utf-8")
    elif stage == "lower" and module is not None:
        _write_module(checked, module if weights is None else None, folder)
    elif stage == "export" and linked is not None:
        from onnx.printer import to_text

        (folder / "model.onnxtxt").write_text(to_text(linked.graph.model) + "\n", encoding="utf-8")
    elif stage == "measure" and speed is not None:
        (folder / REPORT).write_text(_to_json(speed.to_json()), encoding="utf-8")


def weights_table(weights: Weights) -> dict[str, dict[str, object]]:
    """Return the name in the file, element type and shape of every parameter and buffer."""
    return {
        name: {
            "tensor": str(source),
            "dtype": weights.types[name].dtype,
            "shape": [dim.evaluate({}) for dim in weights.types[name].shape],
        }
        for name, source in weights.sources.items()
    }  # fmt: skip


def _write_module(checked: Checked, random: nn.Module | None, folder: Path) -> None:
    """Write the module as plain PyTorch, and the weights of a `random` one as a file that `--weights` takes."""
    from stackc.torch_backend.torch_file import write_torch

    (folder / "model.py").write_text(write_torch(checked.typed), encoding="utf-8")
    if random is not None:
        types, state = checked.program.tensors(), random.state_dict()
        write_safetensors(folder / "weights.safetensors", {name: state[name].numpy() for name in types}, types)


def _to_json(data: Mapping[str, object]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
