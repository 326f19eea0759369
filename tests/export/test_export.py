"""The stage from end to end: outputs of the linked model in ONNX Runtime against plain PyTorch."""

from __future__ import annotations

from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from stackc.components.base import Component
from stackc.components.families.activation import Dropout, Gelu, Softmax
from stackc.components.families.attention import Attention
from stackc.components.families.embedding import Embedding
from stackc.components.families.linear import Linear
from stackc.components.families.merge import Add, Identity
from stackc.components.families.norm import BatchNorm, LayerNorm
from stackc.components.reparam import Standardize
from stackc.core.types import Dim

pytestmark = pytest.mark.slow

SIZES = ({"batch": 1, "seq": 1}, {"batch": 3, "seq": 7})


@pytest.mark.parametrize("opset", [23, 18])
def test_encoder_layer(written: Any, draft: Any, typed: Any, same_as_torch: Any, opset: int) -> None:
    program = written(
        {"ids": typed("batch", "seq", dtype="int64"), "mask": typed("batch", "seq", dtype="int64")},
        {
            "embed": draft(Embedding(vocab=50, dim=32), ("ids",)),
            "attn": draft(Attention(heads=4), ("embed", None, "mask")),
            "add": draft(Add(), ("attn", "embed")),
            "norm": draft(LayerNorm(), ("add",)),
            "up": draft(Linear(out=64), ("norm",)),
            "gelu": draft(Gelu(), ("up",)),
            "drop": draft(Dropout(p=0.5), ("gelu",)),
            "down": draft(Linear(out=32), ("drop",)),
        },
        {"y": "down"},
    )

    compared = same_as_torch(program, *SIZES, opset=opset)
    assert compared.nodes.count("Attention") == (1 if opset == 23 else 0)
    assert [(o.domain, o.version) for o in compared.model.opset_import] == [("", opset)]


class Both(nn.Module):
    """Two parameters, a buffer outside the state, a constant made in the forward, and two outputs."""

    table: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.randn(8)), nn.Parameter(torch.randn(8))
        self.register_buffer("table", torch.arange(8.0).sqrt(), persistent=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * self.scale * self.table, x + self.shift * torch.tensor([2.0])


def branch(x: torch.Tensor) -> torch.Tensor:
    """An If whose bodies capture a value from outside."""
    tripled = x * 3

    def yes(a: torch.Tensor) -> torch.Tensor:
        return a + tripled

    def no(a: torch.Tensor) -> torch.Tensor:
        return a - 1

    chosen: torch.Tensor = torch.cond(x.sum() > 0, yes, no, (x,))
    return chosen


def test_awkward_units(written: Any, draft: Any, typed: Any, probe: Any, same_as_torch: Any) -> None:
    x = typed("batch", 8)
    ids = typed("batch", dtype="int64")
    program = written(
        {"x": x, "seq_first": typed("seq", "batch", 8)},
        {
            "norm": draft(BatchNorm(), ("x",)),
            "both": draft(probe(Both, x, x), ("norm",)),
            "if": draft(probe(branch, x), ("both",)),
            "same": draft(Identity(), ("if",)),
            "swap": draft(probe(lambda a, b: (b, a, b), x, x, x), ("both:1", "same")),
            "argmax": draft(probe(lambda a: a.argmax(-1), ids), ("swap",)),
            "plain": draft(Linear(out=8), ("seq_first",)),
            "made": draft(Linear(out=8), ("plain",), (("weight", Standardize()),)),
            "fixed": draft(probe(lambda: torch.ones(2, 3), typed(2, 3)), ()),
        },
        {"swap": "swap", "second": "swap:1", "third": "swap:2", "argmax": "argmax", "made": "made", "fixed": "fixed"},
    )

    compared = same_as_torch(program, {"batch": 4, "seq": 5}, {"batch": 1, "seq": 1})
    assert "If" in compared.nodes
    assert set(compared.nodes).isdisjoint({"ReduceMean", "Sqrt", "Div"}), "a reparametrization left a trace"


def test_float64(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    program = written({"x": typed("batch", 8, dtype="float64")}, {"p": draft(Softmax(), ("x",))}, {"y": "p"})
    same_as_torch(program, {"batch": 5}, tolerance=1e-15)


@pytest.mark.parametrize("component", [Identity(), Dropout(p=0.3)])
def test_a_value_that_is_only_passed_on(
    written: Any, draft: Any, typed: Any, same_as_torch: Any, component: Component
) -> None:
    program = written({"x": typed("batch", 8)}, {"a": draft(component, ("x",))}, {"y": "a", "z": "a"})
    assert same_as_torch(program, {"batch": 2}).nodes == ["Identity", "Identity"]


def test_sizes_that_hang_together(written: Any, draft: Any, typed: Any, probe: Any, same_as_torch: Any) -> None:
    """A U-Net's skip: one input is twice as large as the other, which the unit has to know to be traced at all."""
    half = Dim.symbol("h", 4) // 2
    small, large = typed("batch", 2, half), typed("batch", 2, half * 2)

    def skip(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.cat([nn.functional.interpolate(a, scale_factor=2.0), b], 1)

    program = written(
        {"a": small, "b": large}, {"skip": draft(probe(skip, typed("batch", 4, half * 2)), ("a", "b"))}, {"y": "skip"}
    )
    same_as_torch(program, {"batch": 2, "h": 8}, {"batch": 1, "h": 4})


def test_a_size_may_become_one(written: Any, draft: Any, typed: Any, probe: Any, same_as_torch: Any) -> None:
    """The smallest image has one patch. By default the exporter takes every size to be at least 2."""
    h, w = Dim.symbol("h", 16), Dim.symbol("w", 16)

    def patches(x: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(x, 16).flatten(2).softmax(-1)

    program = written(
        {"x": typed("batch", 3, h, w)},
        {"patch": draft(probe(patches, typed("batch", 3, (h // 16) * (w // 16))), ("x",))},
        {"y": "patch"},
    )
    same_as_torch(program, {"batch": 1, "h": 16, "w": 16}, {"batch": 2, "h": 32, "w": 16})


def test_layers_do_the_same_with_the_mask_once(written: Any, draft: Any, typed: Any, same_as_torch: Any) -> None:
    """ONNX Runtime computes once what all layers need of the mask and its sizes, as in a whole-model export."""
    inputs = {"x": typed("batch", "seq", 8), "mask": typed("batch", "seq", dtype="int64")}
    drafts = {"l0": draft(Attention(heads=2), ("x", None, "mask"))}
    drafts |= {f"l{i}": draft(Attention(heads=2), (f"l{i - 1}", None, "mask")) for i in range(1, 5)}
    compared = same_as_torch(written(inputs, drafts, {"y": "l4"}), *SIZES)

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(compared.path.with_suffix(".optimized"))
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(str(compared.path), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert operators.count("Attention") == 5
    assert operators.count("Shape") <= 2
    assert operators.count("Where") <= 1
