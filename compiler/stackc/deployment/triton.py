"""A model repository for Triton: NAME/config.pbtxt and NAME/1/model.onnx, with its data beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from stackc.artifact.folder import MODEL, Artifact
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.deployment.batching import request_batching
from stackc.deployment.plain_names import server_name
from stackc.deployment.triton_config import DATATYPES, TritonSettings, batch_limit, write_config
from stackc.onnx_format.files import data_locations, read_model

CONFIG = "config.pbtxt"


def write_repository(
    artifact: Artifact, folder: Path, name: str | None = None, settings: TritonSettings | None = None
) -> str:
    """Write a model repository to `folder`, and return what it says about batches: `max_batch_size` and its reason.

    Raises SpecError D802 for a name that no model of a server can have, D803 for a type that Triton lacks.
    """
    settings, manifest = settings or TritonSettings(), artifact.manifest
    name = server_name(name or manifest.name)
    for value in (*manifest.inputs, *manifest.outputs):
        if value.dtype not in DATATYPES:
            raise SpecError(Diagnostic("D803", f"'{value.name}' is {value.dtype}, which Triton does not have"))

    version = folder / name / "1"
    version.mkdir(parents=True)
    for file in (MODEL, *data_locations(read_model(artifact.model))):
        shutil.copyfile(artifact.folder / file, version / file)

    batching = request_batching(artifact)
    (folder / name / CONFIG).write_text(write_config(name, manifest, batching, settings), encoding="utf-8")
    limit, reason = batch_limit(batching, settings.largest_batch)
    return f"max_batch_size: {limit} ({reason})"
