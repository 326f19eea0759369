"""The fields of a stack: its sub-models and their params, how they are composed, and how they are normalized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.families.merge import SIDE_BY_SIDE
from stackc.components.fields import fields_of
from stackc.core.diagnostics import Span, SpecError, did_you_mean
from stackc.resolve.fields import component_of
from stackc.resolve.operators import Operator, StackOf, fields_besides_op, op_name, operator_named
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl
from stackc.spec.yaml.tree import Entry, Value

Mode = Literal["series", "sum", "mean", "concat", "mul", "weighted", "gated"]
MOST_MEMBERS = 10_000
_FIELDS = ("of", "repeat", "share", "mode", "with", "norm", "norm_every", "top_k")


@dataclass(frozen=True)
class Member:
    """One sub-model of a stack: its op, its fields and the scope they are read in (which binds `index` and `count`)."""

    operator: Operator
    fields: Mapping[str, Entry]
    scope: Scope
    span: Span


@dataclass(frozen=True)
class StackPlan:
    """A stack that is ready to build: `combine` is the component after members side by side, None in series."""

    members: tuple[Member, ...]
    mode: Mode
    combine: Component | None
    share: bool
    norm: Member | None
    norm_every: int

    @property
    def title(self) -> str:
        """The ops that are stacked, for messages."""
        return ", ".join(dict.fromkeys(op_name(member.operator) for member in self.members))


def plan_stack(stack: StackOf, fields: Mapping[str, Entry], scope: Scope, what: str, span: Span) -> StackPlan | None:
    """Return the plan of a stack; None, reported, if a field is unknown (N309, N312) or invalid (N310, S005)."""
    diagnostics, before = scope.diagnostics, len(scope.diagnostics.diagnostics)
    _check_names(stack, fields, scope, what)

    repeat = _count(fields, "repeat", scope, most=MOST_MEMBERS // len(stack.members))
    share, mode = _share(stack, fields, scope), _mode(fields, scope, what)
    if "norm_every" in fields and mode and (mode != "series" or "norm" not in fields):
        hint = "it says after how many layers of a series to insert `norm`"
        diagnostics.error("N310", "norm_every has no effect here", fields["norm_every"].key, hint)

    members = _members(stack, fields.get("with"), repeat, scope, what)
    norm = _norm(fields["norm"].value, scope) if "norm" in fields else None
    norm_every = _count(fields, "norm_every", scope, most=MOST_MEMBERS)
    if mode == "series" and norm and norm_every > len(members):
        layers = "1 layer" if len(members) == 1 else f"{len(members)} layers"
        message = f"norm_every is {norm_every}, but a series of {layers} is too short for it"
        hint = f"write a number up to {len(members)}, or remove `norm`"
        diagnostics.error("N310", message, fields["norm_every"].value.span, hint)

    combine = _combine(mode, fields, scope, what, span)
    if len(diagnostics.diagnostics) > before:
        return None
    return StackPlan(members, mode, combine, share, norm, norm_every)  # type: ignore[arg-type]  # a mode, as checked


def _check_names(stack: StackOf, fields: Mapping[str, Entry], scope: Scope, what: str) -> None:
    """Report N309 for each unknown field of a stack."""
    for name in fields:
        if name not in _FIELDS:
            hint = did_you_mean(name, _FIELDS)
            if any(name in _params_of(operator) for operator, _ in stack.members):
                hint = f"pass it to the sub-models: `with: {{{name}: {fields[name].value.written}}}`"
            scope.diagnostics.error("N309", f"{what} (stack) has no field '{name}'", fields[name].key, hint)


def _mode(fields: Mapping[str, Entry], scope: Scope, what: str) -> str | None:
    if "mode" not in fields:
        return "series"
    value = fields["mode"].value
    mode = scope.text(value, f"the mode of {what}")
    if mode is not None and mode not in get_args(Mode):
        hint = did_you_mean(mode, get_args(Mode))
        scope.diagnostics.error("N310", f"unknown stack mode '{mode}'", value.span, hint)
    return mode


def _combine(mode: str | None, fields: Mapping[str, Entry], scope: Scope, what: str, span: Span) -> Component | None:
    """Return the component that combines members side by side; None in series, or, reported, if it is invalid."""
    gate_fields = {"top_k": fields["top_k"]} if "top_k" in fields else {}
    if gate_fields and mode and mode != "gated":
        hint = "it says how many members each position uses in `mode: gated`"
        scope.diagnostics.error("N310", "top_k has no effect here", fields["top_k"].key, hint)
    if mode is None or mode not in SIDE_BY_SIDE:
        return None
    op = REGISTRY[SIDE_BY_SIDE[mode]]
    return component_of(op, gate_fields if mode == "gated" else {}, scope, what, span)


def _members(stack: StackOf, with_: Entry | None, repeat: int, scope: Scope, what: str) -> tuple[Member, ...]:
    """Return all sub-models in order, `repeat` times the list in `of`; `with_` is the entry of their common fields."""
    common = with_.value.data if with_ and isinstance(with_.value.data, Mapping) else {}
    if with_ and with_.value.data is not None and not isinstance(with_.value.data, Mapping):
        message = f"`with` of {what} must be a mapping, but is {with_.value.kind}"
        scope.diagnostics.error("S005", message, with_.value.span, "write for example `with: {heads: 8}`")

    for name, entry in common.items():
        if not any(name in _params_of(operator) for operator, _ in stack.members):
            params = sorted({param for operator, _ in stack.members for param in _params_of(operator)})
            hint = did_you_mean(name, params) or "they have no params"
            scope.diagnostics.error("N312", f"no sub-model of {what} has a param '{name}'", entry.key, hint)

    members, count = [], repeat * len(stack.members)
    for index in range(count):
        operator, value = stack.members[index % len(stack.members)]
        inner = scope.with_names({"index": index, "count": count})
        fields = {name: entry for name, entry in common.items() if name in _params_of(operator)}
        members.append(Member(operator, fields | fields_besides_op(value), inner, value.span))
    return tuple(members)


def _norm(value: Value, scope: Scope) -> Member | None:
    fields = fields_besides_op(value)
    op = value.data["op"].value if isinstance(value.data, Mapping) and "op" in value.data else value
    if not isinstance(op.data, str):
        hint = "write for example `norm: layer_norm`, or `norm: {op: layer_norm, eps: 1e-6}`"
        scope.diagnostics.error("N310", "norm must be the name of a component or block", op.span, hint)
        return None

    name = scope.text(op, "norm")
    norms = [op for op, component in REGISTRY.items() if component.family == "norm"]
    operator = operator_named(name, op, fields, scope, wanted=norms) if name is not None else None
    return Member(operator, fields, scope, value.span) if operator else None


def _params_of(operator: Operator) -> set[str]:
    if isinstance(operator, BlockDecl):
        return set(operator.params)
    return set() if isinstance(operator, StackOf) else set(fields_of(operator))


def _count(fields: Mapping[str, Entry], name: str, scope: Scope, *, most: int) -> int:
    """Return a field as a whole number from 1 to `most`; 1 without it, or, reported as N310, if it is invalid."""
    if name not in fields:
        return 1
    try:
        return scope.whole(fields[name].value, name, 1, most, code="N310")
    except SpecError as error:
        scope.diagnostics.extend(error)
        return 1


def _share(stack: StackOf, fields: Mapping[str, Entry], scope: Scope) -> bool:
    """Return the field `share`; report N310 if it is not true or false, or if the sub-models differ."""
    if "share" not in fields:
        return False
    value = fields["share"].value
    try:
        share = value.data if value.data in ("yes", "no", "on", "off") else scope.number(value)
    except SpecError as error:
        scope.diagnostics.extend(error)
        return False

    if not isinstance(share, bool):
        scope.diagnostics.error("N310", "share must be true or false", value.span)
    if share is True and len(stack.members) > 1:
        hint = "remove `share`, or name a single sub-model"
        scope.diagnostics.error("N310", "different sub-models cannot share one module", fields["share"].key, hint)
    return share is True
