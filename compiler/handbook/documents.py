"""Pages out of files of the repository: their links lead to other pages, or are left out where the site has none."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\((?![a-z]+:)[^)\s]+\)")

PAGES = {
    "compiler/DESIGN.md": "design.md",
    "tests/benchmarks/README.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
}
"""What becomes a page, by its path in the repository."""


def write_documents(folder: Path) -> list[str]:
    """Write the design, the benchmarks, the changes and every decision; return the names of the decisions' pages."""
    decisions = sorted((ROOT / "compiler" / "decisions").glob("*.md"))
    places = PAGES | {file.relative_to(ROOT).as_posix(): f"decisions/{file.name}" for file in decisions}
    (folder / "decisions").mkdir()
    for source, page in places.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        (folder / page).write_text(moved(text, source, page, places), encoding="utf-8")

    rows = [f"- [{_title(file)}]({file.name})" for file in decisions]
    index = "# Decisions\n\nWhat was decided, why, and what was measured.\n\n" + "\n".join(rows) + "\n"
    (folder / "decisions" / "index.md").write_text(index, encoding="utf-8")
    return [file.name for file in decisions]


def _title(file: Path) -> str:
    number, title = file.name[:3], file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    return f"{number} {title}"


def moved(text: str, source: str, page: str, places: Mapping[str, str]) -> str:
    """Return a text whose relative links lead from `page` to the pages of their targets; others become plain text."""

    def link(match: re.Match[str]) -> str:
        target, mark, fragment = match["target"].partition("#")
        if ":" in target or not target:
            return match[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if file not in places:
            return match["text"]
        return f"[{match['text']}]({posixpath.relpath(places[file], posixpath.dirname(page) or '.')}{mark}{fragment})"

    return _LINK.sub(link, _IMAGE.sub("", text))
