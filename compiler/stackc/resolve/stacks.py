"""What the fields of a stack say: which sub-models, with which params, how they are composed and normalized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.families.merge import SIDE_BY_SIDE
from stackc.components.fields import fields_of
from stackc.core.diagnostics import Span, SpecError, did_you_mean
from stackc.core.types import Dim
from stackc.resolve.fields import component_of
from stackc.resolve.operators import Operator, StackOf, op_name, operator_named, own_fields
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl
from stackc.spec.yaml.tree import Entry, Value

Mode = Literal["series", "sum", "mean", "concat", "mul", "weighted", "gated"]
MOST_MEMBERS = 10_000
_FIELDS = ("of", "repeat", "share", "mode", "with", "norm", "norm_every", "top_k")


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
        return ", ".join(dict.fromkeys(op_name(member.operator) for member in self.members))


def plan_stack(stack: StackOf, fields: Mapping[str, Entry], scope: Scope, what: str, span: Span) -> StackPlan | None:
    """The plan; None, noted, where a field is unknown (N309) or wrong (N310)."""
    diagnostics, before = scope.diagnostics, len(scope.diagnostics.diagnostics)
    for name in fields:
        if name not in _FIELDS:
            hint = did_you_mean(name, _FIELDS)
            if any(name in _params_of(operator) for operator, _ in stack.members):
                hint = f"its sub-models have it: `with: {{{name}: {fields[name].value.written}}}`"
            diagnostics.error("N309", f"{what} (stack) has no field '{name}'", fields[name].key, hint)
    repeat = _whole(fields, "repeat", scope, most=MOST_MEMBERS // len(stack.members))
    share, mode = _flag(fields, scope), _mode(fields, scope, what)
    if share and len(stack.members) > 1:
        hint = "take `share` away, or name one sub-model"
        diagnostics.error("N310", "different sub-models cannot share one module", fields["share"].key, hint)
    if "norm_every" in fields and mode and (mode != "series" or "norm" not in fields):
        hint = "it says after how many layers of a series `norm` stands"
        diagnostics.error("N310", "norm_every has nothing to say here", fields["norm_every"].key, hint)
    members = _members(stack, fields.get("with"), repeat, scope, what)
    norm = _norm(fields["norm"].value, scope) if "norm" in fields else None
    every = _whole(fields, "norm_every", scope, most=MOST_MEMBERS)
    if mode == "series" and norm and every > len(members):
        message = f"norm_every is {every}, and a series of {len(members)} has no normalization, then"
        hint = f"a number up to {len(members)}, or no `norm`"
        diagnostics.error("N310", message, fields["norm_every"].value.span, hint)
    of_gate = {"top_k": fields["top_k"]} if "top_k" in fields else {}
    if of_gate and mode and mode != "gated":
        hint = "it says how many members each position takes, with `mode: gated`"
        diagnostics.error("N310", "top_k has nothing to say here", fields["top_k"].key, hint)
    combine = None
    if mode in SIDE_BY_SIDE:
        combine = component_of(REGISTRY[SIDE_BY_SIDE[mode]], of_gate if mode == "gated" else {}, scope, what, span)
    if len(diagnostics.diagnostics) > before:
        return None
    return StackPlan(members, mode, combine, share, norm, every)  # type: ignore[arg-type]  # checked against Mode


def _mode(fields: Mapping[str, Entry], scope: Scope, what: str) -> str | None:
    if "mode" not in fields:
        return "series"
    value = fields["mode"].value
    mode = scope.text(value, f"the mode of {what}")
    if mode is not None and mode not in get_args(Mode):
        scope.diagnostics.error(
            "N310", f"no stack mode is called '{mode}'", value.span, did_you_mean(mode, get_args(Mode))
        )
    return mode


def _members(stack: StackOf, given: Entry | None, repeat: int, scope: Scope, what: str) -> tuple[Member, ...]:
    passed = given.value.data if given and isinstance(given.value.data, Mapping) else {}
    if given and given.value.data is not None and not isinstance(given.value.data, Mapping):
        message = f"`with` of {what} has to be a mapping, and is {given.value.kind}"
        hint = "for example `with: {heads: 8}`"
        scope.diagnostics.error("S005", message, given.value.span, hint)
    for name, entry in passed.items():
        if not any(name in _params_of(operator) for operator, _ in stack.members):
            known = sorted({p for operator, _ in stack.members for p in _params_of(operator)})
            hint = did_you_mean(name, known) or "they have no params"
            scope.diagnostics.error("N312", f"no sub-model of {what} has a param '{name}'", entry.key, hint)
    members, count = [], repeat * len(stack.members)
    for index in range(count):
        operator, value = stack.members[index % len(stack.members)]
        bound = scope.with_names({"index": index, "count": count})
        fields = {name: entry for name, entry in passed.items() if name in _params_of(operator)}
        members.append(Member(operator, fields | own_fields(value), bound, value.span))
    return tuple(members)


def _norm(value: Value, scope: Scope) -> Member | None:
    fields = own_fields(value)
    named = value.data["op"].value if isinstance(value.data, Mapping) and "op" in value.data else value
    if not isinstance(named.data, str):
        hint = "for example `norm: layer_norm`, or `norm: {op: layer_norm, eps: 1e-6}`"
        scope.diagnostics.error("N310", "norm is the name of a component or block", named.span, hint)
        return None
    text = scope.text(named, "norm")
    norms = [op for op, component in REGISTRY.items() if component.family == "norm"]
    operator = operator_named(text, named, fields, scope, wanted=norms) if text is not None else None
    return Member(operator, fields, scope, value.span) if operator else None


def _params_of(operator: Operator) -> set[str]:
    if isinstance(operator, BlockDecl):
        return set(operator.params)
    return set() if isinstance(operator, StackOf) else set(fields_of(operator))


def _whole(fields: Mapping[str, Entry], name: str, scope: Scope, *, most: int) -> int:
    if name not in fields:
        return 1
    value = fields[name].value
    try:
        number = scope.number(value)
    except SpecError as error:
        scope.diagnostics.extend(error)
        return 1
    if isinstance(number, str) and (blamed := scope.text_in(value)):
        scope.diagnostics.extend(SpecError(blamed))
        return 1
    number = number.constant if isinstance(number, Dim) else number
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= most:
        shown = f"'{value.written}'" if isinstance(value.data, str) else value.written
        message = f"{name} has to be a whole number from 1 to {most:,}; it is {shown}"
        scope.diagnostics.error("N310", message, value.span)
        return 1
    return number


def _flag(fields: Mapping[str, Entry], scope: Scope) -> bool:
    if "share" not in fields:
        return False
    value = fields["share"].value
    try:
        share = value.data if value.data in ("yes", "no", "on", "off") else scope.number(value)
    except SpecError as error:
        scope.diagnostics.extend(error)
        return False
    if not isinstance(share, bool):
        scope.diagnostics.error("N310", "share has to be true or false", value.span)
    return share is True
