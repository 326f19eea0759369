"""Report what does not fit between a model and a file: one message for an entry of the map, not for each tensor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, did_you_mean
from stackc.core.types import TensorType
from stackc.weights.files import TensorFile
from stackc.weights.rules import Rule, older_name
from stackc.weights.sources import TensorSource, tensor_shape

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Missing:
    """A parameter without a tensor in the file, and what it was looked for as."""

    name: str
    wanted: TensorSource
    type_: TensorType


@dataclass(frozen=True, slots=True)
class Misfit:
    """A parameter whose tensor has another shape or type; `rule` is the entry of the map that led there."""

    message: str
    hint: str | None
    rule: Rule | None


def report_mismatches(
    diagnostics: Collector,
    file: TensorFile,
    file_name: str,
    span: Span | None,
    missing: Sequence[Missing],
    misfits: Sequence[Misfit],
    unused: Sequence[str],
) -> None:
    """Report W801 for missing parameters, W803 for misfits and W802 for unused tensors."""
    if prefix := common_prefix(missing, unused):
        hint = f"write `weights: {{prefix: {prefix}}}`"
        diagnostics.error("W801", _prefix_message(prefix, file_name, unused), span, hint)
        return

    entries: list[tuple[Rule, list[Missing]]] = []
    for group in _by_rule([(item.wanted.rule, item) for item in missing]):
        if rule := group[0].wanted.rule:
            entries.append((rule, group))
            continue
        lacking = _lacking(group[0], file)
        message = f"{file_name} has no tensor for {_named(group, lacking)}"
        diagnostics.error("W801", message, span, _missing_hint(group[0], lacking, file, unused))
    if entries:
        _report_wrong_entries(diagnostics, file, file_name, entries, unused)
        sought = {tensor_shape(item.type_) for _, group in entries for item in group}
        unused = [name for name in unused if file.shapes[name] not in sought]

    for misfit_group in _by_rule([(item.rule, item) for item in misfits]):
        misfit = misfit_group[0]
        place = misfit.rule.span if misfit.rule else span
        diagnostics.error("W803", f"{misfit.message}{_others(len(misfit_group))}", place, misfit.hint)

    for names in _by_numbers(unused):
        what = f"'{names[0]}'" if len(names) == 1 else f"'{names[0]}' and {len(names) - 1} more that differ in a number"
        hint = "map it to a parameter, or list it under `weights: {ignore: […]}`"
        diagnostics.error("W802", f"{file_name} has {what}, which no parameter uses", span, hint)


def _report_wrong_entries(
    diagnostics: Collector,
    file: TensorFile,
    file_name: str,
    entries: Sequence[tuple[Rule, Sequence[Missing]]],
    unused: Sequence[str],
) -> None:
    """Report W801 once for all entries of the map that lead to tensors which the file lacks, at the first of them.

    The tensors that they should lead to are not reported as unused.
    """
    (rule, group), *others = entries
    notes = []
    for other, missing in others:
        lacking = _lacking(missing[0], file)
        hint = _missing_hint(missing[0], lacking, file, unused)
        notes.append(Note(f"nor for {_named(missing, lacking)}{f'; {hint}' if hint else ''}", other.span))

    lacking = _lacking(group[0], file)
    message = f"{file_name} has no tensor for {_named(group, lacking)}"
    diagnostics.error("W801", message, rule.span, _missing_hint(group[0], lacking, file, unused), *notes)


def _lacking(item: Missing, file: TensorFile) -> str:
    """Return the first tensor of a source that the file lacks."""
    return next((name for name in item.wanted.names if name not in file.shapes), str(item.wanted))


def _named(group: Sequence[Missing], lacking: str) -> str:
    """Return the first parameter of a group, what it was looked for as, and how many more there are."""
    first = group[0]
    return f"'{first.name}'" + (f" ('{lacking}')" if lacking != first.name else "") + _others(len(group))


def common_prefix(missing: Sequence[Missing], unused: Sequence[str]) -> str:
    """Return what all missing names lack in comparison with the file's, or have in addition; "" if there is no such.

    Wrappers add such prefixes: `module.` of DataParallel, `_orig_mod.` of torch.compile, `model.` of many a class.
    """
    wanted = [name for item in missing for name in item.wanted.names]
    if not wanted:
        return ""
    names = set(unused)
    longer = (name.removesuffix(wanted[0]) for name in unused if name.endswith(f".{wanted[0]}"))
    for prefix in longer:
        if all(f"{prefix}{name}" in names for name in wanted):
            return prefix

    parts = wanted[0].split(".")
    for count in range(1, min(len(parts), 4)):
        prefix = ".".join(parts[:count]) + "."
        if all(name.startswith(prefix) and name.removeprefix(prefix) in names for name in wanted):
            return prefix
    return ""


def _prefix_message(prefix: str, file_name: str, unused: Sequence[str]) -> str:
    having = sum(name.startswith(prefix) for name in unused)
    if having:
        which = "all tensors" if having == len(unused) else f"{having} tensors"
        return f"the names of {which} of {file_name} begin with '{prefix}', which those of the spec lack"
    return f"the names of {file_name} lack the '{prefix}' that those of the spec's map begin with"


def _missing_hint(item: Missing, lacking: str, file: TensorFile, unused: Sequence[str]) -> str | None:
    """Return a hint for a parameter without a tensor: its older name in PyTorch, or else the nearest unused one."""
    older = older_name(item.name)
    if older in file.shapes:
        return f"'{older}' is its older name in PyTorch: write `weights: {{map: {{{item.name}: {older}}}}}`"

    # of similar names those of its shape are meant
    fitting = [name for name in unused if file.shapes[name] == tensor_shape(item.type_)]
    return did_you_mean(lacking, fitting or unused)


def _others(count: int) -> str:
    return f", and so for {count - 1} more of this entry" if count > 1 else ""


def _by_rule(items: Iterable[tuple[Rule | None, T]]) -> list[list[T]]:
    """Group what one entry of the map made; what no entry made stays single."""
    groups: dict[object, list[T]] = {}
    for number, (rule, item) in enumerate(items):
        groups.setdefault(rule.key if rule else number, []).append(item)
    return list(groups.values())


def _by_numbers(names: Iterable[str]) -> list[list[str]]:
    """Group names that differ in a number alone, as those of the layers of a model do."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.sub(r"(?<![^.])\d+(?![^.])", "*", name), []).append(name)
    return list(groups.values())


def first_of_each_code(diagnostics: list[Diagnostic], most: int = 12) -> list[Diagnostic]:
    """Keep the first few of each code, and count the others: a wrong file misses hundreds of tensors at once."""
    kept: list[Diagnostic] = []
    for code in dict.fromkeys(d.code for d in diagnostics):
        group = [d for d in diagnostics if d.code == code]
        kept += group[:most]
        if len(group) > most:
            kept.append(Diagnostic(code, f"… and {len(group) - most} more of this kind", group[0].span))
    return kept
