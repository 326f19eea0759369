"""All pages as Markdown in one folder, with the settings of the site."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from handbook.components import write_components
from handbook.diagnostics import write_diagnostics
from handbook.documents import write_documents
from handbook.models import write_models
from handbook.python_api import write_python_api
from stackc.authoring.reference.language import language

PAGES = Path(__file__).parent / "pages"
Navigation = list[Any]
SETTINGS: dict[str, Any] = {
    "site_name": "stackc",
    "site_description": "A compiler for neural-network graphs: the drawing is the source",
    "docs_dir": "docs",
    "site_dir": "site",
    "use_directory_urls": False,
    "theme": {
        "name": "material",
        "font": False,
        "features": [
            "navigation.indexes", "navigation.tabs", "navigation.top", "content.code.copy", "search.highlight",
        ],
        "palette": [
            {"media": "(prefers-color-scheme: light)", "scheme": "default"},
            {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
        ],
    },
    "extra_css": ["handbook.css"],
    "markdown_extensions": [
        "tables", "attr_list", "md_in_html", "admonition", {"toc": {"permalink": True}}, "pymdownx.superfences",
        {"pymdownx.highlight": {"use_pygments": True}},
    ],
}  # fmt: skip


def write_sources(folder: Path) -> Path:
    """Write every page into `folder`/docs and mkdocs.yml beside it; return that file. JSON is YAML, too."""
    docs = folder / "docs"
    shutil.copytree(PAGES, docs)
    (docs / "language.md").write_text(language(), encoding="utf-8")
    write_python_api(docs / "python.md")

    navigation = [
        {"Start": "index.md"},
        {"Tutorial": "tutorial.md"},
        {"How to": [f"howto/{file.name}" for file in sorted((docs / "howto").glob("*.md"))]},
        {"Language": "language.md"},
        {"Components": _section("components", write_components(docs / "components"))},
        {"Zoo": _section("zoo", write_models(docs / "zoo"))},
        {"Diagnostics": _section("diagnostics", write_diagnostics(docs / "diagnostics"))},
        {"Python": "python.md"},
        {"Design": _design(write_documents(docs))},
    ]
    settings = folder / "mkdocs.yml"
    settings.write_text(json.dumps(SETTINGS | {"nav": navigation}, indent=1), encoding="utf-8")
    return settings


def _section(folder: str, grouped: dict[str, list[str]]) -> Navigation:
    groups: Navigation = [{name: [f"{folder}/{page}" for page in pages]} for name, pages in grouped.items()]
    return [f"{folder}/index.md", *groups]


def _design(decisions: list[str]) -> Navigation:
    pages = [f"decisions/{name}" for name in ("index.md", *decisions)]
    return ["design.md", "benchmarks.md", "changelog.md", {"Decisions": pages}]
