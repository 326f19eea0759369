"""Read the key `weights`: a file of tensors, and how its names are mapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stackc.core.diagnostics import Collector
from stackc.spec.document import ReferenceDecl, WeightsDecl
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Entry, Value

KEYS = ("file", "map", "ignore", "nonfinite", "prefix", "reference")
REFERENCE_KEYS = ("file", "budget")


def read_weights(getter: Getter) -> WeightsDecl:
    """Return the declaration of weights; problems go to the diagnostics of the getter."""
    getter = getter.only(*KEYS)
    names = getter.inner("map").entries
    for key, entry in names.items():
        texts = entry.value.listed
        if not texts or any(not isinstance(each.data, str) for each in texts):
            wanted = "a name in the file, an expression over its tensors, or a list of these"
            getter.inner("map").wrong(key, wanted, entry.value)

    files = getter.texts("file", "a path, or a list of paths")
    getter.text("prefix")  # reports another type
    ignored = getter.texts("ignore", "a list of patterns of names in the file")
    nonfinite = getter.texts("nonfinite", "a list of patterns of names in the file")
    return WeightsDecl(files, names, ignored, getter.span, nonfinite, getter.value("prefix"), _read_reference(getter))


PART_KEYS = tuple(key for key in KEYS if key != "reference")


def read_part_weights(value: Value, path: str, diagnostics: Collector, brought: WeightsDecl | None) -> WeightsDecl:
    """Return the weights of a part of a model: `weights: FILE`, a list of files, or a mapping.

    What it does not say is as the included spec has it that the part is, `brought`. No files are named by `false`.
    """
    if value.data is False:
        return WeightsDecl((), {}, (), value.span)
    if not isinstance(value.data, Mapping):
        value = Value({"file": Entry(value.span, value)}, value.span)

    getter = Getter.of(value, path, diagnostics).only(*PART_KEYS)
    own = read_weights(getter)
    if brought is None:
        return own
    changes = {key: getattr(own, field) for key, field in _FIELDS.items() if key in getter.entries}
    return replace(brought, span=own.span, reference=None, **{_FIELDS[key]: value for key, value in changes.items()})


_FIELDS = {"file": "files", "map": "names", "ignore": "ignore", "nonfinite": "nonfinite", "prefix": "prefix"}


def _read_reference(getter: Getter) -> ReferenceDecl | None:
    """Return `reference: FILE`, or `reference: {file: FILE, budget: SHARE}`."""
    value = getter.value("reference")
    if value is None or isinstance(value.data, str):
        return ReferenceDecl(value, None, value.span) if value else None

    inner = getter.inner("reference").only(*REFERENCE_KEYS)
    inner.text("file")
    file, budget = inner.value("file"), inner.value("budget")
    share = budget.data if budget else None
    if budget and (isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1):
        inner.wrong("budget", "a number between 0 and 1", budget)
        share = None
    if file is None:
        getter.diagnostics.error("S006", "weights.reference has no file", value.span, "write `reference: vectors.npz`")
        return None
    return ReferenceDecl(file, float(share) if isinstance(share, (int, float)) else None, value.span)
