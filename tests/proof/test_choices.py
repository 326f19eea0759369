"""Discrete choices: the choice itself is proven exactly, and what follows it on the reference's choice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from stackc.components import REGISTRY
from stackc.components.base import Component, Signature
from stackc.components.registry import component
from stackc.core.diagnostics import SpecError
from stackc.core.types import TensorType
from stackc.export import link_program, write_model
from stackc.frontend import Checked, check_source
from stackc.proof.components import Reference
from stackc.proof.parity import prove
from stackc.proof.report import Parity
from stackc.runtime import open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: chooser
dims: {batch: {max: 6}}
inputs: {x: {shape: [batch, 8]}}
graph: x --> scores[linear] --> best[largest_of] --> table[embedding]
nodes: {scores: {out: 5}, table: {vocab: 5, dim: 3}}
outputs: {choice: best, y: table}
"""


class Largest(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.argmax(-1)


@pytest.fixture
def chooser() -> Iterator[Checked]:
    """A spec with an argmax component that only this test has."""

    @component("largest_of", "x")
    class LargestOf(Component):
        """The index of the largest number."""

        def signature(self, x: TensorType) -> Signature:
            return Signature((TensorType("int64", x.shape[:-1]),))

        def module(self, x: TensorType) -> nn.Module:
            return Largest()

    yield check_source(Source("chooser.yaml", SPEC))
    del REGISTRY["largest_of"]


def proven(checked: Checked, folder: Path, *, bias: float = 0.0, largest: bool = True) -> Parity:
    """Prove a model whose first two scores are always equal in PyTorch, and differ by `bias` in the file."""
    module = lower(checked.typed)
    with torch.no_grad():
        weight, shift = module.get_parameter("scores.weight"), module.get_parameter("scores.bias")
        weight[1], shift[1] = weight[0], shift[0]
        shift[2:] = -100.0

    tensors = {name: tensor.detach().numpy().copy() for name, tensor in module.state_dict().items()}
    tensors["scores.bias"][1] += bias
    path = write_model(link_program(checked.program), tensors, folder).paths[0]
    if not largest:
        model = onnx.load(path)
        argmax = next(node for node in model.graph.node if node.op_type == "ArgMax")
        argmax.op_type = "ArgMin"
        onnx.save(model, path)

    return prove(checked.program, Reference.of(module), open_session(path, "cpu"), path, checked.ranges)


def test_a_tie_that_breaks_the_other_way_is_no_error(chooser: Checked, tmp_path: Path) -> None:
    """In the file one score is a little larger than in PyTorch, so that the whole file chooses another row."""
    bias = float(np.spacing(np.float32(0.25)))
    parity = proven(chooser, tmp_path, bias=bias)
    assert {row.output for row in parity.rows} == {"choice", "y", "scores"}
    x = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    assert (open_session(tmp_path / "model.onnx", "cpu").run({"x": x})["choice"] == 1).any()


def test_numbers_that_are_chosen_from_are_held_to_the_rule(chooser: Checked, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"'scores' \(linear\) differs from PyTorch"):
        proven(chooser, tmp_path, bias=1e-3)


def test_a_wrong_choice_is_found_where_it_is_made(chooser: Checked, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"'best' \(largest_of\) .* whole numbers wrong") as caught:
        proven(chooser, tmp_path, largest=False)
    assert len(caught.value.diagnostics) == 1
