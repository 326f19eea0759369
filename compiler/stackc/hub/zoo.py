"""The zoo: specs of well-known models, shipped inside the package; their home in the repository is specs/."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType

from stackc.spec.document import Document
from stackc.spec.reader import parse
from stackc.spec.source import Source


@cache
def zoo_files() -> Mapping[str, Traversable]:
    """Return the specs of the zoo by name, in alphabetical order.

    A wheel has them in `stackc/zoo`; beside a checkout of the repository they are those of specs/.
    """
    folder: Traversable = files("stackc") / "zoo"
    if not folder.is_dir():
        folder = Path(__file__).parents[3] / "specs"
    specs = {item.name.rpartition(".")[0]: item for item in folder.iterdir() if item.name.endswith((".yaml", ".mmd"))}
    return MappingProxyType(dict(sorted(specs.items())))


@cache
def zoo_text(name: str) -> str:
    """Return the text of a spec of the zoo."""
    return zoo_files()[name].read_text(encoding="utf-8")


@cache
def zoo_document(name: str) -> Document:
    """Return a spec of the zoo, parsed; spans name it by its file name."""
    return parse(Source(zoo_files()[name].name, zoo_text(name)))
