"""Read the key `weights`: a file of tensors, and how its names are mapped."""

from __future__ import annotations

from stackc.spec.document import WeightsDecl
from stackc.spec.yaml.getters import Getter

KEYS = ("file", "map", "ignore", "nonfinite")


def read_weights(getter: Getter) -> WeightsDecl:
    """Return the declaration of weights; problems go to the diagnostics of the getter."""
    getter = getter.only(*KEYS)
    names = getter.inner("map").entries
    for key, entry in names.items():
        if not isinstance(entry.value.data, str):
            getter.inner("map").wrong(key, "the pattern of a name in the file", entry.value)

    getter.text("file")  # reports another type
    ignored = getter.texts("ignore", "a list of patterns of names in the file")
    nonfinite = getter.texts("nonfinite", "a list of patterns of names in the file")
    return WeightsDecl(getter.value("file"), names, ignored, getter.span, nonfinite)
