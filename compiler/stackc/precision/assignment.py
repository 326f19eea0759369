"""Which weight of a file gets which format; patterns of names choose weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from stackc.core.diagnostics import Collector, Diagnostic, SpecError, did_you_mean
from stackc.precision.formats import FACTS, FORMATS, Format
from stackc.precision.weighted_nodes import WeightedNode

Assignment = Mapping[str, Format]
"""The format of each weight by the name of its initializer; those that are not in it stay float32."""


def assign_format(
    nodes: Sequence[WeightedNode], format: Format, kept: Collection[str] = (), *, strict: bool = True
) -> dict[str, Format]:
    """Give every weight that takes it the format, but for those that `kept` names: `names_weight` says how.

    A weight that several nodes share gets it if all of them take it. Raises SpecError P733 for a name that fits no
    weight, P734 if there is nothing that takes the format; unless it is `strict`, a name may fit other formats alone.
    """
    taking = takers(nodes, format)
    if not taking:
        raise SpecError(_nothing_takes(nodes, format))

    if strict:
        _require_known(kept, taking)
    changing = [node for node in taking if not any(names_weight(node, pattern) for pattern in kept)]
    if not changing:
        message = f"--keep leaves no weight for {format}"
        raise SpecError(Diagnostic("P733", message, hint="keep fewer, or build without --quantize"))
    return {node.initializer: format for node in changing}


def kept_weights(nodes: Sequence[WeightedNode], patterns: Collection[str]) -> dict[str, None]:
    """Return the initializers that the patterns name. Raises SpecError P733 for one that fits no weight."""
    _require_known(patterns, nodes)
    kept = (node.initializer for node in nodes if any(names_weight(node, pattern) for pattern in patterns))
    return dict.fromkeys(kept)


def takers(nodes: Sequence[WeightedNode], format: Format) -> list[WeightedNode]:
    """Return the nodes whose weights take a format: all uses of a weight have to."""
    refused = {node.initializer for node in nodes if not node.takes(format)}
    return [node for node in nodes if node.initializer not in refused]


def names_weight(node: WeightedNode, pattern: str) -> bool:
    """Return whether a pattern names the weight, the component or anything above it: `encoder.*.attn`, `encoder.0`."""
    names = [node.name, *_prefixes(node.name), node.path, *_prefixes(node.path)]
    return any(fnmatchcase(name, pattern) for name in names)


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _require_known(patterns: Iterable[str], nodes: Sequence[WeightedNode]) -> None:
    """Raise SpecError P733 for every pattern that fits no weight."""
    diagnostics = Collector()
    names = {name: None for node in nodes for name in (node.name, node.path, *_prefixes(node.path))}
    for pattern in patterns:
        if not any(names_weight(node, pattern) for node in nodes):
            listed = "name one of " + ", ".join(f"'{node.name}'" for node in nodes[:5]) + ", …" * (len(nodes) > 5)
            message = f"--keep {pattern}: no weight of that name changes its format"
            diagnostics.error("P733", message, hint=did_you_mean(pattern, names) or listed)
    diagnostics.raise_if_any()


def _nothing_takes(nodes: Sequence[WeightedNode], format: Format) -> Diagnostic:
    """Return P734: no weight takes the format, with those that some do."""
    operators = ", ".join(sorted(FACTS[format].operators))
    others = [other for other in FORMATS if takers(nodes, other)]
    message = f"there is nothing to make {format}: no {operators} in the file has a constant weight"
    hint = f"`--quantize {others[0]}` changes {_listed(takers(nodes, others[0]))}" if others else "leave --quantize out"
    return Diagnostic("P734", message, hint=hint)


def _listed(nodes: Sequence[WeightedNode]) -> str:
    names = list(dict.fromkeys(node.name for node in nodes))
    return ", ".join(f"'{name}'" for name in names[:3]) + f" and {len(names) - 3} more" * (len(names) > 3)
