"""Compare what two specs declare about the whole model: name, description, dims, inputs, outputs, weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackc.analysis.diff.alterations import Origin, counterpart, describe_origins, is_lock, origins
from stackc.analysis.diff.changes import Change, SpanPair, describe_change
from stackc.analysis.diff.matching import Match
from stackc.core.diagnostics import Span
from stackc.core.types import Dim, TensorType
from stackc.ir.typed import TypedGraph
from stackc.spec.document import InputDecl, WeightsDecl
from stackc.spec.expressions.expressions import ParamValue, evaluate
from stackc.spec.yaml.tree import Value
from stackc.typecheck.flatten import flatten
from stackc.weights.resolved_map import resolved_map


def declaration_changes(before: TypedGraph, after: TypedGraph, match: Match) -> Iterator[Change]:
    """Yield every such difference, in the order of a spec. A lock leaves out what a build does not need."""
    yield from _model(before, after)
    yield from _dims(before, after)
    yield from _inputs(before, after, match)
    yield from _outputs(before, after, match)
    yield from _weights(before, after)


def _model(before: TypedGraph, after: TypedGraph) -> Iterator[Change]:
    """Compare name and description."""
    old, new = before.graph.document, after.graph.document
    at = old.span, new.span
    if old.name != new.name:
        yield Change("renamed", old.name, new.name, "model", at=at)

    details = describe_change("description", old.description, new.description)
    if details and not _with_a_lock(before, after):
        yield Change("changed", old.name, new.name, "model", tuple(details), at=at)


def _with_a_lock(before: TypedGraph, after: TypedGraph) -> bool:
    return is_lock(before.root.region) or is_lock(after.root.region)


def _dims(before: TypedGraph, after: TypedGraph) -> Iterator[Change]:
    """Compare the dims contracts."""
    old, new = before.graph.contract, after.graph.contract
    spans = [{name: decl.span for name, decl in typed.graph.document.dims.items()} for typed in (before, after)]

    for name in dict.fromkeys([*old, *new]):
        at = spans[0].get(name), spans[1].get(name)
        if name not in new:
            yield Change("removed", name, None, "dim", (str(old[name]),), at=at)
        elif name not in old:
            yield Change("added", None, name, "dim", (str(new[name]),), at=at)
        elif old[name] != new[name]:
            yield Change("changed", name, name, "dim", (f"{old[name]} → {new[name]}",), at=at)


# -- inputs and outputs


def _inputs(before: TypedGraph, after: TypedGraph, match: Match) -> Iterator[Change]:
    """Compare the inputs: names, types, and the integers they may hold."""
    old, new = _input_types(before), _input_types(after)
    old_decls, new_decls = before.graph.document.inputs, after.graph.document.inputs
    pairs = {name: name for name in old if name in new} | dict(match.inputs)

    for name in old:
        if name not in pairs:
            yield Change("removed", name, None, "input", (str(old[name]),), at=(old_decls[name].span, None))
            continue

        new_name = pairs[name]
        at = old_decls[name].span, new_decls[new_name].span
        if name != new_name:
            yield Change("renamed", name, new_name, "input", at=at)
        details = _type_change(old[name], new[new_name])
        details += _range_changes(before, old_decls[name], after, new_decls[new_name])
        if details:
            yield Change("changed", name, new_name, "input", tuple(details), at=at)

    for name in new:
        if name not in pairs.values():
            yield Change("added", None, name, "input", (str(new[name]),), at=(None, new_decls[name].span))


def _input_types(typed: TypedGraph) -> dict[str, TensorType]:
    return dict(zip(typed.root.region.inputs, typed.root.inputs, strict=True))


def _type_change(old: TensorType, new: TensorType) -> list[str]:
    """Compare types as text: a dim that became a multiple of something is reported at the dim."""
    return [f"{old} → {new}"] if str(old) != str(new) else []


def _range_changes(before: TypedGraph, old: InputDecl, after: TypedGraph, new: InputDecl) -> list[str]:
    """Compare the numbers that an input may hold. A lock may leave the declaration out, or write it with other keys."""
    left, right = _declared_range(old, before), _declared_range(new, after)
    if _with_a_lock(before, after) and not (left and right):
        return []
    if left.keys() != right.keys():
        left, right = _with_both_ends(left), _with_both_ends(right)
    keys = ("min", "max", "below", "values")
    return [change for key in keys for change in describe_change(key, left.get(key), right.get(key))]


def _declared_range(decl: InputDecl, typed: TypedGraph) -> dict[str, str]:
    """Return the declared bounds and `values` of an input with params evaluated; empty if it declares none."""
    names = {**{name: Dim.symbol(name) for name in typed.graph.contract}, **typed.graph.params}
    declared = {key: _number(value, names) for key, value in decl.bounds().items()}
    if decl.values:
        declared["values"] = ", ".join(_number(value, names) for value in decl.values)
    return declared


def _with_both_ends(declared: Mapping[str, str]) -> dict[str, str]:
    """Return `{min: 0, max: 9}` for `{below: 10}`, and anything else as it is."""
    if not declared.get("below", "").isdecimal():
        return dict(declared)
    ends = {key: text for key, text in declared.items() if key != "below"}
    return {"min": "0", **ends, "max": str(int(declared["below"]) - 1)}


def _number(value: Value, names: Mapping[str, ParamValue]) -> str:
    """Return the number of an end or a value; `1` for 1.0, which is no other number."""
    number = evaluate(value.data, names, value.span) if isinstance(value.data, str) else value.data
    return str(int(number) if isinstance(number, float) and number.is_integer() else number)


def _outputs(before: TypedGraph, after: TypedGraph, match: Match) -> Iterator[Change]:
    """Compare the outputs: names, types, and the values they come from; taps are named by their paths."""
    old, new = _output_types(before), _output_types(after)
    old_origins, new_origins = _output_origins(before), _output_origins(after)
    old_spans, new_spans = _output_spans(before), _output_spans(after)
    pairs = _match_outputs(old, new, old_origins, new_origins, match)

    for name in old:
        if name not in pairs:
            yield Change("removed", name, None, "output", (str(old[name]),), at=(old_spans.get(name), None))
            continue

        same = pairs[name]
        at: SpanPair = old_spans.get(name), new_spans.get(same)
        if name != same:
            yield Change("renamed", name, same, "output", at=at)
        if details := _type_change(old[name], new[same]):
            yield Change("changed", name, same, "output", tuple(details), at=at)
        if counterpart(old_origins[name], match) != new_origins[same]:
            left, right = describe_origins([old_origins[name]]), describe_origins([new_origins[same]])
            yield Change("rewired", name, same, "output", (f"from {left} → from {right}",), at=at)

    for name in new:
        if name not in pairs.values():
            yield Change("added", None, name, "output", (str(new[name]),), at=(None, new_spans.get(name)))


def _output_types(typed: TypedGraph) -> dict[str, TensorType]:
    return dict(zip(typed.root.region.outputs, typed.root.outputs, strict=True))


def _output_origins(typed: TypedGraph) -> dict[str, Origin]:
    region = typed.root.region
    return {name: origins(region, [ref])[0] for name, ref in region.outputs.items()}


def _match_outputs(
    old: Mapping[str, TensorType],
    new: Mapping[str, TensorType],
    old_origins: Mapping[str, Origin],
    new_origins: Mapping[str, Origin],
    match: Match,
) -> dict[str, str]:
    """Match outputs by name, and those of other names by equal type and origin."""
    pairs = {name: name for name in old if name in new}
    for name in (name for name in old if name not in new):
        origin = counterpart(old_origins[name], match)
        for other in new:
            free = other not in old and other not in pairs.values()
            if free and str(new[other]) == str(old[name]) and new_origins[other] == origin:
                pairs[name] = other
                break
    return pairs


def _output_spans(typed: TypedGraph) -> dict[str, Span]:
    """Return the spans of the declared outputs, and of the nodes that undeclared outputs come from."""
    region = typed.root.region
    nodes = {n: region.nodes[ref.node].span for n, ref in region.outputs.items() if ref.node in region.nodes}
    return nodes | {output.name: output.span for output in typed.graph.document.body.outputs}


# -- weights


def _weights(before: TypedGraph, after: TypedGraph) -> Iterator[Change]:
    """Compare the file of the weights and the names that the parameters have there."""
    old, new = before.graph.document.weights, after.graph.document.weights
    with_a_lock = _with_a_lock(before, after)
    left, right = (_weight_entries(graph, is_resolved=with_a_lock) for graph in (before, after))
    details = tuple(
        change
        for key in dict.fromkeys([*left, *right])
        for change in describe_change(key, left.get(key), right.get(key))
    )
    if details:
        kind = ("changed" if old else "added") if new else "removed"
        at = old.span if old else None, new.span if new else None
        paths = "weights" if old else None, "weights" if new else None
        yield Change(kind, *paths, "weights", details, at=at)  # type: ignore[arg-type]  # one of the three


def _weight_entries(typed: TypedGraph, *, is_resolved: bool) -> dict[str, str]:
    """Return what a `weights:` section declares, by key, with an entry for each name of its map.

    If it `is_resolved` it is as a lock has it: without files, and with the map as this model needs it.
    """
    decl = typed.graph.document.weights
    if decl is None:
        return {}
    entries = {"file": ", ".join(file.written for file in decl.files)} if decl.files and not is_resolved else {}
    entries |= {"reference": decl.reference.file.written} if decl.reference and not is_resolved else {}
    entries |= {"prefix": decl.prefix.written} if decl.prefix else {}
    texts = resolved_map(decl, flatten(typed), typed.graph.params) if is_resolved else _written_map(decl)
    entries |= {f"map of {key}": ", ".join(alternatives) for key, alternatives in texts.items()}
    return entries | ({"ignore": ", ".join(value.written for value in decl.ignore)} if decl.ignore else {})


def _written_map(decl: WeightsDecl) -> dict[str, tuple[str, ...]]:
    """Return the texts of each entry of a map, as the spec writes them."""
    texts: dict[str, tuple[str, ...]] = {}
    for key, entry in decl.alternatives():
        texts[key] = (*texts.get(key, ()), str(entry.value.data))
    return texts
