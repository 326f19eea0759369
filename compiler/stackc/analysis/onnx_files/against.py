"""Run an ONNX file of any origin beside an artifact, on the inputs that its proof has recorded.

Outputs are held to PyTorch's by what the proof allows of each. Then the values of the components are looked for among
all tensors of the file, by name and by their numbers: where outputs differ, the first component whose value is nowhere
in the file is where the two part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner

from stackc.artifact.folder import VECTORS, Artifact, load_artifact
from stackc.artifact.verify import recorded_vectors
from stackc.core.diagnostics import Diagnostic, Note, Span, SpecError
from stackc.export.functions import unfold_functions
from stackc.frontend import Overrides, check_spec
from stackc.ir.program import Program
from stackc.onnx_format.files import read_model, save_beside_data
from stackc.proof.stamped_model import StampedModel
from stackc.proof.tolerance import distance
from stackc.runtime import Array, Feeds, ValueInfo, check_feeds, open_session

SAME = 1e-3
"""How far two values may be apart, as a share of the largest number, to count as the same."""
_SAMPLED = 64
"""Numbers that are compared before all are."""


@dataclass(frozen=True, slots=True)
class OutputBeside:
    """An output of the artifact, the file's name for it, its largest distance from PyTorch's, and what is allowed."""

    output: str
    name: str
    found: float
    allowed: float

    @property
    def agrees(self) -> bool:
        """Whether the file computes it within what is allowed; not if it is NaN."""
        return self.found <= self.allowed


@dataclass(frozen=True, slots=True)
class ComponentBeside:
    """A component, and the tensor of the file that has its value; None if none has."""

    path: str
    op: str
    span: Span
    tensor: str | None


@dataclass(frozen=True)
class Beside:
    """A file beside an artifact; `components` in running order, empty if they could not be compared, for `reason`."""

    outputs: tuple[OutputBeside, ...]
    components: tuple[ComponentBeside, ...]
    reason: str = ""

    @property
    def missing(self) -> tuple[ComponentBeside, ...]:
        """The components whose value is nowhere in the file."""
        return tuple(each for each in self.components if each.tensor is None)

    def require_equal(self, file: Path) -> None:
        """Raise SpecError P721 if an output differs, with the component at which the two part."""
        first = self.missing[:1]
        notes = tuple(Note(f"the first value that is nowhere in {file}: '{c.path}' ({c.op})", c.span) for c in first)
        hint = "the file has other weights, or computes something else; `stackc diff A.onnx B.onnx` compares them"
        different = [
            Diagnostic("P721", f"{_named(each, file)}, but {each.allowed:.2e} is allowed", None, hint, notes)
            for each in self.outputs
            if not each.agrees
        ]
        if different:
            raise SpecError(*different)


def _named(each: OutputBeside, file: Path) -> str:
    return f"the output '{each.output}' of {file} is {each.found:.2e} from PyTorch's"


def run_beside(path: Path, file: Path, provider: str, threads: int | None, trust: Sequence[str] = ()) -> Beside:
    """Run a file on the recorded inputs of an artifact.

    Raises SpecError: what `load_artifact`, `read_model` and sessions raise, P722 if nothing was recorded, P723 if the
    file has other inputs or outputs.
    """
    artifact = load_artifact(path)
    model = read_model(file)
    if VECTORS not in artifact.manifest.files:
        message = f"{path} has recorded no inputs and outputs: it was built without a proof"
        raise SpecError(Diagnostic("P722", message, hint="build it without `--no-verify`"))

    session = open_session(file, provider, threads=threads)
    entering = _paired("input", artifact.manifest.inputs, session.inputs, file)
    leaving = _paired("output", artifact.manifest.outputs, session.outputs, file)
    vectors = recorded_vectors(artifact)
    found = dict.fromkeys(leaving, 0.0)
    for inputs, expected in vectors:
        feeds = {entering[name]: array for name, array in inputs.items()}
        _require_taken(session.inputs, feeds, file)
        results = session.run(feeds)
        for name, other in leaving.items():
            found[name] = float(np.fmax(found[name], _distance(results[other], expected[name])))

    allowed = artifact.manifest.tolerances
    outputs = tuple(OutputBeside(name, leaving[name], found[name], allowed.get(name, 0.0)) for name in leaving)
    try:
        program = check_spec(path, Overrides(trust=tuple(trust))).program
    except SpecError as error:
        return Beside(outputs, (), str(error.diagnostics[0]))
    inputs = vectors[0][0]
    theirs = _all_values(model, file.parent, {entering[name]: array for name, array in inputs.items()}, threads)
    return Beside(outputs, tuple(_components(artifact, program, inputs, theirs, threads)))


def _distance(result: Array, expected: Array) -> float:
    """Return the distance; infinite for another shape, or for NaN and Inf at other places."""
    return float(distance(result, expected)) if result.shape == expected.shape else np.inf


def _paired(kind: str, ours: Sequence[ValueInfo], theirs: Sequence[ValueInfo], file: Path) -> dict[str, str]:
    """Return the file's names for the artifact's: the same, or those at the same positions if they are as many."""
    names = [value.name for value in theirs]
    if all(value.name in names for value in ours):
        return {value.name: value.name for value in ours}
    if len(ours) == len(theirs):
        return {value.name: name for value, name in zip(ours, names, strict=True)}
    listed, wanted = (", ".join(f"{v.name}: {v}" for v in values) or "none" for values in (theirs, ours))
    message = f"{file} has the {kind}s {listed}, but the artifact has {wanted}"
    raise SpecError(Diagnostic("P723", message, hint=f"{kind}s are paired by name, or by position if they are as many"))


def _require_taken(inputs: Sequence[ValueInfo], feeds: Feeds, file: Path) -> None:
    """Raise SpecError P723 if a file does not take the artifact's inputs."""
    try:
        check_feeds(inputs, feeds)
    except SpecError as error:
        first = error.diagnostics[0]
        message = f"{file} does not take the artifact's inputs: {first.message}"
        raise SpecError(Diagnostic("P723", message, hint="export it with the same types and dynamic sizes")) from error


