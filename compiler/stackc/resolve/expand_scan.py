"""Scans → components: the region of a block becomes a `Cell`, if a cell can be made of it."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.components.base import Component
from stackc.components.custom.module import CustomModule
from stackc.components.scan import Cell, CellStep, Scan, scan_of
from stackc.components.size_expressions import dims_of
from stackc.core.diagnostics import SpecError, did_you_mean
from stackc.ir.model import Node, Region, ValueRef
from stackc.resolve.context import CallSite
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl
from stackc.spec.yaml.tree import Entry

_FIELDS = ("of", "axis", "reverse", "whole", "with")

RECURRENT = ("gru", "lstm", "rnn")
"""Layers that go along an axis themselves; their cells are single steps."""


def cell_fields(block: BlockDecl, fields: Mapping[str, Entry], scope: Scope, site: CallSite) -> Mapping[str, Entry]:
    """Return the params of the block, those under `with`. Reports N309 for an unknown field, S005 for another value."""
    for name in fields:
        if name not in _FIELDS:
            hint = did_you_mean(name, _FIELDS)
            if name in block.params:
                hint = f"pass it to the block: `with: {{{name}: {fields[name].value.written}}}`"
            scope.diagnostics.error("N309", f"{site.what} (scan) has no field '{name}'", fields[name].key, hint)

    entry = fields.get("with")
    if entry is None or entry.value.data is None:
        return {}
    if not isinstance(entry.value.data, Mapping):
        message = f"`with` of {site.what} must be a mapping, but is {entry.value.kind}"
        scope.diagnostics.error("S005", message, entry.value.span, "write for example `with: {dim: 8}`")
        return {}
    return entry.value.data


def expand_scan(region: Region, fields: Mapping[str, Entry], scope: Scope, site: CallSite) -> Scan | None:
    """Return the scan of a block; None, reported as N310 or N313, if the block or a field is invalid."""
    before = len(scope.diagnostics.diagnostics)
    for tap, span in site.taps.items():
        hint = f"its outputs are {', '.join(region.outputs)}; add one to the block"
        scope.diagnostics.error("N313", f"{site.what} (scan) has no output '{tap}'", span, hint)

    cell = _cell_of(region, scope, site)
    axis, reverse, whole = _axis(fields, scope), _reverse(fields, scope), _whole(fields, region, scope)
    if cell and whole is not None:
        _require_roles(cell, whole, scope, site)
    if len(scope.diagnostics.diagnostics) > before or cell is None or whole is None:
        return None
    return scan_of(cell, axis=axis, reverse=reverse, whole=whole)


# -- the cell


def _cell_of(region: Region, scope: Scope, site: CallSite) -> Cell | None:
    """Return a region as plain data; None, reported as N310, if a node of it is no plain component."""
    numbers = {ValueRef(name): number for number, name in enumerate(region.inputs)}
    steps: list[CellStep] = []
    for node in region.nodes.values():
        component = _plain_component(node, scope, site)
        if component is None:
            return None
        steps.append(
            CellStep(node.id, component, tuple(None if o.value is None else numbers[o.value] for o in node.operands))
        )
        for output in range(len(component.outputs)):
            numbers[ValueRef(node.id, output)] = len(numbers)

    outputs = tuple((name, numbers[ref]) for name, ref in region.outputs.items())
    return Cell(region.name, region.inputs, tuple(steps), outputs)


def _plain_component(node: Node, scope: Scope, site: CallSite) -> Component | None:
    """Return the component of a node; None, reported as N310, if a cell cannot have it."""
    problems = {
        "is a block or stack": (isinstance(node.body, Region), "write its nodes in the block of the scan itself"),
        "is a scan": (isinstance(node.body, Scan), "nest them the other way around: a scan has no scan inside"),
        "is a recurrent layer": (
            isinstance(node.body, Component) and node.body.op in RECURRENT,
            f"take one step of it: `{node.id}[gru_cell]` or `{node.id}[lstm_cell]`",
        ),
        "is a custom module": (isinstance(node.body, CustomModule), "call it before or after the scan"),
        "has the module of another node": (node.same_as is not None, "use the value of the other node"),
        "has a tied parameter": (bool(node.ties), "tie parameters outside of the scan"),
        "has a reparametrized parameter": (bool(node.reparams), "remove `reparam`"),
        "is frozen": (node.frozen, "write `freeze` at the scan"),
        "has weights of its own": (node.weights is not None, "write `weights` at the scan"),
    }
    for problem, (holds, hint) in problems.items():
        if holds:
            message = f"'{node.id}' {problem}, which {site.what} (scan) cannot apply at each index"
            scope.diagnostics.error("N310", message, node.span, hint)
            return None

    assert isinstance(node.body, Component)
    if next(iter(dims_of(node.body)), None) is not None:
        message = f"'{node.id}' has a size that is known only at run time, which {site.what} (scan) cannot apply"
        scope.diagnostics.error("N310", message, node.span, "write a number or a param")
        return None
    return node.body


def _require_roles(cell: Cell, whole: tuple[str, ...], scope: Scope, site: CallSite) -> None:
    """Report N310 unless the cell has a state, and an input that is neither a state nor whole."""
    what = f"the block '{cell.name}' of {site.what} (scan)"
    if not cell.states:
        hint = "name an output like the input that takes it next: `inputs: [x, h]`, `outputs: {y: out, h: next}`"
        scope.diagnostics.error("N310", f"{what} has no state: no output has the name of an input", site.span, hint)
    elif all(name in (*cell.states, *whole) for name in cell.inputs):
        hint = "give it an input that has the axis; a constant one may be all zeros"
        scope.diagnostics.error("N310", f"{what} has no input to go along: all are states or whole", site.span, hint)


# -- fields


def _axis(fields: Mapping[str, Entry], scope: Scope) -> int:
    if "axis" not in fields:
        return 1
    try:
        return scope.whole(fields["axis"].value, "axis", 0, code="N310")
    except SpecError as error:
        scope.diagnostics.extend(error)
        return 1


def _reverse(fields: Mapping[str, Entry], scope: Scope) -> bool:
    if "reverse" not in fields:
        return False
    value = fields["reverse"].value
    try:
        reverse = value.data if value.data in ("yes", "no", "on", "off") else scope.number(value)
    except SpecError as error:
        scope.diagnostics.extend(error)
        return False
    if not isinstance(reverse, bool):
        scope.diagnostics.error("N310", "reverse must be true or false", value.span)
    return reverse is True


def _whole(fields: Mapping[str, Entry], region: Region, scope: Scope) -> tuple[str, ...] | None:
    """Return the inputs that enter every step as they are; None, reported as N310, if one is no such input."""
    if "whole" not in fields or fields["whole"].value.data is None:
        return ()
    value = fields["whole"].value
    names: list[str] = []
    for item in value.listed:
        name = scope.text(item, "an input under `whole`")
        if name is None:
            return None
        if name not in region.inputs or name in region.outputs:
            reason = "is a state" if name in region.outputs else "is no connected input"
            hint = did_you_mean(name, [each for each in region.inputs if each not in region.outputs])
            scope.diagnostics.error("N310", f"'{name}' {reason} of the block '{region.name}'", item.span, hint)
            return None
        names.append(name)
    return tuple(dict.fromkeys(names))
