"""What an ONNX file says about itself: which spec it was built from, by which version, for which sizes and values.

The metadata are those of onnx_format/identity.py. A file that was taken out of its artifact is told by them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from stackc._version import __version__
from stackc.artifact.manifest import ManifestError, contract_json, parse_contract
from stackc.artifact.packaging import value_infos
from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.core.types import DimContract
from stackc.frontend import Checked
from stackc.onnx_format.files import data_locations, read_model
from stackc.onnx_format.identity import CONTRACT, DIGEST, NAME, VERSION, is_unchanged
from stackc.runtime import ValueInfo

_AGAIN = "build it again, or copy the files of the artifact once more"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What a file that stackc wrote says about itself; its digest is that of its bytes."""

    name: str
    version: str
    digest: str
    dims: DimContract
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]


def model_metadata(checked: Checked) -> dict[str, str]:
    """Return the metadata of a model: the same for the same spec and version."""
    program = checked.program
    outputs = {name: program.types[value] for name, value in program.outputs.items()}
    values = value_infos(program.inputs, checked.ranges), value_infos(outputs, {})
    contract = json.dumps(contract_json(program.contract, *values), separators=(",", ":"))
    return {NAME: program.name, VERSION: __version__, CONTRACT: contract}


def read_identity(path: Path) -> ModelIdentity | None:
    """Return what a file says about itself; None if it has no such metadata, so is not a build of stackc.

    Raises SpecError: A605 and A610 if it cannot be read, A621 if the file or its data is not what was built, A622 if
    the data is missing, A623 if the metadata is broken.
    """
    if not os.path.lexists(path):
        others = [str(other) for other in path.parent.glob("*.onnx")]
        raise SpecError(Diagnostic("A610", f"there is no model file {path}", hint=did_you_mean(str(path), others)))
    model = read_model(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if not {NAME, VERSION, CONTRACT, DIGEST} <= metadata.keys():
        return None

    _require_unchanged(path, metadata[DIGEST], data_locations(model))
    try:
        dims, inputs, outputs = parse_contract(metadata[CONTRACT])
    except ManifestError as error:
        message = f"{path}: its metadata '{CONTRACT}' is broken: {error}"
        raise SpecError(Diagnostic("A623", message, hint=_AGAIN)) from error
    return ModelIdentity(metadata[NAME], metadata[VERSION], metadata[DIGEST], dims, inputs, outputs)


def _require_unchanged(path: Path, digest: str, locations: tuple[str, ...]) -> None:
    """Raise SpecError A621 unless the file and its data have the digest, A622 if the data is missing."""
    data = [path.parent / name for name in locations]
    for file in data:
        if not os.path.isfile(file):
            hint = f"copy {file.name} from the artifact to {path.parent}"
            raise SpecError(Diagnostic("A622", f"{path}: its data is missing: there is no {file}", hint=hint))

    if len(data) > 1 or not is_unchanged(path, digest, data[0] if data else None):
        changed = f"{path}{f' or {data[0].name}' if data else ''}"
        raise SpecError(Diagnostic("A621", f"{changed} has changed since stackc wrote it", hint=_AGAIN))
