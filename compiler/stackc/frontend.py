"""The stages before PyTorch, in order: text → document → graph → typed graph → program. They load no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.components.base import Component
from stackc.core.arguments import checked_sizes, param_text
from stackc.core.diagnostics import Note, Span, SpecError
from stackc.core.plurals import counted
from stackc.core.value_range import ValueRange
from stackc.ir.assertions import Assertion
from stackc.ir.budget import Budget
from stackc.ir.decoding import Decoding
from stackc.ir.model import Graph
from stackc.ir.program import Program
from stackc.ir.typed import TypedGraph
from stackc.resolve.losses_of_models import refuse_losses
from stackc.resolve.mentions import unused_params
from stackc.resolve.resolve import Spelling, resolve
from stackc.spec.document import DecodeDecl, Document
from stackc.spec.reader import parse
from stackc.spec.source import Source, load_source
from stackc.typecheck.cost import Cost, cost_of
from stackc.typecheck.flatten import flatten
from stackc.typecheck.infer import infer_types
from stackc.typecheck.output_names import require_own_names
from stackc.typecheck.ranges import value_ranges
from stackc.weights.rules import check_names, check_part_names

if TYPE_CHECKING:
    from stackc.ir.training import Training


@dataclass(frozen=True)
class Overrides:
    """Settings from outside of a spec, as from the command line.

    `params` are values as written (`--set layers=2`), `dims` sizes (`--dims seq=128`), and `trust` lists the Python
    modules whose code may run (`--trust my_layers`). `spelling` shows in messages how they are set.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    trust: tuple[str, ...] = ()
    spelling: Spelling = field(default_factory=Spelling)

    def without(self, name: str) -> Overrides:
        """Return the overrides without one param or dim."""
        params = {other: value for other, value in self.params.items() if other != name}
        return replace(self, params=params, dims={other: size for other, size in self.dims.items() if other != name})

    def places(self) -> dict[str, Span]:
        """Return the option that sets each name, for messages."""
        params = {n: Span(self.spelling.param.format(name=n, value=v), 0) for n, v in self.params.items()}
        return params | {n: Span(self.spelling.dim.format(name=n, value=v), 0) for n, v in self.dims.items()}


def arguments_as_overrides(
    params: Mapping[str, object] | None, dims: Mapping[str, int] | None, trust: Sequence[str]
) -> Overrides:
    """Return the arguments of `stackc.check` as overrides, spelled in messages as they are passed there."""
    values = {name: param_text(value) for name, value in (params or {}).items()}
    spelling = Spelling("params['{name}']", "dims['{name}']")
    return Overrides(values, checked_sizes(dims or {}), tuple(trust), spelling)


@dataclass(frozen=True, repr=False)
class Checked:
    """A spec that has passed every check, with the result of each stage."""

    source: Source
    document: Document
    graph: Graph
    typed: TypedGraph
    program: Program
    ranges: Mapping[str, ValueRange]
    training: Training | None = None
    assertions: tuple[Assertion, ...] = ()
    budget: Budget | None = None
    decoding: Decoding | None = None

    def __repr__(self) -> str:
        components = counted(len(self.program.calls), "component")
        return f"<Checked {self.document.name}: {components}, {counted(self.cost.parameters, 'parameter')}>"

    def _repr_html_(self) -> str:
        """Return the drawing with a summary, for notebooks."""
        from stackc.view.notebook import checked_html

        return checked_html(self.typed, self.program, self.cost)

    @cached_property
    def cost(self) -> Cost:
        """Parameters and FLOPs of the whole model."""
        return cost_of(self.typed.root)[self.typed.root]

    @property
    def assumptions(self) -> dict[str, str]:
        """What is assumed of the values of inputs, by input, in words: what the spec does not declare."""
        return {name: allowed.assumption for name, allowed in self.ranges.items() if allowed.assumption}

    @cached_property
    def unused_params(self) -> tuple[str, ...]:
        """The params of the spec that it never mentions."""
        return unused_params(self.document)

    @cached_property
    def sources(self) -> dict[str, str]:
        """The texts that spans refer to, included ones too, by file name."""
        texts: dict[str, str] = {}
        for source in (self.source, *self.graph.includes):
            # A Markdown file may hold several specs; each has empty lines in place of the others.
            before = texts.get(source.file, "").split("\n")
            lines = zip_longest(before, source.text.split("\n"), fillvalue="")
            texts[source.file] = "\n".join(left or right for left, right in lines)
        return texts


def check_spec(path: Path, overrides: Overrides | None = None) -> Checked:
    """Run every stage up to the program. Raises SpecError with all problems of the first stage that fails."""
    return check_source(load_source(path), overrides)


