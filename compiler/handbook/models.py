"""The zoo: the specs that ship with stackc, by task, each with its drawing."""

from __future__ import annotations

from html import escape
from itertools import takewhile
from pathlib import Path

import stackc
from handbook.components import linked_papers
from handbook.pictures import drawing, fenced, table
from stackc.hub.catalog import CatalogEntry, catalog
from stackc.hub.zoo import zoo_files, zoo_text


def write_models(folder: Path) -> dict[str, list[str]]:
    """Write the page of every spec, and one that lists them; return the names of the pages by task."""
    folder.mkdir(parents=True)
    grouped: dict[str, list[CatalogEntry]] = {}
    for entry in catalog():
        grouped.setdefault(entry.task or "other", []).append(entry)
        (folder / f"{entry.name}.md").write_text(_page(entry, folder), encoding="utf-8")
    (folder / "index.md").write_text(_index(grouped), encoding="utf-8")
    return {task: [f"{entry.name}.md" for entry in entries] for task, entries in grouped.items()}


def _index(grouped: dict[str, list[CatalogEntry]]) -> str:
    about = """`stackc init --template NAME` writes one of these specs, `stackc import FOLDER` fills one with the sizes
and the weights of a model. Those that are held to a class are compared with it in float64, number by number."""
    sections = ["# The zoo", about]
    for task, entries in grouped.items():
        rows = [[f"[{entry.name}]({entry.name}.md)", _purpose(entry.name), _held_to(entry)] for entry in entries]
        sections += [f"## {task}", table(["spec", "", "held to"], rows)]
    return "\n\n".join(sections) + "\n"


def _page(entry: CatalogEntry, folder: Path) -> str:
    file = zoo_files()[entry.name]
    spec = folder / file.name
    spec.write_bytes(file.read_bytes())
    try:
        checked = stackc.check(spec)
        picture = drawing(spec, folder / f"{entry.name}.svg", depth=1)
    finally:
        spec.unlink()

    language = "yaml" if file.name.endswith(".yaml") else "text"
    rows = [["parameters", f"{checked.cost.parameters:,}"], ["held to", _held_to(entry) or "no class"]]
    if entry.record is not None:
        rows += [["error, of PyTorch's", f"{entry.record.error:.1f}"], ["time, of eager", f"{entry.record.speed:.2f}"]]
    parts = [f"# {entry.name}", _purpose(entry.name), picture, table(["", ""], rows), "## The spec"]
    return "\n\n".join([*parts, fenced(zoo_text(entry.name), language, file.name)]) + "\n"


def _held_to(entry: CatalogEntry) -> str:
    return f"`{entry.reference}`" if entry.reference else ""


def _purpose(name: str) -> str:
    """Return the comment that a spec begins with; or nothing."""
    lines = zoo_text(name).splitlines()
    comment = [line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    return linked_papers(escape(" ".join(comment), quote=False))
