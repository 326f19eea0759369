"""Write the lock: the resolved spec, as a spec without params that records the source line of each node.

Every distinct region becomes a block, stacks included, so that nothing is left to compute. The paths of all components
stay the same, and with them names, seeds and weights.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.custom.module import CustomModule
from stackc.components.registry import SPECIAL_OPS
from stackc.components.reparam import REPARAMS, MinMax, Reparam, Standardize
from stackc.core.types import DimRange, TensorType
from stackc.core.value_range import ValueRange
from stackc.frontend import Checked
from stackc.ir.model import Graph, Node, Region, ValueRef
from stackc.spec.document import LANGUAGE_VERSION, WeightsDecl
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.source import Source
from stackc.weights.rules import read_rules


def write_lock(checked: Checked) -> str:
    """Return the text of the lock; parsed again, it gives the same program."""
    return write_graph(checked.graph, checked.ranges)


def write_graph(graph: Graph, ranges: Mapping[str, ValueRange]) -> str:
    """Return the lock of a graph, whose types need not be known; inputs hold what `ranges` says, if anything."""
    writer, document = _BlockWriter(), graph.document
    nonfinite = {output.name: output.nonfinite for output in document.body.outputs}
    body = writer.body(graph.root, "", nonfinite)  # first: it fills `writer.lines` with the blocks

    lines = [
        _HEAD.format(_origin(document.source)),
        f"stackc: {LANGUAGE_VERSION}",
        f"name: {_text(document.name)}",
        *_section("dims", {name: _dim(limits) for name, limits in graph.contract.items()}),
        *_section("inputs", {name: _input(type_, ranges.get(name)) for name, type_ in graph.inputs.items()}),
        *body,
        *(["blocks:", *writer.lines] if writer.lines else []),
        *_weights(document.weights, graph.params),
    ]
    return "\n".join(lines) + "\n"


# `_origin` parses this line, also in locks that earlier versions wrote.
_HEAD = "# Resolved from {} by stackc; each node's source is its place there."


def _origin(source: Source) -> str:
    """Return the file that the spans of the nodes refer to; for a lock, the file it was resolved from."""
    before, after = _HEAD.split("{}")
    first = source.text.split("\n", 1)[0]
    if first.startswith(before) and first.endswith(after):
        return first.removeprefix(before).removesuffix(after)
    return _one_line(source.file)


class _BlockWriter:
    """Writes each distinct region as a block, once, inner ones first.

    `lines` are those of all blocks, `names` the name of each region's block.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[Region, str] = {}

    def name(self, region: Region) -> str:
        """Return the name of the region's block, writing the block on the first call."""
        if region not in self.names:
            base = re.sub(r"\W+", "_", region.name)
            body = self.body(region, "    ")  # before its own name: inner blocks come first

            taken = {*self.names.values(), *REGISTRY, *SPECIAL_OPS}
            name = next(n for i in range(len(taken) + 1) if (n := f"{base}_{i}" if i else base) not in taken)
            self.names[region] = name

            self.lines += [f"  {_text(name)}:", f"    inputs: [{', '.join(map(_text, region.inputs))}]", *body]
        return self.names[region]

    def body(self, region: Region, indent: str, nonfinite: Mapping[str, Sequence[str]] | None = None) -> list[str]:
        """Return the lines of a region's graph, nodes and outputs; `nonfinite` has what outputs may hold by name."""
        nodes = {node.id: self.node(region, node) for node in region.nodes.values()}
        arrows = [f"  {line}" for node in region.nodes.values() for line in _arrows(region, node)]
        outputs = {
            name: _output(_path(region, ref), (nonfinite or {}).get(name, ())) for name, ref in region.outputs.items()
        }
        lines = ["graph: |", *arrows, *_section("nodes", nodes), *_section("outputs", outputs)]
        return [indent + line for line in lines]

    def node(self, region: Region, node: Node) -> str:
        """Return the entry of a node under `nodes`."""
        fields: dict[str, str] = {}
        if node.same_as:
            fields["same_as"] = _text(node.same_as)
        elif isinstance(node.body, Region):
            fields["op"] = _text(self.name(node.body))
        else:
            fields |= _component(node.body)

        if node.ties:
            fields["tie"] = _flow({name: _text(tie.path) for name, tie in node.ties.items()})
        if node.reparams:
            fields["reparam"] = _flow({name: _reparam(reparam) for name, reparam in node.reparams})
        return _flow(fields | {"source": _text(str(node.span))})


