"""The settings under `train:` that do not go with `privacy`: each would tell of examples what no noise hides."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.core.diagnostics import Collector
from stackc.ir.training import InputSource
from stackc.spec.yaml.tree import Entry

CODE = "L231"


def refuse_with_privacy(
    settings: Mapping[str, Entry], columns: Mapping[str, InputSource], diagnostics: Collector
) -> None:
    """Report L231 for each setting that private training does not take, at its key."""
    own = {key: entry for key, entry in settings.items() if entry.value.data is not None}
    if "clip" in own:
        message = "`clip` bounds the gradient of a batch; under `privacy`, that of each example is bounded"
        diagnostics.error(CODE, message, own["clip"].key, "remove it; privacy has one of its own")
    if "recalibrate" in own:
        message = "`recalibrate` calculates statistics of the examples, to which `privacy` adds no noise"
        diagnostics.error(CODE, message, own["recalibrate"].key, "remove it")

    written = own["data"].value.data if "data" in own else None
    data = written if isinstance(written, Mapping) else {}
    if "buckets" in data and data["buckets"].value.data is not None:
        message = "`buckets` puts examples of one length into a batch, but under `privacy` each is drawn by itself"
        diagnostics.error(CODE, message, data["buckets"].key, "remove it")
    if "shuffle" in data and data["shuffle"].value.data is False:
        message = "`shuffle: false` fixes the batch of an example, but under `privacy` each is drawn by itself"
        diagnostics.error(CODE, message, data["shuffle"].key, "remove it")

    joined = next((name for name, source in columns.items() if source.join), None)
    if joined is not None and "columns" in data:
        message = f"the rows of '{joined}' are joined, so that no axis says which example an entry belongs to"
        hint = "fill rows up (`pad: …`) instead, or train without privacy"
        diagnostics.error(CODE, message, data["columns"].key, hint)
