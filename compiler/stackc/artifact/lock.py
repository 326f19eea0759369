"""Write the lock: the resolved spec, as a spec without params that records the source line of each node.

Every distinct region becomes a block, stacks included, so that nothing is left to compute. The paths of all components
stay the same, and with them names, seeds and weights.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.custom.module import CustomModule
from stackc.components.entering_sizes import SizedByInputs
from stackc.components.fields import members_of
from stackc.components.registry import SPECIAL_OPS
from stackc.components.reparam import REPARAMS, MinMax, Reparam, Standardize
from stackc.components.scan import Cell, Scan
from stackc.core.types import DimRange, TensorType
from stackc.core.value_range import ValueRange
from stackc.frontend import Checked
from stackc.ir.model import Graph, Node, Region, ValueRef
from stackc.ir.optimizers import OPTIMIZERS, SCHEDULES, Optimizer, Schedule
from stackc.ir.training import DataSource, Training, TrainSettings
from stackc.spec.document import LANGUAGE_VERSION, DecodeDecl
from stackc.spec.source import Source
from stackc.weights.resolved_map import resolved_map


def write_lock(checked: Checked) -> str:
    """Return the text of the lock; parsed again, it gives the same program."""
    lock = write_graph(checked.graph, checked.ranges, checked.training)
    return lock + "".join(f"{line}\n" for line in _weights(checked))


def write_graph(graph: Graph, ranges: Mapping[str, ValueRange], training: Training | None = None) -> str:
    """Return the lock of a graph, whose types need not be known; inputs hold what `ranges` says, if anything.

    It says nothing about weights: which parameters there are follows from the types.
    """
    writer, document = _BlockWriter(), graph.document
    nonfinite = {output.name: output.nonfinite for output in document.body.outputs}
    body = writer.body(graph.root, "", nonfinite)  # first: it fills `writer.lines` with the blocks
    train = writer.train(graph, training) if training else []

    lines = [
        _HEAD.format(_origin(document.source)),
        f"stackc: {LANGUAGE_VERSION}",
        f"name: {_text(document.name)}",
        *_section("dims", {name: _dim(limits) for name, limits in graph.contract.items()}),
        *_section("inputs", {name: _input(type_, ranges.get(name)) for name, type_ in graph.inputs.items()}),
        *body,
        *(["blocks:", *writer.lines] if writer.lines else []),
        *train,
        *_decode(document.decode),
    ]
    return "\n".join(lines) + "\n"


def _decode(decl: DecodeDecl | None) -> list[str]:
    """Return the line of the decoding step, if there is one."""
    if decl is None or decl.along is None:
        return []
    lists = {"inputs": decl.inputs, "whole": decl.whole, "outputs": decl.outputs}
    names = {key: [_text(str(each.data)) for each in values] for key, values in lists.items() if values}
    entries = [f"along: {_text(str(decl.along.data))}", *(f"{key}: [{', '.join(own)}]" for key, own in names.items())]
    return [f"decode: {{{', '.join(entries)}}}"]


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
    """Writes each distinct region and each cell of a scan as a block, once, inner ones first.

    `lines` are those of all blocks, `names` the name of each region's block.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[Region | Cell, str] = {}

    def name(self, region: Region | Cell) -> str:
        """Return the name of the block of a region or cell, writing the block on the first call."""
        if region not in self.names:
            base = re.sub(r"\W+", "_", region.name)
            body = (
                _cell(region) if isinstance(region, Cell) else self.body(region, "    ")
            )  # before its own name: inner blocks come first

            taken = {*self.names.values(), *REGISTRY, *SPECIAL_OPS}
            name = next(n for i in range(len(taken) + 1) if (n := f"{base}_{i}" if i else base) not in taken)
            self.names[region] = name

            self.lines += [f"  {_text(name)}:", f"    inputs: {_list(region.inputs)}", *body]
        return self.names[region]

    def body(self, region: Region, indent: str, nonfinite: Mapping[str, Sequence[str]] | None = None) -> list[str]:
        """Return the lines of a region's graph, nodes and outputs; `nonfinite` has what outputs may hold by name.

        A graph without arrows passes its inputs on, and mentions what its outputs are.
        """
        nodes = {node.id: self.node(region, node) for node in region.nodes.values()}
        arrows = [f"  {line}" for node in region.nodes.values() for line in _arrows(region, node)]
        outputs = {
            name: _output(_path(region, ref), (nonfinite or {}).get(name, ())) for name, ref in region.outputs.items()
        }
        passed = [f"  {source}" for source in dict.fromkeys(ref.node for ref in region.outputs.values())]
        lines = ["graph: |", *(arrows or passed), *_section("nodes", nodes), *_section("outputs", outputs)]
        return [indent + line for line in lines]

    def train(self, model: Graph, training: Training) -> list[str]:
        """Return the section on training: what is drawn beside the model, and the settings.

        The files of examples are left out: they are no part of the artifact.
        """
        joined = training.typed.graph
        own = {name: node for name, node in joined.root.nodes.items() if name not in model.root.nodes}
        metrics = {
            name: _metric(joined.root, own[name])
            for name in training.metrics
            if sum(operand.value is not None for operand in own[name].operands) == 2  # others were drawn
        }
        drawn = {name: node for name, node in own.items() if name not in metrics}

        inputs = {name: type_ for name, type_ in joined.inputs.items() if name not in model.inputs}
        arrows = [f"  {line}" for node in drawn.values() for line in _arrows(joined.root, node)]
        lines = [
            *_section("inputs", {name: _input(type_, training.ranges.get(name)) for name, type_ in inputs.items()}),
            *("graph: |", *arrows),
            *_section("nodes", {name: self.node(joined.root, node) for name, node in drawn.items()}),
            *_section("metrics", metrics),
            *(f"{name}: {text}" for name, text in _settings(training.settings).items()),
        ]
        return ["train:", *(f"  {line}" for line in lines)]

    def node(self, region: Region, node: Node) -> str:
        """Return the entry of a node under `nodes`."""
        fields: dict[str, str] = {}
        if node.same_as:
            fields["same_as"] = _text(node.same_as)
        elif isinstance(node.body, Region):
            fields["op"] = _text(self.name(node.body))
        elif isinstance(node.body, Scan):
            fields |= _scan(node.body, self.name(node.body.cell))
        else:
            fields |= _component(node.body)

        if node.ties:
            fields["tie"] = _flow({name: _text(tie.path) for name, tie in node.ties.items()})
        if node.reparams:
            fields["reparam"] = _flow({name: _reparam(reparam) for name, reparam in node.reparams})
        return _flow(fields | {"source": _text(str(node.span))})


