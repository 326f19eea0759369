"""Every component's signature agrees with its real module: shapes, dtypes, parameters, buffers, FLOPs, at two sizes."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.components.cases import CASES, DTYPES, SYMBOLS, Case
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from stackc.components import REGISTRY
from stackc.components.base import Signature
from stackc.components.size_expressions import Variable
from stackc.core.types import FLOATS, TensorType
from stackc.torch_backend.support import support_of
from stackc.torch_backend.values import ClassCall, class_call, classes_in, expression, leaves


class NoFloat32(TorchDispatchMode):
    """Fail as soon as any operation returns a float32 tensor."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            assert not isinstance(tensor, Tensor) or tensor.dtype != torch.float32, f"{func} returns float32"
        return result


def element_type(case: Case) -> str:
    """Return the floating-point type of the model: that of the inputs, or float32."""
    return next((x.dtype for x in case.inputs if x and x.is_float), "float32")


def filled(case: Case, sizes: Mapping[str, int], dtype: str) -> list[Tensor | None]:
    """Return random inputs at these sizes; floats in `dtype`, integers below the bound of the component."""

    def fill(x: TensorType | None, below: int) -> Tensor | None:
        if x is None:
            return None
        size = [d.evaluate(sizes) for d in x.shape]
        return torch.randn(size, dtype=DTYPES[dtype]) if x.is_float else torch.randint(below, size).to(DTYPES[x.dtype])

    return [fill(x, below(case, port, sizes)) for port, x in enumerate(case.inputs)]


def below(case: Case, port: int, sizes: Mapping[str, int]) -> int:
    """Return what the integers at a port, by its place, are drawn below: the entries that they index, else 2."""
    ports = case.component.ports
    bound = case.component.index_bounds(*case.inputs).get(ports[min(port, len(ports) - 1)].name)
    return 2 if bound is None else bound.evaluate(sizes)


def declared(
    types: Mapping[str, TensorType], sizes: Mapping[str, int]
) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    return [(name, tuple(d.evaluate(sizes) for d in t.shape), DTYPES[t.dtype]) for name, t in types.items()]


def actual(tensors: Any) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    return [(name, tuple(t.shape), t.dtype) for name, t in tensors]


def run(module: nn.Module, inputs: list[Tensor | None]) -> tuple[tuple[Tensor, ...], int]:
    """Return the outputs and the FLOPs that torch counts; fused attention kernels are off, since it knows only some.

    Where the package opt_einsum is installed, torch.einsum takes another order of products than from the left.
    """
    in_order = torch.backends.opt_einsum.flags(enabled=False)
    with in_order, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        outputs = several(module(*inputs))
    return outputs, counter.get_total_flops()


def several(outputs: Any) -> tuple[Tensor, ...]:
    """Return the outputs of a module as a tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def draw_sizes(draw: DrawFn, signature: Signature) -> dict[str, int]:
    """Draw a size for each symbol, all distinct, within the limits."""
    numbers = draw(st.permutations(range(1, 8)))
    sizes = {symbol: number for s, number in zip(SYMBOLS, numbers, strict=False) for symbol in s.symbols()}
    for limit in signature.limits:
        size = limit.dim.evaluate(sizes)
        assume(limit.minimum <= size and (limit.maximum is None or size <= limit.maximum))
    return sizes


def test_every_component_has_cases() -> None:
    assert CASES.keys() == REGISTRY.keys()


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_signature_is_what_the_module_does(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    signature, dtype = case.signature, element_type(case)
    module = case.component.module(*case.inputs).eval().to(DTYPES[dtype])
    assert actual(module.named_parameters()) == declared(signature.parameters, {})
    stored = module.state_dict().keys()
    buffers = [(name, buffer) for name, buffer in module.named_buffers() if name in stored]
    assert actual(buffers) == declared(signature.buffers, {})
    for _ in range(2):
        sizes = data.draw(st.composite(draw_sizes)(signature), label="sizes")
        outputs, flops = run(module, filled(case, sizes, dtype))
        types = dict(zip(case.component.outputs, signature.outputs, strict=True))
        assert actual(zip(types, outputs, strict=True)) == declared(types, sizes)
        assert flops == signature.flops.evaluate(sizes) or (
            case.skips_positions and flops < signature.flops.evaluate(sizes)
        )


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_module_computes_in_float64_and_keeps_no_state_in_eval(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    module = case.component.module(*case.inputs).eval().double()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    inputs = filled(case, data.draw(st.composite(draw_sizes)(case.signature), label="sizes"), "float64")
    with NoFloat32():  # type: ignore[no-untyped-call]  # as above
        first, second = module(*inputs), module(*inputs)
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)
    dtypes = [y.dtype for y in several(first)]
    assert all(d == torch.float64 or t.dtype not in FLOATS for d, t in zip(dtypes, case.signature.outputs, strict=True))


@pytest.mark.parametrize("op", sorted(REGISTRY))
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_every_parameter_takes_part(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    module = case.component.module(*case.inputs).eval().double()
    y = several(module(*filled(case, data.draw(st.composite(draw_sizes)(case.signature), label="sizes"), "float64")))
    if case.signature.parameters:
        y[0].sum().backward()
        assert [name for name, p in module.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_what_is_printed_is_the_module(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    dtype, sizes = element_type(case), data.draw(st.composite(draw_sizes)(case.signature), label="sizes")
    construction = case.component.construction(*case.inputs)
    module, inputs = construction.build().eval().to(DTYPES[dtype]), filled(case, sizes, dtype)
    expected = several(module(*inputs))

    printed = printed_module(class_call(construction)).eval().to(DTYPES[dtype])
    assert repr(printed) == repr(module)
    printed.load_state_dict(module.state_dict(), strict=True)
    torch.testing.assert_close(several(printed(*inputs)), expected, rtol=0, atol=0, equal_nan=True)

    names = {f"x{i}": x for i, x in enumerate(inputs) if x is not None}
    if written := case.component.expression(*(Variable.of(name, case.inputs[int(name[1:])]) for name in names)):
        assert not module.state_dict()
        by_hand = eval(written, {"torch": torch, "F": nn.functional, **names})
        torch.testing.assert_close((by_hand,), expected, rtol=0, atol=0, equal_nan=True)


def printed_module(value: ClassCall) -> nn.Module:
    """Return the module that the printed source of a value builds, in a namespace without stackc."""
    support = support_of(classes_in(value))
    assert not [module for module, _, _ in support.imports.values() if module.startswith("stackc")]
    imports = (
        f"from {module} import {name} as {bound}" if name else f"import {module}"
        for bound, (module, name, _) in support.imports.items()
    )
    namespace: dict[str, Any] = {"nn": nn, "__name__": "printed"}
    exec("\n".join([*imports, *support.sources.values()]), namespace)
    module = eval(str(expression(value, leaves(value))), namespace)
    assert isinstance(module, nn.Module)
    assert not type(module).__module__.startswith("stackc")
    return module
