"""Illegal programs: each of these changes breaks one rule by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.ir.illegal import (
    ODD,
    Mutation,
    assert_refused,
    ids,
    without,
)

from stackc.components.families.norm import BatchNorm
from stackc.frontend import Checked
from stackc.ir.program import Frame, Program
from stackc.ir.verifier import verify_program


def with_call(program: Program, path: str, /, **changes: Any) -> Program:
    calls = [replace(call, **changes) if call.path == path else call for call in program.calls]
    assert [*calls] != [*program.calls], path
    return replace(program, calls=tuple(calls))


def with_tensor(program: Program, path: str, kind: str, **names: str) -> Program:
    call = next(call for call in program.calls if call.path == path)
    return with_call(program, path, **{kind: {**getattr(call, kind), **names}})


PROGRAMS: list[Mutation[Program]] = [
    Mutation(
        "values_are_defined_once", "the value 'one' is defined twice", lambda p: with_call(p, "two", outputs=("one",))
    ),
    Mutation(
        "values_are_defined_before_use",
        "call 'one': it uses 'score', which is not defined before it",
        lambda p: with_call(p, "one", inputs=("score",)),
    ),
    Mutation("outputs_are_values", "program 'legal': it has no outputs", lambda p: replace(p, outputs={})),
    Mutation(
        "outputs_are_values",
        "output 'y': it is 'ghost', which is not a value",
        lambda p: replace(p, outputs={"y": "ghost"}),
    ),
    Mutation(
        "types_are_complete",
        "value 'one': its type is None in the table",
        lambda p: replace(p, types=without(p.types, "one")),
    ),
    Mutation(
        "types_are_complete",
        "value 'ghost': its type is float32[5] in the table, and None",
        lambda p: replace(p, types={**p.types, "ghost": ODD}),
    ),
    Mutation("paths_are_unique", "path 'two': the path is used twice", lambda p: with_call(p, "one", path="two")),
    Mutation(
        "inputs_fit_ports",
        "call 'score': it has 1 inputs for the ports x, other",
        lambda p: with_call(p, "score", inputs=("one",)),
    ),
    Mutation(
        "inputs_fit_ports", "port 'other' is required and open", lambda p: with_call(p, "score", inputs=("one", None))
    ),
    Mutation(
        "signatures_follow_from_inputs",
        "call 'one': it names 2 outputs, and its signature has 1",
        lambda p: with_call(p, "one", outputs=("one", "one:more")),
    ),
    Mutation(
        "signatures_follow_from_inputs",
        "call 'norm': it takes no operands of these types: axis",
        lambda p: with_call(p, "norm", component=BatchNorm(axis=7)),
    ),
    Mutation(
        "owners_are_equal_modules",
        "its owner 'norm' is not an earlier call that owns its module",
        lambda p: with_call(p, "one", owner="norm"),
    ),
    Mutation(
        "owners_are_equal_modules",
        "its owner 'first.relu' is another component",
        lambda p: with_call(p, "one", owner="first.relu"),
    ),
    Mutation(
        "tensors_match_signatures",
        "call 'two': its parameters are [], in its signature ['weight']",
        lambda p: with_call(p, "two", parameters={}),
    ),
    Mutation(
        "tensors_match_signatures",
        "the buffer 'running_mean' is 'two.running_mean' of another module",
        lambda p: with_tensor(p, "norm", "buffers", running_mean="two.running_mean"),
    ),
    Mutation(
        "tensors_have_one_owner_and_type",
        "the parameter 'weight' is 'ghost.weight', which no call owns",
        lambda p: with_tensor(p, "two", "parameters", weight="ghost.weight"),
    ),
    Mutation(
        "tensors_have_one_owner_and_type",
        "is float32[4, 4], and its owner has the parameter 'first.lin.bias' as float32[4]",
        lambda p: with_tensor(p, "two", "parameters", weight="first.lin.bias"),
    ),
    Mutation(
        "frames_enclose_earlier_ones",
        "frame 'first.lin.part': it stands after 'first', which is around it",
        lambda p: replace(p, frames=(*p.frames, Frame("first.lin.part", "part", {}, p.calls[0].span))),
    ),
    Mutation(
        "frames_enclose_earlier_ones",
        "frame 'first': 'x' is 'ghost', which is not a value",
        lambda p: replace(p, frames=(replace(p.frames[0], inputs={"x": "ghost"}), *p.frames[1:])),
    ),
    Mutation(
        "contract_covers_every_value",
        "value 'x': the dim 'seq' is not in the contract",
        lambda p: replace(p, contract=without(p.contract, "seq")),
    ),
]


@pytest.mark.parametrize("mutation", PROGRAMS, ids=ids(PROGRAMS))
def test_error_illegal_program(mutation: Mutation[Program], legal: Checked) -> None:
    assert_refused(verify_program, mutation, legal.program)
