"""The name that a misspelt one means."""

from __future__ import annotations

import pytest

from stackc.authoring.reference.keys import KEYS
from stackc.components import REGISTRY
from stackc.components.families.merge import MERGES
from stackc.components.fields import fields_of
from stackc.components.registry import SPECIAL_OPS
from stackc.core.suggestions import SYNONYMS, edits, folded, likeliest

OPS = (*REGISTRY, *SPECIAL_OPS)


def test_every_synonym_leads_to_something_that_exists_and_is_none_itself() -> None:
    fields = {name for component in REGISTRY.values() for name in fields_of(component)}
    keys = {name for table in KEYS.values() for name in table}
    existing = {*OPS, *fields, *keys, *MERGES}
    assert {target for targets in SYNONYMS.values() for target in targets} <= existing
    assert all(word == folded(word) for word in SYNONYMS)
    assert not {folded(op) for op in REGISTRY} & SYNONYMS.keys() - {folded(merge) for merge in MERGES.values()}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ReLU", "relu"), ("LayerNorm", "layer_norm"), ("batchnorm", "batch_norm"), ("Conv2D", "conv2d"),
        ("dense", "linear"), ("fc", "linear"), ("swish", "silu"), ("attn", "attention"), ("conv", "conv2d"),
        ("maxpool", "max_pool"), ("avgpool", "avg_pool2d"), ("gellu", "gelu"), ("linaer", "linear"),
        ("smotmax", "softmax"), ("lstmcell", "lstm_cell"), ("lyer", None), ("zzz", None), ("-", None),
    ],
)  # fmt: skip
def test_of_an_op(written: str, meant: str | None) -> None:
    assert likeliest(written, OPS) == meant


@pytest.mark.parametrize(
    ("written", "names", "meant"),
    [
        ("DIM", ["dim", "heads"], "dim"), ("a", ["A", "b"], "A"), ("AA", ["A", "B"], "A"), ("b", ["a", "c"], None),
        ("kernel_size", ["kernel", "out"], "kernel"), ("lang", ["language", "plan"], "language"),
        ("lyer", ["layer", "linear"], "layer"), ("sek", ["batch", "seq"], "seq"), ("mpl", ["attn", "mlp"], "mlp"),
        ("out_channels", ["groups", "out"], "out"), ("d_model", ["dim", "max"], "dim"),
    ],
)  # fmt: skip
def test_of_other_names(written: str, names: list[str], meant: str | None) -> None:
    assert likeliest(written, names) == meant


@pytest.mark.parametrize(
    ("left", "right", "count"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "bc", 1), ("ab", "xyz", 3)],
)
def test_edits_are_counted(left: str, right: str, count: int) -> None:
    assert edits(left, right) == edits(right, left) == count
