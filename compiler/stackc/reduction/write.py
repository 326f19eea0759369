"""SpecTree → YAML that a person reads: ops in the drawing, entries only for nodes with fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from stackc.reduction.tree import Plain, SpecTree, TreeBody, TreeNode
from stackc.spec.document import LANGUAGE_VERSION

LONGEST_CHAIN = 80
"""Columns of a chain of arrows beyond which the next one starts a line."""


def write_tree(tree: SpecTree) -> str:
    """Return the text of a spec."""
    lines = [
        f"stackc: {LANGUAGE_VERSION}",
        f"name: {plain_text(tree.name)}",
        *_section("dims", {name: dict(contract) for name, contract in tree.dims.items() if contract}),
        *_section("params", tree.params),
        *_section("inputs", {name: _input(decl) for name, decl in tree.inputs.items()}),
        *_body(tree.body, "", tree.nonfinite),
    ]
    if tree.blocks:
        lines.append("blocks:")
    for name, block in tree.blocks.items():
        params = [f"    params: {plain_text(dict(block.params))}"] * bool(block.params)
        inputs = f"    inputs: {plain_text(list(block.inputs))}"
        lines += [f"  {plain_text(name)}:", *params, inputs, *_body(block.body, "    ", {})]
    return "\n".join(lines) + "\n"


def plain_text(value: Plain) -> str:
    """Return a value in YAML's flow style, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{plain_text(name)}: {plain_text(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(plain_text, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[^\W\d][\w.-]*", value) and value not in ("true", "false", "null"):
        return value
    return json.dumps(value, ensure_ascii=False)


def _section(name: str, entries: Mapping[str, Plain]) -> list[str]:
    return [f"{name}:", *(f"  {plain_text(key)}: {plain_text(value)}" for key, value in entries.items())] * bool(
        entries
    )


def _input(decl: Mapping[str, Plain]) -> Plain:
    """Return an input without the dtype that it has anyway; sizes that are expressions need no quotes in a list."""
    return {name: value for name, value in decl.items() if (name, value) != ("dtype", "float32")}


def _body(body: TreeBody, indent: str, nonfinite: Mapping[str, Sequence[str]]) -> list[str]:
    entries = {id: _entry(id, node) for id, node in body.nodes.items()}
    lines = ["graph: |", *(f"  {line}" for line in _arrows(body))]
    lines += _section("nodes", {id: entry for id, entry in entries.items() if entry})
    lines += [f"outputs: {plain_text(_outputs(body, nonfinite))}"] * bool(body.outputs)
    return [indent + line for line in lines]


def _outputs(body: TreeBody, nonfinite: Mapping[str, Sequence[str]]) -> Plain:
    """Return the outputs as a list of nodes where that says all."""
    kinds = {name: list(nonfinite[name]) for name in body.outputs if name in nonfinite}
    if not kinds and all(name == source for name, source in body.outputs.items()):
        return list(body.outputs)
    return {
        name: {"of": source, "nonfinite": kinds[name]} if name in kinds else source
        for name, source in body.outputs.items()
    }


def _arrows(body: TreeBody) -> list[str]:
    """Return the lines of the drawing, in chains; a node has its op in brackets where it is first mentioned.

    Without nodes, the drawing mentions the inputs that are passed on.
    """
    drawn: set[str] = set()

    def mention(id: str) -> str:
        op = body.nodes[id].op if id in body.nodes and id not in drawn else ""
        drawn.add(id)
        return f"{id}[{op}]" if op and op != id and _is_label(op) else id

    lines, end = [], None
    for id, node in body.nodes.items():
        if not node.operands:
            lines.append(mention(id))
            end = id
        for operand in node.operands:
            label = f"{operand.out}:{operand.port}" if operand.out else operand.port
            arrow = f'-->|"{label}"|' if label else "-->"
            if operand.source == end and len(lines[-1]) <= LONGEST_CHAIN:
                lines[-1] += f" {arrow} {mention(id)}"
            else:
                lines.append(f"{mention(operand.source)} {arrow} {mention(id)}")
            end = id
    return lines or list(dict.fromkeys(body.outputs.values()))


def _entry(id: str, node: TreeNode) -> dict[str, Plain]:
    """Return the entry of a node: its fields, and its op where the drawing cannot say it."""
    op: dict[str, Plain] = {} if not node.op or node.op == id or _is_label(node.op) else {"op": node.op}
    return op | dict(node.fields)


def _is_label(op: str) -> bool:
    return re.fullmatch(r"\w+", op) is not None
