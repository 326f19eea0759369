"""Units → objects: an object does not depend on the batch, and a unit that cannot be compiled is reported."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from stackc.components.families.activation import Dropout, Gelu, Relu
from stackc.components.families.attention import Attention
from stackc.components.families.embedding import Embedding, LearnedPosition
from stackc.components.families.linear import Linear
from stackc.components.families.merge import Add, Identity
from stackc.components.families.norm import BatchNorm, InstanceNorm, LayerNorm
from stackc.components.families.pool import MeanPool
from stackc.components.reparam import Standardize
from stackc.core.diagnostics import Span, SpecError
from stackc.core.types import Dim, TensorType, shape
from stackc.export.compile import compile_units
from stackc.export.objects import Object
from stackc.export.units import Unit
from stackc.onnx_format.nodes import subgraphs

pytestmark = pytest.mark.slow

SPAN = Span("spec.yaml", 3)


def compiled(*units: Unit) -> list[Object]:
    objects = compile_units(dict.fromkeys(units, SPAN))
    return [objects[unit] for unit in units]


@pytest.fixture(scope="module")
def units(typed: Any, probe: Any) -> list[Unit]:
    """Units that share constants, sizes and names of parameters, and awkward ones."""
    x, mask = typed("d0", "d1", 32), typed("d0", "d1", dtype="int64")

    def branch(a: torch.Tensor) -> torch.Tensor:
        captured = a * 2
        chosen: torch.Tensor = torch.cond(a.sum() > 0, lambda b: b + captured, lambda b: b * 2, (a,))
        return chosen

    def unit(component: Any, *inputs: Any, reparams: Any = ()) -> Unit:
        return Unit(component, reparams, inputs, 23)

    return [
        unit(LayerNorm(), x),
        unit(Linear(out=16), x),
        unit(Linear(out=16), x, reparams=(("weight", Standardize()),)),
        unit(Linear(out=16), typed("d0", 32)),
        unit(Identity(), x),
        unit(Dropout(p=0.1), x),
        unit(Gelu(), x),
        unit(Add(), x, x),
        unit(Add(), x, x, x),
        unit(Embedding(vocab=9, dim=4), mask),
        unit(LearnedPosition(max=64), x),
        unit(Attention(heads=4), x, None, mask),
        unit(Attention(heads=4, causal=True), x, None, None),
        unit(BatchNorm(), typed("d0", 32)),
        unit(InstanceNorm(axis=2), x),
        unit(MeanPool(), x, mask),
        unit(Relu(), typed(2, 3)),
        unit(probe(branch, x), x),
        unit(probe(lambda a: (a.topk(2)[1], a, a * 2), mask, x, x), x),
        unit(probe(lambda a: a * 2 if a.shape[1] > 5 else a, x), x),
    ]


@pytest.fixture(scope="module")
def everything(units: list[Unit]) -> dict[Unit, Object]:
    """Compile all of them in one batch."""
    return compile_units(dict.fromkeys(units, SPAN))


@pytest.mark.parametrize("seed", range(3))
def test_a_unit_is_the_same_in_any_batch(units: list[Unit], everything: dict[Unit, Object], seed: int) -> None:
    draw = random.Random(seed)
    batch = draw.sample(units, draw.randint(2, len(units) - 1))
    for unit, in_batch in zip(batch, compiled(*batch), strict=True):
        assert in_batch.to_bytes() == everything[unit].to_bytes(), unit.component
    alone = draw.choice(units)
    assert compiled(alone)[0].to_bytes() == everything[alone].to_bytes(), alone.component


def test_objects_stand_on_their_own(everything: dict[Unit, Object]) -> None:
    """In a batch, units share constants and values captured by bodies of If: each object has all that it needs."""
    for unit, compiled in everything.items():
        defined = {f"x{port}" for port, x in enumerate(unit.inputs) if x} | {t.name for t in compiled.constants}
        defined |= {result for subgraph in compiled.subgraphs for result in subgraph.results} | {""}
        assert_closed(compiled.nodes, defined)
        assert set(compiled.outputs) <= defined | {name for node in compiled.nodes for name in node.output}


def assert_closed(nodes: Any, outer: set[str]) -> None:
    """Assert that nodes read nothing but outer values, parameters and the outputs of earlier nodes."""
    defined = set(outer)
    for node in nodes:
        assert not node.metadata_props
        assert not node.name
        assert all(name in defined or name.startswith("p.") for name in node.input), (node, defined)
        for graph in subgraphs(node):
            assert not [dim for value in graph.output for dim in value.type.tensor_type.shape.dim if dim.dim_param]
            assert_closed(graph.node, defined | {tensor.name for tensor in graph.initializer})
        defined |= set(node.output)


def test_outputs_that_are_inputs(typed: Any, probe: Any) -> None:
    x = typed("d0", 4)
    swap = Unit(probe(lambda a, b: (b, a, b * 1.5), x, x, x), (), (x, x), 23)
    (swapped,) = compiled(swap)
    assert swapped.outputs == ("x1", "x0", "v0")


def test_nothing_of_a_layer_is_allocated(typed: Any) -> None:
    """An embedding of 400 GB."""
    ids = typed("d0", dtype="int64")
    huge = Unit(Embedding(vocab=10**8, dim=1000), (), (ids,), 23)
    assert [node.op_type for node in compiled(huge)[0].nodes] == ["Gather"]


def test_same_bytes_under_any_hash_seed() -> None:
    code = """
