"""The entries of `weights: {map: …}`: each leads from a pattern of names to an expression over the file's tensors.

Entries are tried in the order of the file, and the first whose pattern matches decides; a name that none matches is
looked for as it is. One that can never match is an error. An entry may list several expressions: it means the first
whose tensors the file has.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from stackc.core.diagnostics import MOST_GUESSED, Collector, Note, Span, SpecError, did_you_mean
from stackc.core.name_patterns import plain_name, wildcards
from stackc.ir.program import Program
from stackc.spec.document import WeightsDecl
from stackc.spec.expressions.expressions import Scope
from stackc.weights.tensor_expressions.parser import parse_expression
from stackc.weights.tensor_expressions.template import CaptureBinding, Template, bind
from stackc.weights.tensor_expressions.tree import NamedTensor, TensorExpression

UNREAD_BUFFERS = frozenset({"num_batches_tracked"})
"""Buffers that PyTorch reads in training only: a file need not have them."""


@dataclass(frozen=True)
class Rule:
    """An entry, or one text of its list: `encoder.{i}.attn.*` → `layer.{i}.attention.*`.

    The first `*` of one side is the first of the other, and so on; a name in braces is a whole number.
    """

    key: str
    pattern: re.Pattern[str]
    text: str
    template: Template
    span: Span
    key_span: Span

    def apply(self, name: str, params: Scope, known: Container[str] = ()) -> TensorExpression | None:
        """Return what the name is read from; None if the pattern does not match.

        A text that is a name of the file, one of `known`, is taken literally. Raises SpecError (W807, X001, X002,
        X003) if a size has no value.
        """
        match = self.pattern.fullmatch(name)
        if match is None:
            return None
        named = {number: capture for capture, number in self.pattern.groupindex.items()}
        stars = tuple(text for number, text in enumerate(match.groups(), 1) if number not in named)
        captures = {capture: int(match[number]) for number, capture in named.items()}
        binding = CaptureBinding(stars, captures, params, self.text, self.span)
        if known and (literal := _literal(binding)) in known:
            return NamedTensor(literal)
        return bind(self.template, binding)


def _literal(binding: CaptureBinding) -> str:
    """Return the whole text as a name; an empty one if its braces have no value."""
    try:
        return binding.name(binding.text)
    except SpecError:
        return ""


def read_rules(decl: WeightsDecl | None) -> list[Rule]:
    """Parse the map of a spec; a list makes as many rules of one key, in its order.

    Raises SpecError (W807) with every entry that is no expression.
    """
    rules, diagnostics = [], Collector()
    for key, entry in decl.alternatives() if decl else ():
        text = str(entry.value.data)
        try:
            template = parse_expression(text, entry.value.span)
        except SpecError as error:
            diagnostics.extend(error)
            continue
        rules.append(Rule(key, wildcards(key), text, template, entry.value.span, entry.key))
    diagnostics.raise_if_any()
    return rules


def plain_file_name(name: str) -> str:
    """Return the plain name that a file may use for a parameter: without its reparametrization if it has one original.

    Weight normalization has two originals: a file with the plain weight has the values of neither.
    """
    return plain_name(name) if name.endswith(".original") else name


_OLDER_ENDINGS = {"original": "_orig", "original0": "_g", "original1": "_v", "0._u": "_u", "0._v": "_v"}


def older_name(name: str) -> str | None:
    """Return the name that torch.nn.utils.spectral_norm and weight_norm, which came before parametrizations, store.

    `b.parametrizations.weight.original` is `b.weight_orig` there.
    """
    match = re.fullmatch(r"((?:.+\.)?)parametrizations\.([^.]+)\.(original[01]?|0\._[uv])", name)
    return f"{match[1]}{match[2]}{_OLDER_ENDINGS[match[3]]}" if match else None


def check_names(
    decl: WeightsDecl, tensors: Iterable[str], params: Scope, aliases: Iterable[str] = (), *, variants: bool = False
) -> None:
    """Check the entries of a map against the names of a model, `aliases` being those of tied parameters.

    Raises SpecError: W805 with every entry that matches none, or none that an earlier one does not match; W807, X001,
    X002 and X003 with every entry that has no value. A spec of several `variants` has entries for parameters that this
    one lacks: those may match none.
    """
    rules, candidates = read_rules(decl), _names(tensors, aliases)
    deciding, diagnostics = _deciding(rules, candidates), Collector()

    for rule in rules:
        if name := deciding.get(rule.key):
            try:
                rule.apply(name, params)
            except SpecError as error:
                diagnostics.extend(error)

    for rule in {rule.key: rule for rule in rules if rule.key not in deciding}.values():
        if taken := next((other for other in candidates if rule.pattern.fullmatch(other)), None):
            earlier = next(other for other in rules if other.pattern.fullmatch(taken))
            message = f"'{rule.key}' is never reached: '{earlier.key}' above it matches the same names first"
            note = Note("this one decides", earlier.key_span)
            diagnostics.error("W805", message, rule.key_span, "write the more special pattern first", note)
            continue
        if variants:
            continue
        alike = dict.fromkeys([*_aligned(rule.key, candidates), *islice(candidates, MOST_GUESSED)])
        hint = did_you_mean(rule.key, islice(alike, MOST_GUESSED)) if candidates else "the model has no parameters"
        diagnostics.error("W805", f"'{rule.key}' matches no parameter", rule.key_span, hint)
    diagnostics.raise_if_any()


def check_part_names(program: Program) -> None:
    """Check the entries of the maps that are written at parts of a model; see `check_names`.

    The map of an included spec is left to a check of that spec: its params may have other values here.
    """
    diagnostics = Collector()
    for part in program.parts:
        if not part.is_written or not all(entry.key.file == part.decl.span.file for entry in part.decl.names.values()):
            continue
        prefix = f"{part.path}."
        names, aliases = (
            [name.removeprefix(prefix) for name in whole if name.startswith(prefix)]
            for whole in (program.tensors(), program.aliases())
        )
        try:
            check_names(part.decl, names, part.params, aliases)
        except SpecError as error:
            diagnostics.extend(error)
    diagnostics.raise_if_any()


def decided_names(rules: list[Rule], tensors: Iterable[str], aliases: Iterable[str]) -> Mapping[str, list[str]]:
    """Return the names that each entry decides about, by its key, in the order of the map; see `check_names`."""
    decided: dict[str, list[str]] = {rule.key: [] for rule in rules}
    for name in _names(tensors, aliases):
        if rule := _first_match(rules, name):
            decided[rule.key].append(name)
    return {key: names for key, names in decided.items() if names}


def _names(tensors: Iterable[str], aliases: Iterable[str]) -> dict[str, None]:
    """Return every name that an entry may be about, in order: plain ones of reparametrized parameters too."""
    names = [*tensors]
    return dict.fromkeys([*names, *map(plain_file_name, names), *aliases])


def _aligned(key: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the patterns that names of as many parts give with the wildcards of a key: `s.*.bias` for `s.*.bais`."""
    parts = [(part, wildcards(part) if re.search(r"[*{]", part) else None) for part in key.split(".")]
    for name in names:
        others = name.split(".")
        if len(others) == len(parts):
            pairs = zip(parts, others, strict=True)
            yield ".".join(own if pattern and pattern.fullmatch(other) else other for (own, pattern), other in pairs)


def _deciding(rules: list[Rule], names: Iterable[str]) -> Mapping[str, str]:
    """Return, by the key of each entry that decides about a name, the first such name."""
    deciding: dict[str, str] = {}
    keys = {rule.key for rule in rules}
    for name in names:
        if rule := _first_match(rules, name):
            deciding.setdefault(rule.key, name)
        if len(deciding) == len(keys):
            break
    return deciding


def _first_match(rules: Iterable[Rule], name: str) -> Rule | None:
    """Return the entry that decides about a name."""
    return next((rule for rule in rules if rule.pattern.fullmatch(name)), None)
