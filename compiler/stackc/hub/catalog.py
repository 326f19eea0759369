"""The verified catalog: what real builds of the zoo's specs came to, as `stackc zoo` prints it.

`python -m tests.benchmarks.zoo --record` builds every spec at its full size, or one that fits into the machine, proves
and measures it, and writes catalog.json. A spec without a record is listed without figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

from stackc.hub.zoo import zoo_document, zoo_files

CATALOG = "catalog.json"


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """One real build: what was proven and measured, when, and with what.

    `error` is how many times as far from the float64 truth as PyTorch the file is at most, over all points and outputs.
    `speed` is the time of the file over that of eager PyTorch, a ratio of medians with its 95 % interval, at `sizes`.
    `params` are those that make a model smaller which does not fit into the machine that built it.
    """

    parameters: int
    error: float
    comparisons: int
    speed: float
    interval: tuple[float, float]
    sizes: str
    date: str
    processor: str
    versions: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A spec of the zoo: what it is for, the class that it is held to, and its latest record, if there is one."""

    name: str
    task: str
    reference: str
    record: BuildRecord | None


def catalog() -> tuple[CatalogEntry, ...]:
    """Return an entry for every spec of the zoo, by task and name."""
    records = _records()
    entries = [_entry(name, records.get(name)) for name in zoo_files()]
    return tuple(sorted(entries, key=lambda entry: (entry.task, entry.name)))


def _entry(name: str, record: BuildRecord | None) -> CatalogEntry:
    document = zoo_document(name)
    classes = document.huggingface.architectures if document.huggingface else ()
    return CatalogEntry(name, document.task or "", ", ".join(f"transformers.{each}" for each in classes), record)


def _records() -> dict[str, BuildRecord]:
    recorded = json.loads(files("stackc.hub").joinpath(CATALOG).read_text(encoding="utf-8"))
    return {name: BuildRecord(**{**fields, "interval": tuple(fields["interval"])}) for name, fields in recorded.items()}
