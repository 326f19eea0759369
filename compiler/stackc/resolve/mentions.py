"""Declared dims and params that a spec never mentions: in no shape, no expression and no text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stackc.core.diagnostics import Collector, closest
from stackc.spec.document import Body, Document, ParamDecl
from stackc.spec.yaml.tree import Value


def check_dims(document: Document, diagnostics: Collector) -> None:
    """Report N318 for each declared dim that is never mentioned: its contract would constrain nothing.

    Locks are exempt: expressions are written there as numbers, so the dims they used may be left over.
    """
    unmentioned = document.dims.keys() - _words(value for decl in document.inputs.values() for value in decl.shape)
    if not unmentioned or any(entry.source for entry in document.body.nodes.values()):
        return

    sizes = [value for decl in document.inputs.values() for value in decl.shape]
    undeclared = {str(size.data) for size in sizes if isinstance(size.data, str)} - {*document.dims, *document.params}
    for name in sorted(unmentioned - _mentioned(document, unmentioned)):
        meant = closest(name, undeclared)
        hint = f"did you mean '{meant}'?" if meant else "write it in the shape of an input, or remove it"
        message = f"the dim '{name}' is unused: no shape and no expression mentions it"
        diagnostics.error("N318", message, document.dims[name].span, hint)


def unused_params(document: Document) -> tuple[str, ...]:
    """Return the params of the spec itself that are never mentioned."""
    mentioned = _mentioned(document, document.params.keys()) if document.params else set()
    return tuple(name for name in document.params if name not in mentioned)


def _mentioned(document: Document, names: Iterable[str]) -> set[str]:
    """Return the names that the spec mentions; in a block, the block's own params shadow those of the spec."""
    wanted, mentioned = set(names), set[str]()
    for shadowed, values in _parts(document):
        mentioned |= (_words(values) & wanted) - shadowed
        if mentioned == wanted:
            break
    return mentioned


def _parts(document: Document) -> Iterator[tuple[set[str], Iterator[Value]]]:
    """Yield the values of each part of a spec, with the names that are shadowed there."""
    yield set(), _of_declarations(document)
    for name, param in document.params.items():
        yield {name}, _of_params([param])
    yield set(), _of_body(document.body)

    for block in document.blocks.values():
        yield set(), _of_params(block.params.values())
        yield set(block.params), _of_body(block.body)


def _of_declarations(document: Document) -> Iterator[Value]:
    for dim in document.dims.values():
        yield from (value for value in (dim.minimum, dim.maximum, dim.below, dim.multiple_of) if value)
    train = document.train
    for decl in (*document.inputs.values(), *(train.inputs.values() if train else ())):
        yield from (*decl.shape, *decl.values, *decl.to, *decl.bounds().values())
    if train:
        yield from (entry.value for entry in train.settings.values())
        yield from _of_body(train.body)
    if document.weights:
        yield from document.weights.files
        yield from (entry.value for entry in document.weights.names.values())


def _of_params(params: Iterable[ParamDecl]) -> Iterator[Value]:
    for param in params:
        yield from (param.default, *param.bounds.values())


def _of_body(body: Body) -> Iterator[Value]:
    for node in body.nodes.values():
        yield from (value for value in (node.op, node.merge, node.same_as, node.freeze, node.weights) if value)
        for entries in (node.fields, node.tie, node.reparam):
            yield from (entry.value for entry in entries.values())


def _words(values: Iterable[Value]) -> set[str]:
    return {word for value in values for text in value.texts() for word in re.findall(r"\w+", text)}