def _all_values(model: onnx.ModelProto, folder: Path, feeds: Feeds, threads: int | None) -> dict[str, Array]:
    """Return every tensor that a model computes outside of subgraphs, unoptimized, by name."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(onnx.inliner.inline_local_functions(model) if model.functions else model)
    known = {value.name for value in exposed.graph.output}
    names = [name for node in exposed.graph.node for name in node.output if name and name not in known]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)

    with tempfile.TemporaryDirectory(prefix="stackc-against-", ignore_cleanup_errors=True) as directory:
        path = Path(directory) / "model.onnx"
        save_beside_data(exposed, path, folder)
        results = open_session(path, "cpu", threads=threads, optimize=False, prepack=False).run(feeds)
    return {key: value for key, value in results.items() if isinstance(value, np.ndarray)}


def _components(
    artifact: Artifact, program: Program, inputs: Feeds, theirs: Mapping[str, Array], threads: int | None
) -> Iterator[ComponentBeside]:
    """Yield the components of floats that are not one number throughout, each with the tensor of the file that has its
    value."""
    stamped = StampedModel.load(artifact.model, program)
    ours = _all_values(unfold_functions(read_model(artifact.model)), artifact.folder, inputs, threads)
    by_size: dict[int, list[str]] = {}
    for name, array in theirs.items():
        if np.issubdtype(array.dtype, np.floating):
            by_size.setdefault(array.size, []).append(name)

    for call in program.calls:
        named = ((stamped.tensors[value], ours.get(stamped.tensors[value])) for value in call.outputs)
        telling = next(((name, array) for name, array in named if array is not None and _tells(array)), None)
        if telling is not None:
            name, value = telling
            yield ComponentBeside(call.path, call.component.op, call.span, _place(value, name, theirs, by_size))


def _tells(value: Array) -> bool:
    """Return whether a value can be told by its numbers: floats, all finite, not all the same."""
    if not np.issubdtype(value.dtype, np.floating) or not value.size:
        return False
    return bool(np.isfinite(value).all() and np.ptp(value))


def _place(value: Array, name: str, theirs: Mapping[str, Array], by_size: Mapping[int, Sequence[str]]) -> str | None:
    """Return the tensor with these numbers, in whichever shape: the one of the same name first."""
    limit = SAME * float(np.abs(value).max())
    flat = value.ravel()
    sample = np.linspace(0, flat.size - 1, min(flat.size, _SAMPLED)).astype(int)
    for candidate in sorted(by_size.get(value.size, ()), key=lambda other: other != name):
        other = theirs[candidate].ravel()
        if np.all(np.abs(other[sample] - flat[sample]) <= limit) and np.all(np.abs(other - flat) <= limit):
            return candidate
    return None
