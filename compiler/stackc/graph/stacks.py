"""What the fields of a stack say: which sub-models, with which params, how they are composed and normalized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.fields import fields_of
from stackc.components.merge import MERGES
from stackc.diagnostics import Span, SpecError, near
from stackc.graph.operators import Operator, StackOf, find_named, name_of
from stackc.graph.scope import Scope, component_of
from stackc.spec.document import BlockDecl
from stackc.spec.tree import Entry, Value

Mode = Literal["series", "sum", "mean", "concat", "mul", "weighted"]
_FIELDS = ("of", "repeat", "share", "mode", "with", "norm", "norm_every")


@dataclass(frozen=True)
class Member:
    """One sub-model of a stack: its op, its fields and the scope they are read in (`index` and `count` are bound)."""

    operator: Operator
    fields: Mapping[str, Entry]
    scope: Scope
    span: Span


@dataclass(frozen=True)
class StackPlan:
    """A stack, ready to be built: `combine` is the component behind members side by side, None in series."""

    members: tuple[Member, ...]
    mode: Mode
    combine: Component | None
    share: bool
    norm: Member | None
    norm_every: int

    @property
    def title(self) -> str:
        """What it is a stack of."""
        return ", ".join(dict.fromkeys(name_of(member.operator) for member in self.members))


def plan_stack(stack: StackOf, fields: Mapping[str, Entry], scope: Scope, what: str, span: Span) -> StackPlan | None:
    """The plan; None, noted, where a field is unknown (N309) or wrong (N310)."""
    found, before = scope.found, len(scope.found.diagnostics)
    for name in fields:
        if name not in _FIELDS:
            found.error("N309", f"{what} (stack) has no field '{name}'", fields[name].key, near(name, _FIELDS))
    repeat = _whole(fields, "repeat", 1, scope)
    share = _flag(fields, scope)
    mode = scope.text(fields["mode"].value, f"{what}.mode") if "mode" in fields else "series"
    if mode not in get_args(Mode):
        at = fields["mode"].value.span
        found.error("N310", f"no stack mode is called '{mode}'", at, near(str(mode), get_args(Mode)))
    if share and len(stack.members) > 1:
        found.error("N310", "different sub-models cannot share one module", fields["share"].value.span)
    if "norm_every" in fields and (mode != "series" or "norm" not in fields):
        hint = "it says after how many layers of a series `norm` stands"
        found.error("N310", "norm_every has nothing to say here", fields["norm_every"].key, hint)
    members = _members(stack, fields.get("with"), repeat, scope, what)
    norm = _norm(fields["norm"].value, scope, what) if "norm" in fields else None
    every = _whole(fields, "norm_every", 1, scope)
    combine = None
    if mode in MERGES:
        combine = component_of(REGISTRY[MERGES[mode]], {}, scope, what, span)
    if len(found.diagnostics) > before:
        return None
    return StackPlan(members, mode, combine, share, norm, every)  # type: ignore[arg-type]  # checked against Mode above


def _members(stack: StackOf, given: Entry | None, repeat: int, scope: Scope, what: str) -> tuple[Member, ...]:
    passed = given.value.data if given and isinstance(given.value.data, Mapping) else {}
    if given and not isinstance(given.value.data, Mapping):
        scope.found.error("S005", f"{what}.with has to be a mapping, and is {given.value.kind}", given.value.span)
    for name, entry in passed.items():
        if not any(name in _params_of(operator) for operator, _ in stack.members):
            known = sorted({p for operator, _ in stack.members for p in _params_of(operator)})
            scope.found.error("N312", f"no sub-model of {what} has a param '{name}'", entry.key, near(name, known))
    members, count = [], repeat * len(stack.members)
    for index in range(count):
        operator, value = stack.members[index % len(stack.members)]
        bound = scope.with_names({"index": index, "count": count})
        fields = {name: entry for name, entry in passed.items() if name in _params_of(operator)}
        members.append(Member(operator, fields | _own_fields(value), bound, value.span))
    return tuple(members)


def _norm(value: Value, scope: Scope, what: str) -> Member | None:
    fields = _own_fields(value)
    named = value.data["op"].value if isinstance(value.data, Mapping) and "op" in value.data else value
    text = scope.text(named, f"{what}.norm")
    operator = find_named(text, named, scope) if text else None
    return Member(operator, fields, scope, value.span) if operator else None


def _own_fields(value: Value) -> dict[str, Entry]:
    """What a sub-model written as a mapping says beside its op."""
    return {k: v for k, v in value.data.items() if k != "op"} if isinstance(value.data, Mapping) else {}


def _params_of(operator: Operator) -> set[str]:
    if isinstance(operator, BlockDecl):
        return set(operator.params)
    return set() if isinstance(operator, StackOf) else set(fields_of(operator))


def _whole(fields: Mapping[str, Entry], name: str, default: int, scope: Scope) -> int:
    if name not in fields:
        return default
    value = fields[name].value
    try:
        number = scope.number(value) if not isinstance(value.data, (tuple, Mapping)) else None
    except SpecError as error:
        scope.found.extend(error)
        return default
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        scope.found.error("N310", f"{name} has to be a whole number from 1 up", value.span)
        return default
    return number


def _flag(fields: Mapping[str, Entry], scope: Scope) -> bool:
    value = fields["share"].value if "share" in fields else None
    if value is None or isinstance(value.data, bool):
        return bool(value and value.data)
    scope.found.error("N310", "share has to be true or false", value.span)
    return False
