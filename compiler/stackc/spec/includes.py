"""Files that a spec includes: `op: layers.yaml#encoder` is a block of another spec, `op: backbone.yaml` that spec.

A path is relative to the including file and stays below the project's root, the folder of the nearest pyproject.toml,
or else of the first spec: no URL, no absolute path, no symbolic link that leaves it.
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
    """Whether an op names another file."""
    return op.partition("#")[0].endswith(_SUFFIXES)


def include_parts(op: str) -> tuple[str, str]:
    """The file and the block that an op names; a Markdown file is followed by the name of one of its specs."""
    file, _, rest = op.partition("#")
    if file.endswith(_MARKDOWN_SUFFIXES) and rest:
        spec, _, block = rest.partition("#")
        return f"{file}#{spec}", block
    return file, rest


@dataclass
class SpecFiles:
    """The files that one model is made of. Each is read once; `documents` and `sources` have them by path.

    `root` is the folder that no include may leave.
    """

    root: Path
    documents: dict[str, Document] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)

    @staticmethod
    def around(file: str) -> SpecFiles:
        """The files around a first spec. The lock of an artifact includes files of that artifact alone."""
        folder = Path(file).resolve().parent
        if os.path.basename(file) == LOCK:
            return SpecFiles(folder)
        projects = (up for up in (folder, *folder.parents) if (up / "pyproject.toml").is_file())
        return SpecFiles(next(projects, folder))

    def path(self, file: str, including: str, place: Value, diagnostics: Collector) -> str | None:
        """The path of `file` as seen from the file `including`. Reports N314 and returns None if it is not allowed."""
        hint = "an include is the path of a file, relative to this one, inside of the project"
        if "://" in file or os.path.isabs(file):
            diagnostics.error("N314", f"'{file}' cannot be included", place.span, hint)
            return None

        path = os.path.normpath(os.path.join(os.path.dirname(including), file))
        if not Path(path.partition("#")[0]).resolve().is_relative_to(self.root):
            diagnostics.error("N314", f"'{file}' leads out of the project", place.span, hint)
            return None
        return path

    def load(self, path: str, place: Value, diagnostics: Collector) -> Document | None:
        """The document at `path`. Reports N314, or what is wrong inside the file, and returns None if it is unreadable.

        A file that was read before is not read again.
        """
        if path in self.documents:
            return self.documents[path]
        try:
            source = load_source(Path(path))
            document = parse(source)
        except SpecError as error:
            if error.diagnostics[0].code == "S009":
                unread = error.diagnostics[0]
                diagnostics.error("N314", unread.message, place.span, unread.hint)
            else:
                diagnostics.extend(error)
            return None

        self.documents[path], self.sources[path] = document, source
        return document
