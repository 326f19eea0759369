"""The kinds of deployments: what each writes to its folder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from stackc.artifact.folder import load_artifact, verify_files
from stackc.deployment.fresh_folder import fresh_folder
from stackc.deployment.openvino_ir import write_ir
from stackc.deployment.package import write_wheel
from stackc.deployment.triton import write_repository
from stackc.deployment.triton_config import TritonSettings

Kind = Literal["package", "openvino", "triton"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class DeploymentOptions:
    """What a user chooses: the name of the deployment, the version of a package, settings of Triton."""

    name: str | None = None
    release: str = "1.0.0"
    triton: TritonSettings = dataclasses.field(default_factory=TritonSettings)


@dataclass(frozen=True)
class Deployment:
    """What was written: the files, relative to the folder, and notes on it in words; `facts` are for programs."""

    kind: Kind
    folder: Path
    files: tuple[str, ...]
    notes: tuple[str, ...]
    facts: dict[str, Any]


def write_deployment(path: Path, kind: Kind, folder: Path, options: DeploymentOptions | None = None) -> Deployment:
    """Write a deployment of an artifact to a folder that does not exist yet, completely or not at all.

    Raises SpecError: what `load_artifact` and `verify_files` raise, D801 and A608 for the folder, D802 to D806 if the
    artifact cannot be deployed so.
    """
    options = options or DeploymentOptions()
    artifact = load_artifact(path)
    verify_files(artifact)

    facts: dict[str, Any] = {}
    with fresh_folder(folder) as new:
        match kind:
            case "package":
                wheel = write_wheel(artifact, new, options.name, options.release)
                notes = [f"pip install {folder / wheel.name}"]
            case "openvino":
                distances = write_ir(artifact, new)
                facts["outputs"] = [dataclasses.asdict(distance) for distance in distances]
                notes = [
                    f"{each.output}: differs from the recorded one by {each.found:.1e}, of {each.allowed:.1e} allowed"
                    for each in distances
                ] or ["nothing is compared: the artifact was built without a proof"]
            case "triton":
                notes = [facts.setdefault("batching", write_repository(artifact, new, options.name, options.triton))]
        files = tuple(sorted(file.relative_to(new).as_posix() for file in new.rglob("*") if file.is_file()))
    return Deployment(kind, folder, files, tuple(notes), facts)
