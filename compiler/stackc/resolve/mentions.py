"""Which dims and params a spec declares and never speaks of: in no shape, no expression, and no text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stackc.core.diagnostics import Collector, closest
from stackc.spec.document import Body, Document, ParamDecl
from stackc.spec.yaml.tree import Value


def check_dims(document: Document, diagnostics: Collector) -> None:
    """Note N318 for a declared dim that nothing speaks of: its contract would bind nothing.

    A lock may declare such dims: what they were good for stands in it as a number.
    """
    unnamed = document.dims.keys() - _words(value for decl in document.inputs.values() for value in decl.shape)
    if not unnamed or any(entry.source for entry in document.body.nodes.values()):
        return
    open_sizes = {
        str(value.data) for decl in document.inputs.values() for value in decl.shape if isinstance(value.data, str)
    } - {*document.dims, *document.params}
    for name in sorted(unnamed - _spoken_of(document, unnamed)):
        meant = closest(name, open_sizes)
        hint = f"did you mean '{meant}'?" if meant else "write it in the shape of an input, or take it away"
        diagnostics.error(
            "N318", f"no shape and no expression speaks of the dim '{name}'", document.dims[name].span, hint
        )


def unused_params(document: Document) -> tuple[str, ...]:
    """The params of the spec itself that nothing speaks of."""
    named = _spoken_of(document, document.params.keys()) if document.params else set()
    return tuple(name for name in document.params if name not in named)


def _spoken_of(document: Document, names: Iterable[str]) -> set[str]:
    """Those of the names that the spec speaks of; in a block, a param of its own hides one of the spec."""
    wanted, found = set(names), set[str]()
    for hidden, values in _parts(document):
        found |= (_words(values) & wanted) - hidden
        if found == wanted:
            break
    return found


def _parts(document: Document) -> Iterator[tuple[set[str], Iterator[Value]]]:
    yield set(), _declared(document)
    for name, param in document.params.items():
        yield {name}, _of_params([param])
    yield set(), _of_body(document.body)
    for block in document.blocks.values():
        yield set(), _of_params(block.params.values())
        yield set(block.params), _of_body(block.body)


def _declared(document: Document) -> Iterator[Value]:
    for dim in document.dims.values():
        yield from (value for value in (dim.minimum, dim.maximum, dim.multiple_of) if value)
    for decl in document.inputs.values():
        yield from (*decl.shape, *decl.values, *decl.to)
        yield from [decl.below] if decl.below else []
    if document.weights and document.weights.file:
        yield document.weights.file


def _of_params(params: Iterable[ParamDecl]) -> Iterator[Value]:
    yield from (param.default for param in params)


def _of_body(body: Body) -> Iterator[Value]:
    for node in body.nodes.values():
        yield from (value for value in (node.op, node.merge, node.same_as) if value)
        for entries in (node.fields, node.tie, node.reparam):
            yield from (entry.value for entry in entries.values())


def _words(values: Iterable[Value]) -> set[str]:
    return {word for value in values for text in value.texts() for word in re.findall(r"\w+", text)}
