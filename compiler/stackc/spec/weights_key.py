"""Read the key `weights`: a file of tensors, and how its names are mapped."""

from __future__ import annotations

from stackc.spec.document import WeightsDecl
from stackc.spec.yaml.getters import Getter

KEYS = ("file", "map", "ignore", "nonfinite", "prefix", "reference")


def read_weights(getter: Getter) -> WeightsDecl:
    """Return the declaration of weights; problems go to the diagnostics of the getter."""
    getter = getter.only(*KEYS)
    names = getter.inner("map").entries
    for key, entry in names.items():
        if not isinstance(entry.value.data, str):
            getter.inner("map").wrong(key, "a name in the file, or an expression over its tensors", entry.value)

    files = getter.texts("file", "a path, or a list of paths")
    for key in ("prefix", "reference"):
        getter.text(key)  # reports another type
    ignored = getter.texts("ignore", "a list of patterns of names in the file")
    nonfinite = getter.texts("nonfinite", "a list of patterns of names in the file")
    prefix, reference = getter.value("prefix"), getter.value("reference")
    return WeightsDecl(files, names, ignored, getter.span, nonfinite, prefix, reference)
