"""Weights of a model whose parts have files of their own: each parameter is read from the outermost file that has it.

So the weights of a whole model, as after training, replace those that its included specs bring. What no file has keeps
its initial values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stackc.core.diagnostics import Collector, Span, SpecError
from stackc.core.name_patterns import is_below
from stackc.core.types import TensorType
from stackc.ir.program import PartWeights, Program
from stackc.spec.document import Document
from stackc.spec.expressions.expressions import Scope
from stackc.weights.files import Paths, TensorFile, describe_paths
from stackc.weights.files.labelled import LabelledFiles, labelled
from stackc.weights.finite import require_finite
from stackc.weights.match import compare_weights, declared_for
from stackc.weights.sources import TensorSource, Weights
from stackc.weights.tensor_expressions.tree import with_names

OpenFiles = Callable[[Paths, Span | None], TensorFile]


def declared_parts(document: Document, program: Program, params: Scope) -> tuple[PartWeights, ...]:
    """Return what names files of weights: the spec as a whole, and its parts, outer ones first."""
    whole = (PartWeights("", document.weights, params, is_written=True),) if document.weights else ()
    parts = sorted(program.parts, key=lambda part: part.path.count("."))
    return tuple(part for part in (*whole, *parts) if part.decl.files)


def find_part_weights(parts: Sequence[PartWeights], program: Program, open_files: OpenFiles) -> Weights:
    """Match the files of all parts, as `open_files` opens them.

    Raises SpecError: W810 for a file of which nothing is read, and W801 to W808 if a file does not fit.
    """
    finder = _Finder(parts, program.tensors(), program.aliases(), open_files)
    for part in parts:
        finder.add(part)
    finder.diagnostics.raise_if_any()
    sources = {name: finder.sources[name] for name in finder.types if name in finder.sources}
    return Weights(LabelledFiles(finder.files), sources, finder.types)


@dataclass
class _Finder:
    """Collects the sources of all parameters, part by part."""

    parts: Sequence[PartWeights]
    types: Mapping[str, TensorType]
    aliases: Mapping[str, str]
    open_files: OpenFiles
    files: dict[str, TensorFile] = field(default_factory=dict)
    sources: dict[str, TensorSource] = field(default_factory=dict)
    diagnostics: Collector = field(default_factory=Collector)

    def add(self, part: PartWeights) -> None:
        """Match the files of a part with its parameters; those of outer parts are found already."""
        below = {name: type_ for name, type_ in self.types.items() if not part.path or is_below(name, part.path)}
        if below.keys() <= self.sources.keys():
            self.report_unread(part, has_parameters=bool(below))
            return
        try:
            self.match(part, below)
        except SpecError as error:
            self.diagnostics.extend(error)

    def report_unread(self, part: PartWeights, *, has_parameters: bool) -> None:
        """Report W810 for the files of a part that has no parameters, or none that outer files lack.

        What an included spec brings may be unread: the weights of the whole take its place.
        """
        if not part.is_written:
            return
        what = f"the weights of '{part.path}' are never read: " if part.path else "the weights are never read: "
        reason = "an outer file has all of them" if has_parameters else "it has no parameters"
        self.diagnostics.error("W810", what + reason, part.decl.files[0].span, "remove `weights` here")

    def match(self, part: PartWeights, below: Mapping[str, TensorType]) -> None:
        """Take what the files of a part have. Raises SpecError."""
        paths, span = part_paths(part), part.decl.files[0].span
        file, shown = self.open_files(paths, span), describe_paths(paths)
        comparison = compare_weights(
            file,
            {_inside(name, part.path): type_ for name, type_ in below.items()},
            part.decl,
            shown,
            span,
            params=part.params,
            aliases=dict(self.aliases_below(part.path)),
            optional={_inside(name, part.path) for name in self.found_elsewhere(part, below)},
        )
        if comparison.diagnostics:
            raise SpecError(*comparison.diagnostics)
        require_finite(comparison.weights, declared_for(file, part.decl), shown, span)

        self.files[part.path] = comparison.weights.file
        for inside, source in comparison.weights.sources.items():
            name = f"{part.path}.{inside}" if part.path else inside
            self.sources.setdefault(name, _of_part(source, part.path))

    def found_elsewhere(self, part: PartWeights, below: Mapping[str, TensorType]) -> Iterator[str]:
        """Yield the parameters of a part that the files of outer parts have, or those of inner parts may have."""
        inner = [each.path for each in self.parts if each is not part and is_inside(each.path, part.path)]
        for name in below:
            if name in self.sources or any(is_below(name, path) for path in inner):
                yield name

    def aliases_below(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield the other names of tied parameters, with their owners, where both are inside of a part."""
        for alias, owner in self.aliases.items():
            if not path or (is_below(alias, path) and is_below(owner, path)):
                yield _inside(alias, path), _inside(owner, path)


def part_paths(part: PartWeights) -> Paths:
    """Return the files of a part, which are relative to the file of the spec that names them."""
    paths = tuple(Path(file.span.file).parent / str(file.data) for file in part.decl.files)
    return paths[0] if len(paths) == 1 else paths


def is_inside(path: str, outer: str) -> bool:
    """Return whether a part is inside of another one."""
    return path != outer and (not outer or is_below(path, outer))


def _inside(name: str, path: str) -> str:
    """Return the name of a parameter inside of a part."""
    return name.removeprefix(f"{path}.") if path else name


def _of_part(source: TensorSource, path: str) -> TensorSource:
    expression = with_names(source.expression, lambda read: labelled(path, read))
    return TensorSource(expression, source.rule, source.note)
