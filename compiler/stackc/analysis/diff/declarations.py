"""What differs in what two specs declare of the model as a whole: name, dims, inputs, outputs, weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackc.analysis.diff.alterations import ends, is_lock, renamed, sources
from stackc.analysis.diff.changes import Change, Places, describe_change
from stackc.analysis.diff.matching import Match
from stackc.core.diagnostics import Span
from stackc.core.types import Dim, TensorType
from stackc.ir.typed import TypedGraph
from stackc.spec.document import InputDecl, WeightsDecl
from stackc.spec.expressions.expressions import ParamValue, evaluate
from stackc.spec.yaml.tree import Value


def declared(before: TypedGraph, after: TypedGraph, match: Match) -> Iterator[Change]:
    """Every such difference, in the order of a spec. A lock leaves out what building does not need."""
    yield from _model(before, after)
    yield from _dims(before, after)
    yield from _inputs(before, after, match)
    yield from _outputs(before, after, match)
    yield from _weights(before, after)


def _model(before: TypedGraph, after: TypedGraph) -> Iterator[Change]:
    one, other = before.graph.document, after.graph.document
    at = one.span, other.span
    if one.name != other.name:
        yield Change("renamed", one.name, other.name, "model", at=at)
    if not _with_a_lock(before, after) and (
        details := describe_change("description", one.description, other.description)
    ):
        yield Change("changed", one.name, other.name, "model", tuple(details), at=at)


def _with_a_lock(before: TypedGraph, after: TypedGraph) -> bool:
    return is_lock(before.root.region) or is_lock(after.root.region)


def _dims(before: TypedGraph, after: TypedGraph) -> Iterator[Change]:
    """What differs in the dims contract."""
    was, now = before.graph.contract, after.graph.contract
    places = [{name: decl.span for name, decl in graph.graph.document.dims.items()} for graph in (before, after)]
    for name in dict.fromkeys([*was, *now]):
        at = places[0].get(name), places[1].get(name)
        if name not in now:
            yield Change("removed", name, None, "dim", (str(was[name]),), at=at)
        elif name not in was:
            yield Change("added", None, name, "dim", (str(now[name]),), at=at)
        elif was[name] != now[name]:
            yield Change("changed", name, name, "dim", (f"{was[name]} → {now[name]}",), at=at)


# -- inputs and outputs


def _inputs(before: TypedGraph, after: TypedGraph, match: Match) -> Iterator[Change]:
    """What differs in the inputs: names, types, and which whole numbers they hold."""
    was, now = _types_of_inputs(before), _types_of_inputs(after)
    names = {name: name for name in was if name in now} | dict(match.inputs)
    decls = before.graph.document.inputs, after.graph.document.inputs
    silent = _with_a_lock(before, after)
    for name in was:
        if name not in names:
            yield Change("removed", name, None, "input", (str(was[name]),), at=(decls[0][name].span, None))
            continue
        other = names[name]
        at = decls[0][name].span, decls[1][other].span
        if name != other:
            yield Change("renamed", name, other, "input", at=at)
        details = _other_types(was[name], now[other])
        said = _said(decls[0][name], before), _said(decls[1][other], after)
        for key in ("below", "values"):
            one, two = (each.get(key) for each in said)
            details += [] if silent and not all(said) else describe_change(key, one, two)
        if details:
            yield Change("changed", name, other, "input", tuple(details), at=at)
    for name in now:
        if name not in names.values():
            yield Change("added", None, name, "input", (str(now[name]),), at=(None, decls[1][name].span))


def _types_of_inputs(typed: TypedGraph) -> dict[str, TensorType]:
    return dict(zip(typed.root.region.inputs, typed.root.inputs, strict=True))


def _other_types(one: TensorType, other: TensorType) -> list[str]:
    """Types as they read: a dim that became a multiple of something is told of the dim."""
    return [f"{one} → {other}"] if str(one) != str(other) else []


def _said(decl: InputDecl, typed: TypedGraph) -> dict[str, str]:
    """Which whole numbers the spec says that an input holds, in numbers; empty where it says nothing."""
    names = {**{name: Dim.symbol(name) for name in typed.graph.contract}, **typed.graph.params}
    said = {"below": _number(decl.below, names)} if decl.below and decl.below.data is not None else {}
    return said | ({"values": ", ".join(_number(value, names) for value in decl.values)} if decl.values else {})


def _number(value: Value, names: Mapping[str, ParamValue]) -> str:
    return str(evaluate(value.data, names, value.span) if isinstance(value.data, str) else value.data)


def _outputs(before: TypedGraph, after: TypedGraph, match: Match) -> Iterator[Change]:
    """What differs in the outputs: names, types, and what they come from, a tap by its path."""
    one, other = before.root.region, after.root.region
    was, now = (dict(zip(each.region.outputs, each.outputs, strict=True)) for each in (before.root, after.root))
    left = {name: ends(one, [ref])[0] for name, ref in one.outputs.items()}
    right = {name: ends(other, [ref])[0] for name, ref in other.outputs.items()}
    names = {name: name for name in was if name in now}
    for name in (name for name in was if name not in now):
        free = (n for n in now if n not in was and n not in names.values() and str(now[n]) == str(was[name]))
        if (found := next((n for n in free if right[n] == renamed(left[name], match)), None)) is not None:
            names[name] = found
    places = _places_of_outputs(before), _places_of_outputs(after)
    for name in was:
        if name not in names:
            yield Change("removed", name, None, "output", (str(was[name]),), at=(places[0].get(name), None))
            continue
        same = names[name]
        at: Places = places[0].get(name), places[1].get(same)
        if name != same:
            yield Change("renamed", name, same, "output", at=at)
        if details := _other_types(was[name], now[same]):
            yield Change("changed", name, same, "output", tuple(details), at=at)
        if renamed(left[name], match) != right[same]:
            details = [f"from {sources([left[name]])} → from {sources([right[same]])}"]
            yield Change("rewired", name, same, "output", tuple(details), at=at)
    for name in now:
        if name not in names.values():
            yield Change("added", None, name, "output", (str(now[name]),), at=(None, places[1].get(name)))


def _places_of_outputs(typed: TypedGraph) -> dict[str, Span]:
    """The declarations of the outputs; of those that nobody declares, the nodes that they come from."""
    region = typed.root.region
    nodes = {n: region.nodes[ref.node].span for n, ref in region.outputs.items() if ref.node in region.nodes}
    return nodes | {output.name: output.span for output in typed.graph.document.body.outputs}


# -- weights


def _weights(before: TypedGraph, after: TypedGraph) -> Iterator[Change]:
    """What differs in where parameters come from and what the file calls them."""
    one, other = before.graph.document.weights, after.graph.document.weights
    was, now = (_words(decl, with_file=not _with_a_lock(before, after)) for decl in (one, other))
    details = tuple(
        each for key in dict.fromkeys([*was, *now]) for each in describe_change(key, was.get(key), now.get(key))
    )
    if details:
        kind = ("changed" if one else "added") if other else "removed"
        at = one.span if one else None, other.span if other else None
        paths = "weights" if one else None, "weights" if other else None
        yield Change(kind, *paths, "weights", details, at=at)  # type: ignore[arg-type]  # one of the three


def _words(decl: WeightsDecl | None, *, with_file: bool) -> dict[str, str]:
    """What a `weights:` section says, by key; the map entry by entry."""
    if decl is None:
        return {}
    words = {"file": decl.file.written} if decl.file and with_file else {}
    words |= {f"map of {name}": entry.value.written for name, entry in decl.names.items()}
    return words | ({"ignore": ", ".join(value.written for value in decl.ignore)} if decl.ignore else {})
