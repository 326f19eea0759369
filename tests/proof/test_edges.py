"""Models at the edge: a single component of every kind, a choice, a cast, a constant, an input that is passed on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stackc
from stackc.cache import Cache
from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.core.diagnostics import SpecError
from stackc.export import link_program, write_model
from stackc.export.compile_cached import compile_cached
from stackc.export.pipeline import spans_of
from stackc.export.units import units_of
from stackc.frontend import Checked, Overrides, check_source
from stackc.pipeline import Options
from stackc.proof.components import Reference
from stackc.proof.parity import prove
from stackc.proof.report import Parity
from stackc.runtime import open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

pytestmark = pytest.mark.slow

HERE = __name__
SHAPES = ("batch, 8", "batch, seq, 8", "batch, 8, seq", "batch, 8, 4, 4", "batch, 8, 3, 3, 3", "batch, 8, 1", "batch")
VALUES: Mapping[str, object] = {
    "vocab": 16, "max": 16, "dim": 8, "hidden": 6, "out": 4, "heads": 2, "groups": 2, "kernel": 3, "factor": 2,
    "order": [0, 2, 1], "shape": [0, 0, 2, 4], "sizes": [2, 4], "size": 2, "index": 0, "exponent": 2.0, "axis": -1,
}  # fmt: skip
UNDEFINED = {"acos", "acosh", "asin", "atanh", "log", "log10", "sqrt"}
"""Components whose exact output is not finite for the negative numbers that are drawn: refused as P706."""


class ArgMax(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.argmax(-1)


class TopK(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        values, indices = torch.topk(x, 3, dim=-1)
        return values, indices


class Positive(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x > 0


class Whole(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.long()


class Constant(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.arange(4)


class Passed(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def custom(make: str, graph: str = "x --> y", nodes: str = "", outputs: str = "") -> str:
    declared = ", outputs: [a, b]" if make in ("TopK", "Passed") else ""
    text = f"inputs: {{x: {{shape: [batch, 8]}}}}\ngraph: {graph}\n"
    text += f"nodes: {{y: {{op: torch, of: {HERE}.{make}{declared}}}{nodes}}}\n"
    return f"stackc: 1\nname: edge\n{text}{f'outputs: {{{outputs}}}' if outputs else ''}\n"


CHOICES = {
    "an argmax": custom("ArgMax"),
    "an argmax, twice, and its input": custom("ArgMax", outputs="a: y, b: y, same: x, again: x"),
    "an argmax behind scores that are an output": custom(
        "ArgMax", "x --> s --> y", ", s: {op: linear, out: 5}", "y: y, scores: s"
    ),
    "an argmax of what is passed on": custom("ArgMax", "x --> s[identity] --> y", outputs="y: y, s: s"),
    "an argmax that is passed on": custom("ArgMax", "x --> y --> z[identity]", outputs="y: y, z: z"),
    "the embedding of an argmax": custom("ArgMax", "x --> y --> e", ", e: {op: embedding, vocab: 8, dim: 4}"),
    "values and their indices": custom("TopK", outputs="values: y.a, indices: y.b"),
    "a comparison": custom("Positive"),
    "a cast": custom("Whole"),
    "a constant": custom("Constant", outputs="y: y, same: x"),
    "passed on twice": custom("Passed", outputs="a: y.a, b: y.b"),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("objects"))


def compiled(texts: Mapping[str, str], cache: Cache, opset: int, target: str) -> Mapping[str, Checked]:
    """Check all specs, and compile their components together, which takes a tenth of the time."""
    checked = {name: check_source(Source("edge.yaml", text), Overrides(trust=(HERE,))) for name, text in texts.items()}
    units = {
        unit: span
        for c in checked.values()
        for unit, span in spans_of(c.program, units_of(c.program, opset, target)).items()
    }
    compile_cached(units, cache)
    return checked


def proven(checked: Checked, folder: Path, cache: Cache, opset: int, target: str, *, functions: bool = False) -> Parity:
    module = lower(checked.typed)
    linked = link_program(checked.program, opset=opset, target=target, functions=functions, cache=cache)
    tensors = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    path = write_model(linked, tensors, folder).paths[0]
    session = open_session(path, "cpu")
    return prove(checked.program, Reference.of(module), session, path, checked.ranges, per_component=True)


def single(op: str, dtype: str) -> Iterator[str]:
    """The specs with this component alone, for common inputs, as far as they are sound."""
    specs = fields_of(REGISTRY[op])
    required = {name: VALUES.get(name, 2) for name, spec in specs.items() if spec.required}
    for shape in SHAPES:
        for fields in (required, *({**required, name: VALUES[name]} for name in ("axis", "max") if name in specs)):
            written = ", ".join(f"{name}: {value}" for name, value in fields.items())
            below = ", below: 16" if dtype == "int64" else ""
            text = (
                f"stackc: 1\nname: edge\ndims: {{{'seq: {min: 3, max: 16}' if 'seq' in shape else ''}}}\n"
                f"inputs: {{x: {{dtype: {dtype}, shape: [{shape}]{below}}}}}\n"
                f"graph: x --> y[{op}]\nnodes: {{y: {{{written}}}}}\n"
            )
            try:
                check_source(Source("edge.yaml", text))
            except SpecError:
                continue
            yield text


def test_every_component_that_takes_a_single_input_is_a_model(cache: Cache, tmp_path: Path) -> None:
    texts = {}
    for op in REGISTRY:
        text = next((text for dtype in ("float32", "int64", "bool") for text in single(op, dtype)), None)
        if text is not None:
            texts[f"{op}, and its input"] = f"{text}outputs: {{y: y, same: x}}\n"
            texts |= {op: text} if REGISTRY[op].family in ("merge", "activation", "embedding") else {}

    problems = {}
    for name, checked in compiled(texts, cache, 23, "portable").items():
        try:
            parity = proven(checked, tmp_path, cache, 23, "portable")
        except SpecError as error:
            problems[name] = str(error)
        else:
            assert parity.uncompared == ()
            assert {row.output for row in parity.rows} == set(checked.program.outputs)
            assert {row.path for row in parity.components if row.inherited is None} == set()

    assert len(texts) > 80
    assert {name.partition(",")[0] for name in problems} == UNDEFINED
    assert all("P706" in problem for problem in problems.values())


@pytest.mark.parametrize(("opset", "target", "functions"), [(23, "portable", False), (18, "ort", True)])
def test_a_choice_is_a_model(opset: int, target: str, functions: bool, cache: Cache, tmp_path: Path) -> None:
    for name, checked in compiled(CHOICES, cache, opset, target).items():
        parity = proven(checked, tmp_path, cache, opset, target, functions=functions)
        assert set(checked.program.outputs) <= {row.output for row in parity.rows}, name
        assert parity.uncompared == (), name
        assert json.dumps(parity.to_json(), allow_nan=False), name


def test_the_artifact_of_an_argmax_runs(tmp_path: Path) -> None:
    """Packaged, verified and run; compared with NumPy."""
    path = tmp_path / "edge.yaml"
    path.write_text(CHOICES["an argmax"], encoding="utf-8")
    built = stackc.build(path, Options(overrides=Overrides(trust=(HERE,)), out=tmp_path))
    assert stackc.verify(built.folder).distances
    x = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    np.testing.assert_array_equal(stackc.run(built.folder, {"x": x})["y"], x.argmax(-1))
