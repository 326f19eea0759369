"""A page for each diagnostic: what it means, a spec that has it, and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

from handbook.pictures import fenced, table
from stackc.authoring.reference.codes import CodePage, Snippet, code_pages

STAGES = {
    "S": "The text",
    "X": "Expressions, and use of the command line",
    "N": "Names and arrows",
    "T": "Types and shapes",
    "L": "Training",
    "V": "Pictures",
    "W": "Weights",
    "H": "Imports",
    "G": "Generation",
    "E": "Export",
    "P": "Proof",
    "R": "Runtime",
    "A": "Artifacts",
    "D": "Deployment",
}


def write_diagnostics(folder: Path) -> dict[str, list[str]]:
    """Write the page of every code, and one that lists them; return the names of the pages by stage."""
    folder.mkdir(parents=True)
    grouped: dict[str, list[CodePage]] = {}
    for page in code_pages().values():
        grouped.setdefault(STAGES[page.code[0]], []).append(page)
        (folder / f"{page.code}.md").write_text(_page(page), encoding="utf-8")
    (folder / "index.md").write_text(_index(grouped), encoding="utf-8")
    return {stage: [f"{page.code}.md" for page in pages] for stage, pages in grouped.items()}


def _index(grouped: dict[str, list[CodePage]]) -> str:
    sections = ["# Diagnostics", "`stackc explain CODE` prints the same pages."]
    for stage, pages in grouped.items():
        rows = [[f"[{page.code}]({page.code}.md)", page.title] for page in pages]
        sections += [f"## {stage}", table(["code", ""], rows)]
    return "\n\n".join(sections) + "\n"


def _page(page: CodePage) -> str:
    parts = [f"# {page.code}: {page.title}", _linked(page.text, page.code)]
    if page.wrong is not None:
        parts += ["## A spec that has it", _snippet(page.wrong)]
    if page.right is not None:
        parts += ["## Instead", _snippet(page.right)]
    return "\n\n".join(parts) + "\n"


def _snippet(snippet: Snippet) -> str:
    return fenced(snippet.text, "yaml" if snippet.skin == "yaml" else "text", snippet.file)


def _linked(text: str, own: str) -> str:
    """Turn codes of other diagnostics into links to their pages."""

    def link(match: re.Match[str]) -> str:
        code = match[0]
        return f"[{code}]({code}.md)" if code in code_pages() and code != own else code

    return re.sub(r"\b[A-Z]\d{3}\b", link, text)
