"""Which kind of examples a path names."""

from __future__ import annotations

import re
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.ir.training import Training
from stackc.training.data.column_store import ColumnStore

_OWN = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")
ARRAYS, TABLES, TOKENS = (".npz", ".safetensors"), (".csv", ".tsv", ".jsonl", ".parquet"), (".npy",)


def open_store(path: Path, training: Training) -> ColumnStore:
    """Open a file, a folder of images, or MODULE:CLASS. Raises SpecError L201, or N316 for code that is not trusted."""
    if _OWN.fullmatch(path.name) and not path.exists():
        from stackc.training.data.own_dataset import open_own

        return open_own(path.name, training)
    if path.is_dir():
        from stackc.training.data.image_folder import open_image_folder

        return open_image_folder(path, training)
    if path.suffix in TABLES:
        from stackc.training.data.tables import open_table

        return open_table(path)

    from stackc.training.data.arrays import open_arrays, open_tokens

    if path.suffix in TOKENS:
        return open_tokens(path, training.settings.data.window)
    if path.suffix in ARRAYS:
        return open_arrays(path)
    hint = f"stackc reads {', '.join((*ARRAYS, *TABLES, *TOKENS))}, folders of images, and MODULE:CLASS"
    raise SpecError(Diagnostic("L201", f"{path}: unknown kind of examples", hint=hint))
