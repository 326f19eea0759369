"""The operands of a node, and the merge nodes between several arrows and one port."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stackc.components.base import Port
from stackc.core.diagnostics import Note
from stackc.ir.model import Node, Operand, ValueRef
from stackc.resolve.entries import merge_of
from stackc.resolve.operators import Operator, ScanOf, StackOf, ports_of
from stackc.resolve.scope import Scope
from stackc.resolve.taps import tapped
from stackc.resolve.wiring import Feed
from stackc.spec.document import BlockDecl, Body, NodeEntry


@dataclass
class OperandMerger:
    """Builds the operands of the nodes of one drawing; `nodes` are those built so far, with merges, in running order.

    `unused_inputs` have been reported as unused: each is probably meant for a port that has no arrow, which is then not
    reported as well.
    """

    body: Body
    scope: Scope
    operators: Mapping[str, Operator]
    feeds: Mapping[str, Sequence[Feed]]
    nodes: dict[str, Node] = field(default_factory=dict)
    unused_inputs: list[str] = field(default_factory=list)

    def connected(self, name: str) -> frozenset[str] | None:
        """Return the ports of a node that arrows enter; None, reported as N307, if a required port has no arrow."""
        ports = ports_of(self.operators[name])
        entered = frozenset(feed.port for feed in self.feeds[name]) & {port.name for port in ports}
        missing = [port.name for port in ports if not port.optional and port.name not in entered]
        if not missing:
            return entered

        # An arrow with an unknown port has been reported, and is probably meant for the missing one.
        if any(feed.port not in entered for feed in self.feeds[name]):
            return None
        span = self.body.drawing.nodes[name].span
        for port in missing:
            if self.unused_inputs:
                self.unused_inputs.pop()
                continue
            label = f"|{port}| " if port != ports[0].name else " "
            hint = f"draw an arrow into it: `… -->{label}{name}`"
            self.scope.diagnostics.error("N307", f"no arrow enters the port '{port}' of '{name}'", span, hint)
        return None

    def operands(self, name: str, entry: NodeEntry | None) -> tuple[Operand, ...] | None:
        """Return operands in port order; None, reported, if arrows meet unmerged (N306) or a source is invalid."""
        operator, span = self.operators[name], self.body.drawing.nodes[name].span
        operands: list[Operand | None] = []
        for port in ports_of(operator):
            feeds = [feed for feed in self.feeds[name] if feed.port == port.name]
            if len(feeds) > 1 and not port.variadic:
                operands.append(self._merged(name, port, feeds, entry))
            elif feeds:
                operands += [self._operand(port, feed) for feed in feeds]
            elif not isinstance(operator, (BlockDecl, StackOf, ScanOf)):  # those are expanded without their open inputs
                operands.append(Operand(port.name, None, span))

        valid = tuple(operand for operand in operands if operand)
        return valid if len(valid) == len(operands) else None

    def ref_to(self, path: str) -> ValueRef | None:
        """Return the value at a path (`head`, `encoder.3`); None if its node is invalid, which has been reported."""
        name = path.partition(".")[0]
        if name in self.nodes:
            return tapped(path, self.nodes)
        return None if name in self.operators else ValueRef(name)

    def _operand(self, port: Port, feed: Feed) -> Operand | None:
        ref = self.ref_to(f"{feed.source}.{feed.out}" if feed.out else feed.source)
        return Operand(port.name, ref, feed.span) if ref else None

    def _merged(self, name: str, port: Port, feeds: Sequence[Feed], entry: NodeEntry | None) -> Operand | None:
        """Add a merge node (`merge: sum`) between several arrows and one port; return the port's operand."""
        if entry is None or entry.merge is None:
            *others, last = feeds
            notes = [Note(f"the one from '{feed.source}'", feed.span) for feed in others]
            message = f"{len(feeds)} arrows meet at the port '{port.name}' of '{name}'"
            hint = f"say how they merge: `{name}: {{merge: sum}}` (or mean, concat, mul, weighted)"
            if meant := self._port_meant(name, feeds):
                hint = f"'{meant[0]}' probably means the port '{meant[1]}': `{meant[0]} -->|{meant[1]}| {name}`"
            self.scope.diagnostics.error("N306", message, last.span, hint, *notes)
            return None

        merge = merge_of(entry, self.scope)
        operands = [self._operand(Port("x"), feed) for feed in feeds]
        valid = tuple(operand for operand in operands if operand)
        if merge is None or len(valid) < len(operands):
            return None

        id = self._free_id(name if port == ports_of(self.operators[name])[0] else f"{name}_{port.name}")
        self.nodes[id] = Node(id, merge, valid, entry.merge.span, op=merge.op, implied=True)
        return Operand(port.name, ValueRef(id), entry.merge.span)

    def _port_meant(self, name: str, feeds: Sequence[Feed]) -> tuple[str, str] | None:
        """Return a source whose name is or contains that of a port without an arrow (`key_mask`), and that port."""
        entered = {feed.port for feed in self.feeds[name]}
        for port in ports_of(self.operators[name]):
            for feed in feeds:
                if port.name not in entered and port.name in re.split(r"[^a-z]+", feed.source.lower()):
                    return feed.source, port.name
        return None

    def _free_id(self, name: str) -> str:
        id = f"{name}_merge"
        while id in self.body.drawing.nodes or id in self.nodes:
            id += "_"
        return id


def check_merge(entry: NodeEntry | None, operator: Operator, scope: Scope) -> None:
    """Report N310 for a `merge` that is invalid, or at a node that takes several arrows without one.

    It is checked here even if a single arrow enters the node, so that nothing is merged.
    """
    if entry and entry.merge and all(port.variadic for port in ports_of(operator)):
        message = f"'{entry.name}' takes several arrows without a merge"
        scope.diagnostics.error("N310", message, entry.merge.span, "remove `merge`")
    elif entry and entry.merge:
        merge_of(entry, scope)
