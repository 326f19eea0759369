"""The types that `import stackc` offers, each imported with its stage when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

MODULES = {
    "Built": "stackc.artifact.built",
    "Checked": "stackc.frontend",
    "Diagnostic": "stackc.core.diagnostics",
    "Difference": "stackc.analysis.diff.comparison",
    "Document": "stackc.spec.document",
    "ImportOptions": "stackc.hub.importing",
    "Imported": "stackc.hub.importing",
    "Options": "stackc.pipeline",
    "Plan": "stackc.analysis.plan.planning",
    "Reduced": "stackc.reduction.search",
    "Result": "stackc.benchmark",
    "SpecError": "stackc.core.diagnostics",
    "TrainOptions": "stackc.training.loop",
    "Trained": "stackc.training.loop",
    "Verified": "stackc.artifact.verify",
}
"""The module of each type."""


def public_type(name: str) -> Any:
    """Return a type of `import stackc`. Raises AttributeError for any other name."""
    if name not in MODULES:
        raise AttributeError(f"module 'stackc' has no attribute '{name}'")
    return getattr(import_module(MODULES[name]), name)
