"""The schema accepts valid specs, rejects wrong ones, and agrees with the reader and the components."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stackc.authoring.reference.keys import KEYS
from stackc.authoring.schema import DIALECT, schema
from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.components.reparam import REPARAMS
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_source
from stackc.resolve import custom, stacks
from stackc.spec import huggingface_key, input_key, params, reader, weights_key
from stackc.spec.source import Source
from stackc.spec.yaml.tree import Value
from stackc.spec.yaml.yaml_reader import read_yaml

SPECS = Path(__file__).parents[2] / "specs"
BAD_SPECS = Path(__file__).parents[1] / "bad_specs"
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def plain(value: Value) -> Any:
    """Return a YAML tree as JSON values."""
    if isinstance(value.data, Mapping):
        return {key: plain(entry.value) for key, entry in value.data.items()}
    return [plain(item) for item in value.data] if isinstance(value.data, tuple) else value.data


def red(text: str) -> list[str]:
    """Return where an editor would draw red lines."""
    return [error.json_path for error in VALIDATOR.iter_errors(plain(read_yaml(text, file="spec.yaml")))]


@pytest.mark.slow
def test_it_is_a_schema() -> None:
    assert SCHEMA["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_spec_is_valid(path: Path) -> None:
    assert red(path.read_text(encoding="utf-8")) == []


BASE = """\
stackc: 1
dims: {seq: {min: 2, max: 64}, h: {multiple_of: 2**3, max: 4*dim}}
params: {dim: 16, kind: {type: text, default: layer_norm, choices: [layer_norm, rms_norm]}, free: int, low: {min: 1}}
inputs:
  x: {shape: [batch, seq, dim], dtype: float32}
  m: {shape: [batch, seq], dtype: int64, values: [0, 1], to: [a.mask]}
  p: {shape: [batch, h, 3], min: -0.5, max: 2*dim}
  c: {shape: [batch], dtype: int64, values: [0, dim - 1]}
graph: |
  p --> turned --> pixels --> flat[flatten]
  c --> e[embedding]
  x --> a --> s[stack] --> n --> y[linear]
  x --> n
