"""Unused parts of a spec: blocks, and outputs of blocks.

Unused blocks are expanded like others, so their problems are reported too. Their inputs have no types, so shapes are
not checked. A param without a default has no value, so problems that may depend on it are not reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from stackc.core.diagnostics import Collector, Diagnostic, Span, SpecError
from stackc.core.types import Dim
from stackc.ir.model import Region, ValueRef
from stackc.resolve.context import Context
from stackc.resolve.expand import expand_block
from stackc.resolve.params import Binding, bind_params
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl, Document
from stackc.spec.yaml.tree import Value

_VALUE_CODES = {"S003", "S005", "N310", "X003"}
"""Codes of problems with values: inside nested blocks, they may depend on a param without a value."""


# -- blocks


def check_unused(document: Document, used: Mapping[str, object], scope: Scope) -> tuple[str, ...]:
    """Return the names of the blocks that neither the spec nor another block uses.

    Reports the problems of all blocks that are not among `used`, those that the spec itself uses.
    """
    unused, used_inside = [name for name in document.blocks if name not in used], set[str]()
    for name in unused:
        block, context = document.blocks[name], Context(document, _separate(scope, document.file))
        open_params = [param.name for param in block.params.values() if param.default.data is None]
        with suppress(SpecError):  # the collector raises at the limit of problems
            _expand(context, block, open_params)

        for diagnostic in context.diagnostics.diagnostics:
            if not open_params or not _may_depend_on(open_params, block, diagnostic):
                scope.diagnostics.extend(SpecError(diagnostic))
        used_inside |= context.used.keys()
    return tuple(name for name in unused if name not in used_inside)


def _separate(scope: Scope, file: str) -> Scope:
    """Return the scope with a collector of its own, which nested blocks of the same file use as well."""
    homes = dict(scope.homes)
    homes[file] = replace(scope, diagnostics=Collector(), homes=homes)
    return homes[file]


def _expand(context: Context, block: BlockDecl, open_params: list[str]) -> None:
    """Expand a block with its defaults; a param without a default becomes a symbol."""
    scope = context.root.with_names({name: Dim.symbol(name) for name in open_params})
    decls = {name: param for name, param in block.params.items() if name not in open_params}
    params = bind_params(decls, {}, scope, scope, Binding(f"the block '{block.body.name}'", None, ""))
    if params is not None:
        expand_block(context, block, scope.with_names(params))


def _may_depend_on(params: list[str], block: BlockDecl, diagnostic: Diagnostic) -> bool:
    """Return whether a problem may disappear once the params have values."""
    if diagnostic.code in _VALUE_CODES:
        return True
    word = re.compile(rf"\b({'|'.join(map(re.escape, params))})\b")
    written = [entry.value for node in block.body.nodes.values() for entry in node.fields.values()]
    written += [node.op for node in block.body.nodes.values() if node.op]
    written += [node.merge for node in block.body.nodes.values() if node.merge]

    dependent = {span for value in written for text, span in _texts(value) if word.search(text)}
    return any(_contains(span, diagnostic.span) for span in dependent)


def _texts(value: Value) -> Iterator[tuple[str, Span]]:
    """Yield every text in a value, however deep, with its place."""
    if isinstance(value.data, str):
        yield value.data, value.span
    elif isinstance(value.data, Mapping):
        for entry in value.data.values():
            yield from _texts(entry.value)
    elif isinstance(value.data, tuple):
        for item in value.data:
            yield from _texts(item)


def _contains(outer: Span, inner: Span | None) -> bool:
    return (
        inner is not None
        and (outer.file, outer.line) == (inner.file, inner.line)
        and outer.column <= inner.column < outer.end
    )


# -- outputs of blocks


def unread_outputs(root: Region) -> tuple[tuple[str, str], ...]:
    """Return the outputs of blocks, as block and name, that no use of the block reads and nothing inside needs."""
    read: dict[tuple[str, Span], set[ValueRef]] = {}
    blocks: dict[tuple[str, Span], Region] = {}

    # Regions of one block differ by params and taps: an output is read if it is read in any of them.
    waiting, seen = [root], {root}
    while waiting:
        region = waiting.pop()
        values = _operand_values(region) | {*region.outputs.values()}
        for node in region.nodes.values():
            if not isinstance(body := node.body, Region):
                continue
            block = body.name, body.span
            blocks[block] = body
            names = [name for name, number in body.numbers.items() if ValueRef(node.id, number) in values]
            read.setdefault(block, set()).update(body.outputs[name] for name in names)
            waiting += [body] if body not in seen else []
            seen.add(body)

    return tuple(
        (body.name, name)
        for block, body in blocks.items()
        if body.kind == "block"
        for name in _unneeded_outputs(body)
        if body.outputs[name] not in read[block]
    )


def _unneeded_outputs(body: Region) -> list[str]:
    """Return the outputs of a block whose values no node inside takes."""
    values = _operand_values(body)
    return [name for name, ref in body.outputs.items() if ref not in values and ref.node in body.nodes]


def _operand_values(region: Region) -> set[ValueRef | None]:
    return {operand.value for node in region.nodes.values() for operand in node.operands}
