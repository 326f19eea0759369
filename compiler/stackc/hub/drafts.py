"""A spec of the zoo with the sizes of a config, checked, before anything is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, check_source
from stackc.hub.config import ModelConfig
from stackc.hub.config_params import ParamSetting, params_of_config
from stackc.hub.spec_text import with_settings
from stackc.hub.zoo import zoo_text
from stackc.spec.document import Document
from stackc.spec.source import Source
from stackc.weights.files import TensorFile
from stackc.weights.match import compare_weights


@dataclass(frozen=True)
class SpecPlace:
    """Where a spec is written, and how it names the file of its weights from there."""

    folder: Path
    name: str
    weights: str

    @property
    def spec(self) -> Path:
        """The file of the spec."""
        return self.folder / f"{self.name}.yaml"

    @staticmethod
    def of(folder: Path, name: str, weights: Path, *, copied: bool) -> SpecPlace:
        """Return the place of a spec whose weights are named where they are, or are `copied` beside it."""
        return SpecPlace(folder, name, weights.name if copied else relative_path(weights, folder))


def relative_path(file: Path, folder: Path) -> str:
    """Return the path of a file from a folder, with `/` on every system; on another drive, the whole path."""
    # links in the way are followed, as the system does at `..`; the file's own name is kept, whose suffix counts
    file = Path(os.path.realpath(file.parent)) / file.name
    try:
        return Path(os.path.relpath(file, os.path.realpath(folder))).as_posix()
    except ValueError:
        return file.as_posix()


@dataclass(frozen=True)
class SpecDraft:
    """A spec of the zoo with the sizes of a config, checked, whose tensors are those of the file."""

    document: Document
    params: Mapping[str, ParamSetting]
    checked: Checked

    @property
    def zoo_spec(self) -> str:
        """The name of the spec of the zoo."""
        return self.document.file.rpartition(".")[0]

    def text(self, place: SpecPlace, **weights: str) -> str:
        """Return the text of the spec, with more entries of its `weights`."""
        entries = {"file": place.weights, **weights}
        return with_settings(zoo_text(self.zoo_spec), self.document, self.params, place.name, entries)


def first_that_fits(
    specs: Sequence[Document], config: ModelConfig, place: SpecPlace, file: TensorFile, file_name: str
) -> SpecDraft:
    """Return the draft of the first spec that the config and the weights fit. Raises the SpecError of the first."""
    errors = []
    for document in specs:
        try:
            return _draft(document, config, place, file, file_name)
        except SpecError as error:
            errors.append(error)
    raise errors[0]


def _draft(document: Document, config: ModelConfig, place: SpecPlace, file: TensorFile, file_name: str) -> SpecDraft:
    params = params_of_config(document, config, file.shapes)
    zoo_spec = document.file.rpartition(".")[0]
    text = with_settings(zoo_text(zoo_spec), document, params, place.name, {"file": place.weights})

    checked = check_source(Source(str(place.spec), text))
    program, decl = checked.program, checked.document.weights
    comparison = compare_weights(
        file, program.tensors(), decl, file_name, decl.span if decl else None,
        params=checked.graph.params, aliases=program.aliases(),
    )  # fmt: skip
    if comparison.diagnostics:
        raise SpecError(*comparison.diagnostics)
    return SpecDraft(document, params, checked)
