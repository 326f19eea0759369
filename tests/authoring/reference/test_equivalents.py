"""The table of equivalents: complete for torch.nn and ONNX, and every recipe equal to what it replaces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from onnx import helper
from onnx.reference import ReferenceEvaluator
from torch import nn

import stackc
from stackc.authoring.reference.equivalents import Equivalent, equivalents
from stackc.cli import cli
from stackc.components import REGISTRY
from stackc.components.registry import SPECIAL_OPS
from stackc.spec.document import InputDecl

OPSET = 23
TABLE = {
    library: {each.name: each for each in equivalents() if each.library == library}
    for library in ("torch.nn", "onnx", "keras")
}
RECIPES = [each for each in equivalents() if each.recipe]
SIZES = {"batch": 3, "height": 4, "width": 6, "queries": 2, "keys": 7}


def test_torch_is_complete() -> None:
    public = {name for name in nn.modules.__all__ if isinstance(getattr(nn, name), type)}
    assert public == TABLE["torch.nn"].keys()


def test_onnx_is_complete() -> None:
    newest: dict[str, onnx.defs.OpSchema] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.since_version <= OPSET:
            newest[schema.name] = max(newest.get(schema.name, schema), schema, key=lambda each: each.since_version)
    assert {name for name, schema in newest.items() if not schema.deprecated} == TABLE["onnx"].keys()


def test_every_name_has_one_answer() -> None:
    assert [
        each.full_name for each in equivalents() if bool(each.ops) + bool(each.recipe) + bool(each.reason) != 1
    ] == []
    unknown = {op: each.full_name for each in equivalents() for op in each.ops if op not in {*REGISTRY, *SPECIAL_OPS}}
    assert unknown == {}


def test_every_name_is_unique_and_sorted() -> None:
    for names in TABLE.values():
        assert list(names) == sorted(names)


@pytest.mark.parametrize("each", RECIPES, ids=lambda each: each.full_name)
def test_recipe_equals_what_it_replaces(each: Equivalent, tmp_path: Path) -> None:
    assert each.recipe
    spec = tmp_path / "recipe.yaml"
    spec.write_text(each.recipe.spec, encoding="utf-8")
    document = stackc.load(spec)
    feeds = {entry.name: _numbers(entry) for entry in document.inputs.values()}
    module = stackc.module(document).double().eval()
    with torch.no_grad():
        result = module(*feeds.values())

    torch.testing.assert_close(result, _expected(each, feeds, dict(module.named_parameters())), rtol=1e-12, atol=1e-12)


def _numbers(entry: InputDecl) -> torch.Tensor:
    sizes = [SIZES.get(str(size.data)) or int(str(size.data)) for size in entry.shape]
    low, high = (
        float(str(bound.data)) if bound else limit for bound, limit in ((entry.minimum, -2.0), (entry.maximum, 2.0))
    )
    return torch.from_numpy(np.random.default_rng(0).uniform(low, high, sizes))


def _expected(each: Equivalent, feeds: dict[str, torch.Tensor], parameters: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return what PyTorch or ONNX's reference evaluator computes."""
    assert each.recipe
    if each.recipe.equals is not None:
        names = {"torch": torch, "nn": nn, "F": F, "p": parameters, **feeds}
        with torch.no_grad():
            # an expression of our own data file
            return torch.as_tensor(eval(each.recipe.equals, names))

    attributes = dict(each.recipe.attributes or {})
    constants = {"axes": np.array(attributes.pop("axes"))} if "axes" in attributes else {}
    node = helper.make_node(each.name, [*feeds, *constants], ["y"], **attributes)
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in feeds]
    values += [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None) for name in constants]
    graph = helper.make_graph([node], "reference", values, [helper.make_tensor_value_info("y", 0, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    (result,) = ReferenceEvaluator(model).run(None, {name: x.numpy() for name, x in feeds.items()} | constants)
    return torch.from_numpy(np.asarray(result))


@pytest.mark.parametrize(
    ("word", "op"),
    [
        ("Conv2D", "conv2d"),
        ("nn.BatchNorm2d", "batch_norm"),
        ("keras.layers.Dense", "linear"),
        ("Gemm", "linear"),
        ("CTCLoss", "ctc"),
    ],
)
def test_search_answers_by_the_name_of_another_library(word: str, op: str) -> None:
    listed = json.loads(CliRunner().invoke(cli, ["ops", "--search", word, "--json"]).stdout)
    assert any(op in ops for ops in listed.values())


def test_search_shows_recipes_and_reasons() -> None:
    shown = CliRunner().invoke(cli, ["ops", "--search", "Softmin"]).stdout
    assert "torch.nn.Softmin" in shown
    assert "x --> negative[scale] --> y[softmax]" in shown

    shown = CliRunner().invoke(cli, ["ops", "--search", "HingeEmbeddingLoss"]).stdout
    assert "A loss is part of training" in shown
