"""What enters the ports of a node: wires, and the merge that stands between several arrows and one port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stackc.components.base import Port
from stackc.core.diagnostics import Note
from stackc.ir.model import Node, Operand, ValueRef
from stackc.resolve.entries import merge_of
from stackc.resolve.operators import Operator, StackOf, ports_of
from stackc.resolve.scope import Scope
from stackc.resolve.taps import tapped
from stackc.resolve.wiring import Feed
from stackc.spec.document import BlockDecl, Body, NodeEntry


@dataclass(frozen=True)
class OperandMerger:
    """Joins the nodes of one drawing; `nodes` are those that stand already, merges among them, in running order.

    `untaken` are inputs that nobody takes, as was noted: each of them seems to be meant for a port that nothing enters.
    """

    body: Body
    scope: Scope
    operators: Mapping[str, Operator]
    feeds: Mapping[str, Sequence[Feed]]
    nodes: dict[str, Node] = field(default_factory=dict)
    untaken: list[str] = field(default_factory=list)

    def connected(self, name: str) -> frozenset[str] | None:
        """The ports of a node that arrows enter; None, noted (N307), where one that needs an arrow has none."""
        ports = ports_of(self.operators[name])
        entered = frozenset(feed.port for feed in self.feeds[name]) & {port.name for port in ports}
        open_ports = [port.name for port in ports if not port.optional and port.name not in entered]
        if not open_ports:
            return entered
        if all(feed.port in entered for feed in self.feeds[name]):  # else a label that is no port was meant for it
            span = self.body.drawing.nodes[name].span
            for port in open_ports:
                if self.untaken:
                    self.untaken.pop()
                    continue
                label = f"|{port}| " if port != ports[0].name else " "
                hint = f"draw an arrow into it: `… -->{label}{name}`"
                self.scope.diagnostics.error("N307", f"nothing enters the port '{port}' of '{name}'", span, hint)
        return None

    def operands(self, name: str, entry: NodeEntry | None) -> tuple[Operand, ...] | None:
        """Inlets in port order; None, noted, where several arrows meet unmerged (N306) or a source is broken."""
        operator, span = self.operators[name], self.body.drawing.nodes[name].span
        operands: list[Operand | None] = []
        for port in ports_of(operator):
            feeds = [feed for feed in self.feeds[name] if feed.port == port.name]
            if len(feeds) > 1 and not port.variadic:
                operands.append(self._merged(name, port, feeds, entry))
            elif feeds:
                operands += [self._inlet(port, feed) for feed in feeds]
            elif not isinstance(operator, (BlockDecl, StackOf)):
                operands.append(Operand(port.name, None, span))
        sound = tuple(operand for operand in operands if operand)
        return sound if len(sound) == len(operands) else None

    def ref_to(self, path: str) -> ValueRef | None:
        """The wire that a path (`head`, `encoder.3`) names; None where its node is broken, which was noted there."""
        name = path.partition(".")[0]
        if name in self.nodes:
            return tapped(path, self.nodes)
        return None if name in self.operators else ValueRef(name)

    def _inlet(self, port: Port, feed: Feed) -> Operand | None:
        ref = self.ref_to(_path(feed))
        return Operand(port.name, ref, feed.span) if ref else None

    def _merged(self, name: str, port: Port, feeds: Sequence[Feed], entry: NodeEntry | None) -> Operand | None:
        """The inlet behind a merge node of its own: what `merge: sum` draws between several arrows and one port."""
        if entry is None or entry.merge is None:
            *others, last = feeds
            notes = [Note(f"the one from '{feed.source}'", feed.span) for feed in others]
            message = f"{len(feeds)} arrows meet at the port '{port.name}' of '{name}'"
            hint = f"say how they merge: `{name}: {{merge: sum}}` (or mean, concat, mul, weighted)"
            self.scope.diagnostics.error("N306", message, last.span, hint, *notes)
            return None
        merge = merge_of(entry, self.scope)
        operands = [self._inlet(Port("x"), feed) for feed in feeds]
        sound = tuple(operand for operand in operands if operand)
        if merge is None or len(sound) < len(operands):
            return None
        id = self._free_id(name if port == ports_of(self.operators[name])[0] else f"{name}_{port.name}")
        self.nodes[id] = Node(id, merge, sound, entry.merge.span, op=merge.op, implied=True)
        return Operand(port.name, ValueRef(id), entry.merge.span)

    def _free_id(self, name: str) -> str:
        id = f"{name}_merge"
        while id in self.body.drawing.nodes or id in self.nodes:
            id += "_"
        return id


def check_merge(entry: NodeEntry | None, operator: Operator, scope: Scope) -> None:
    """Note N310 where `merge` stands at a node that takes several arrows by itself, or is none.

    So it is judged where a single arrow enters as well, and nothing is merged.
    """
    if entry and entry.merge and all(port.variadic for port in ports_of(operator)):
        message = f"'{entry.name}' takes several arrows by itself, and has nothing to merge"
        scope.diagnostics.error("N310", message, entry.merge.span, "take `merge` away")
    elif entry and entry.merge:
        merge_of(entry, scope)


def _path(feed: Feed) -> str:
    return f"{feed.source}.{feed.out}" if feed.out else feed.source
