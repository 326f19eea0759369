"""What nothing in a spec uses: blocks, and outputs of blocks.

Blocks are read as the others are, and what can be told without a use is told. Their inputs have no types, so nothing is
said of shapes. A param without a default has no value: what the spec writes with it is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from stackc.core.diagnostics import Collector, Diagnostic, Span, SpecError
from stackc.core.types import Dim
from stackc.ir.model import Region, ValueRef
from stackc.resolve.expand import Context, expand_block
from stackc.resolve.params import Binding, bind_params
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl, Document
from stackc.spec.yaml.tree import Value

_OF_VALUES = {"S003", "S005", "N310", "X003"}
"""What is said of values: in blocks inside, it may hang on a param that has none."""


def check_unused(document: Document, used: Mapping[str, object], scope: Scope) -> tuple[str, ...]:
    """The names of the blocks that neither the spec nor another block uses.

    What is wrong with a block that the spec does not use, so that it is not among `used`, is noted as everywhere.
    """
    unused, inside = [name for name in document.blocks if name not in used], set[str]()
    for name in unused:
        block, context = document.blocks[name], Context(document, _apart(scope, document.file))
        open_params = [param.name for param in block.params.values() if param.default.data is None]
        with suppress(SpecError):  # raised where there are so many problems that gathering them ends
            _expand(context, block, open_params)
        for diagnostic in context.diagnostics.diagnostics:
            if not open_params or not _may_hang_on(open_params, block, diagnostic):
                scope.diagnostics.extend(SpecError(diagnostic))
        inside |= context.used.keys()
    return tuple(name for name in unused if name not in inside)


def _apart(scope: Scope, file: str) -> Scope:
    """The scope with problems gathered for themselves, those of blocks inside too."""
    homes = dict(scope.homes)
    homes[file] = replace(scope, diagnostics=Collector(), homes=homes)
    return homes[file]


def _expand(context: Context, block: BlockDecl, open_params: list[str]) -> None:
    scope = context.root.with_names({name: Dim.symbol(name) for name in open_params})
    decls = {name: param for name, param in block.params.items() if name not in open_params}
    params = bind_params(decls, {}, scope, scope, Binding(f"the block '{block.body.name}'", None, ""))
    if params is not None:
        expand_block(context, block, scope.with_names(params))


def _may_hang_on(params: list[str], block: BlockDecl, diagnostic: Diagnostic) -> bool:
    """Whether a problem is perhaps none, once the params have values."""
    if diagnostic.code in _OF_VALUES:
        return True
    word = re.compile(rf"\b({'|'.join(map(re.escape, params))})\b")
    written = [entry.value for node in block.body.nodes.values() for entry in node.fields.values()]
    written += [node.op for node in block.body.nodes.values() if node.op]
    written += [node.merge for node in block.body.nodes.values() if node.merge]
    hanging = {span for value in written for text, span in _texts(value) if word.search(text)}
    return any(_holds(span, diagnostic.span) for span in hanging)


def _texts(value: Value) -> Iterator[tuple[str, Span]]:
    if isinstance(value.data, str):
        yield value.data, value.span
    elif isinstance(value.data, Mapping):
        for entry in value.data.values():
            yield from _texts(entry.value)
    elif isinstance(value.data, tuple):
        for item in value.data:
            yield from _texts(item)


def _holds(outer: Span, inner: Span | None) -> bool:
    return (
        inner is not None
        and (outer.file, outer.line) == (inner.file, inner.line)
        and outer.column <= inner.column < outer.end
    )


def unread_outputs(root: Region) -> tuple[tuple[str, str], ...]:
    """The outputs of blocks, each by block and name, that no use of the block takes and that nothing in it needs."""
    read: dict[tuple[str, Span], set[ValueRef]] = {}
    blocks: dict[tuple[str, Span], Region] = {}
    waiting, seen = [root], {root}
    while waiting:
        region = waiting.pop()
        taken = {operand.value for node in region.nodes.values() for operand in node.operands} | {
            *region.outputs.values()
        }
        for node in region.nodes.values():
            if isinstance(body := node.body, Region):
                block = body.name, body.span
                blocks[block] = body
                values = {
                    body.outputs[name] for name, number in body.numbers.items() if ValueRef(node.id, number) in taken
                }
                read.setdefault(block, set()).update(values)
                waiting += [body] if body not in seen else []
                seen.add(body)
    whole = {block: body for block, body in blocks.items() if body.kind == "block"}
    return tuple(
        (body.name, name)
        for block, body in whole.items()
        for name in _idle(body)
        if body.outputs[name] not in read[block]
    )


def _idle(body: Region) -> list[str]:
    """The outputs of a block that are values which nothing in it takes."""
    taken = {operand.value for node in body.nodes.values() for operand in node.operands}
    return [name for name, ref in body.outputs.items() if ref not in taken and ref.node in body.nodes]
