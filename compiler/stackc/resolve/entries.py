"""Parts of a node's entry besides op and fields: how arrows merge, tied, frozen and reparametrized parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.families.merge import MERGES
from stackc.core.diagnostics import Collector, Span, SpecError, did_you_mean
from stackc.core.types import Dim
from stackc.ir.model import Body, NodeWeights, Region, Tie
from stackc.resolve.fields import component_of
from stackc.resolve.operators import Operator
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl, NodeEntry
from stackc.spec.expressions.expressions import OPEN
from stackc.spec.weights_key import read_part_weights
from stackc.spec.yaml.tree import Value


def merge_of(entry: NodeEntry, scope: Scope) -> Component | None:
    """Return the component of `merge: sum` or `merge: {op: concat, axis: 1}`; None, reported as N310, if invalid."""
    value = entry.merge
    assert value is not None
    fields = dict(value.data) if isinstance(value.data, Mapping) else {}
    op = fields.pop("op").value if "op" in fields else value
    if not isinstance(op.data, str):
        hint = "write for example `merge: sum`, or `merge: {op: concat, axis: 1}`"
        scope.diagnostics.error("N310", f"'{entry.name}': merge must name a way to merge arrows", op.span, hint)
        return None

    if op.data == OPEN:
        hint = f"write one of {', '.join(MERGES)}"
        scope.diagnostics.error("N301", f"still to fill in: how '{entry.name}' merges its arrows", op.span, hint)
        return None

    name = scope.text(op, f"nodes.{entry.name}.merge")
    if name not in MERGES:
        if name is not None:
            scope.diagnostics.error("N310", f"unknown merge '{name}'", op.span, did_you_mean(name, MERGES))
        return None
    return component_of(REGISTRY[MERGES[name]], fields, scope, f"the merge of '{entry.name}'", value.span)


TIE_CONDITION = "if"
"""The key beside the parameters of a tie that says whether they are tied: no parameter can have this name."""


def ties_of(entry: NodeEntry | None, scope: Scope) -> dict[str, Tie]:
    """Return the tied parameters of a node: `tie: {weight: embed.weight}`; none if its `if` is false.

    Reports S006 for a condition without a parameter, and N310 for one that is neither true nor false.
    """
    written = dict(entry.tie) if entry else {}
    condition = written.pop(TIE_CONDITION, None)
    if condition is not None and not written:
        hint = "name the parameter beside it: weight: embed.weight"
        scope.diagnostics.error("S006", "tie has a condition and no parameter", condition.key, hint)

    ties = {}
    for name, item in written.items():
        if (path := scope.text(item.value, f"tie.{name}")) is not None:
            ties[name] = Tie(path, item.value.span, item.key)
    return ties if condition is None or _is_true(condition.value, "tie.if", scope) else {}


def is_frozen(freeze: Value | None, scope: Scope) -> bool:
    """Return whether training leaves a node as it is: `freeze: true`, or an expression. Reports N310 for others."""
    return freeze is not None and _is_true(freeze, "freeze", scope)


def node_weights(written: Value | None, operator: Operator, body: Body, what: str, scope: Scope) -> NodeWeights | None:
    """Return the files that a node is read from: those written at it, else those that an included spec brings.

    Reports S004 and S005 for what is no mapping of weights, S006 for one without a file.
    """
    brought = operator.weights if isinstance(operator, BlockDecl) else None
    if written is None or written.data is None:
        decl = brought
    else:
        problems = Collector()
        decl = read_part_weights(written, f"weights of {what}", problems, brought)
        if not decl.files and written.data is not False and not problems.in_order:
            hint = "add `file: …`, or write `weights: false` for random ones"
            problems.error("S006", f"the weights of {what} name no file", written.span, hint)
        scope.diagnostics.extend(SpecError(*problems.in_order))  # also those that a reader of text would repair
    if decl is None or not decl.files:
        return None

    inner = body.params if isinstance(body, Region) else {}
    params = {name: value for name, value in {**scope.names, **inner}.items() if not isinstance(value, Dim)}
    if written is not None and decl is not brought:
        decl = replace(decl, files=tuple(_interpolated(file, scope) for file in decl.files))
    return NodeWeights(decl, params, is_written=decl is not brought)


def _interpolated(file: Value, scope: Scope) -> Value:
    text = scope.text(file, "a file of weights")
    return file if text is None else replace(file, data=text)


def _is_true(value: Value, what: str, scope: Scope) -> bool:
    """Return a value, or that of an expression over params; reports N310 unless it is true or false."""
    try:
        number = scope.number(value)
    except SpecError as error:
        scope.diagnostics.extend(error)
        return False
    if not isinstance(number, bool):
        hint = "write a param that is true or false, or a comparison"
        shown = f"{number} ({value.data})" if isinstance(value.data, str) else value.written
        scope.diagnostics.error("N310", f"{what} must be true or false, but is {shown}", value.span, hint)
    return number is True


def reparam_places(entry: NodeEntry | None) -> dict[str, Span]:
    """Return the place of each reparametrization of a node, under `reparam.NAME`."""
    return {f"reparam.{name}": item.key for name, item in (entry.reparam if entry else {}).items()}
