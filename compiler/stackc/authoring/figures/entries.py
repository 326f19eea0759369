"""Write the entries of a figure's nodes: the op that is certain with its fields, and `…` for fields that are open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from stackc.authoring.figures.decisions import MERGES, Decision, OpChoice
from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.spec.expressions.expressions import OPEN

_ASKED: Mapping[str, tuple[str, ...]] = {"mlp": ("activation",), "upsample": ("mode",)}
"""Fields with a default that figures leave out although they differ: relu or gelu, nearest or bilinear."""

_COMMENTS = {
    "padding": "same keeps the height and width, 0 makes them smaller",
    "mode": "nearest or bilinear",
    "activation": "relu, gelu or another",
}


@dataclass(frozen=True)
class Sizes:
    """What is known of the sizes around a node: whether its value is an image, whether it has to keep the height and
    width of an image, and its channels."""

    image: bool = False
    kept: bool = False
    width: str | None = None


@dataclass(frozen=True)
class _Block:
    """The lines of a block, and its content without the default of its param: blocks of one content are one."""

    lines: list[str]
    content: list[str]


@dataclass
class EntryWriter:
    """Collects blocks and params while the entries of nodes are written."""

    blocks: dict[str, _Block] = field(default_factory=dict)
    params: set[str] = field(default_factory=set)

    def entry(self, decision: Decision, sizes: Sizes, merge: str | None, *, named: bool) -> tuple[list[str], str]:
        """Return comments on what is to be filled in, and the fields of a node's entry.

        `merge` is how its arrows meet, if it does not say so itself. Unless `named`, the op is the label and left out.
        """
        steps = [self.fields(step, sizes, asked=named) for step in decision.steps]
        if len(steps) == 1 and decision.repeat is None:
            op, fields = decision.steps[0].op, dict(steps[0])
            comments = self.comments(decision.steps[0], fields)
        else:
            op, comments = self.block(decision.steps, steps), []
            fields = {"out": next(each["out"] for each in steps if "out" in each)} if _has_out(steps) else {}

        if decision.repeat is not None:
            count = decision.repeat if decision.repeat.isdigit() else OPEN
            fields = {"of": op, "repeat": count, **({"with": _mapping(fields)} if fields else {})}
            op = "stack"
        if merge := MERGES[decision.merged] if decision.merged else merge:
            fields["merge"] = merge
        return comments, _mapping({"op": op, **fields} if named else fields)

    def fields(self, step: OpChoice, sizes: Sizes, *, asked: bool) -> dict[str, str]:
        """Return the fields of one op as YAML: those that the figure gives, those that follow, and open ones."""
        specs = fields_of(REGISTRY[step.op])
        fields = {name: _written(value) for name, value in step.fields.items()}
        if "out" in specs and "out" not in fields and sizes.width is not None:
            fields["out"] = self.expression(sizes.width)

        fields |= {name: OPEN for name, spec in specs.items() if spec.required and name not in fields}
        fields |= {name: OPEN for name in _ASKED.get(step.op, ()) if asked and name not in fields}
        fields |= {name: value for name, value in _spatial_fields(step, sizes).items() if name not in fields}
        return {name: fields[name] for name in specs if name in fields}

    def expression(self, width: str) -> str:
        """Return the channels of a label as an expression, and note its params: `C/r` is `C // r`."""
        self.params.update(re.findall(r"[A-Za-z]\w*", width))
        return " // ".join(part.strip() for part in width.split("/"))

    def block(self, steps: tuple[OpChoice, ...], fields: list[dict[str, str]]) -> str:
        """Return the name of the block with these ops, one after another; their channels are its param `out`."""
        ids: list[str] = []
        for step in steps:
            count = sum(other.op == step.op for other in steps[: len(ids)])
            ids.append(f"{step.op}_{count + 1}" if count else step.op)
        drawn = [f"{id}[{step.op}]" if id != step.op else id for id, step in zip(ids, steps, strict=True)]

        inner = [{**each, **({"out": "out"} if "out" in each else {})} for each in fields]
        entries = [f"{id}: {_mapping(each)}" for id, each in zip(ids, inner, strict=True) if each]
        content = ["    inputs: [x]", f"    graph: x --> {' --> '.join(drawn)}"]
        content += [f"    nodes: {{{', '.join(entries)}}}"] if entries else []

        comments = [comment for step, each in zip(steps, inner, strict=True) for comment in self.comments(step, each)]
        numbers = [each["out"] for each in fields if each.get("out", OPEN).isdigit()]
        params = [f"    params: {{out: {numbers[0] if numbers else 64}}}"] if _has_out(fields) else []
        return self.add_block("_".join(step.op for step in steps), params, content, comments)

    def add_block(self, name: str, params: list[str], content: list[str], comments: list[str]) -> str:
        """Add a block, unless there is one of this content; return its name."""
        name = f"{name}_block" if name in REGISTRY else name
        number = 1
        while (key := name if number == 1 else f"{name}_{number}") in self.blocks:
            if self.blocks[key].content == content:
                return key
            number += 1
        lines = [*(f"  # {comment}" for comment in dict.fromkeys(comments)), f"  {key}:", *params, *content]
        self.blocks[key] = _Block(lines, content)
        return key

    def is_open(self, name: str) -> bool:
        """Return whether a block has a value to fill in."""
        return any(OPEN in line for line in self.blocks[name].content)

    def block_lines(self) -> list[str]:
        """Return the key `blocks` with all blocks."""
        lines = [line for block in self.blocks.values() for line in block.lines]
        return ["blocks:", *lines] if lines else []

    def comments(self, step: OpChoice, fields: Mapping[str, str]) -> list[str]:
        """Return what is to be filled in for an op, with the meaning of each field."""
        specs = fields_of(REGISTRY[step.op])
        return [f"{name}: {_COMMENTS.get(name) or specs[name].doc}" for name, value in fields.items() if value == OPEN]


def _spatial_fields(step: OpChoice, sizes: Sizes) -> dict[str, str]:
    """Return the fields on which heights, widths and channels depend: as they follow, or open."""
    kernel, stride = step.fields.get("kernel"), step.fields.get("stride")
    odd = isinstance(kernel, int) and kernel % 2 == 1
    if step.op == "conv2d" and kernel != 1:
        keeps = sizes.kept and odd and stride in (None, 1)
        return {"padding": "same" if keeps else OPEN}
    if step.op == "conv_transpose2d" and stride is None:
        return {"stride": str(kernel) if isinstance(kernel, int) and not odd else OPEN}
    if step.op in ("max_pool2d", "avg_pool2d") and isinstance(kernel, int) and kernel > 1:
        if stride is None and odd:
            return {"stride": "1", "padding": str(kernel // 2)} if sizes.kept else {"stride": OPEN, "padding": OPEN}
        return {} if stride in (None, kernel) else {"padding": OPEN}
    if step.op in ("concat", "batch_norm") and sizes.image:
        return {"axis": "1"}
    return {"axis": OPEN} if step.op == "softmax" and sizes.image else {}


def _has_out(fields: list[dict[str, str]]) -> bool:
    return any("out" in each for each in fields)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mapping(fields: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}"
