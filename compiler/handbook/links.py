"""Whether every link of a built site leads to something, and nothing of a page comes from another host."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
"""Attributes that a browser loads by itself."""


@dataclass
class _Page(HTMLParser):
    """What a page links to, what it loads, and the ids that links into it may name."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.ids.update(filter(None, [attributes.get("id"), attributes.get("name") if tag == "a" else None]))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        canonical = tag == "link" and attributes.get("rel") in ("canonical", "prev", "next")
        if tag in LOADED and not canonical and attributes.get(LOADED[tag]):
            self.loaded.append(attributes[LOADED[tag]])


def problems(site: Path) -> Iterator[str]:
    """Yield a line for each link to nothing and each part of a page that another host would have to send."""
    read = cache(_read)
    for file in sorted(site.rglob("*.html")):
        if file.name == "404.html":
            continue  # is shown at any address, so that its links begin at the root

        page, name = read(file), file.relative_to(site).as_posix()
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{name} loads {address} from another host"

        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue

            target = site / posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
            target = file if not parts.path else target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{name} links to {address}, which is not there"
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).ids:
                yield f"{name} links to {address}, a place that the page does not have"


def _read(file: Path) -> _Page:
    page = _Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page