def _component(component: Component) -> dict[str, str]:
    """Return the op and the fields that differ from their defaults."""
    if isinstance(component, CustomModule):
        header = {"op": "torch", "of": _text(component.op), "outputs": f"[{', '.join(component.outputs)}]"}
        return header | {name: _scalar(value) for name, value in component.arguments}

    fields = dataclasses.fields(component)  # type: ignore[arg-type]  # every component is a dataclass
    values = {field: getattr(component, field.name) for field in fields}
    return {"op": _text(component.op)} | {f.name: _scalar(v) for f, v in values.items() if v != f.default}


def _arrows(region: Region, node: Node) -> list[str]:
    """Return the arrows into a node, labeled with the ports unless they are the first ones."""
    ports = node.body.inputs if isinstance(node.body, Region) else [port.name for port in node.body.ports]
    lines = []
    for operand in node.operands:
        if operand.value is None:
            continue

        out = _path(region, operand.value).partition(".")[2]
        label = f"{out}:{operand.port}" if out else operand.port
        arrow = "-->" if label == ports[0] else f'-->|"{label}"|'
        lines.append(f"{operand.value.node} {arrow} {node.id}")
    return lines


def _path(region: Region, ref: ValueRef) -> str:
    """Return the node of a value, followed by the name of its output unless it is the first."""
    if ref.output == 0:
        return ref.node
    return f"{ref.node}.{list(region.nodes[ref.node].body.outputs)[ref.output]}"


def _output(path: str, nonfinite: Sequence[str]) -> str:
    kinds = ", ".join(map(_text, nonfinite))
    return _flow({"of": _text(path), "nonfinite": f"[{kinds}]"}) if nonfinite else _text(path)


def _section(name: str, entries: Mapping[str, str]) -> list[str]:
    return [f"{name}:", *(f"  {_text(key)}: {value}" for key, value in entries.items())] if entries else []


def _dim(limits: DimRange) -> str:
    fields = {"min": limits.minimum, "max": limits.maximum, "multiple_of": limits.multiple_of}
    return _flow({name: str(value) for name, value in fields.items() if value is not None})


def _input(type_: TensorType, allowed: ValueRange | None) -> str:
    fields = {"dtype": type_.dtype, "shape": f"[{', '.join(map(str, type_.shape))}]"}
    binding = allowed.binding if allowed else None
    if binding:
        fields |= {key: _scalar(value) for key, value in binding.declaration().items()}
    return _flow(fields)


def _reparam(reparam: Reparam) -> str:
    if isinstance(reparam, MinMax):
        return _flow({"minmax": f"[{reparam.low!r}, {reparam.high!r}]"})
    if isinstance(reparam, Standardize):
        axes = "all" if reparam.axes is None else f"[{', '.join(map(str, reparam.axes))}]"
        return _flow({"standardize": _flow({"axes": axes, "eps": repr(reparam.eps)})})

    (name,) = (name for name, kind in REPARAMS.items() if kind is type(reparam))
    values = {field.name: repr(getattr(reparam, field.name)) for field in dataclasses.fields(reparam)}
    return _flow({name: _flow(values)})


def _weights(decl: WeightsDecl | None, params: Mapping[str, ParamValue]) -> list[str]:
    """Return the section that maps names of parameters to names in the file; the manifest identifies the file."""
    if decl is None:
        return []
    names = {rule.key: _text(rule.resolved(params)) for rule in read_rules(decl)}
    ignore = [f"  ignore: [{', '.join(_text(str(value.data)) for value in decl.ignore)}]"] if decl.ignore else []
    if decl.nonfinite:
        ignore += [f"  nonfinite: [{', '.join(_text(str(value.data)) for value in decl.nonfinite)}]"]
    if decl.prefix:
        ignore.append(f"  prefix: {_text(str(decl.prefix.data))}")
    lines = [f"  {line}" for line in _section("map", names)] + ignore
    return ["weights:", *lines] if lines else []


def _flow(fields: Mapping[str, str]) -> str:
    """Write a mapping in YAML's flow style."""
    return "{" + ", ".join(f"{_text(name)}: {value}" for name, value in fields.items()) + "}"


def _scalar(value: Any) -> str:
    """Write a number, a word or a list of them; a dim as an expression."""
    return _text(value) if isinstance(value, str) else json.dumps(value, default=str)


def _text(text: str) -> str:
    """Write a plain word unquoted, anything else quoted."""
    plain = re.fullmatch(r"[^\W\d][\w.-]*", text) and text not in ("true", "false", "null")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n]", " ", text)
