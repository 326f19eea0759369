"""Fields that take a mapping: entries are expressions, errors name the entry, and every writer writes it again."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from stackc.artifact.lock import write_lock
from stackc.authoring.reference.ops import page_of
from stackc.authoring.schema import schema
from stackc.components.families.attention import Attention, Biases
from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, check_source
from stackc.spec.source import Source

SPEC = """\
stackc: 1
params: {{with_biases: true, heads: 2}}
inputs: {{x: {{shape: [batch, seq, 8]}}}}
graph: x --> y[attention]
nodes:
  y: {{heads: heads, bias: {bias}}}
"""


def checked(bias: str) -> Checked:
    return check_source(Source("spec.yaml", SPEC.format(bias=bias)))


def attention_of(checked: Checked) -> Attention:
    (call,) = checked.program.calls
    assert isinstance(call.component, Attention)
    return call.component


def test_entries_are_expressions_and_the_others_have_defaults() -> None:
    assert attention_of(checked("{q: with_biases, k: not with_biases}")).bias == Biases(k=False)
    assert attention_of(checked("true")).bias is True


@pytest.mark.parametrize(
    ("bias", "code", "message", "hint"),
    [
        ("{w: true}", "N309", "'y': bias has no 'w'", "known here: k, out, q, v"),
        ("{q: 3}", "N310", "'y': bias.q must be true or false, but is 3", "bias.q: learn a bias of the queries"),
        ("[true]", "N310", "'y': bias must be true or false or a mapping with q, k, v, out, not a list", None),
        ("{q: {a: 1}}", "N310", "'y': bias.q must be a single value, not a mapping", None),
    ],
)
def test_errors_name_the_entry(bias: str, code: str, message: str, hint: str | None) -> None:
    with pytest.raises(SpecError) as error:
        checked(bias)
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == (code, message)
    assert hint is None or diagnostic.hint == hint


def test_all_wrong_entries_are_reported() -> None:
    with pytest.raises(SpecError) as error:
        checked("{q: 3, u: true}")
    assert [each.message for each in error.value.diagnostics] == [
        "'y': bias.q must be true or false, but is 3",
        "'y': bias has no 'u'",
    ]


def test_the_lock_resolves_to_the_same_component() -> None:
    first = checked("{k: false, out: false}")
    lock = write_lock(first)
    assert "bias: {k: false, out: false}" in lock
    assert attention_of(check_source(Source("lock.yaml", lock))) == attention_of(first)


def test_the_schema_accepts_the_mapping_alone() -> None:
    field: Any = schema()["$defs"]["op.attention"]["properties"]["bias"]
    json.dumps(field)
    validator = jsonschema.Draft202012Validator(field | {"$defs": schema()["$defs"]})
    assert validator.is_valid({"q": False, "k": "with_biases"})
    assert not validator.is_valid({"w": False})
    assert not validator.is_valid({"q": 3})


def test_the_page_lists_the_keys() -> None:
    (row,) = [field for field in page_of("attention").fields if field.name == "bias"]
    assert row.value == "true or false or mapping of q, k, v, out"
