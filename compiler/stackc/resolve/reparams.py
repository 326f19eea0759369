"""Reparametrized parameters of a node: `reparam:` of its entry."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from stackc.components.reparam import REPARAMS, Lora, MinMax, Reparam, Standardize
from stackc.core.diagnostics import SpecError, did_you_mean
from stackc.resolve.operators import Operator, ScanOf, StackOf, op_name
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl, NodeEntry
from stackc.spec.yaml.tree import Entry, Value


def reparams_of(entry: NodeEntry | None, operator: Operator, scope: Scope) -> tuple[tuple[str, Reparam], ...]:
    """Return the reparametrizations of a node: `reparam: {weight: standardize}`, or with options in a mapping.

    Omits and reports (N310) invalid ones.
    """
    reparams = []
    for name, item in (entry.reparam if entry else {}).items():
        if isinstance(operator, (BlockDecl, StackOf, ScanOf)):
            message = f"'{entry.name if entry else ''}' ({op_name(operator)}) has no parameters of its own to normalize"
            hint = "write `reparam` at the nodes inside that have parameters"
            scope.diagnostics.error("N310", message, item.key, hint)
            break

        try:
            if reparam := _reparam(item.value, scope):
                reparams.append((name, reparam))
        except ValueError as error:
            scope.diagnostics.error("N310", str(error), item.value.span)
        except SpecError as error:
            scope.diagnostics.extend(error)
    return tuple(reparams)


def _reparam(value: Value, scope: Scope) -> Reparam | None:
    """Return a reparametrization; None, reported, for an unknown name. Raises ValueError or SpecError for options."""
    kind, options = value, None
    if isinstance(value.data, Mapping) and len(value.data) == 1:
        ((key, entry),) = value.data.items()
        kind, options = Value(key, entry.key), entry.value
    if not isinstance(kind.data, str):
        raise ValueError("reparam must be a reparametrization, for example `standardize` or `{minmax: [-1, 1]}`")

    name = scope.text(kind, "reparam")
    if name is None:
        return None
    if name not in REPARAMS:
        hint = did_you_mean(name, REPARAMS)
        scope.diagnostics.error("N310", f"unknown reparametrization '{name}'", kind.span, hint)
        return None

    if name == "minmax":
        return _minmax(options)
    fields = _options(name, options)
    if name == "lora":
        return _lora(fields, scope)
    return _standardize(fields, scope) if name == "standardize" else _of_numbers(name, fields, scope)


def _options(name: str, options: Value | None) -> Mapping[str, Entry]:
    """Return the options by name. Raises ValueError if they are not a mapping, or one is unknown."""
    names = [field.name for field in dataclasses.fields(REPARAMS[name])]
    usage = f"it takes {', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else f"it takes {names[0]}"
    if options is None or options.data is None:
        return {}
    if not isinstance(options.data, Mapping):
        raise ValueError(f"{name}: {usage}, for example `{{{name}: {_EXAMPLES[name]}}}`")
    if unknown := [option for option in options.data if option not in names]:
        raise ValueError(f"{name} has no option '{unknown[0]}'; {usage}")
    return options.data


_EXAMPLES = {
    "standardize": "{axes: [1], eps: 1e-5}",
    "weight_norm": "{axis: 0}",
    "spectral_norm": "{axis: 0, iterations: 1}",
    "lora": "{rank: 8, alpha: 16}",
}


def _of_numbers(name: str, fields: Mapping[str, Entry], scope: Scope) -> Reparam:
    """Return a reparametrization whose options are numbers: whole ones if the default is whole. Raises ValueError."""
    options = {}
    for field in dataclasses.fields(REPARAMS[name]):
        if field.name not in fields:
            continue
        number = scope.number(fields[field.name].value)
        kinds = int if isinstance(field.default, int) else (int, float)
        if isinstance(number, bool) or not isinstance(number, kinds) or (field.name != "axis" and number < 0):
            wanted = "a whole number" if kinds is int else "a number"
            raise ValueError(f"{name}: {field.name} must be {wanted}{' of at least 0' * (field.name != 'axis')}")
        options[field.name] = number
    return REPARAMS[name](**options)


def _standardize(fields: Mapping[str, Entry], scope: Scope) -> Standardize:
    axes = fields["axes"].value if "axes" in fields else None
    eps = scope.number(fields["eps"].value) if "eps" in fields else Standardize().eps
    if isinstance(eps, bool) or not isinstance(eps, (int, float)) or eps < 0:
        raise ValueError("standardize: eps must be a number of at least 0")
    return Standardize(None if axes is None or axes.data == "all" else _numbers(axes, int), float(eps))


def _lora(fields: Mapping[str, Entry], scope: Scope) -> Lora:
    if "rank" not in fields:
        raise ValueError("lora needs a rank, for example `lora: {rank: 8}`")
    alpha = scope.number(fields["alpha"].value) if "alpha" in fields else None
    if alpha is not None and (isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or alpha <= 0):
        raise ValueError("lora: alpha must be a number above 0")
    rank = scope.whole(fields["rank"].value, "lora: rank", 1, code="N310")
    return Lora(rank, None if alpha is None else float(alpha))


def _minmax(options: Value | None) -> MinMax:
    if options is None or options.data is None:
        return MinMax()
    ends = _numbers(options, (int, float))
    if len(ends) != 2:
        raise ValueError("minmax takes the two ends of a range, for example `minmax: [-1, 1]`")
    return MinMax(float(ends[0]), float(ends[1]))


def _numbers(value: Value, kind: type[int] | tuple[type[int], type[float]]) -> tuple[int, ...]:
    items = value.listed
    numbers = tuple(item.data for item in items if isinstance(item.data, kind) and not isinstance(item.data, bool))
    if len(numbers) != len(items):
        raise ValueError("this must be a list of numbers")
    return numbers  # type: ignore[return-value]  # narrowed by `kind` above
