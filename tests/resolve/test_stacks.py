"""What a stack passes from one sub-model to the next: several ports, all that came before, all at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, check_source
from stackc.pipeline import Options, build
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

GRAPH_NETWORK = """\
stackc: 1
name: graph_network
dims: {batch: {max: 8}, count: {max: 32}}
inputs:
  nodes: {shape: [batch, count, 6]}
  edges: {shape: [batch, count, 4]}
graph: |
  nodes --> rounds[stack]
  edges -->|edges| rounds
nodes: {rounds: {of: update, repeat: 3, carry: CARRY}}
blocks:
  update:
    inputs: [nodes, edges]
    graph: |
      nodes & edges --> both[concat] --> next[linear] --> act[gelu]
      both --> messages[linear]
    nodes: {next: {out: 6}, messages: {out: 4}}
    outputs: {nodes: act, edges: messages}
outputs: {y: rounds, last: rounds.edges, second: rounds.1.edges}
"""

SERIES = """\
stackc: 1
name: series
dims: {batch: {max: 4}, height: {max: 16}}
inputs: {x: {shape: [batch, 4, height, 8]}}
graph: x --> s[stack]
nodes: {s: {of: conv, repeat: 3, axis: 1, HOW}}
blocks:
  conv:
    inputs: [x]
    graph: x --> conv[conv2d] --> act[tanh]
    nodes: {conv: {out: 4, kernel: 3, padding: 1}}
"""


def checked(text: str) -> Checked:
    return check_source(Source("spec.yaml", text))


def module_of(text: str) -> nn.Module:
    torch.manual_seed(0)
    return lower(checked(text).typed).double().eval()


def refused(text: str) -> list[tuple[str, str, str | None]]:
    with pytest.raises(SpecError) as caught:
        checked(text)
    return [(each.code, each.message, each.hint) for each in caught.value.diagnostics]


def updated(module: nn.Module, nodes: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    both = torch.cat([nodes, edges], dim=-1)
    return torch.nn.functional.gelu(module.get_submodule("next")(both)), module.get_submodule("messages")(both)


@pytest.mark.parametrize("carry", ["[nodes, edges]", "{nodes: nodes, edges: edges}", "[edges, nodes]"])
def test_several_ports_are_carried(carry: str) -> None:
    text = GRAPH_NETWORK.replace("CARRY", carry)
    module = module_of(text if carry[1] != "e" else text.replace("y: rounds,", "y: rounds.nodes,"))
    nodes, edges = torch.randn(2, 5, 6).double(), torch.randn(2, 5, 4).double()
    seen = []
    y, last, second = module(nodes, edges)
    for index in range(3):
        nodes, edges = updated(module.get_submodule(f"rounds.{index}"), nodes, edges)
        seen.append(edges)
    torch.testing.assert_close((y, last, second), (nodes, edges, seen[1]))


def test_a_port_that_is_not_carried_goes_to_all() -> None:
    """`carry: edges` passes on the edges alone: every sub-model reads the same nodes."""
    text = GRAPH_NETWORK.replace("CARRY", "edges").replace("y: rounds, last:", "last:")
    module = module_of(text)
    nodes, edges = torch.randn(2, 5, 6).double(), torch.randn(2, 5, 4).double()
    last, _ = module(nodes, edges)
    for index in range(3):
        _, edges = updated(module.get_submodule(f"rounds.{index}"), nodes, edges)
    torch.testing.assert_close(last, edges)


def test_recurrent_states_are_carried_by_their_names() -> None:
    """A component is carried like a block: the state of each layer starts where that of the layer before ends."""
    text = """\
stackc: 1
inputs: {x: {shape: [batch, seq, 6]}, start: {shape: [1, batch, 6]}}
graph: |
  x --> s[stack]
  start -->|h0| s
