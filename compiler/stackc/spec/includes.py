"""Load the files that a spec includes: `op: layers.yaml#encoder` is a block, `op: backbone.yaml` a whole spec.

A path is relative to the including file and must stay below the root of the project, which is the folder of the nearest
pyproject.toml, or else of the first spec. URLs, absolute paths and symbolic links out of the root are refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from stackc.core.diagnostics import Collector, SpecError
from stackc.spec.document import Document
from stackc.spec.reader import parse
from stackc.spec.source import LOCK, MERMAID_SUFFIXES, YAML_SUFFIXES, Source, load_source
from stackc.spec.yaml.tree import Value

_MARKDOWN_SUFFIXES = (".md", ".markdown")
_SUFFIXES = (*YAML_SUFFIXES, *MERMAID_SUFFIXES, *_MARKDOWN_SUFFIXES)


def is_include(op: str) -> bool:
    """Return whether an op names another file."""
    return op.partition("#")[0].endswith(_SUFFIXES)


def include_parts(op: str) -> tuple[str, str]:
    """Split an op into a file and a block; a spec's name in a Markdown file (`FILE.md#NAME`) stays with the file."""
    file, _, block = op.partition("#")
    if file.endswith(_MARKDOWN_SUFFIXES) and block:
        spec, _, block = block.partition("#")
        return f"{file}#{spec}", block
    return file, block


@dataclass
class SpecFiles:
    """The files of one model, each read once; `documents` and `sources` hold them by path.

    No include may leave the folder `root`.
    """

    root: Path
    documents: dict[str, Document] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)

    @staticmethod
    def around(file: str) -> SpecFiles:
        """Return the files of the project around a first spec; an artifact's lock may include only that artifact's."""
        folder = Path(file).resolve().parent
        if os.path.basename(file) == LOCK:
            return SpecFiles(folder)
        projects = (up for up in (folder, *folder.parents) if (up / "pyproject.toml").is_file())
        return SpecFiles(next(projects, folder))

    def path(self, file: str, including: str, op: Value, diagnostics: Collector) -> str | None:
        """Return the path of `file`, relative to the file `including`. Reports N314 and returns None if not allowed."""
        hint = "write a path inside the project, relative to this file"
        if "://" in file or os.path.isabs(file):
            diagnostics.error("N314", f"'{file}' cannot be included", op.span, hint)
            return None

        path = os.path.normpath(os.path.join(os.path.dirname(including), file))
        if not Path(path.partition("#")[0]).resolve().is_relative_to(self.root):
            diagnostics.error("N314", f"'{file}' is outside the project", op.span, hint)
            return None
        return path

    def load(self, path: str, op: Value, diagnostics: Collector) -> Document | None:
        """Return the document at `path`, reading each file once.

        Returns None after reporting N314 if the file cannot be read, or the problems inside of the file.
        """
        if path in self.documents:
            return self.documents[path]

        try:
            source = load_source(Path(path))
            document = parse(source)
        except SpecError as error:
            if error.diagnostics[0].code == "S009":
                unreadable = error.diagnostics[0]
                diagnostics.error("N314", unreadable.message, op.span, unreadable.hint)
            else:
                diagnostics.extend(error)
            return None

        self.documents[path], self.sources[path] = document, source
        return document
