"""The fields of a stack: its sub-models and their params, how they are composed, and how they are normalized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.families.linear import Linear
from stackc.components.families.merge import MERGES, SIDE_BY_SIDE, Concat
from stackc.components.fields import fields_of
from stackc.core.diagnostics import Collector, Span, SpecError, did_you_mean
from stackc.resolve.fields import component_of
from stackc.resolve.operators import Operator, ScanOf, StackOf, fields_besides_op, op_name, operator_named
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl
from stackc.spec.yaml.tree import Entry, Value

Mode = Literal["series", "dense", "sum", "mean", "concat", "mul", "weighted", "gated"]
MODES: tuple[Mode, ...] = get_args(Mode)
MOST_MEMBERS = 10_000
_FIELDS = (
    "of", "repeat", "share", "mode", "with", "norm", "norm_every", "carry", "collect", "axis", "top_k", "gate_bias",
    "renormalize",
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """One sub-model of a stack: its op, its fields and the scope they are read in (which binds `index` and `count`).

    `written` is the sub-model as the spec writes it.
    """

    operator: Operator
    fields: Mapping[str, Entry]
    scope: Scope
    written: Value

    @property
    def span(self) -> Span:
        """Its place."""
        return self.written.span


@dataclass(frozen=True)
class Routing:
    """How a gate chooses among members: its linear layer, and the mask of those that each position uses."""

    gate: Linear
    mask: Component


@dataclass(frozen=True)
class StackPlan:
    """A stack that is ready to build.

    `combine` is the component after members side by side, None in series; with `routing`, it takes the scores of the
    gate and the mask. `join` concatenates the input of each member of `mode: dense`. `collect` merges the input of a
    series and the outputs of its members.
    """

    members: tuple[Member, ...]
    mode: Mode
    combine: Component | None
    share: bool
    norm: Member | None
    norm_every: int
    routing: Routing | None = None
    join: Component | None = None
    collect: Component | None = None

    @property
    def title(self) -> str:
        """The ops that are stacked, for messages."""
        return ", ".join(dict.fromkeys(op_name(member.operator) for member in self.members))


def plan_stack(stack: StackOf, fields: Mapping[str, Entry], scope: Scope, what: str, span: Span) -> StackPlan | None:
    """Return the plan of a stack; None, reported, if a field is unknown (N309, N312) or invalid (N310, S005)."""
    diagnostics, before = scope.diagnostics, len(scope.diagnostics.diagnostics)
    _check_names(stack, fields, scope, what)

    repeat = _count(fields, "repeat", scope, most=MOST_MEMBERS // len(stack.members))
    share, mode = _flag(fields, "share", scope), _mode(fields, scope, what)
    if share and len(stack.members) > 1:
        hint = "remove `share`, or name a single sub-model"
        diagnostics.error("N310", "different sub-models cannot share one module", fields["share"].key, hint)
    _check_effects(fields, mode, diagnostics)

    members = _members(stack, fields.get("with"), repeat, scope, what)
    norm = _norm(fields["norm"].value, scope) if "norm" in fields else None
    norm_every = _count(fields, "norm_every", scope, most=MOST_MEMBERS)
    if mode == "series" and norm and norm_every > len(members):
        layers = "1 layer" if len(members) == 1 else f"{len(members)} layers"
        message = f"norm_every is {norm_every}, but a series of {layers} is too short for it"
        hint = f"write a number up to {len(members)}, or remove `norm`"
        diagnostics.error("N310", message, fields["norm_every"].value.span, hint)

    routing = _routing(fields, len(members), scope) if mode == "gated" and "top_k" in fields else None
    combine = _combine(mode, fields, scope, what, span)
    axis = {"axis": fields["axis"]} if "axis" in fields else {}
    join = component_of(Concat, axis, scope, what, span) if mode == "dense" else None
    collect = _collect(fields["collect"].value, axis, scope, what) if "collect" in fields else None

    if len(diagnostics.diagnostics) > before or mode is None:
        return None
    return StackPlan(members, mode, combine, share, norm, norm_every, routing, join, collect)


def _check_names(stack: StackOf, fields: Mapping[str, Entry], scope: Scope, what: str) -> None:
    """Report N309 for each unknown field of a stack."""
    for name in fields:
        if name not in _FIELDS:
            hint = did_you_mean(name, _FIELDS)
            if any(name in _params_of(operator) for operator, _ in stack.members):
                hint = f"pass it to the sub-models: `with: {{{name}: {fields[name].value.written}}}`"
            scope.diagnostics.error("N309", f"{what} (stack) has no field '{name}'", fields[name].key, hint)


def _mode(fields: Mapping[str, Entry], scope: Scope, what: str) -> Mode | None:
    if "mode" not in fields:
        return "series"
    value = fields["mode"].value
    written = scope.text(value, f"the mode of {what}")
    for mode in MODES:
        if mode == written:
            return mode

    if written is not None:
        scope.diagnostics.error("N310", f"unknown stack mode '{written}'", value.span, did_you_mean(written, MODES))
    return None


def _check_effects(fields: Mapping[str, Entry], mode: Mode | None, diagnostics: Collector) -> None:
    """Report N310 for each field that has no effect beside the others."""
    collect = fields["collect"].value if "collect" in fields else None
    joins = mode in ("concat", "dense") or (collect is not None and "concat" in collect.texts())
    effects = {
        "norm_every": (mode == "series" and "norm" in fields, "after how many layers of a series to insert `norm`"),
        "carry": (mode == "series", "which ports of a series take the outputs of the sub-model before"),
        "collect": (mode == "series", "how to merge the outputs of a series: `mode` merges those side by side"),
        "axis": (joins, "along which axis `mode: concat`, `mode: dense` or `collect: concat` joins"),
        "top_k": (mode == "gated", "how many members each position uses in `mode: gated`"),
        "gate_bias": (mode == "gated", "whether the gate of `mode: gated` has a bias"),
        "renormalize": (mode == "gated" and "top_k" in fields, "whether weights sum to 1 after `top_k`"),
    }
    for name, (has_effect, meaning) in effects.items():
        if name in fields and mode and not has_effect:
            diagnostics.error("N310", f"{name} has no effect here", fields[name].key, f"it says {meaning}")


def _combine(mode: Mode | None, fields: Mapping[str, Entry], scope: Scope, what: str, span: Span) -> Component | None:
    """Return the component that combines members side by side; None in series, or, reported, if it is invalid."""
    if mode is None or mode not in SIDE_BY_SIDE:
        return None
    op, own = REGISTRY[SIDE_BY_SIDE[mode]], dict[str, Entry]()
    if mode == "gated" and "top_k" in fields:
        op, own = REGISTRY["routed_sum"], {name: fields[name] for name in ("renormalize",) if name in fields}
    elif mode == "gated":
        own = {"bias": fields["gate_bias"]} if "gate_bias" in fields else {}
    elif mode == "concat":
        own = {"axis": fields["axis"]} if "axis" in fields else {}
    return component_of(op, own, scope, what, span)


def _routing(fields: Mapping[str, Entry], members: int, scope: Scope) -> Routing:
    """Return how the gate of a mixture chooses; an invalid field is reported as N310."""
    bias = _flag(fields, "gate_bias", scope, default=True)
    mask = REGISTRY["top_k_mask"](k=_count(fields, "top_k", scope, most=members))  # type: ignore[call-arg]
    return Routing(Linear(out=members, bias=bias), mask)


def _collect(value: Value, axis: Mapping[str, Entry], scope: Scope, what: str) -> Component | None:
    """Return the component that merges the members of a series; None, reported as N310, for another word."""
    word = scope.text(value, f"collect of {what}")
    if word in MERGES:
        return component_of(REGISTRY[MERGES[word]], axis if word == "concat" else {}, scope, what, value.span)
    if word is not None:
        scope.diagnostics.error("N310", f"unknown merge '{word}'", value.span, did_you_mean(word, MERGES))
    return None


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
        members.append(Member(operator, fields | fields_besides_op(value), inner, value))
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
    return Member(operator, fields, scope, value) if operator else None


def _params_of(operator: Operator) -> set[str]:
    if isinstance(operator, BlockDecl):
        return set(operator.params)
    return set() if isinstance(operator, (StackOf, ScanOf)) else set(fields_of(operator))


def _count(fields: Mapping[str, Entry], name: str, scope: Scope, *, most: int) -> int:
    """Return a field as a whole number from 1 to `most`; 1 without it, or, reported as N310, if it is invalid."""
    if name not in fields:
        return 1
    try:
        return scope.whole(fields[name].value, name, 1, most, code="N310")
    except SpecError as error:
        scope.diagnostics.extend(error)
        return 1


def _flag(fields: Mapping[str, Entry], name: str, scope: Scope, *, default: bool = False) -> bool:
    """Return a field that is true or false; `default` without it, or, reported as N310, if it is anything else."""
    if name not in fields:
        return default
    value = fields[name].value
    try:
        flag = value.data if value.data in ("yes", "no", "on", "off") else scope.number(value)
    except SpecError as error:
        scope.diagnostics.extend(error)
        return default

    if not isinstance(flag, bool):
        scope.diagnostics.error("N310", f"{name} must be true or false", value.span)
        return default
    return flag