import hashlib
from stackc.components.families.attention import Attention
from stackc.components.families.linear import Linear
from stackc.components.reparam import Standardize
from stackc.core.diagnostics import Span
from stackc.export.compile import compile_units
from stackc.export.units import Unit
from stackc.core.types import Dim, TensorType, shape
x = TensorType("float32", shape(Dim.symbol("d0"), Dim.symbol("d1"), 32))
rows = TensorType("float32", shape(Dim.symbol("d0"), 32))
units = [Unit(Attention(heads=4), (), (x, None, None), 18), Unit(Linear(out=3), (("weight", Standardize()),), (x,), 18)]
units.append(Unit(Linear(out=3), (), (rows,), 18))
for compiled in compile_units(dict.fromkeys(units, Span("", 1))).values():
    print(hashlib.sha256(compiled.to_bytes()).hexdigest())
"""
    hashes = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert hashes[0] == hashes[1]
    assert len(hashes[0].split()) == 3


def test_weight_subgraphs_are_split_off(typed: Any) -> None:
    x = typed("d0", "d1", 32)
    plain, normalized = compiled(
        Unit(Linear(out=16), (), (x,), 23), Unit(Linear(out=16), (("weight", Standardize()),), (x,), 23)
    )
    for linear, parameter in ((plain, "weight"), (normalized, "parametrizations.weight.original")):
        assert [node.op_type for node in linear.nodes] == ["MatMul", "Add"]
        assert linear.parameters == ("bias",)
        (subgraph,) = linear.subgraphs
        assert subgraph.parameters == (parameter,)
        onnx.checker.check_model(onnx.load_from_string(subgraph.model), full_check=True)


def test_branch_on_a_size_leaves_a_constraint(typed: Any, probe: Any) -> None:
    x = typed("d0", "d1")
    bodies: list[Any] = [
        lambda a: a * 2 if a.shape[1] > 20 else a,
        lambda a: a * 2 if a.shape[1] == 20 else a,
        lambda a: sum(a[:, i] for i in range(a.shape[1])),
        lambda a: a * 2 if a.shape[0] * 3 > a.shape[1] and a.shape[1] / 2 < 9 else a,
    ]
    units = [Unit(probe(body, x), (), (x,), 23) for body in bodies]
    constraints = [branching.constraints for branching in compiled(*units)]
    assert constraints[:2] == [("x0_1 <= 20",), ("x0_1 != 20",)]
    assert constraints[2] == ("x0_1 == 11",)
    assert constraints[3] == ("3*x0_0 > x0_1", "(IntTrueDiv(x0_1, 2)) < 9.0")


def test_sizes_that_follow_from_others_leave_a_constraint(typed: Any, probe: Any) -> None:
    """The dims of these types are unrelated, but the trace relates them."""
    n = Dim.symbol("d0", 2)
    x, y = TensorType("float32", shape(n)), TensorType("float32", shape(n // 2))
    unit = Unit(probe(lambda a, b: a[: a.shape[0] // 2] * b, y), (), (x, y), 23)
    assert compiled(unit)[0].constraints == ("Min(x0_0, (x0_0//2)) == x1_0",)


class Reassigns(nn.Module):
    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count = self.count + 1
        return x + self.count


class InPlace(Reassigns):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return x + self.count


def fails(x: torch.Tensor) -> torch.Tensor:
    raise KeyError("no such thing\nand a second line")


def foreign(x: torch.Tensor) -> torch.Tensor:
    twice: torch.Tensor = torch.onnx.ops.symbolic("com.example::Twice", [x], dtype=x.dtype, shape=x.shape, version=1)
    return twice


REFUSED = [
    (Reassigns, "probe cannot be exported: it changes its own state in eval mode: count"),
    (InPlace, "probe cannot be exported: it changes its own state in eval mode: count"),
    (lambda x: (x, x), "probe cannot be exported: its number of outputs is 2, but its signature has 1"),
    (lambda x: x[x > 0], "a shape or branch in it depends on the values of its inputs: aten.nonzero.default"),
    (lambda x: x * 2 if x.sum().item() > 0 else x, "depends on the values of its inputs: aten._local_scalar_dense"),
    (lambda x: torch.special.airy_ai(x), "No ONNX function found for <OpOverload(op='aten.special_airy_ai'"),
    (foreign, "it needs com.example::Twice, which is not an operator of ONNX itself"),
    (lambda x: x @ x, "a and b must have same reduction dim"),
    (fails, "no such thing"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_error_names_the_line(typed: Any, probe: Any, capfd: Any, body: Any, message: str) -> None:
    x = typed("d0", "d1")
    bad = Unit(probe(body, x), (), (x,), 23)
    with pytest.raises(SpecError) as caught:
        compile_units({bad: Span("spec.yaml", 2)})
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span) == ("E501", Span("spec.yaml", 2))
    assert message in diagnostic.message
    assert "\n" not in diagnostic.message
    assert capfd.readouterr() == ("", "")


def test_every_unit_that_fails_is_reported(typed: Any, probe: Any) -> None:
    x = typed("d0", "d1")
    units = {
        Unit(probe(body, x), (), (x,), 23): Span("spec.yaml", line) for line, (body, _) in enumerate(REFUSED[:4], 1)
    }
    with pytest.raises(SpecError) as caught:
        compile_units({Unit(Relu(), (), (x,), 23): Span("spec.yaml", 9), **units})
    assert [d.span.line for d in caught.value.diagnostics if d.span] == [1, 2, 3, 4]