nodes: {s: {of: {op: gru, hidden: 6}, repeat: 2, carry: {x: y, h0: h}}}
outputs: {y: s, h: s.h}
"""
    module = module_of(text)
    x, h = torch.randn(3, 4, 6).double(), torch.randn(1, 3, 6).double()
    y, last = module(x, h)
    for index in range(2):
        x, h = module.get_submodule(f"s.{index}")(x, h)
    torch.testing.assert_close((y, last), (x, h))


def test_dense_members_read_all_before_them() -> None:
    text = SERIES.replace("HOW", "mode: dense")
    assert str(checked(text).program.types[next(iter(checked(text).program.outputs.values()))]) == (
        "float32[batch, 16, height, 8]"
    )
    module, x = module_of(text), torch.randn(2, 4, 5, 8).double()
    y, seen = module(x), x
    for index in range(3):
        member = module.get_submodule(f"s.{index}")
        seen = torch.cat([seen, torch.tanh(member.get_submodule("conv")(seen))], dim=1)
    torch.testing.assert_close(y, seen)


@pytest.mark.parametrize("merge", ["concat", "sum", "mean", "mul", "weighted"])
def test_a_series_collects_its_input_and_all_outputs(merge: str) -> None:
    text = SERIES.replace("HOW", f"collect: {merge}")
    module = module_of(text if merge == "concat" else text.replace(" axis: 1,", ""))
    x = torch.randn(2, 4, 5, 8).double()
    y, seen = module(x), [x]
    for index in range(3):
        seen.append(torch.tanh(module.get_submodule(f"s.{index}.conv")(seen[-1])))
    stacked = torch.stack(seen)
    expected = {"sum": stacked.sum(0), "mean": stacked.mean(0), "mul": stacked.prod(0), "concat": torch.cat(seen, 1)}
    torch.testing.assert_close(y, expected.get(merge, stacked.mean(0)))  # a learned mix starts as the mean


def test_side_by_side_joins_along_any_axis() -> None:
    text = SERIES.replace("HOW", "mode: concat")
    module, x = module_of(text), torch.randn(2, 4, 5, 8).double()
    heads = [torch.tanh(module.get_submodule(f"s.{index}.conv")(x)) for index in range(3)]
    torch.testing.assert_close(module(x), torch.cat(heads, dim=1))


def test_gates_choose_by_fields_of_the_stack() -> None:
    text = """\
stackc: 1
inputs: {x: {shape: [batch, 6]}}
graph: x --> moe[stack]
nodes: {moe: {of: {op: linear, out: 5}, repeat: 4, mode: gated, top_k: 2, gate_bias: false, renormalize: false}}
outputs: {y: moe, scores: moe.gate, mask: moe.chosen}
"""
    module, x = module_of(text), torch.randn(7, 6).double()
    assert [name for name, _ in module.named_parameters() if "gate" in name] == ["moe.gate.weight"]
    y, scores, mask = module(x)
    torch.testing.assert_close(scores, x @ module.get_parameter("moe.gate.weight").T)
    assert mask.sum(-1).tolist() == [2] * 7
    experts = torch.stack([module.get_submodule(f"moe.{index}")(x) for index in range(4)], dim=-1)
    torch.testing.assert_close(y, (experts * (scores.softmax(-1) * mask)[:, None]).sum(-1))


SPECS = {
    "carry": GRAPH_NETWORK.replace("CARRY", "[nodes, edges]"),
    "dense": SERIES.replace("HOW", "mode: dense"),
    "collect": SERIES.replace("HOW", "collect: concat"),
}


@pytest.mark.parametrize("name", SPECS)
def test_the_lock_is_the_same_program(name: str) -> None:
    before = checked(SPECS[name])
    after = check_source(Source("spec.lock.yaml", write_lock(before)))
    assert [(c.path, c.component, c.inputs) for c in after.program.calls] == [
        (c.path, c.component, c.inputs) for c in before.program.calls
    ]
    assert after.program.outputs == before.program.outputs


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
@pytest.mark.parametrize("name", SPECS)
def test_what_a_stack_passes_on_is_proven(name: str, opset: int, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPECS[name], encoding="utf-8")
    parity = build(tmp_path / "spec.yaml", Options(out=tmp_path, opset=opset, measure=False)).parity
    assert parity is not None
    assert not parity.failures


@pytest.mark.parametrize(
    ("carry", "message", "hint"),
    [
        ("[nodes, edge]", "update has no port 'edge' to carry", "did you mean 'edges'?"),
        (
            "{nodes: x, edges: edges}",
            "update has no output 'x' to carry to its port 'nodes'",
            "name the output: `carry: {nodes: nodes}`; its outputs are nodes, edges",
        ),
        (
            "[nodes, nodes]",
            "carry must name one or more ports, each once",
            "write for example `carry: [x, edges]`, or `carry: {x: y, edges: updated}`",
        ),
    ],
)
def test_error_nothing_to_carry(carry: str, message: str, hint: str) -> None:
    assert refused(GRAPH_NETWORK.replace("CARRY", carry)) == [("N310", message, hint)]


@pytest.mark.parametrize(
    ("how", "message", "hint"),
    [
        ("mode: sum", "axis has no effect here",
         "it says along which axis `mode: concat`, `mode: dense` or `collect: concat` joins"),
        ("mode: concat, collect: sum", "collect has no effect here",
         "it says how to merge the outputs of a series: `mode` merges those side by side"),
        ("mode: concat, carry: x", "carry has no effect here",
         "it says which ports of a series take the outputs of the sub-model before"),
        ("mode: concat, gate_bias: false", "gate_bias has no effect here",
         "it says whether the gate of `mode: gated` has a bias"),
        ("collect: concatenate", "unknown merge 'concatenate'", "did you mean 'concat'?"),
    ],
)  # fmt: skip
def test_error_fields_without_effect(how: str, message: str, hint: str) -> None:
    found = refused(SERIES.replace("HOW", how))
    assert ("N310", message, hint) in found