def _cell(cell: Cell) -> list[str]:
    """Return the lines of a cell's graph, nodes and outputs."""
    paths = list(cell.inputs)
    for step in cell.steps:
        paths += [step.name, *(f"{step.name}.{output}" for output in step.component.outputs[1:])]

    arrows: list[str] = []
    for step in cell.steps:
        last = len(step.component.ports) - 1
        for index, number in enumerate(step.inputs):
            if number is not None:
                source, _, out = paths[number].partition(".")
                port = step.component.ports[min(index, last)].name
                label = "" if not out and port == step.component.ports[0].name else f'|"{out}:{port}"|'
                arrows.append(f"  {source} -->{label if out else label.replace(':', '')} {step.name}")

    nodes = {step.name: _flow(_component(step.component)) for step in cell.steps}
    outputs = {name: _text(paths[number]) for name, number in cell.outputs}
    return ["    " + line for line in ["graph: |", *arrows, *_section("nodes", nodes), *_section("outputs", outputs)]]


def _scan(scan: Scan, block: str) -> dict[str, str]:
    """Return the op and the fields of a scan."""
    fields = {"op": "scan", "of": _text(block), "axis": str(scan.axis)}
    if scan.reverse:
        fields["reverse"] = "true"
    return fields | ({"whole": _list(scan.whole)} if scan.whole else {})


def _component(component: Component) -> dict[str, str]:
    """Return the op and the fields that differ from their defaults."""
    if isinstance(component, CustomModule):
        header = {"op": "torch", "of": _text(component.op), "outputs": f"[{', '.join(component.outputs)}]"}
        return header | {name: _scalar(value) for name, value in component.arguments}

    if isinstance(component, SizedByInputs):
        return {"op": _text(component.op)} | {name: _scalar(value) for name, value in component.values().items()}

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


