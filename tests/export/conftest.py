"""Programs written by hand, and their outputs in plain PyTorch."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from stackc.components.base import Component, Port, Signature
from stackc.components.reparam import Reparam
from stackc.core.diagnostics import Span
from stackc.core.types import Dim, DimContract, TensorType, shape
from stackc.export import link_program, write_model
from stackc.ir.program import Call, Program
from stackc.torch_backend.reparam import register_reparams

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Probe(Component):
    """A component around any module; it is not registered."""

    make: Callable[[], nn.Module]
    results: tuple[TensorType, ...]

    op: ClassVar[str] = "probe"
    family: ClassVar[str] = "tests"
    ports: ClassVar[tuple[Port, ...]] = (Port("x", variadic=True),)

    def signature(self, *inputs: TensorType | None) -> Signature:
        module = self.make()
        parameters, buffers = (
            {n: TensorType(str(t.dtype).removeprefix("torch."), shape(*t.shape)) for n, t in tensors}
            for tensors in (module.named_parameters(), module.named_buffers())
        )
        stored = {name: type for name, type in buffers.items() if name in module.state_dict()}
        return Signature(self.results, parameters, stored)

    def module(self, *inputs: TensorType | None) -> nn.Module:
        return self.make()


@dataclass(frozen=True)
class Draft:
    """A call before it has names: component, operands, reparametrizations, and what its parameters are tied to."""

    component: Component
    inputs: tuple[str | None, ...]
    reparams: tuple[tuple[str, Reparam], ...] = ()
    tied: Mapping[str, str] | None = None


MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="session")
def probe() -> MakeProbe:
    """Make a component of a function of tensors or a class of modules, and the types of its outputs."""

    def make(body: Any, *results: TensorType) -> Probe:
        if isinstance(body, type):
            return Probe(body, results)
        kind = type("Body", (nn.Module,), {"forward": lambda self, *inputs: body(*inputs)})
        return Probe(kind, results)

    return make


@pytest.fixture(scope="session")
def draft() -> type[Draft]:
    return Draft


Write = Callable[..., Program]


@pytest.fixture(scope="session")
def written() -> Write:
    """Make a program of drafts by path; each is on its own line of the spec."""

    def write(
        inputs: Mapping[str, TensorType],
        drafts: Mapping[str, Draft],
        outputs: Mapping[str, str],
        contract: DimContract | None = None,
    ) -> Program:
        types = dict(inputs)
        calls = []
        for line, (path, d) in enumerate(drafts.items(), start=1):
            # names of parameters, as register_parametrization changes them
            signature = d.component.signature(*(types[name] if name else None for name in d.inputs))
            local = {f"parametrizations.{name}.original" if name in dict(d.reparams) else name: type
                     for name, type in signature.parameters.items()}  # fmt: skip
            signature = Signature(signature.outputs, local, signature.buffers)

            names = [path, *(f"{path}:{i}" for i in range(1, len(signature.outputs)))]
            types |= dict(zip(names, signature.outputs, strict=True))
            parameters = {name: f"{path}.{name}" for name in local} | dict(d.tied or {})
            buffers = {name: f"{path}.{name}" for name in signature.buffers}

            span = Span("spec.yaml", line)
            calls.append(
                Call(path, d.component, d.reparams, d.inputs, tuple(names), signature, parameters, buffers, span, path)
            )

        return Program("model", dict(inputs), tuple(calls), dict(outputs), types, contract or {})

    return write


def modules(program: Program) -> dict[str, nn.Module]:
    """Return the module of every call; initial weights depend on its path."""
    by_path = {}
    for call in program.calls:
        torch.manual_seed(zlib.crc32(call.path.encode()))
        module = call.component.module(*(program.types[name] if name else None for name in call.inputs))
        register_reparams(module, call.reparams)
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point() and ("bias" in name or "running" in name):
                tensor.uniform_(0.5, 1.5)
        by_path[call.path] = module.eval()
    return by_path


def weights_of(program: Program) -> Arrays:
    """Return the state_dict of the whole program."""
    weights: Arrays = {}
    by_path = modules(program)
    for call in program.calls:
        for name, tensor in by_path[call.path].state_dict().items():
            weights.setdefault((call.parameters | call.buffers)[name], tensor.detach().numpy())  # type: ignore[operator]  # dicts here
    return weights


@torch.no_grad()
def eager(program: Program, weights: Mapping[str, Array], feeds: Mapping[str, Array]) -> Arrays:
    """Return the outputs as PyTorch calculates them, call by call."""
    values = {name: torch.from_numpy(array) for name, array in feeds.items()}
    by_path = modules(program)
    for call in program.calls:
        module = by_path[call.path]
        source = {**call.parameters, **call.buffers}
        module.load_state_dict({name: torch.from_numpy(weights[source[name]]) for name in module.state_dict()})
        results = module(*(values[name] if name else None for name in call.inputs))
        results = results if isinstance(results, (tuple, list)) else (results,)
        values |= dict(zip(call.outputs, results, strict=True))
    return {name: values[value].numpy() for name, value in program.outputs.items()}


def drawn(types: Mapping[str, TensorType], sizes: Mapping[str, int], seed: int = 0) -> Arrays:
    """Return random inputs of these sizes."""
    random = np.random.default_rng(seed)
    feeds: Arrays = {}
    for name, type in types.items():
        dims = [dim.evaluate(sizes) for dim in type.shape]
        values = random.standard_normal(dims) if type.is_float else random.integers(0, 2, dims)
        feeds[name] = np.asarray(values, dtype=type.dtype)
    return feeds


@dataclass(frozen=True)
class Compared:
    """A written model that agreed with PyTorch."""

    model: onnx.ModelProto
    weights: Arrays
    path: Path

    @property
    def nodes(self) -> list[str]:
        return [node.op_type for node in self.model.graph.node]

    def initializers(self) -> Arrays:
        return {t.name: onnx.numpy_helper.to_array(t, str(self.path.parent)) for t in self.model.graph.initializer}


Compare = Callable[..., Compared]


@pytest.fixture
def same_as_torch(tmp_path: Path) -> Compare:
    """Export a program, and compare ONNX Runtime's outputs with PyTorch's at several sizes of its dims."""

    def compare(program: Program, *sizes: Mapping[str, int], opset: int = 23, tolerance: float = 2e-6) -> Compared:
        weights = weights_of(program)
        exported = write_model(link_program(program, opset=opset), weights, tmp_path)
        session = onnxruntime.InferenceSession(str(exported.paths[0]), providers=["CPUExecutionProvider"])
        assert [value.name for value in session.get_outputs()] == list(program.outputs)

        for at in sizes or ({},):
            feeds = drawn(program.inputs, at)
            expected = eager(program, weights, feeds)
            for name, output in zip(program.outputs, session.run(None, feeds), strict=True):
                assert output.dtype == expected[name].dtype
                np.testing.assert_allclose(
                    output, expected[name], rtol=tolerance, atol=tolerance, err_msg=f"{name} at {at}"
                )
        return Compared(onnx.load(str(exported.paths[0]), load_external_data=False), weights, exported.paths[0])

    return compare


@pytest.fixture(scope="session")
def typed() -> Callable[..., TensorType]:
    """Make a type of its dims: a name is a dim of the contract."""

    def make(*dims: str | int | Dim, dtype: str = "float32") -> TensorType:
        return TensorType(dtype, shape(*(Dim.symbol(d) if isinstance(d, str) else d for d in dims)))

    return make


@pytest.fixture(scope="session")
def random_weights() -> Callable[[Program], Arrays]:
    return weights_of
