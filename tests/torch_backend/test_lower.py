"""The lowered module: an ordinary torch.nn.Module under the spec's own paths."""

from __future__ import annotations

import copy
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from stackc.frontend import check_source, check_spec
from stackc.ir.typed import TypedGraph
from stackc.spec.source import Source
from stackc.torch_backend.forward import class_source
from stackc.torch_backend.lower import load_weights, lower

SPECS = Path(__file__).parents[2] / "specs"


def typed(text: str) -> TypedGraph:
    head = "stackc: 1\nname: t\ninputs: {x: {shape: [batch, 8]}}\n"
    return check_source(Source("t.yaml", head + textwrap.dedent(text))).typed


TIED = """\
graph: x --> head[linear] --> body[linear]
nodes: {head: {out: 8, tie: {weight: body.weight}}, body: {out: 8}}
"""


@pytest.mark.parametrize("path", sorted(SPECS.iterdir()), ids=lambda path: path.name)
def test_the_state_dict_has_the_program_s_names_and_shapes(path: Path) -> None:
    checked = check_spec(path)
    with torch.device("meta"):
        state = lower(checked.typed, device="meta").state_dict(keep_vars=True)
    expected = {name: tuple(d.evaluate({}) for d in t.shape) for name, t in checked.program.tensors().items()}
    assert {name: tuple(state[name].shape) for name in expected} == expected
    tied = [tensor for name, tensor in state.items() if name not in expected]
    assert all(any(tensor is state[name] for name in expected) for tensor in tied)


def test_weights_depend_on_seed_and_path_not_on_other_nodes() -> None:
    small = lower(typed("graph: x --> a[linear]\nnodes: {a: {out: 8}}\n"), seed=1)
    large = lower(typed("graph: x --> b[mlp] --> a[linear]\nnodes: {a: {out: 8}, b: {hidden: 5}}\n"), seed=1)
    assert torch.equal(small.get_parameter("a.weight"), large.get_parameter("a.weight"))
    other = lower(typed("graph: x --> a[linear]\nnodes: {a: {out: 8}}\n"), seed=2)
    assert not torch.equal(small.get_parameter("a.weight"), other.get_parameter("a.weight"))


def test_lowering_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    lower(typed("graph: x --> a[linear]\nnodes: {a: {out: 8}}\n"))
    assert torch.equal(torch.rand(3), expected)


def test_ties_are_one_parameter_and_survive_loading_and_copying() -> None:
    graph = typed(TIED)
    loaded = load_weights(lower(graph, device="meta"), {n: t.numpy() for n, t in _owners(lower(graph)).items()})
    for module in (lower(graph), loaded, copy.deepcopy(loaded)):
        assert module.get_parameter("head.weight") is module.get_parameter("body.weight")
    expected = lower(graph)
    x = torch.randn(3, 8)
    assert torch.equal(loaded(x), expected(x))


def test_ties_that_lead_to_ties_end_at_one_parameter() -> None:
    text = """\
        graph: x --> a[linear] --> b[linear] --> p[pair] --> c[linear]
        nodes:
          a: {out: 8, tie: {weight: b.weight}}
          b: {out: 8, tie: {weight: c.weight}}
          p: {tie: {v.weight: c.weight}}
          c: {out: 8}
        blocks:
          pair:
            inputs: [x]
            graph: x --> u[linear] --> v[linear]
            nodes: {u: {out: 8, tie: {weight: v.weight}}, v: {out: 8}}
        """

    module = lower(typed(text))
    for path in ("a", "b", "p.u", "p.v"):
        assert module.get_parameter(f"{path}.weight") is module.get_parameter("c.weight")


def _owners(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in module.state_dict().items() if name != "head.weight"}


def test_a_shared_stack_is_one_module_applied_again() -> None:
    module = lower(typed("graph: x --> s[stack]\nnodes: {s: {of: linear, repeat: 3, share: true, with: {out: 8}}}\n"))
    x = torch.randn(2, 8)
    linear = module.get_submodule("s.0")
    assert torch.equal(module(x), linear(linear(linear(x))))
    assert len(list(module.parameters())) == 2


def test_a_reparametrized_weight_is_made_of_its_original() -> None:
    module = lower(typed("graph: x --> a[linear]\nnodes: {a: {out: 8, reparam: {weight: standardize}}}\n"))
    weight = module.get_submodule("a").weight
    assert isinstance(weight, torch.Tensor)
    assert abs(weight.mean().item()) < 1e-6
    assert abs(weight.std(unbiased=False).item() - 1) < 1e-3
    assert "a.parametrizations.weight.original" in dict(module.named_parameters())


def test_ids_that_are_not_valid_names_in_python() -> None:
    text = "graph: |\n  x --> a-b[gelu] --> ﬁne[relu] --> 子模型[tanh] --> lambda[gelu] --> 3[relu]\n"
    module = lower(typed(text))
    assert [name for name, _ in module.named_children()] == ["a-b", "ﬁne", "子模型", "lambda", "3"]
    x = torch.randn(2, 8)
    f = nn.functional
    assert torch.equal(module(x), f.relu(f.gelu(f.relu(f.gelu(x)).tanh())))


def test_the_module_compiles_and_is_traceable() -> None:
    module = lower(check_spec(SPECS / "seed.mmd").typed)
    x = torch.randn(2, 5, 128)
    traced = torch.fx.symbolic_trace(lower(typed("graph: x --> a[linear] --> gelu\nnodes: {a: {out: 8}}\n")))
    assert "a" in {node.target for node in traced.graph.nodes}
    assert torch.allclose(torch.export.export(module, (x,)).module()(x), module(x), atol=1e-6)


def test_the_forward_reads_as_one_would_write_it() -> None:
    block = check_spec(SPECS / "seed.mmd").typed.root.bodies["A"].region
    assert class_source(block, "Transformer") == textwrap.dedent("""\
        class Transformer(nn.Module):
            def forward(self, x):
                attn = self.attn(x)
                add1 = self.add1(attn, x)
                norm1 = self.norm1(add1)
                mlp = self.mlp(norm1)
                add2 = self.add2(mlp, norm1)
                norm2 = self.norm2(add2)
                return norm2
        """)
