"""Specs in other files: `op: layers.yaml#encoder` is a block of another spec, `op: backbone.yaml` that spec as a block.

A path is relative to the including file and stays below the project's root, the folder of the nearest pyproject.toml,
or else of the first spec: no URL, no absolute path, no symbolic link that leaves it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.components import REGISTRY
from stackc.components.base import SPECIAL_OPS
from stackc.diagnostics import Collector, SpecError, near
from stackc.graph.params import default_of
from stackc.spec.document import BlockDecl, Document, PortDecl
from stackc.spec.expressions import Bound
from stackc.spec.reader import read
from stackc.spec.source import LOCK, MERMAID_SUFFIXES, YAML_SUFFIXES, Source, load_source
from stackc.spec.tree import Value

if TYPE_CHECKING:
    from stackc.graph.scope import Scope

_MARKDOWN_SUFFIXES = (".md", ".markdown")
_SUFFIXES = (*YAML_SUFFIXES, *MERMAID_SUFFIXES, *_MARKDOWN_SUFFIXES)


def is_include(text: str) -> bool:
    """Whether an op names another file."""
    return text.partition("#")[0].endswith(_SUFFIXES)


@dataclass(frozen=True)
class Library:
    """The specs that take part in one model. `scopes` has the home of each file's blocks: its own params and blocks;
    `sources` has the texts of those that are included."""

    root: Path
    scopes: dict[str, Scope] = field(default_factory=dict)
    specs: dict[str, BlockDecl] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)

    @staticmethod
    def around(file: str) -> Library:
        """The library of a first spec, which nothing is included from outside of; a lock's is the artifact alone."""
        folder = Path(file).resolve().parent
        if os.path.basename(file) == LOCK:
            return Library(folder)
        marked = (up for up in (folder, *folder.parents) if (up / "pyproject.toml").is_file())
        return Library(next(marked, folder))

    def home_of(self, block: BlockDecl) -> Scope:
        """What names mean inside a block, beside its own params: those of the file that declares it."""
        return self.scopes[block.body.span.file]

    def find(self, text: str, place: Value, scope: Scope) -> BlockDecl | None:
        """The block that `FILE#block` or `FILE` names; None, noted under N314, where there is none to be had."""
        file, name = _parts(text)
        path = self._path(file, place, scope)
        if path is None or not self._load(path, place, scope):
            return None
        if not name:
            return self.specs[path]
        blocks = self.scopes[self.specs[path].body.span.file].blocks
        if name not in blocks:
            scope.found.error("N314", f"{path} has no block '{name}'", place.span, near(name, blocks) or "it has none")
            return None
        return blocks[name]

    def _path(self, file: str, place: Value, scope: Scope) -> str | None:
        """The path of an included file, as messages call it; None, noted, where it may not be included."""
        hint = "an include is the path of a file, relative to this one, inside of the project"
        if "://" in file or os.path.isabs(file):
            scope.found.error("N314", f"'{file}' cannot be included", place.span, hint)
            return None
        path = os.path.normpath(os.path.join(os.path.dirname(scope.file), file))
        if not Path(path.partition("#")[0]).resolve().is_relative_to(self.root):
            scope.found.error("N314", f"'{file}' leads out of the project", place.span, hint)
            return None
        return path

    def _load(self, path: str, place: Value, scope: Scope) -> bool:
        """Read a file unless it was read before; whether it could be read, with its own problems noted."""
        if path in self.specs:
            return True
        try:
            source = load_source(Path(path))
            document = read(source)
        except SpecError as error:
            if error.diagnostics[0].code == "S009":
                unread = error.diagnostics[0]
                scope.found.error("N314", unread.message, place.span, unread.hint)
            else:
                scope.found.extend(error)
            return False
        check_blocks(document, scope.found)
        self.specs[path], self.sources[path] = _as_block(document), source
        self.scopes[document.file] = _scope_of(document, scope)
        return True


def check_blocks(document: Document, found: Collector) -> None:
    """Note S008 for a block that is called like a component: one name, one meaning."""
    for name, block in document.blocks.items():
        if name in REGISTRY or name in SPECIAL_OPS:
            message = f"'{name}' cannot be the name of a block: a component is called so"
            found.error("S008", message, block.body.span, f"call it 'my_{name}'")


def _parts(text: str) -> tuple[str, str]:
    """The file and the block of an include; a Markdown file has the name of one of its specs in between."""
    file, _, rest = text.partition("#")
    if file.endswith(_MARKDOWN_SUFFIXES) and rest:
        spec, _, name = rest.partition("#")
        return f"{file}#{spec}", name
    return file, rest


def _as_block(document: Document) -> BlockDecl:
    ports = tuple(PortDecl(name, False, decl.span) for name, decl in document.inputs.items())
    return BlockDecl(document.body, document.params, ports, document.inputs)


def _scope_of(document: Document, scope: Scope) -> Scope:
    """The names that blocks of an included file see: the params of that file that have a default, and its blocks."""
    start = scope.for_file(document)
    names: dict[str, Bound] = {}
    inner = replace(start, names=names)
    for name, decl in document.params.items():
        try:
            value = default_of(decl, inner)
        except SpecError as error:
            scope.found.extend(error)
            continue
        if value is not None:
            names[name] = value
    return inner
