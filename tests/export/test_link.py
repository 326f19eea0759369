"""The linked graph: names, provenance, dims, shared tensors, and constraints that the dims contract must imply."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from stackc.components.families.attention import Attention
from stackc.components.families.embedding import Embedding
from stackc.components.families.linear import Linear
from stackc.components.families.merge import Add, Identity
from stackc.components.families.norm import LayerNorm
from stackc.components.reparam import Standardize
from stackc.core.diagnostics import SpecError
from stackc.core.types import Dim, DimRange
from stackc.export import link_program, write_model

pytestmark = pytest.mark.slow

AT = {"batch": 2, "seq": 3}


def test_everything_is_named_by_its_path(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    program = written(
        {"x": typed("batch", "seq", 8)},
        {
            "enc.0.attn": draft(Attention(heads=2), ("x", None, None)),
            "enc.0.norm": draft(LayerNorm(), ("enc.0.attn",)),
            "enc.1.attn": draft(Attention(heads=2), ("enc.0.norm", None, None)),
        },
        {"y": "enc.1.attn"},
    )
    graph = same_as_torch(program, AT).model.graph
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)

    lines = {"enc.0.attn": "spec.yaml:1", "enc.0.norm": "spec.yaml:2", "enc.1.attn": "spec.yaml:3"}
    for node in graph.node:
        stamp = {entry.key: entry.value for entry in node.metadata_props}
        assert node.name.startswith(stamp["stackc.path"] + "/" + node.op_type)
        assert stamp == {"stackc.path": stamp["stackc.path"], "stackc.source": lines[stamp["stackc.path"]]}

    state = {f"enc.{i}.attn.{p}.{w}" for i in (0, 1) for p in ("q+k+v", "out") for w in ("weight", "bias")}
    tensors = {tensor.name for tensor in graph.initializer}
    assert {name for name in tensors if not name.startswith("constant/")} == state | {
        "enc.0.norm.weight",
        "enc.0.norm.bias",
    }


def test_dims_of_inputs_and_outputs_are_those_of_the_program(
    written: Any, draft: Any, typed: Any, probe: Any, same_as_torch: Any
) -> None:
    n, h = Dim.symbol("n"), Dim.symbol("h", 4)
    program = written(
        {"x": typed(n, h, 2)},
        {
            "norm": draft(LayerNorm(), ("x",)),
            "half": draft(probe(lambda x: x[:, ::2], typed(n, h // 2, 2)), ("norm",)),
            "twice": draft(probe(lambda x: torch.cat([x, x, x[:1]]), typed(n * 2 + 1, h // 2, 2)), ("half",)),
            "flat": draft(probe(lambda x: x.flatten(0, 1), typed((n * 2 + 1) * (h // 2), 2)), ("twice",)),
        },
        {"y": "flat", "z": "half"},
    )

    graph = same_as_torch(program, {"n": 3, "h": 8}, {"n": 1, "h": 4}).model.graph
    declared = {
        value.name: [dim.dim_param or dim.dim_value or None for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    assert declared == {
        "x": ["n", "h", 2],
        "norm": [None, None, 2],
        "z": ["n", "h/2", 2],
        "twice": [None, None, 2],
        "y": [str((n * 2 + 1) * (h // 2)), 2],
    }


def test_outputs_have_their_names(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    """An output may have the name of another node, be given twice, or be an input."""
    x = typed("batch", 4)
    drafts = {"a": draft(Linear(out=4), ("x",)), "b": draft(Add(), ("a", "x")), "c": draft(Identity(), ("b",))}
    program = written({"x": x}, drafts, {"b": "a", "first": "c", "second": "b", "same": "x"})
    assert same_as_torch(program, AT).nodes == ["Gemm", "Add", "Identity", "Identity"]


def test_an_output_that_is_called_like_another_node(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    drafts = {"a": draft(Linear(out=4), ("x",)), "b": draft(Add(), ("a", "x")), "c": draft(Linear(out=2), ("b",))}
    graph = same_as_torch(written({"x": typed("batch", 4)}, drafts, {"b": "a", "y": "c"}), AT).model.graph
    assert [list(node.output) for node in graph.node] == [["b"], ["b/value"], ["y"]]


def test_a_sum_and_its_norm_stay_apart_in_onnx_runtime(
    written: Any, draft: Any, typed: Any, same_as_torch: Any, tmp_path: Path
) -> None:
    """Its SkipLayerNormalization takes longer than both, and knows no axis but the last."""
    drafts = {
        "a": draft(Attention(heads=2), ("x", None, None)),
        "s": draft(Add(), ("a", "x")),
        "n": draft(LayerNorm(), ("s",)),
    }
    compared = same_as_torch(written({"x": typed("batch", "seq", 8)}, drafts, {"y": "n"}), AT)

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(str(compared.path), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert "LayerNormalization" in operators
    assert "SkipLayerNormalization" not in operators


def test_a_tied_weight_is_stored_once(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    ids = {"ids": typed("batch", "seq", dtype="int64")}
    drafts = {
        "wte": draft(Embedding(vocab=50, dim=8), ("ids",)),
        "mid": draft(Linear(out=8), ("wte",)),
        "head": draft(Linear(out=50, bias=False), ("mid",), tied={"weight": "wte.weight"}),
    }
    compared = same_as_torch(written(ids, drafts, {"y": "head"}), AT)
    stored = compared.initializers()
    np.testing.assert_array_equal(stored["wte.weight"], compared.weights["wte.weight"])
    np.testing.assert_array_equal(stored["mid.weight"], compared.weights["mid.weight"].T)
    assert set(stored) == {"wte.weight", "mid.weight", "mid.bias"}
    assert compared.nodes.count("Transpose") == 1


def test_a_tied_projection_is_stored_once(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    """Joined with the others it would be there twice: joining them is left to the graph."""
    drafts = {
        "one": draft(Attention(heads=2), ("x", None, None)),
        "two": draft(Attention(heads=2), ("one", None, None), tied={"k.weight": "one.k.weight"}),
    }
    compared = same_as_torch(written({"x": typed("batch", "seq", 8)}, drafts, {"y": "two"}), AT)
    stored = compared.initializers()
    projections = {f"{n}.{p}.weight" for n, p in itertools.product(("one", "two"), "qkv")} - {"two.k.weight"}
    assert projections < set(stored)
    np.testing.assert_array_equal(stored["one.k.weight"], compared.weights["one.k.weight"])
    joining = {node.name for node in compared.model.graph.node if node.name.startswith("two/q.weight/")}
    assert joining == {"two/q.weight/Concat", "two/q.weight/Transpose"}


def test_a_module_called_twice_is_stored_once(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    tied = {"weight": "a.weight", "bias": "a.bias"}
    drafts = {"a": draft(Linear(out=8), ("x",)), "b": draft(Linear(out=8), ("a",), tied=tied)}
    compared = same_as_torch(written({"x": typed("batch", "seq", 8)}, drafts, {"y": "b"}), AT)
    assert set(compared.initializers()) == {"a.weight", "a.bias"}
    assert compared.nodes == ["MatMul", "Add", "MatMul", "Add"]


def test_one_weight_in_several_forms(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    """As it is, transposed and standardized: the first two share one tensor, the third is another."""
    reparams = (("weight", Standardize()),)
    drafts = {
        "a": draft(Linear(out=8), ("x",)),
        "b": draft(Linear(out=8), ("rows",), tied={"weight": "a.weight"}),
        "c": draft(Linear(out=8), ("x",), reparams, tied={"parametrizations.weight.original": "a.weight"}),
    }
    inputs = {"x": typed("batch", "seq", 8), "rows": typed("batch", 8)}
    compared = same_as_torch(written(inputs, drafts, {"y": "a", "z": "b", "w": "c"}), AT)
    assert set(compared.initializers()) == {"a.weight", "a.weight/0", "a.bias", "b.bias", "c.bias"}


def test_a_reparametrized_weight_has_its_plain_name(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    drafts = {"a": draft(Linear(out=8), ("x",), (("weight", Standardize()),))}
    compared = same_as_torch(written({"x": typed("batch", "seq", 8)}, drafts, {"y": "a"}), AT)
    weight = compared.initializers()["a.weight"]
    original = torch.from_numpy(compared.weights["a.parametrizations.weight.original"]).double()
    expected = (original - original.mean()) / (original.std(correction=0) + 1e-5)
    np.testing.assert_allclose(weight, expected.T, rtol=1e-5, atol=1e-6)


def test_a_weight_made_of_two_has_its_plain_name(
    written: Any, draft: Any, typed: Any, probe: Any, same_as_torch: Any
) -> None:
    def normalized() -> nn.Module:
        layer: nn.Module = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
        return layer

    x = typed("batch", "seq", 8)
    body = replace(probe(nn.Identity, x), make=normalized)
    compared = same_as_torch(written({"x": x}, {"a": draft(body, ("x",))}, {"y": "a"}), AT)
    assert set(compared.initializers()) == {"a.weight", "a.bias"}


def test_equal_constants_are_stored_once(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    drafts = {"l0": draft(Attention(heads=2), ("x", None, None))}
    drafts |= {f"l{i}": draft(Attention(heads=2), (f"l{i - 1}", None, None)) for i in range(1, 4)}
    stored = same_as_torch(written({"x": typed("batch", "seq", 8)}, drafts, {"y": "l3"}), AT).initializers()
    constants = [(a.dtype, a.shape, a.tobytes()) for name, a in stored.items() if name.startswith("constant/")]
    assert constants
    assert len(set(constants)) == len(constants)


CONTRACTS = [
    (DimRange(1, 20), lambda x: x * 2 if x.shape[1] > 20 else x, None),
    (DimRange(1, 21), lambda x: x * 2 if x.shape[1] > 20 else x, ("seq <= 20", "seq = 21")),
    (None, lambda x: x * 2 if x.shape[1] == 77 else x, ("seq != 77", "seq = 77")),
    (DimRange(8, 64, 8), lambda x: x * 2 if x.shape[1] % 8 else x, None),
    (None, lambda x: sum(x[:, i] for i in range(x.shape[1])), ("seq == 11", "seq = 2")),
]


@pytest.mark.parametrize(("limits", "body", "conflict"), CONTRACTS)
def test_branches_on_sizes_need_the_contract(
    written: Any, draft: Any, typed: Any, probe: Any, tmp_path: Path, limits: DimRange | None, body: Any, conflict: Any
) -> None:
    seq = Dim.symbol("seq", limits.multiple_of if limits else 1)
    x = typed("batch", seq, 4)
    program = written({"x": x}, {"p": draft(probe(body, x), ("x",))}, {"y": "p"}, {"seq": limits} if limits else {})
    if conflict is None:
        write_model(link_program(program), {}, tmp_path)
        return

    with pytest.raises(SpecError) as caught:
        link_program(program)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, str(diagnostic.span)) == ("E502", "spec.yaml:1")
    rule, allowed = conflict
    assert f"was compiled for {rule}, but the dims contract allows" in diagnostic.message
    assert allowed in diagnostic.message
