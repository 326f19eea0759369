"""`stackc import`: a folder of Hugging Face becomes a spec with its sizes, its weights, and its tokenizer.

Nothing is downloaded, no tensor is read, and PyTorch is loaded only for weights that it has pickled. Everything is
checked before the first file is written: the config against the spec, the spec, and its tensors against the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.progress import Progress, no_progress
from stackc.frontend import Checked
from stackc.hub.config_params import ParamSetting
from stackc.hub.drafts import SpecPlace, first_that_fits
from stackc.hub.families import specs_of
from stackc.hub.gguf_source import SUFFIX, open_gguf
from stackc.hub.model_source import open_folder
from stackc.hub.write_files import write_files
from stackc.spec.names import as_file_name, why_no_file_name
from stackc.weights.files import open_weights


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import.

    name            of the spec; by default that of the folder
    architecture    the class to take the weights for; by default the one that the config names
    copy            copy the weights beside the spec, instead of naming them where they are
    force           overwrite existing files
    check           build the spec with its proof; where transformers is installed, record what the class computes, and
                    hold the spec to it, now and in every later build
    """

    name: str | None = None
    architecture: str | None = None
    copy: bool = False
    force: bool = False
    check: bool = False


@dataclass(frozen=True)
class Imported:
    """An imported model: its `spec`, the spec of the zoo that it comes from, and all `files` that were written."""

    spec: Path
    zoo_spec: str
    params: Mapping[str, ParamSetting]
    weights: Path
    files: tuple[Path, ...]
    checked: Checked


def import_from(
    path: Path, out: Path | None = None, options: ImportOptions | None = None, progress: Progress = no_progress
) -> Imported:
    """Import the model of a folder, or of a GGUF, into the folder `out`, by default one of the model's name.

    `progress` is called with the stages of the build, if there is one. Raises SpecError, and then nothing is written:
    H901 without a config, H902 if it cannot be read, H903 if no spec of the zoo implements it, H904 to H906 for what
    the spec does not express, W801 to W808 for weights that do not fit, S012 for files that exist; with `check`, H907
    if transformers cannot run the original, and whatever a build raises.
    """
    options = options or ImportOptions()
    source = open_gguf(path) if path.suffix == SUFFIX else open_folder(path)
    specs = specs_of(source.config, options.architecture)

    name = options.name or source.name
    if reason := why_no_file_name(name):
        message = f"'{name}' is not a valid name for a spec, {reason}"
        raise SpecError(Diagnostic("S008", message, None, f"for example `--name {as_file_name(name)}`"))
    place = SpecPlace.of(out or Path(name), name, source.weights, copied=options.copy)
    file = open_weights(source.weights)
    draft = first_that_fits(specs, source.config, place, file, source.weights.name)

    contents = {place.spec.name: draft.text(place).encode()}
    if options.check:
        from stackc.hub.comparing import build_and_compare

        contents = build_and_compare(draft, source, options.architecture, place, progress)

    copies = [*source.companions, *(file.paths if options.copy else ())]
    written = write_files(place.folder, {**contents, **source.generated}, copies, force=options.force)
    weights = place.folder / source.weights.name if options.copy else source.weights
    return Imported(place.spec, draft.zoo_spec, draft.params, weights, written, draft.checked)
