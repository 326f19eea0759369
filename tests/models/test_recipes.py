"""The recipes of the language reference, against plain PyTorch on the same numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackc.authoring.reference.language import recipes
from stackc.frontend import check_source
from stackc.pipeline import Options, build
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

TEXT = recipes()
BLOCKS = re.findall(r"^  (\w+):$", TEXT[TEXT.index("\nblocks:") :], re.MULTILINE)
DIM, LAYERS = 32, 6


def mlp(f: nn.Module, x: Tensor) -> Tensor:
    p = dict(f.named_parameters())
    return F.linear(F.gelu(F.linear(x, p["up.weight"], p["up.bias"])), p["down.weight"], p["down.bias"])


def swiglu(f: nn.Module, x: Tensor) -> Tensor:
    p = dict(f.named_parameters())
    return F.linear(F.silu(F.linear(x, p["gate.weight"])) * F.linear(x, p["up.weight"]), p["down.weight"])


def rms(norm: nn.Module, x: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6) * norm.get_parameter("weight")


def normalized(x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred * centred).mean(-1, keepdim=True) + 1e-5)


def layer_norm(norm: nn.Module, x: Tensor) -> Tensor:
    return normalized(x) * norm.get_parameter("weight") + norm.get_parameter("bias")


def condition_of(m: nn.Module, c: Tensor) -> tuple[Tensor, Tensor]:
    both = F.linear(c, m.get_parameter("both.weight"), m.get_parameter("both.bias"))[:, None]
    return both[..., :DIM], both[..., DIM:]


def attention(attn: nn.Module, x: Tensor) -> Tensor:
    p = dict(attn.named_parameters())
    q, k, v = (F.linear(x, p[f"{n}.weight"], p[f"{n}.bias"]).unflatten(-1, (4, -1)).transpose(1, 2) for n in "qkv")
    scores = q @ k.transpose(-1, -2) / (DIM // 4) ** 0.5
    heads = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    return F.linear(heads, p["out.weight"], p["out.bias"])


def film(m: nn.Module, x: Tensor, c: Tensor) -> Tensor:
    factor, offset = condition_of(m, c)
    return x * factor + offset


def adaptive_norm(m: nn.Module, x: Tensor, c: Tensor) -> Tensor:
    factor, offset = condition_of(m, F.silu(c))
    return normalized(x) * (1 + factor) + offset


def shared_expert(m: nn.Module, x: Tensor) -> Tensor:
    shares = F.linear(x, m.get_submodule("moe")["gate"].weight).softmax(-1)  # type: ignore[index]  # a ModuleDict
    taken = torch.zeros_like(shares).scatter(-1, shares.topk(2).indices, 1.0)
    experts = torch.stack([swiglu(m.get_submodule(f"moe.{i}"), x) for i in range(4)], -1)
    routed = (experts * (shares * taken)[..., None, :]).sum(-1)
    return routed + F.linear(x, m.get_parameter("gate.weight")).sigmoid() * swiglu(m.get_submodule("f"), x)


REFERENCES: dict[str, Callable[..., Tensor]] = {
    "sandwich": lambda m, x: x + rms(m.after, mlp(m.f, rms(m.before, x))),
    "deep_norm": lambda m, x: layer_norm(m.norm, (2 * LAYERS) ** 0.25 * x + mlp(m.f, x)),
    "rezero": lambda m, x: x + m.alpha.weight * mlp(m.f, x),
    "drop_path": lambda m, x: x + mlp(m.f, layer_norm(m.norm, x)),
    "parallel": lambda m, x: x + attention(m.attn, layer_norm(m.norm, x)) + mlp(m.f, layer_norm(m.norm, x)),
    "film": film,
    "adaptive_norm": adaptive_norm,
    "shared_expert": shared_expert,
}


def test_every_recipe_has_a_reference() -> None:
    assert sorted(BLOCKS) == sorted(REFERENCES)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_recipe_is_what_it_is_called(name: str) -> None:
    conditioned = name in ("film", "adaptive_norm")
    head, blocks = TEXT.split("\nblocks:\n")
    graph = f"x --> y[{name}]\n" + "  condition -->|condition| y\n" * conditioned
    head = re.sub(r"(?s)graph: \|.*", f"graph: |\n  {graph}", head)
    head = head if conditioned else head.replace("  condition: {shape: [batch, dim]}\n", "")
    module = lower(check_source(Source("recipe.yaml", f"{head}blocks:\n{blocks}")).typed).double().eval()

    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) / 4 + 0.1)
        x, condition = torch.randn(3, 5, DIM).double(), torch.randn(3, DIM).double()
        inputs = (x, condition) if conditioned else (x,)
        torch.testing.assert_close(
            module(*inputs), REFERENCES[name](module.get_submodule("y"), *inputs), rtol=1e-10, atol=1e-10
        )


def test_stochastic_depth_leaves_branches_out_in_training() -> None:
    module = lower(check_source(Source("recipes.yaml", TEXT)).typed).get_submodule("d").train()
    torch.manual_seed(0)
    x = torch.randn(200, 5, DIM)
    unchanged = (module(x) == x).all(-1).all(-1).sum()
    assert 5 < unchanged < 40


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
def test_the_recipes_are_proven(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "recipes.yaml"
    path.write_text(TEXT, encoding="utf-8")
    parity = build(path, Options(out=tmp_path, opset=opset, measure=False)).parity
    assert parity is not None
    assert not parity.failures
