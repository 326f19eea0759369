"""The entries of `weights: {map: …}`: each leads from a pattern of names to an expression over the file's tensors.

Entries are tried in the order of the file, and the first whose pattern matches decides; a name that none matches is
looked for as it is. One that can never match is an error.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from stackc.core.diagnostics import MOST_GUESSED, Collector, Note, Span, SpecError, did_you_mean
from stackc.spec.document import WeightsDecl
from stackc.spec.expressions.expressions import Scope
from stackc.typecheck.output_names import plain_name
from stackc.weights.tensor_expressions.parser import parse_expression
from stackc.weights.tensor_expressions.template import CaptureBinding, Template, bind, snippets_of
from stackc.weights.tensor_expressions.tree import NamedTensor, TensorExpression

UNREAD_BUFFERS = frozenset({"num_batches_tracked"})
"""Buffers that PyTorch reads in training only: a file need not have them."""


@dataclass(frozen=True)
class Rule:
    """An entry: `encoder.{i}.attn.*` → `layer.{i}.attention.*`.

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

    def resolved(self, params: Scope) -> str:
        """Return the text with the values of params in place of their names, for a spec that has no params."""
        text = self.text

        def value(match: re.Match[str]) -> str:
            is_param = match[0] in params and match[0] not in self.pattern.groupindex
            return f"({params[match[0]]})" if is_param else match[0]

        for snippet in sorted(snippets_of(self.template), key=lambda snippet: -snippet.start):
            inner = re.sub(r"[^\W\d]\w*", value, snippet.text)
            text = text[: snippet.start] + inner + text[snippet.start + len(snippet.text) :]
        return text


def _literal(binding: CaptureBinding) -> str:
    """Return the whole text as a name; an empty one if its braces have no value."""
    try:
        return binding.name(binding.text)
    except SpecError:
        return ""


def read_rules(decl: WeightsDecl | None) -> list[Rule]:
    """Parse the map of a spec. Raises SpecError (W807) with every entry that is no expression."""
    rules, diagnostics = [], Collector()
    for key, entry in (decl.names if decl else {}).items():
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


def wildcards(pattern: str) -> re.Pattern[str]:
    """Compile a pattern: `*` matches one part of a dotted name or a piece of it, `**` any number of parts.

    `{i}` matches a whole number, the same wherever `{i}` stands.
    """
    parts, captures = [], set[str]()
    for text in re.split(r"(\*\*?|\{[^\W\d]\w*\})", pattern):
        if text in ("*", "**"):
            parts.append("([^.]+)" if text == "*" else "(.+)")
        elif not text.startswith("{") or not text[1:-1].isidentifier():
            parts.append(re.escape(text))
        else:
            name = text[1:-1]
            parts.append(f"(?P={name})" if name in captures else rf"(?P<{name}>0|[1-9]\d{{0,8}})")
            captures.add(name)
    return re.compile("".join(parts))


def check_names(decl: WeightsDecl, tensors: Iterable[str], params: Scope, aliases: Iterable[str] = ()) -> None:
    """Check the entries of a map against the names of a model, `aliases` being those of tied parameters.

    Raises SpecError: W805 with every entry that matches none, or none that an earlier one does not match; W807, X001,
    X002 and X003 with every entry that has no value.
    """
    rules, names = read_rules(decl), [*tensors]
    candidates = dict.fromkeys([*names, *map(plain_file_name, names), *aliases])
    deciding, diagnostics = _deciding(rules, candidates), Collector()

    for rule in rules:
        if name := deciding.get(rule.key):
            try:
                rule.apply(name, params)
            except SpecError as error:
                diagnostics.extend(error)
            continue

        if taken := next((other for other in candidates if rule.pattern.fullmatch(other)), None):
            earlier = next(other for other in rules if other.pattern.fullmatch(taken))
            message = f"'{rule.key}' is never reached: '{earlier.key}' above it matches the same names first"
            note = Note("this one decides", earlier.key_span)
            diagnostics.error("W805", message, rule.key_span, "write the more special pattern first", note)
            continue
        hint = did_you_mean(rule.key, islice(candidates, MOST_GUESSED)) if candidates else "the model has no parameters"
        diagnostics.error("W805", f"'{rule.key}' matches no parameter", rule.key_span, hint)
    diagnostics.raise_if_any()


def _deciding(rules: list[Rule], names: Iterable[str]) -> Mapping[str, str]:
    """Return, by the key of each entry that decides about a name, the first such name."""
    deciding: dict[str, str] = {}
    for name in names:
        rule = next((rule for rule in rules if rule.pattern.fullmatch(name)), None)
        if rule is not None:
            deciding.setdefault(rule.key, name)
        if len(deciding) == len(rules):
            break
    return deciding