nodes:
  a: {op: attention, heads: dim // 4, causal: false, dropout: 0}
  s: {op: stack, of: [b, {op: mlp, hidden: 4*dim}], mode: sum, norm: {op: rms_norm}, repeat: 2}
  n: {op: "${kind}", merge: sum, eps: 1e-5}
  e: {vocab: dim, dim: 1}
  turned: {op: permute, order: [0, -1, 1]}
  pixels: {op: conv1d, out: 1, kernel: [2 + 1], padding: 3 // 2}
  y: {out: 2, reparam: {weight: {standardize: {axes: all}}, bias: {minmax: [0, 1]}}}
blocks:
  b:
    inputs: [x]
    graph: x --> z[linear]
    nodes: {z: {out: dim}}
outputs: {y: y, inner: s.0, flat: flat, e: e}
weights: {map: {y.*: head.*}, ignore: ["pooler.**"]}
"""


def test_what_the_checker_takes_is_not_red() -> None:
    assert red(BASE) == []
    check_source(Source("spec.yaml", BASE), Overrides(params={"free": "1", "low": "2"}))


WRONG = [
    ("stackc: 1\n", "stackc: 2\n"),
    ("stackc: 1\n", ""),
    ("dims:", "dimz:"),
    ("{min: 2, max: 64}", "{min: -1}"),
    ("{min: 2, max: 64}", "{min: [2]}"),
    ("{min: 2, max: 64}", "{max: true}"),
    ("{min: 2, max: 64}", "{least: 2}"),
    ("{min: 2, max: 64}", "[2, 64]"),
    ("dim: 16,", "min: 16,"),
    ("dim: 16,", "dim: [{a: 16}],"),
    ("dtype: float32", "dtype: float"),
    ("dtype: float32", "type: float32"),
    ("shape: [batch, seq, dim], ", ""),
    ("[batch, seq, dim]", "[batch, 0, dim]"),
    ("[batch, seq, dim]", "[batch, 1.5, dim]"),
    ("values: [0, 1]", "values: [0, 1.5]"),
    ("values: [0, 1]", "values: [0, true]"),
    ("values: [0, 1]", "values: []"),
    ("values: [0, 1]", "min: 0.5"),
    ("values: [0, 1]", "values: [0, 1], min: 0"),
    ("values: [0, 1]", "max: 3, below: 4"),
    ("dtype: float32", "dtype: float32, below: 3"),
    ("dtype: float32", "min: true"),
    ("dtype: float32", "dtype: bool, min: 0"),
    ("dim: 16,", "dim: {type: integer},"),
    ("dim: 16,", "dim: {type: int, default: 16, maximum: 64},"),
    ("dim: 16,", "dim: {default: 16, min: [low]},"),
    ("dim: 16,", "dim: {default: 16, choices: []},"),
    ("dim: 16,", "dim: {description: features},"),
    ("blocks:\n  b:", "blocks:\n  gelu:"),
    ("order: [0, -1, 1]", "order: 0 2 1"),
    ("order: [0, -1, 1]", "order: [0, 2, null]"),
    ("kernel: [2 + 1]", "kernel: [0]"),
    ("padding: 3 // 2", "padding: -1"),
    ("padding: 3 // 2", "padding: [1, 2.5]"),
    ("  x: {shape", "  end: {shape"),
    ("graph: x --> z[linear]", "graph: [x, z]"),
    ("heads: dim // 4", "heads: 0"),
    ("heads: dim // 4", "heads: 2.5"),
    ("heads: dim // 4", "head: 4"),
    ("heads: dim // 4, ", ""),
    ("causal: false", "causal: 1"),
    ("dropout: 0", "dropout: 1"),
    ("dropout: 0", "dropout: -0.1"),
    ("mode: sum", "mode: max"),
    ("mode: sum", "mode: 1"),
    ("repeat: 2", "repeat: 0"),
    ("of: [b, {op: mlp, hidden: 4*dim}]", "of: [b, {op: mlp, hiden: 4*dim}]"),
    ("of: [b, {op: mlp, hidden: 4*dim}]", "of: {hidden: 3}"),
    ("norm: {op: rms_norm}", "norm: {op: rms_norm, eps: -1}"),
    ("{standardize: {axes: all}}", "{standardise: {axes: all}}"),
    ("{standardize: {axes: all}}", "{standardize: {axes: some}}"),
    ("{standardize: {axes: all}}", "{spectral_norm: {iterations: -1}}"),
    ("{standardize: {axes: all}}", "{weight_norm: {axes: 0}}"),
    ("{minmax: [0, 1]}", "{minmax: [0]}"),
    ("{minmax: [0, 1]}", "standardised"),
    ("merge: sum", "merge: minus"),
    ("merge: sum", "merge: {op: concat, axes: 1}"),
    ("n: {op:", "type: {op:"),
    ("    inputs: [x]\n", ""),
    ("    graph: x --> z[linear]\n", ""),
    ("nodes: {z: {out: dim}}", "node: {z: {out: dim}}"),
    ("outputs: {y: y, inner: s.0, flat: flat, e: e}", "outputs: {y: 3.5}"),
    ("weights: {map:", "weights: {maps:"),
    ("{y.*: head.*}", "{y.*: 3}"),
]


@pytest.mark.parametrize(("right", "wrong"), WRONG)
def test_what_the_checker_refuses_is_red(right: str, wrong: str) -> None:
    assert right in BASE
    text = BASE.replace(right, wrong, 1)
    assert red(text)
    with pytest.raises(SpecError):
        check_source(Source("spec.yaml", text), Overrides(params={"free": "1", "low": "2"}))


def test_what_a_schema_cannot_know_is_left_alone() -> None:
    """Fields of a node whose op only the drawing has, or whose op is a block or `${…}`, may be anything."""
    assert red("stackc: 1\ninputs: {x: {shape: 3}}\ngraph: x --> y[b]\nnodes: {y: {whatever: [1]}}\n") == []
    assert red('stackc: 1\ninputs: {x: {shape: 3}}\ngraph: x --> y\nnodes: {y: {op: "${b}", whatever: 1}}\n') == []


STACK = """\
stackc: 1
inputs: {x: {shape: [batch, 3]}}
graph: x --> s[stack]
nodes: {s: {of: linear, with: {out: 3}%s}}
"""


@pytest.mark.parametrize("wrong", ["mode: parallel", "repeat: 0", "share: 3", "norm_every: 0"])
def test_the_fields_of_a_stack_that_only_the_drawing_names_are_checked(wrong: str) -> None:
    assert red(STACK % ", repeat: 2, mode: sum") == []
    assert red(STACK % f", {wrong}")
    with pytest.raises(SpecError):
        check_source(Source("spec.yaml", STACK % f", {wrong}"))
    own = STACK.replace("stack]", "torch]").replace("linear, with: {out: 3}", "layers.Own")
    assert red(own % ", mode: parallel, repeat: 0") == []


# -- the schema agrees with the code


def keys_in_source(name: str) -> set[str]:
    """Return the keys that a method of the reader accepts: the arguments of its `only`."""
    (cls,) = [
        n for n in ast.walk(ast.parse(inspect.getsource(reader))) if isinstance(n, ast.ClassDef) and n.name == "_Reader"
    ]
    (method,) = [n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == name]
    calls = [n for n in ast.walk(method) if isinstance(n, ast.Call)]
    only = [n for n in calls if isinstance(n.func, ast.Attribute) and n.func.attr == "only"]
    return {a.value for call in only for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}


@pytest.mark.parametrize("name", ["dim", "block"])
def test_the_keys_are_those_of_the_reader(name: str) -> None:
    assert set(KEYS[name]) == keys_in_source(name)


def test_the_keys_are_those_of_document_node_param_and_stack() -> None:
    assert set(KEYS["param"]) == set(params.KEYS)
    assert set(KEYS["input"]) == set(input_key.KEYS)
    assert set(KEYS["weights"]) == set(weights_key.KEYS)
    assert set(KEYS["huggingface"]) == set(huggingface_key.KEYS)
    assert set(KEYS["config_param"]) == set(huggingface_key.PARAM_KEYS)
    assert set(KEYS["reference"]) == set(weights_key.REFERENCE_KEYS)
    assert set(KEYS["spec"]) == set(reader._DOCUMENT_KEYS)
    assert set(KEYS["node"]) == set(reader._NODE_KEYS)
    assert set(KEYS["stack"]) == set(stacks._FIELDS)
    assert set(KEYS["torch"]) == set(custom._KEYS)
    words, _, mapping = SCHEMA["$defs"]["reparam"]["anyOf"]
    assert set(mapping["properties"]) == set(REPARAMS)
    assert set(words["enum"]) == set(REPARAMS) - {"lora"}, "what needs options is no word alone"


@pytest.mark.parametrize("op", REGISTRY)
def test_every_component_is_in_it(op: str) -> None:
    assert op in [choice.get("const") for choice in SCHEMA["$defs"]["op"]["anyOf"]]
    described = SCHEMA["$defs"][f"op.{op}"]
    assert described["description"]
    assert set(described["properties"]) == set(fields_of(REGISTRY[op]))
    for name, spec in fields_of(REGISTRY[op]).items():
        field = described["properties"][name]
        assert field["description"]
        assert ("default" in field) == (not spec.required)


BEYOND_A_SCHEMA = {
    "S005_folded_drawing",  # it does not see how YAML text is written
    "S008_dot_in_a_name", "S008_name_of_mermaid",  # in the drawing
    "S005_inputs_of_a_block_in_one_text",  # nor that text contains several names
    "S007_version_with_a_point",  # 1.0 is 1 to JSON
    # what depends on two values
    "S005_list_for_a_default",
    "S005_below_a_dim_of_no_input", "S005_bound_of_a_text", "S005_choice_of_another_type", "S005_contract_not_whole",
    "S005_contract_of_a_dim", "S005_contract_of_a_param_of_a_dim", "S005_size_below_one", "S006_contract_of_no_size",
    "S005_contract_beyond_64_bits", "S005_size_beyond_64_bits", "S005_value_that_no_bool_is",
    "S006_no_such_param", "S006_no_such_size", "S008_output_like_a_parameter", "S008_output_like_an_input",
    "S008_param_and_dim", "S005_bound_beyond_float32", "S005_bound_of_a_dim", "S006_below_min",
    "S006_range_without_a_number",
}  # fmt: skip
STRUCTURE = [
    path
    for path in sorted(BAD_SPECS.glob("S00[245678]*.yaml"))
    if path.stem != "S002_key_twice" and ".right." not in path.name
]


@pytest.mark.parametrize("path", STRUCTURE, ids=lambda path: path.stem)
def test_a_spec_of_wrong_structure_is_red(path: Path) -> None:
    assert bool(red(path.read_text(encoding="utf-8"))) == (path.stem not in BEYOND_A_SCHEMA)
