"""Read the parameters of an artifact back from its model, for a spec that continues with them.

The model stores parameters as its operators need them: transposed, split, joined. The lock says how: the program is
linked again, without weights, and what was only moved is moved back. A weight under weight_norm is taken apart anew
(normed_weights.py). What was calculated otherwise cannot be read back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stackc.artifact.folder import MANIFEST, MODEL, load_artifact
from stackc.artifact.normed_weights import direction_of, magnitudes, signed_places
from stackc.cache import user_cache
from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.frontend import Checked, check_spec
from stackc.precision.formats import FLOAT32
from stackc.weights.files import Array, Paths, TensorFile, open_weights
from stackc.weights.files.base import report_broken_file
from stackc.weights.files.onnx_file import OnnxFile
from stackc.weights.files.several import SeveralFiles
from stackc.weights.loading import find_weights
from stackc.weights.sources import Weights

if TYPE_CHECKING:
    from stackc.export.storage import Stored


def open_all_weights(paths: Paths, span: Span | None = None) -> TensorFile:
    """Open files and folders of tensors as `open_weights` does, and artifacts too."""
    if not isinstance(paths, Path):
        return SeveralFiles.of([open_all_weights(path, span) for path in paths], span)
    if paths.name == MODEL and os.path.isfile(paths.parent / MANIFEST):
        paths = paths.parent
    return ArtifactTensors.open(paths) if os.path.isfile(paths / MANIFEST) else open_weights(paths, span)


def find_all_weights(checked: Checked, override: Paths | None) -> Weights | None:
    """Match the weights of the command line, or else of a spec, of any kind; see `find_weights`."""
    return find_weights(checked.document, checked.program, checked.graph.params, override, open_all_weights)


def gather_part_weights(checked: Checked, seed: int, folder: Path) -> Path | None:
    """Write the weights that parts of a spec bring, and the initial ones of the rest, to one file; None if none does.

    Raises SpecError as `find_weights` does.
    """
    from stackc.torch_backend.lower import lower_with
    from stackc.torch_backend.state import state_arrays
    from stackc.weights.files.writing import write_safetensors

    weights = find_all_weights(checked, None)
    if weights is None:
        return None
    path = folder / f"{checked.document.name}.safetensors"
    tensors = state_arrays(lower_with(checked.typed, weights, seed=seed))
    write_safetensors(path, tensors, checked.program.tensors(), own_names=True)
    return path


@dataclass(frozen=True)
class ArtifactTensors:
    """The parameters of an artifact by their names in the state_dict; `forms` has how the model stores each."""

    model: TensorFile
    forms: Mapping[str, Stored]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the model."""
        return self.model.paths

    @staticmethod
    def open(folder: Path) -> ArtifactTensors:
        """Link the program of an artifact again. Raises SpecError: W804 if a parameter cannot be read back, and those
        of `load_artifact`, of checking the lock and of linking."""
        from stackc.export import link_program
        from stackc.export.weight_folding import only_moves

        artifact = load_artifact(folder)
        if artifact.manifest.format != FLOAT32:
            message = (
                f"the parameters cannot be read back from {folder}: its model has them in {artifact.manifest.format}"
            )
            hint = "name the file of weights that the artifact was built from"
            raise SpecError(Diagnostic("W804", message, hint=hint))
        program = check_spec(folder).program
        manifest = artifact.manifest
        linked = link_program(program, opset=manifest.opset, target=manifest.target, cache=user_cache())

        types = program.tensors()
        all_shapes = {name: tuple(dim.evaluate({}) for dim in type_.shape) for name, type_ in types.items()}
        forms: dict[str, Stored] = {}
        for stored in linked.graph.weights:
            moved = stored.subgraph is None or only_moves(stored.subgraph)
            if moved or signed_places(stored, all_shapes) is not None:
                forms |= {source: stored for source in stored.sources if source not in forms}
        if lost := [name for name in types if name not in forms and _is_stored(name, linked.graph.weights)]:
            message = f"'{lost[0]}' cannot be read back from {folder}: its model has only what is calculated from it"
            hint = "name the file of weights that the artifact was built from"
            raise SpecError(Diagnostic("W804", message, hint=hint))

        known = {name: type_ for name, type_ in types.items() if name in forms}
        shapes = {name: all_shapes[name] for name in known}
        dtypes = {name: type_.dtype for name, type_ in known.items()}
        with report_broken_file(artifact.model):
            model = OnnxFile.open(artifact.model, of_artifact=True)
        return ArtifactTensors(model, forms, shapes, dtypes)

    def read(self, name: str) -> Array:
        """Return one parameter, moved back to where it was; magnitudes are those of their directions."""
        from stackc.export.weight_folding import only_moves, run_subgraph

        stored = self.forms[name]
        if stored.subgraph is None:
            return self.model.read(stored.names[0])
        moves = only_moves(stored.subgraph)
        if not moves and (direction := direction_of(name)):
            return magnitudes(self.read(direction), self.shapes[name])

        # move the numbers of the places, from 1, in place of the parameters: that says where each ended, and its sign
        places: dict[str, np.ndarray[Any, Any]] = {}
        start = 1
        for source in stored.sources:
            if moves or direction_of(source) is None:
                size = int(np.prod(self.shapes[source], dtype=np.int64))
                places[source] = np.arange(start, start + size).reshape(self.shapes[source])
                start += size

        if moves:
            ended: Sequence[np.ndarray[Any, Any]] | None = run_subgraph(stored.subgraph, list(places.values()))
        else:
            ended = signed_places(stored, self.shapes)
        assert ended is not None, "`open` leaves out what cannot be read back"
        joined: np.ndarray[Any, Any] = np.empty(start - 1, self.dtypes[name])
        for result, moved in zip(stored.names, ended, strict=True):
            numbers: np.ndarray[Any, Any] = self.model.read(result).reshape(-1)
            joined[np.abs(moved.reshape(-1)) - 1] = np.where(moved.reshape(-1) < 0, -numbers, numbers)
        parameter: Array = joined[places[name] - 1]
        return parameter


def _is_stored(name: str, weights: tuple[Stored, ...]) -> bool:
    """Return whether the model has a parameter in any form; it has none of those that evaluation never reads."""
    return any(name in stored.sources for stored in weights)
