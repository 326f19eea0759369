"""What holds for weights of private training, as their files say: it goes with them into every artifact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackc.artifact.folder import MANIFEST, MODEL, load_artifact
from stackc.weights.files.safetensors_file import PRIVACY, read_metadata
from stackc.weights.sources import Weights


def privacy_of_weights(weights: Weights | None) -> dict[str, Any]:
    """Return epsilon, delta and how they came about for each file of weights that private training wrote, by its name.

    Weights of an artifact have what its manifest says.
    """
    found: dict[str, Any] = {}
    for path in weights.file.paths if weights is not None else ():
        if path.name == MODEL and (path.parent / MANIFEST).is_file():
            found |= load_artifact(path.parent).manifest.privacy
        elif (text := _metadata(path).get(PRIVACY)) is not None:
            found[path.name if path.name not in found else str(path)] = json.loads(text)
    return found


def _metadata(path: Path) -> Mapping[str, str]:
    return read_metadata(path) if path.suffix == ".safetensors" else {}
