"""Match the parameters of a model with the tensors of a file.

Requires the tensor types of a program and an open file; ensures that every tensor of the program has exactly one source
of its shape in the file, and that no tensor of the file is left over. A parameter is read from the first of these that
the file has: what the map says of its name, the same for its name without a reparametrization, its own name, and the
names of parameters that are tied to it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from stackc.core.diagnostics import Collector, Diagnostic, Span, SpecError
from stackc.core.name_patterns import PEFT_PREFIX, is_factor, peft_name, plain_name, wildcards
from stackc.core.suggestions import bounded_suggestions
from stackc.core.types import FLOATS, TensorType
from stackc.ir.program import Program
from stackc.spec.document import Document, WeightsDecl
from stackc.spec.expressions.expressions import Scope
from stackc.weights.files import Paths, TensorFile
from stackc.weights.files.renamed import with_torch_names, without_prefix
from stackc.weights.files.safetensors_file import SafetensorsFile
from stackc.weights.mismatch import Misfit, Missing, first_of_each_code, report_mismatches
from stackc.weights.rules import UNREAD_BUFFERS, Rule, plain_file_name, read_rules
from stackc.weights.sources import TensorSource, Weights, tensor_shape
from stackc.weights.tensor_expressions.tree import (
    ConstantTensor,
    NamedTensor,
    TensorExpression,
    dtype_of,
    shape_of,
    tensor_names,
    with_names,
)


def weights_path(document: Document, override: Paths | None) -> tuple[Paths | None, Span | None]:
    """Return the files of weights and the span that names them: those of the command line, or else of the spec.

    A path in a spec is relative to the folder of the spec. The path is None if neither names a file.
    """
    if override is not None:
        return override, None
    files = document.weights.files if document.weights else ()
    paths = tuple(Path(document.file).parent / str(file.data) for file in files)
    if not paths:
        return None, None
    return paths[0] if len(paths) == 1 else paths, files[0].span


def declared_for(file: TensorFile, decl: WeightsDecl | None) -> WeightsDecl | None:
    """Return what a spec declares of a file: nothing of that of a training run, which has the names of the spec."""
    return None if isinstance(file, SafetensorsFile) and file.has_own_names else decl


def match_program(
    file: TensorFile,
    program: Program,
    decl: WeightsDecl | None,
    params: Scope,
    file_name: str,
    span: Span | None = None,
) -> Weights:
    """Find the tensor of the file for every tensor of a program; see `match_weights`."""
    return match_weights(file, program.tensors(), decl, file_name, span, params=params, aliases=program.aliases())


def match_weights(
    file: TensorFile,
    types: Mapping[str, TensorType],
    decl: WeightsDecl | None,
    file_name: str,
    span: Span | None = None,
    *,
    params: Scope | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Weights:
    """Find the tensor of the file for every tensor of the model, by `weights: {map: …, ignore: …}` of the spec.

    `types` are the model's tensors, `params` its params, `aliases` the other names of tied tensors; `file_name` is for
    messages. Raises SpecError with all problems: W801 for a tensor that the file lacks, W802 for one of the file that
    no parameter uses, W803 for one of another shape or type, W808 for one that two parameters claim.
    """
    comparison = compare_weights(file, types, decl, file_name, span, params=params, aliases=aliases)
    if comparison.diagnostics:
        raise SpecError(*comparison.diagnostics)
    return comparison.weights


@bounded_suggestions()
def compare_weights(
    file: TensorFile,
    types: Mapping[str, TensorType],
    decl: WeightsDecl | None,
    file_name: str,
    span: Span | None = None,
    *,
    params: Scope | None = None,
    aliases: Mapping[str, str] | None = None,
    optional: Container[str] = (),
) -> WeightComparison:
    """Return what fits and what does not; see `match_weights`. The file may lack the `optional` tensors.

    Raises SpecError if the map itself is wrong.
    """
    decl = declared_for(file, decl)
    prefix = str(decl.prefix.data) if decl and decl.prefix else ""
    if not any("LayerNorm.gamma" in str(entry.value.data) for _, entry in (decl.alternatives() if decl else ())):
        file = with_torch_names(file)  # unless the map speaks of the names that it has
    matcher = _Matcher(
        without_prefix(file, prefix), prefix, file_name, span or (decl.span if decl else None), read_rules(decl),
        params or {}, aliases or {}, [wildcards(str(pattern.data)) for pattern in (decl.ignore if decl else ())],
        optional,
    )  # fmt: skip
    for name, type_ in types.items():
        matcher.match(name, type_)
    matcher.compare_tied(types)

    unused = matcher.unused()
    report_mismatches(
        matcher.diagnostics, matcher.file, file_name, matcher.span, matcher.missing, matcher.misfits, unused
    )
    weights = Weights(matcher.file, matcher.sources, types, tuple(matcher.compared))
    diagnostics = first_of_each_code(matcher.diagnostics.in_order)
    return WeightComparison(weights, tuple(matcher.missing), tuple(unused), tuple(diagnostics))


@dataclass(frozen=True)
class WeightComparison:
    """What a file has for a model: the `weights` that were found, the parameters and tensors that are left, and all
    problems."""

    weights: Weights
    missing: tuple[Missing, ...]
    unused: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


@dataclass
class _Matcher:
    """Finds the source of each parameter; `file_name` and `span` are for messages."""

    file: TensorFile
    prefix: str
    file_name: str
    span: Span | None
    rules: list[Rule]
    params: Scope
    aliases: Mapping[str, str]
    ignored: list[re.Pattern[str]]
    optional: Container[str] = ()
    sources: dict[str, TensorSource] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    diagnostics: Collector = field(default_factory=Collector)

    def match(self, name: str, type_: TensorType) -> None:
        """Find the source of a parameter and compare its type and shape."""
        try:
            source = next(filter(self.has, self.candidates(name)), None)
        except SpecError as error:
            self.diagnostics.extend(error)
            return

        if source is not None:
            self.accept(name, type_, source)
        elif name.rpartition(".")[2] in UNREAD_BUFFERS and not type_.shape:
            self.sources[name] = TensorSource(ConstantTensor(0, ()))
        elif name not in self.optional and not is_factor(name):
            # a reparametrized parameter is asked for by its plain name
            self.missing.append(Missing(name, self.by_map(plain_file_name(name))[0], type_))

    def candidates(self, name: str) -> Iterator[TensorSource]:
        """Yield what the parameter may be read from, in the order of the module's docstring."""
        if is_factor(name):
            yield from self.factors(name)
            return
        plain = plain_file_name(name)
        names = dict.fromkeys([name, plain])
        for mapped in names:
            yield from self.by_map(mapped)
        yield from (TensorSource(NamedTensor(own)) for own in names)
        for alias in self.aliases_of.get(name, ()):
            yield from self.by_map(alias)
            yield TensorSource(NamedTensor(alias))

    def factors(self, name: str) -> Iterator[TensorSource]:
        """Yield what a factor of a low-rank adaptation may be read from: its own name, and those that peft stores."""
        yield TensorSource(NamedTensor(name))
        parameter = plain_name(name)
        for source in (*self.by_map(parameter), TensorSource(NamedTensor(parameter))):
            stored = peft_name(name, str(source))
            yield TensorSource(NamedTensor(stored))
            yield TensorSource(NamedTensor(stored.removeprefix(PEFT_PREFIX)))

    @cached_property
    def aliases_of(self) -> Mapping[str, list[str]]:
        """The names that are tied to each parameter."""
        aliases: dict[str, list[str]] = {}
        for alias, owner in self.aliases.items():
            aliases.setdefault(owner, []).append(alias)
        return aliases

    def by_map(self, name: str) -> tuple[TensorSource, ...]:
        """Return what the map says of a name: one source, or those of a list. Raises SpecError (W807, X001 to X003)."""
        key = next((rule.key for rule in self.rules if rule.pattern.fullmatch(name)), None)
        if key is None:
            return (TensorSource(NamedTensor(name)),)

        sources = []
        for rule in (rule for rule in self.rules if rule.key == key):
            expression = rule.apply(name, self.params, self.file.shapes)
            assert expression is not None, "all rules of one key match the same names"
            if self.prefix:
                expression = with_names(expression, lambda read: read.removeprefix(self.prefix))
            sources.append(TensorSource(expression, rule))
        return tuple(sources)

    def has(self, source: TensorSource) -> bool:
        """Return whether the file has every tensor of a source."""
        return all(name in self.file.shapes for name in source.names)

    def accept(self, name: str, type_: TensorType, source: TensorSource) -> None:
        """Take the source if its type and shape are the parameter's; note axes of size 1 that differ."""
        dtype, wanted = dtype_of(source.expression, self.file.dtypes), tensor_shape(type_)
        self.sources[name] = source
        if dtype is not None and not _is_readable_as(dtype, type_):
            message = f"'{name}' is {type_.dtype} in the spec but {dtype} in {self.file_name}"
            self.misfits.append(Misfit(message, _readable_hint(type_), source.rule))
            return

        try:
            shape = shape_of(source.expression, self.file.shapes, wanted)
        except ValueError as error:
            self.misfits.append(Misfit(f"'{name}' cannot be read from {self.file_name}: {error}", None, source.rule))
            return
        if shape == wanted:
            return
        if [size for size in shape if size != 1] == [size for size in wanted if size != 1]:
            note = f"{name} {list(wanted)} is read from {source} {list(shape)}"
            self.sources[name] = TensorSource(source.expression, source.rule, note)
            return
        message = f"'{name}' has shape {list(wanted)} in the spec but {list(shape)} in {self.file_name}"
        self.misfits.append(Misfit(message, _transposed_hint(wanted, shape, source), source.rule))

    def compare_tied(self, types: Mapping[str, TensorType]) -> None:
        """Compare tensors that the file has for tied parameters with those of their owners. Reports W808."""
        used = self.used()
        for alias, owner in self.aliases.items():
            if owner not in self.sources:
                continue
            try:
                candidates = [*self.by_map(alias), TensorSource(NamedTensor(alias))]
            except SpecError:
                continue  # reported where it is the owner's
            other = next((c for c in candidates if self.has(c) and not used.issuperset(c.names)), None)
            if other is None or any(map(self.is_ignored, other.names)):
                continue

            pair = {owner: self.sources[owner], alias: other}
            weights = Weights(self.file, pair, {owner: types[owner], alias: types[owner]})
            self.compared += other.names
            if self.misfits or self.missing:
                continue  # the file does not fit in any case
            if not _are_equal(weights, owner, alias):
                message = f"'{alias}' is tied to '{owner}', but {self.file_name} has other values for it, in '{other}'"
                hint = "drop the tie, or list the tensor under `weights: {ignore: […]}`"
                self.diagnostics.error("W808", message, other.rule.span if other.rule else self.span, hint)

    def unused(self) -> list[str]:
        """Return the tensors of the file that are neither used nor ignored, and report W808 for those used twice.

        A tensor is used twice if a parameter that the map leads elsewhere falls back to it, and another reads it too.
        """
        by_map: dict[str, str] = {}
        for name, source in self.sources.items():
            for read in source.names if source.rule or name == str(source) else ():
                by_map.setdefault(read, name)
        for name, source in self.sources.items():
            other = next((by_map[read] for read in source.names if by_map.get(read, name) != name), None)
            if other and source.rule is None and self.is_mapped(name):
                message = f"'{name}' and '{other}' are both read from '{source}' of {self.file_name}"
                hint = f"the file lacks what the map says of '{name}', and has its own name for another parameter"
                self.diagnostics.error("W808", message, self.span, hint)

        used = self.used() | {*self.compared}
        return [name for name in self.file.shapes if name not in used and not self.is_ignored(name)]

    def is_ignored(self, name: str) -> bool:
        """Return whether the spec lists a tensor of the file as unused, or nothing reads it in evaluation."""
        return name.rpartition(".")[2] in UNREAD_BUFFERS or any(pattern.fullmatch(name) for pattern in self.ignored)

    def is_mapped(self, name: str) -> bool:
        """Return whether an entry of the map leads from a name to another."""
        return any(source.rule is not None and str(source) != name for source in self.by_map(name))

    def used(self) -> set[str]:
        """Return the tensors of the file that parameters are read from."""
        return {name for source in self.sources.values() for name in tensor_names(source.expression)}


def _are_equal(weights: Weights, owner: str, alias: str) -> bool:
    """Compare two tensors, a few megabytes at a time; those that cannot be read as the same parameter differ."""
    try:
        ours, theirs = weights[owner].reshape(-1), weights[alias].reshape(-1)
    except ValueError:
        return False
    step = 1 << 20
    pieces = range(0, max(len(ours), len(theirs)), step)
    return len(ours) == len(theirs) and all(
        np.array_equal(ours[at : at + step], theirs[at : at + step], equal_nan=True) for at in pieces
    )


def _is_readable_as(dtype: str, type_: TensorType) -> bool:
    """Return whether a tensor can be read from a dtype of the file: floats from floats, whole numbers from integers."""
    return dtype in FLOATS if type_.is_float else dtype.startswith(("int", "uint"))


def _readable_hint(type_: TensorType) -> str:
    if type_.is_float:
        return "a float parameter is read from float16, bfloat16, float32 or float64"
    return "a parameter of whole numbers is read from integers"


def _transposed_hint(shape: tuple[int, ...], file_shape: tuple[int, ...], source: TensorSource) -> str | None:
    text: TensorExpression = source.expression
    return f"`{text}.T` takes it transposed" if len(shape) > 1 and file_shape[::-1] == shape else None