def check_source(source: Source, overrides: Overrides | None = None) -> Checked:
    """Check a spec whose text is in memory; see `check_spec`."""
    return check_document(parse(source, recover=True), overrides)


def check_document(document: Document, overrides: Overrides | None = None) -> Checked:
    """Check a parsed spec; see `check_spec`. Its `problems` are reported together with those of later stages."""
    overrides = overrides or Overrides()
    try:
        return _checked(document, overrides)
    except SpecError as error:
        raise _with_blamed_options(error, document, overrides) from None


def _checked(document: Document, overrides: Overrides) -> Checked:
    """Return the results of all stages. Raises SpecError."""
    try:
        graph = resolve(document, overrides.params, overrides.dims, overrides.trust, overrides.spelling)
        refuse_losses(graph)
        typed = infer_types(graph)
    except SpecError as error:
        raise SpecError(*document.problems, *error.diagnostics) from None
    if document.problems:
        raise SpecError(*document.problems)

    program = flatten(typed)
    require_own_names(document, program)
    if not overrides.params:  # other params may remove the parameters that a rule names
        if document.weights:
            variants = document.huggingface is not None  # by its params, which an import sets
            check_names(document.weights, program.tensors(), graph.params, program.aliases(), variants=variants)
        check_part_names(program)
    ranges = value_ranges(document, graph.params, program)
    training = _training(document, graph, program, overrides) if document.train else None
    assertions = _assertions(graph, training) if document.asserts else ()
    budget = _budget(graph) if document.budget else None
    decoding = _decoding(document.decode, program) if document.decode else None
    return Checked(document.source, document, graph, typed, program, ranges, training, assertions, budget, decoding)


def _decoding(decl: DecodeDecl, program: Program) -> Decoding:
    """Return the decoding step that a spec asks for. Raises SpecError."""
    from stackc.resolve.decode_settings import read_decode_settings
    from stackc.transforms.decoding_step import derive_step

    return derive_step(program, read_decode_settings(decl, program))


def _assertions(graph: Graph, training: Training | None) -> tuple[Assertion, ...]:
    """Return what a spec asserts of its losses and metrics. Raises SpecError."""
    from stackc.resolve.assertions import read_assertions

    return read_assertions(graph, training)


def _budget(graph: Graph) -> Budget:
    """Return how much error a file of lower precision may have. Raises SpecError."""
    from stackc.resolve.budget import read_budget

    return read_budget(graph)


def _training(document: Document, model: Graph, exported: Program, overrides: Overrides) -> Training:
    """Return what `train` says of a model that is sound itself. Raises SpecError."""
    from stackc.ir.training import Training
    from stackc.resolve.train_graph import refuse_learned, train_graph, with_counts
    from stackc.resolve.train_settings import read_settings

    assert document.train is not None
    drawn = train_graph(document, model)
    graph = resolve(drawn.document, overrides.params, overrides.dims, overrides.trust, overrides.spelling)
    graph, losses, metrics = with_counts(graph, drawn)
    typed = infer_types(graph)
    program = flatten(typed)
    refuse_learned(program, exported)

    settings = read_settings(document.train, graph, program, losses, metrics)
    bodies = {name: graph.root.nodes[name].body for name in metrics}
    rising = frozenset(name for name, body in bodies.items() if isinstance(body, Component) and body.family == "metric")
    ranges = value_ranges(drawn.document, graph.params, program)
    folder = Path(document.file).parent
    training = Training(typed, program, settings, losses, metrics, rising, ranges, folder, overrides.trust)
    if settings.privacy is not None:
        from stackc.dataflow.private_examples import refuse_dependent_examples

        refuse_dependent_examples(training, document.train.settings["privacy"].key)
    return training


MOST_TRIED = 8
"""The most options that are left out one by one, to see which of them causes an error."""


def _with_blamed_options(error: SpecError, document: Document, overrides: Overrides) -> SpecError:
    """Add notes at the options that cause the error: if the spec is valid without them, its text is not to blame."""
    if all(diagnostic.span and not diagnostic.span.line for diagnostic in error.diagnostics):
        return error  # it is about options already

    places = overrides.places()
    tried = places if len(places) <= MOST_TRIED else ()
    names = [name for name in tried if _is_valid(document, overrides.without(name))]
    message = "without this the spec is valid"
    if not names and len(places) > 1 and _is_valid(document, replace(overrides, params={}, dims={})):
        names, message = [*places], "without these the spec is valid"

    notes = tuple(Note(message, places[name]) for name in names)
    return SpecError(*(replace(each, notes=(*each.notes, *notes)) for each in error.diagnostics)) if notes else error


def _is_valid(document: Document, overrides: Overrides) -> bool:
    try:
        _checked(document, overrides)
    except SpecError:
        return False
    return True
