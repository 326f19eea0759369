"""Read `decode:`, what a decoding step takes and returns."""

from __future__ import annotations

from stackc.spec.document import DecodeDecl
from stackc.spec.yaml.getters import Getter

EXAMPLE = "decode: {along: seq, inputs: [ids, …], outputs: [logits, …]}"


def read_decode(getter: Getter) -> DecodeDecl:
    """Return the names as written. Reports S004 for other keys, S006 for missing ones, S005 for what is not a name."""
    getter = getter.only("along", "inputs", "whole", "outputs")
    for key in ("along", "inputs", "outputs"):
        if not getter.values(key):
            getter.diagnostics.error("S006", f"decode has no `{key}`", getter.span, f"for example `{EXAMPLE}`")
    getter.text("along")

    return DecodeDecl(
        along=getter.value("along"),
        inputs=getter.texts("inputs", "the names of inputs"),
        whole=getter.texts("whole", "the names of inputs"),
        outputs=getter.texts("outputs", "the names of outputs"),
        span=getter.span,
    )
