"""`stackc import --check`: build the spec, and hold it to what the class of transformers computes."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stackc.core.progress import Progress
from stackc.hub.drafts import SpecDraft, SpecPlace
from stackc.hub.model_source import ModelSource
from stackc.hub.recording import has_transformers, record_vectors
from stackc.pipeline import Options, build


def build_and_compare(
    draft: SpecDraft, source: ModelSource, architecture: str | None, place: SpecPlace,
    progress: Progress,
) -> dict[str, bytes]:  # fmt: skip
    """Build a draft with its proof; return the files to write: the spec, and the vectors that it is held to.

    Without transformers there are no vectors. The artifact is not kept. Raises SpecError: H907 if the original does not
    run, P710 if the module computes other numbers, and whatever a build raises.
    """
    if not has_transformers():
        progress("original", "transformers is not installed: the spec is built, and compared with nothing")
        contents = {place.spec.name: draft.text(place).encode()}
        _build(draft, place, source, contents, None, progress)
        return contents

    name = f"{place.name}.reference.npz"
    class_name = architecture or _architecture(draft, source.config.keys)
    arrays = record_vectors(source.path, class_name, draft.checked)
    progress("record", f"{len(arrays)} inputs and outputs of transformers.{class_name}")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    contents = {place.spec.name: draft.text(place, reference=name).encode(), name: buffer.getvalue()}
    _build(draft, place, source, contents, name, progress)
    return contents


def _architecture(draft: SpecDraft, config: Mapping[str, object]) -> str:
    """Return the class of the config that the spec implements."""
    assert draft.document.huggingface is not None, "a draft is of a spec that implements a config"
    classes = draft.document.huggingface.architectures
    named = config.get("architectures") or []
    return next((name for name in (named if isinstance(named, list) else [named]) if name in classes), classes[0])


def _build(
    draft: SpecDraft, place: SpecPlace, source: ModelSource, contents: dict[str, bytes], reference: str | None,
    progress: Progress,
) -> None:  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="stackc-") as temporary:
        folder = Path(temporary)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        options = Options(
            weights=source.weights, reference=folder / reference if reference else None, out=folder, measure=False
        )
        build(folder / place.spec.name, options, progress)
