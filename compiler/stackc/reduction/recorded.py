"""What an artifact records of the options that it was built with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackc.artifact.folder import MANIFEST, load_artifact
from stackc.export.functions import DOMAIN
from stackc.onnx_format.files import read_model


def recorded_options(path: Path) -> Mapping[str, Any]:
    """Return the options of a build that the artifact at `path` records, by name; none for a spec.

    They are the opset, the target, `functions`, and the seed of random weights. Raises SpecError as `load_artifact`
    does.
    """
    if not os.path.lexists(path / MANIFEST):
        return {}
    artifact = load_artifact(path)
    manifest = artifact.manifest
    functions = any(function.domain == DOMAIN for function in read_model(artifact.model).functions)
    recorded = {"opset": manifest.opset, "target": manifest.target, "functions": functions}
    return recorded | ({} if manifest.seed is None else {"seed": manifest.seed})
