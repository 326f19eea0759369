"""OpenVINO's own files, model.xml and model.bin, held to the outputs that the proof recorded."""

from __future__ import annotations

from pathlib import Path

from stackc.artifact.folder import Artifact
from stackc.artifact.verify import Distance, output_distances, recorded_vectors
from stackc.core.diagnostics import Collector
from stackc.runtime.openvino import convert_to_ir, run_openvino

IR = "model.xml"


def write_ir(artifact: Artifact, folder: Path, *, threads: int | None = None) -> tuple[Distance, ...]:
    """Write the model in OpenVINO's format, in float32, run that file on the recorded inputs, return the distances.

    They are none if the artifact was built without a proof. Raises SpecError D805 if OpenVINO does not convert or run
    the model, D806 for each output beyond what the proof allowed.
    """
    convert_to_ir(artifact.model, folder / IR)
    vectors = recorded_vectors(artifact)
    results = run_openvino(folder / IR, [inputs for inputs, _ in vectors], threads)
    distances = output_distances(artifact, [(got, kept) for got, (_, kept) in zip(results, vectors, strict=True)])

    diagnostics = Collector()
    for each in distances:
        if not each.found <= each.allowed:  # also for NaN
            off = f"{each.found:.2e} from the recorded one; {each.allowed:.2e} is allowed"
            hint = "serve the ONNX file itself, with `--to triton` or `--to package`"
            diagnostics.error("D806", f"in OpenVINO the output '{each.output}' is {off}", hint=hint)
    diagnostics.raise_if_any()
    return distances
