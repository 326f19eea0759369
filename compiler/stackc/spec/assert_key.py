"""Read `assert:`, the bounds of figures that a build measures."""

from __future__ import annotations

from stackc.spec.document import AssertDecl
from stackc.spec.yaml.getters import Getter


def read_bounds(getter: Getter) -> tuple[AssertDecl, ...]:
    """Return the bounds of each figure. Reports S004 for other keys, S006 for a figure without any bound."""
    decls = []
    for name, entry, inner in getter.each():
        if not inner.entries:
            hint = f"for example `{name}: {{min: 0.95}}`"
            inner.diagnostics.error("S006", f"assert.{name} has no bound", entry.key, hint)
        decls.append(AssertDecl(name, inner.only("min", "max").entries, entry.key))
    return tuple(decls)