def _metric(region: Region, node: Node) -> str:
    """Return the entry of a metric: its op, the two values it compares, its fields."""
    assert isinstance(node.body, Component), "a metric is a component"
    of, target = (_path(region, operand.value) for operand in node.operands if operand.value)
    return _flow({"of": _text(of), "target": _text(target)} | _component(node.body))


def _settings(settings: TrainSettings) -> dict[str, str]:
    """Return the settings that differ from their defaults; without the files of examples and those of a run."""
    data = dataclasses.replace(settings.data, train=None, validation=None)
    weights = {name: weight for name, weight in settings.loss_weights.items() if weight != 1}
    written = dataclasses.replace(settings, data=data, loss_weights=weights, groups=(), patterns={}, checkpoint=None)

    lines: dict[str, str] = {}
    for name, value in _differing(written).items():
        if isinstance(value, (Optimizer, Schedule)):
            table: Mapping[str, type] = OPTIMIZERS if isinstance(value, Optimizer) else SCHEDULES
            (op,) = (op for op, make in table.items() if make is type(value))
            fields = {key: _scalar(each) for key, each in _differing(value).items()}
            if isinstance(value, Optimizer):
                fields |= {
                    key: _flow({p: _scalar(n) for p, n in each.items()}) for key, each in settings.patterns.items()
                }
            lines[name] = _flow({"op": op} | fields)
        elif isinstance(value, DataSource):
            lines[name] = _data(value)
        elif dataclasses.is_dataclass(value):
            lines[name] = _flow({key: _scalar(each) for key, each in _differing(value).items()})
        elif isinstance(value, Mapping):
            lines[name] = _flow({key: _scalar(each) for key, each in value.items()})
        else:
            lines[name] = _list(value) if isinstance(value, tuple) else _scalar(value)
    return lines


def _data(data: DataSource) -> str:
    """Return the mapping `data`, with what each input is made from."""
    fields = {key: _scalar(each) for key, each in _differing(data).items() if key != "columns"}
    columns = {}
    for name, source in data.columns.items():
        entries = {"from": _list(source.columns)}
        for key, each in _differing(source).items():
            if key != "columns":
                entries[key] = _list(each) if isinstance(each, tuple) else _scalar(each)
        columns[name] = _flow(entries)
    return _flow(fields | ({"columns": _flow(columns)} if columns else {}))


def _differing(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        factory = field.default_factory
        default = field.default if factory is dataclasses.MISSING else factory()
        if getattr(value, field.name) != default:
            values[field.name] = getattr(value, field.name)
    return values


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
    values = {field.name: getattr(reparam, field.name) for field in dataclasses.fields(reparam)}
    return _flow({name: _flow({key: repr(value) for key, value in values.items() if value is not None})})


def _weights(checked: Checked) -> list[str]:
    """Return the section that maps names of parameters to names in the file; the manifest identifies the file."""
    decl = checked.document.weights
    if decl is None:
        return []
    names = resolved_map(decl, checked.program, checked.graph.params)
    entries = {key: _text(texts[0]) if len(texts) == 1 else _list(texts) for key, texts in names.items()}
    lines = [f"  {line}" for line in _section("map", entries)]
    if decl.ignore:
        lines.append(f"  ignore: {_list([str(value.data) for value in decl.ignore])}")
    if decl.nonfinite:
        lines.append(f"  nonfinite: {_list([str(value.data) for value in decl.nonfinite])}")
    if decl.prefix:
        lines.append(f"  prefix: {_text(str(decl.prefix.data))}")
    return ["weights:", *lines] if lines else []


def _list(texts: Iterable[str]) -> str:
    """Write a list of words in YAML's flow style."""
    return f"[{', '.join(map(_text, texts))}]"


def _flow(fields: Mapping[str, str]) -> str:
    """Write a mapping in YAML's flow style."""
    return "{" + ", ".join(f"{_text(name)}: {value}" for name, value in fields.items()) + "}"


def _scalar(value: Any) -> str:
    """Write a number, a word, a list or mapping of them; a dim as an expression."""
    if (members := members_of(value)) is not None:
        return _flow({name: _scalar(member) for name, member in members.items()})
    return _text(value) if isinstance(value, str) else json.dumps(value, default=str)


def _text(text: str) -> str:
    """Write a plain word unquoted, anything else quoted."""
    plain = re.fullmatch(r"[^\W\d][\w.-]*", text) and text not in ("true", "false", "null")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n]", " ", text)
