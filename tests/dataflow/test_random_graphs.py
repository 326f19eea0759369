"""Random graphs: what is accepted along an axis is so in numbers; what is refused although it is, has a list."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from stackc.components.along import Portion
from stackc.dataflow.batch import joinable_requests
from stackc.dataflow.batch_axis import batch_axes
from stackc.dataflow.follow import Blocked, follow_axis
from stackc.dataflow.step import decoding_step
from stackc.frontend import Checked, check_source
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

BATCH, SEQ = 3, 4
ONE = {
    "linear": "out: 8", "gelu": "", "layer_norm": "", "rms_norm": "", "scale": "factor: 2", "softmax": "axis: -1",
    "softmax ": "axis: 1", "softmax  ": "axis: 0", "attention": "heads: 2", "attention ": "heads: 2, causal: true",
    "attention  ": "heads: 2, causal: true, rotary: halves, window: 2", "gru": "hidden: 8",
    "lstm": "hidden: 4, bidirectional: true", "cumsum": "axis: 1", "cumsum ": "axis: 0", "flip": "axis: 1",
    "flip ": "axis: 0", "roll": "axis: 1, shift: 1", "roll ": "axis: 2, shift: 3", "batch_norm": "axis: -1",
    "group_norm": "groups: 2, axis: -1", "l2_normalize": "axis: 1", "mlp": "hidden: 6", "learned_scale": "",
    "dropout": "p: 0.5", "sort": "axis: 1", "reduce_mean": "axis: 1, keepdim: true",
    "reduce_max": "axis: 0, keepdim: true",
}  # fmt: skip
"""Components from [batch, seq, 8] to the same or to what broadcasts, by op (and blanks), with their fields."""
BLOCKS = {
    "through": "x --> a[transpose] --> b[conv1d] --> c[transpose]",
    "behind": "x --> a[transpose] --> b[conv1d] --> c[transpose]",
    "around": "x --> a[reshape] --> b[gelu] --> c[reshape]; x -->|like| c",
    "halved": "x --> a[unflatten] --> b[softmax] --> c[flatten]",
    "scores": "x --> a[matmul] --> b[softmax] --> c[matmul]; x -->|other| a; x -->|other| c",
    "placed": "x --> c[add]; x --> a[learned_position] --> c",
}
NODES = {
    "through": "b: {out: 8, kernel: 3, padding: causal}",
    "behind": "b: {out: 8, kernel: 3, padding: 1}",
    "around": "a: {shape: [batch*seq, 8]}, c: {shape: [batch, seq, 8]}",
    "halved": "a: {size: 4}, c: {start: 2}",
    "scores": "a: {transposed: true}",
    "placed": "a: {max: 16}",
}
MERGES = ("add", "mul", "maximum")


@dataclass(frozen=True)
class Drawn:
    """A random spec, and its checked form."""

    text: str

    @property
    def checked(self) -> Checked:
        return check_source(Source("random.yaml", self.text))


@st.composite
def graphs(draw: st.DrawFn) -> Drawn:
    """Draw up to five nodes, each of one or two values before it; the last one is the output."""
    arrows, nodes, values = list[str](), list[str](), ["x"]
    for number in range(draw(st.integers(1, 5))):
        id, last = f"n{number}", values[-1]
        if number and draw(st.integers(0, 2)) == 0:
            beside = draw(st.sampled_from(values[:-1]))
            arrows += [f"{beside} --> {id}[{draw(st.sampled_from(MERGES))}]", f"{last} --> {id}"]
        else:
            op = draw(st.sampled_from([*ONE, *BLOCKS]))
            arrows.append(f"{last} --> {id}[{op.strip()}]")
            nodes.append(f"{id}: {{{ONE.get(op, '')}}}")
            if op.startswith("reduce"):
                arrows += [f"{id} --> m{number}[add]", f"x --> m{number}"]
                id = f"m{number}"
        values.append(id)

    blocks = "".join(f'\n  {b}: {{inputs: [x], graph: "{g}", nodes: {{{NODES[b]}}}}}' for b, g in BLOCKS.items())
    graph = "".join(f"\n  {arrow}" for arrow in [*arrows, f"{values[-1]} --> out[identity]"])
    return Drawn(
        "stackc: 1\nname: random\ndims: {seq: {max: 16}}\ninputs: {x: {shape: [batch, seq, 8]}}\n"
        f"graph: |{graph}\nnodes: {{{', '.join(nodes)}}}\nblocks:{blocks}\noutputs: {{y: out}}\n"
    )


def module_of(drawn: Drawn) -> nn.Module:
    return lower(drawn.checked.typed, seed=1).double().eval()


def outputs(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        y: Tensor | tuple[Tensor, ...] = module(x)
    return y[0] if isinstance(y, tuple) else y


def entries_depend(module: nn.Module, axis: int, *, on_later_only: bool) -> bool:
    """Return whether an entry of the output depends on another entry of x, or on a later one, in some of ten draws."""
    for draw in range(10):
        torch.manual_seed(draw)
        x = torch.randn(BATCH, SEQ, 8, dtype=torch.float64)
        before, count = outputs(module, x), x.shape[axis]
        for index in range(count):
            other = x.clone()
            other.select(axis, index).normal_()
            difference = (outputs(module, other) - before).abs().movedim(axis, 0).flatten(1).amax(1)
            changed = [i for i in range(count) if difference[i] > 1e-9 and (i < index if on_later_only else i != index)]
            if changed:
                return True
    return False


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(drawn=graphs())
def test_joined_requests_are_independent(drawn: Drawn) -> None:
    if joinable_requests(drawn.checked.program).is_independent:
        assert not entries_depend(module_of(drawn), 0, on_later_only=False)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(drawn=graphs())
def test_a_step_depends_on_no_later_entry(drawn: Drawn) -> None:
    """Nor on how many there are: the first entries alone have the outputs of the whole, to 1e-12."""
    if not decoding_step(drawn.checked.program, "seq", ["x"], ["y"]).exists:
        return
    module = module_of(drawn)
    assert not entries_depend(module, 1, on_later_only=True)
    x = torch.randn(BATCH, SEQ, 8, dtype=torch.float64)
    torch.testing.assert_close(outputs(module, x[:, :2]), outputs(module, x)[:, :2], rtol=1e-12, atol=1e-12)


INDEPENDENT = {
    "merges the axis with another",
    "merges or cuts the axis",  # merged and cut apart again, nothing in between
}
CAUSAL = INDEPENDENT | {
    "moves entries along the axis, and those at its end to its start",  # once around
    "reverses the axis",  # twice
}
"""Reasons of refusals that were none in numbers."""


@pytest.mark.slow
def test_what_is_refused_although_it_is_independent() -> None:
    found: dict[int, set[str]] = {0: set(), 1: set()}

    @settings(max_examples=100, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(drawn=graphs())
    def search(drawn: Drawn) -> None:
        program = drawn.checked.program
        for axis, later in ((0, False), (1, True)):
            value = follow_axis(program, {"x": {axis: Portion.NEW}}).values[program.outputs["y"]]
            if isinstance(value, Blocked) and not entries_depend(module_of(drawn), axis, on_later_only=later):
                found[axis].add(value.cause.reason)

    search()
    print(found)
    assert found[0] <= INDEPENDENT
    assert found[1] <= CAUSAL


def test_the_batch_axis_of_random_graphs_is_the_first() -> None:
    program = Drawn(
        "stackc: 1\nname: one\ninputs: {x: {shape: [batch, seq, 8]}}\ngraph: x --> out[gelu]\noutputs: {y: out}\n"
    ).checked.program
    axes = batch_axes(program.inputs)
    assert axes is not None
    assert axes[1] == {"x": 0}
