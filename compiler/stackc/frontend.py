"""The stages left of PyTorch, in order: text → document → graph → typed graph → program. Instant, and torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from stackc.core.diagnostics import Note, Span, SpecError
from stackc.core.types import ValueRange
from stackc.ir.model import Graph
from stackc.ir.program import Program
from stackc.ir.typed import TypedGraph
from stackc.resolve.mentions import unused_params
from stackc.resolve.resolve import Spelling, resolve
from stackc.spec.document import Document
from stackc.spec.reader import parse
from stackc.spec.source import Source, load_source
from stackc.typecheck.cost import Cost, cost_of
from stackc.typecheck.flatten import flatten
from stackc.typecheck.infer import infer_types
from stackc.typecheck.output_names import require_own_names
from stackc.typecheck.ranges import value_ranges
from stackc.weights.rules import check_names


@dataclass(frozen=True)
class Overrides:
    """What the command line sets: params (`--set layers=2`, as written), sizes of dims (`--dims seq=128`), and the
    Python modules whose code may run (`--trust my_layers`)."""

    params: Mapping[str, str] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    trust: tuple[str, ...] = ()
    spelling: Spelling = field(default_factory=Spelling)

    def without(self, name: str) -> Overrides:
        """The others."""
        params = {other: value for other, value in self.params.items() if other != name}
        return replace(self, params=params, dims={other: size for other, size in self.dims.items() if other != name})

    def places(self) -> dict[str, Span]:
        """What sets each name, for messages."""
        params = {n: Span(self.spelling.param.format(name=n, value=v), 0) for n, v in self.params.items()}
        return params | {n: Span(self.spelling.dim.format(name=n, value=v), 0) for n, v in self.dims.items()}


@dataclass(frozen=True, repr=False)
class Checked:
    """A spec that has passed every check, with what each stage made of it."""

    source: Source
    document: Document
    graph: Graph
    typed: TypedGraph
    program: Program
    ranges: Mapping[str, ValueRange]

    def __repr__(self) -> str:
        components, parameters = len(self.program.calls), self.cost.parameters
        return f"<Checked {self.document.name}: {components:,} components, {parameters:,} parameters>"

    def _repr_html_(self) -> str:
        """The drawing with a summary, for notebooks."""
        from stackc.view.notebook import checked_html

        return checked_html(self.typed, self.program, self.cost)

    @cached_property
    def cost(self) -> Cost:
        """Parameters and FLOPs of the whole model."""
        return cost_of(self.typed.root)[self.typed.root]

    @cached_property
    def unused_params(self) -> tuple[str, ...]:
        """The params of the spec that nothing in it speaks of."""
        return unused_params(self.document)

    @cached_property
    def sources(self) -> dict[str, str]:
        """The texts that spans speak of, included ones too, by the names of their files."""
        texts: dict[str, str] = {}
        for source in (self.source, *self.graph.includes):
            known = texts.get(source.file, "").split("\n")  # another spec of a Markdown file, its other lines empty
            lines = zip_longest(known, source.text.split("\n"), fillvalue="")
            texts[source.file] = "\n".join(one or other for one, other in lines)
        return texts


def check_spec(path: Path, overrides: Overrides | None = None) -> Checked:
    """Every stage up to the program. Raises SpecError with all that the first failing stage has found."""
    return check_source(load_source(path), overrides)


def check_source(source: Source, overrides: Overrides | None = None) -> Checked:
    """Check a spec whose text is in memory; see `check_spec`."""
    return check_document(parse(source, recover=True), overrides)


def check_document(document: Document, overrides: Overrides | None = None) -> Checked:
    """Check a spec that is parsed already; see `check_spec`. Its `problems` are reported with those of later stages."""
    overrides = overrides or Overrides()
    try:
        return _checked(document, overrides)
    except SpecError as error:
        raise _with_its_options(error, document, overrides) from None


def _checked(document: Document, overrides: Overrides) -> Checked:
    try:
        graph = resolve(document, overrides.params, overrides.dims, overrides.trust, overrides.spelling)
        typed = infer_types(graph)
    except SpecError as error:
        raise SpecError(*document.problems, *error.diagnostics) from None
    if document.problems:
        raise SpecError(*document.problems)
    program = flatten(typed)
    require_own_names(document, program)
    if document.weights and not overrides.params:  # with others, what a rule speaks of may well not be there
        check_names(document.weights, program.tensors())
    ranges = value_ranges(document, graph.params, program)
    return Checked(document.source, document, graph, typed, program, ranges)


MOST_TRIED = 8
"""How many options are left out one by one, to see which of them a mistake comes from."""


def _with_its_options(error: SpecError, document: Document, overrides: Overrides) -> SpecError:
    """The error, with the options that it comes from: a spec is sound without them, and its line is not to blame."""
    if all(diagnostic.span and not diagnostic.span.line for diagnostic in error.diagnostics):
        return error  # which speaks of options already
    places = overrides.places()
    names = (
        [name for name in places if _is_sound(document, overrides.without(name))] if len(places) <= MOST_TRIED else []
    )
    told = "without this the spec is sound"
    if not names and len(places) > 1 and _is_sound(document, replace(overrides, params={}, dims={})):
        names, told = [*places], "without these the spec is sound"
    notes = tuple(Note(told, places[name]) for name in names)
    return SpecError(*(replace(each, notes=(*each.notes, *notes)) for each in error.diagnostics)) if notes else error


def _is_sound(document: Document, overrides: Overrides) -> bool:
    try:
        _checked(document, overrides)
    except SpecError:
        return False
    return True
