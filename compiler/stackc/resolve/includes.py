"""Included blocks: the block that `FILE#block` or `FILE` names, and the scope in which it is expanded."""

from __future__ import annotations

from dataclasses import replace

from stackc.components import REGISTRY
from stackc.components.registry import SPECIAL_OPS
from stackc.core.diagnostics import Collector, SpecError, did_you_mean
from stackc.resolve.params import default_of
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl, Document, PortDecl
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.includes import include_parts
from stackc.spec.yaml.tree import Value


def included_block(op: str, value: Value, scope: Scope) -> BlockDecl | None:
    """Return the block that an op of the form `FILE` or `FILE#block` names; None, reported as N314, without one.

    Adds the file's own scope to `scope.homes` when the file is included for the first time.
    """
    file, name = include_parts(op)
    path = scope.files.path(file, scope.file, value, scope.diagnostics)
    if path is None:
        return None
    document = scope.files.load(path, value, scope.diagnostics)
    if document is None:
        return None

    if document.file not in scope.homes:
        check_blocks(document, scope.diagnostics)
        scope.homes[document.file] = _home(document, scope)

    if not name:
        return _whole_spec(document)
    if name not in document.blocks:
        hint = did_you_mean(name, document.blocks) or "it has no blocks"
        scope.diagnostics.error("N314", f"{path} has no block '{name}'", value.span, hint)
        return None
    return document.blocks[name]


def check_blocks(document: Document, diagnostics: Collector) -> None:
    """Report S008 for each block that has the name of a component: one name, one meaning."""
    for name, block in document.blocks.items():
        if name in REGISTRY or name in SPECIAL_OPS:
            message = f"a block cannot be named '{name}': this is the name of a component"
            diagnostics.error("S008", message, block.body.span, f"rename it, for example to 'my_{name}'")


def _whole_spec(document: Document) -> BlockDecl:
    """Return an included spec as a block: its inputs become ports."""
    ports = tuple(PortDecl(name, False, decl.span) for name, decl in document.inputs.items())
    return BlockDecl(document.body, document.params, ports, document.inputs, document.weights)


def _home(document: Document, scope: Scope) -> Scope:
    """Return the scope that blocks of an included file see: its blocks, and those of its params that have a default."""
    start = scope.for_file(document)
    names: dict[str, ParamValue] = {}
    home = replace(start, names=names)
    for name, decl in document.params.items():
        try:
            value = default_of(decl, home)
        except SpecError as error:
            scope.diagnostics.extend(error)
            continue
        if value is not None:
            names[name] = value
    return home
