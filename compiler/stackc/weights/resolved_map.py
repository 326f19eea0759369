"""The map of a spec's weights as one model needs it: for a lock, which has no params and is of one variant alone.

Numbers take the places of params. A list or a text cannot: an entry that calculates with one is written once for each
combination of its captures, `upsampler.0.*: resblocks.{3}.*` for `upsampler.{i}.*: resblocks.{len(kernels)*i}.*`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from stackc.ir.program import Program
from stackc.spec.document import WeightsDecl
from stackc.spec.expressions.expressions import Scope, evaluate
from stackc.weights.rules import Rule, decided_names, read_rules
from stackc.weights.tensor_expressions.template import snippets_of

Captures = Mapping[str, int]


def resolved_map(decl: WeightsDecl, program: Program, params: Scope) -> dict[str, tuple[str, ...]]:
    """Return the texts of each entry that decides about a parameter, with values in place of params.

    Entries for parameters that the program lacks are left out: a spec may have them for other values of its params.
    Raises SpecError: W807 for an entry that is no expression, X001, X002 and X003 for one that has no value.
    """
    rules = read_rules(decl)
    alternatives: dict[str, list[Rule]] = {}
    for rule in rules:
        alternatives.setdefault(rule.key, []).append(rule)

    texts: dict[str, tuple[str, ...]] = {}
    for key, names in decided_names(rules, program.tensors(), program.aliases()).items():
        if any(_calculates_with_others(rule, params) for rule in alternatives[key]):
            for captures in _captures(alternatives[key][0], names):
                scope = {**params, **captures}
                texts[_with_numbers(key, captures)] = tuple(_evaluated(rule, scope) for rule in alternatives[key])
        else:
            texts[key] = tuple(_substituted(rule, params) for rule in alternatives[key])
    return texts


def _calculates_with_others(rule: Rule, params: Scope) -> bool:
    """Return whether an expression of the entry mentions a param that is no number, other than a text by itself."""
    return any(
        not isinstance(params[name], (int, float))
        for snippet in snippets_of(rule.template)
        if not isinstance(params.get(snippet.text.strip()), str)
        for name in _NAME.findall(snippet.text)
        if name in params and name not in rule.pattern.groupindex
    )


_NAME = re.compile(r"[^\W\d]\w*")


def _captures(rule: Rule, names: Iterable[str]) -> Iterator[Captures]:
    """Yield each combination of numbers that the captures of an entry have in these names, which it matches."""
    found: dict[tuple[int, ...], Captures] = {}
    for name in names:
        if match := rule.pattern.fullmatch(name):
            captures = {capture: int(match[capture]) for capture in rule.pattern.groupindex}
            found.setdefault(tuple(captures.values()), captures)
    yield from found.values()


def _with_numbers(key: str, captures: Captures) -> str:
    """Return the key of an entry for these numbers alone."""
    return re.sub(r"\{(\w+)\}", lambda match: str(captures.get(match[1], match[0])), key)


def _substituted(rule: Rule, params: Scope) -> str:
    """Return the text of an entry with numbers in place of the names of params, for any numbers of its captures."""
    scope = {name: value for name, value in params.items() if name not in rule.pattern.groupindex}
    return _rewritten(rule, scope, lambda text: _NAME.sub(lambda name: _number(name[0], scope), text))


def _number(name: str, scope: Scope) -> str:
    return f"({scope[name]})" if name in scope else name


def _evaluated(rule: Rule, scope: Scope) -> str:
    """Return the text of an entry with its expressions evaluated. Raises SpecError (X001, X002, X003)."""

    def value(text: str) -> str:
        known = any(name in scope for name in _NAME.findall(text))
        return text.replace(text.strip(), str(evaluate(text, scope, rule.span))) if known else text

    return _rewritten(rule, scope, value)


def _rewritten(rule: Rule, scope: Scope, rewrite: Callable[[str], str]) -> str:
    """Return the text of an entry with each of its expressions rewritten, and texts of `scope` in place of names."""
    text = rule.text
    for snippet in sorted(snippets_of(rule.template), key=lambda snippet: -snippet.start):
        start, end = snippet.start, snippet.start + len(snippet.text)
        if isinstance(piece := scope.get(snippet.text.strip()), str):
            text = text[: start - 1] + piece + text[end + 1 :]  # without its braces
        else:
            text = text[:start] + ":".join(map(rewrite, snippet.text.split(":"))) + text[end:]
    return text
