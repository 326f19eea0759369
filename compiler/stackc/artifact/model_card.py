"""Write a model card, the README.md of a model on the Hugging Face hub: drawing, contract, use, proof, figures.

The form is that of https://huggingface.co/docs/hub/model-cards: metadata in YAML between two lines of dashes, then
Markdown. Everything in it stands in the artifact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from stackc.artifact.folder import DRAWING, REPORT, Artifact
from stackc.core.types import DimRange
from stackc.runtime import ValueInfo


def write_card(artifact: Artifact, parameters: int, license_name: str | None = None) -> str:
    """Return the card of an artifact with this many parameters; without a license it names none."""
    manifest = artifact.manifest
    sections = [
        _metadata(license_name),
        f"# {manifest.name}",
        f"![The graph of {manifest.name}]({DRAWING})" if (artifact.folder / DRAWING).is_file() else "",
        _summary(artifact, parameters),
        "## Contract",
        _table(("", "name", "type", "values"), _values(artifact)),
        _table(("dim", "sizes"), [(name, _sizes(limits)) for name, limits in manifest.dims.items()]),
        "## Use",
        _usage(artifact),
        "## Proof",
        _proof(artifact),
        "## Figures",
        _figures(artifact, parameters),
        "## Made from",
        _origin(artifact),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _metadata(license_name: str | None) -> str:
    entries = [f"license: {json.dumps(license_name)}"] if license_name else []
    return "\n".join(["---", "library_name: onnx", "tags: [onnx, stackc]", *entries, "---"])


def _summary(artifact: Artifact, parameters: int) -> str:
    manifest = artifact.manifest
    weights = "weights from a file" if manifest.weights is not None else f"**random weights**, seed {manifest.seed}"
    return (
        f"An ONNX model of {parameters:,} parameters, {manifest.format}, with {weights}; opset {manifest.opset}, runs"
        f" on {manifest.runs_on}. [stackc](spec.lock.yaml) has compiled it from a spec."
    )


def _values(artifact: Artifact) -> Iterator[tuple[str, ...]]:
    for kind, values in (("input", artifact.manifest.inputs), ("output", artifact.manifest.outputs)):
        for value in values:
            yield kind, f"`{value.name}`", f"`{value}`", _allowed(value)


def _allowed(value: ValueInfo) -> str:
    declared = value.allowed.declaration() if value.allowed else {}
    return ", ".join(f"{key}: {limit}" for key, limit in declared.items())


def _sizes(limits: DimRange) -> str:
    text = f"{limits.minimum} to {limits.maximum}" if limits.maximum is not None else f"{limits.minimum} or more"
    return text + (f", a multiple of {limits.multiple_of}" if limits.multiple_of > 1 else "")


def _usage(artifact: Artifact) -> str:
    inputs = ", ".join(f"{json.dumps(value.name)}: …" for value in artifact.manifest.inputs)
    lines = ["import onnxruntime", 'session = onnxruntime.InferenceSession("model.onnx")']
    return "\n".join(["```python", *lines, f"outputs = session.run(None, {{{inputs}}})", "```"])


def _proof(artifact: Artifact) -> str:
    manifest = artifact.manifest
    if not isinstance(manifest.parity, dict):
        return "It was built without a proof (`--no-verify`)."

    rows = manifest.parity["rows"]
    largest = [max((row for row in rows if row["output"] == out), key=_share) for out in _unique(rows, "output")]
    cells = [
        (f"`{row['output']}`", f"{row['torch']:.1e}", f"{row['onnx']:.1e}", f"{row['allowed']:.1e}") for row in largest
    ]
    components = f" and {manifest.parity['components']} components alone" if manifest.parity["components"] else ""
    return "\n\n".join([
        f"The file computes what its PyTorch module computes: {len(rows)} comparisons{components},"
        f" {manifest.proven_sizes}.",
        "Largest distances from the module in float64, of which PyTorch in float32 has some as well:",
        _table(("output", "PyTorch", "ONNX Runtime", "allowed"), cells),
        f"Rule: {manifest.parity['rule']}. `stackc verify` repeats what needs no PyTorch.",
    ])  # fmt: skip


def _share(row: dict[str, Any]) -> float:
    """Return which share of what is allowed a row of the proof uses; exact ones use none."""
    return row["onnx"] / row["allowed"] if row["allowed"] else 0.0


def _unique(rows: Iterable[dict[str, Any]], key: str) -> Iterable[str]:
    return dict.fromkeys(row[key] for row in rows)


def _figures(artifact: Artifact, parameters: int) -> str:
    files = [artifact.folder / name for name in artifact.manifest.files]
    size = sum(file.stat().st_size for file in files if file.name.startswith("model.onnx"))
    rows = [("parameters", f"{parameters:,}"), ("size of the model", f"{size / 1e6:,.1f} MB")]

    report = artifact.folder / REPORT
    times = json.loads(report.read_text(encoding="utf-8"))["milliseconds"] if report.is_file() else {}
    rows += [(f"p50 of a run, {name}", f"{time['p50']:,.3g} ms") for name, time in times.items()]
    measured = [each for each in artifact.manifest.asserted if each["measured"] is not None]
    rows += [(f"{each['name']}, {each['note']}", f"{each['measured']:.4g}") for each in measured]
    return _table(("figure", "measured"), rows)


def _origin(artifact: Artifact) -> str:
    manifest = artifact.manifest
    hashes = {**manifest.spec, **(manifest.weights or {})}
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return f"{_table(('file', 'SHA-256'), [(f'`{name}`', value) for name, value in hashes.items()])}\n\nBy {versions}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; nothing without rows."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]) if lines else ""
