"""Running a module on tensors whose sizes are symbols: what it makes of every size at once, without any numbers."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sympy  # type: ignore[import-untyped]  # ships no type information
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stackc.components.base import Signature, SignatureError
from stackc.components.custom.foreign_errors import RAISED, describe, raised_at
from stackc.core.torch_internals import (
    CleanDiv,
    ConstantSource,
    DataDependentOutputException,
    DimDynamic,
    DynamicOutputShapeException,
    FakeTensorMode,
    FloorDiv,
    GuardOnDataDependentSymNode,
    Mod,
    PythonMod,
    ShapeEnv,
    size_expression,
)
from stackc.core.types import DTYPES, Dim, TensorType, product

_BY_VALUE = (GuardOnDataDependentSymNode, DataDependentOutputException, DynamicOutputShapeException)
_PRIMES = tuple(sympy.primerange(7, 1000))
"""What symbols stand for where a module asks how large they are: sizes that are no others by chance."""


class NotPolynomial(Exception):
    """A size that is no polynomial of dims with whole divisions."""


def traced(make: Callable[[], nn.Module], inputs: Sequence[TensorType | None], outputs: Sequence[str]) -> Signature:
    """The signature of a module on inputs of these types, None at an open port.

    SignatureError T210 where it cannot be made or run on them, or gives something else than tensors for `outputs`; T211 where
    the sizes of what it gives depend on values, or it works at one size alone.
    """
    sizes = _Sizes(inputs)
    with sizes.fake, torch.no_grad(), _quiet():
        with _told("cannot be constructed", sizes):
            module = make().eval()
        tensors = [None if x is None else sizes.tensor(x) for x in inputs]
        with _told("fails on these inputs", sizes), FlopCounterMode(display=False) as counter:
            made = module(*tensors)
    sizes.require_open()
    types = tuple(sizes.type_of(x, name) for name, x in zip(outputs, _flat(made, outputs), strict=True))
    parameters = {name: _stored(name, x) for name, x in module.named_parameters()}
    stored = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    buffers = {name: _stored(name, x) for name, x in module.state_dict().items() if name not in stored}
    return Signature(types, parameters, buffers, flops=sizes.flops(counter.get_total_flops()))


class _Sizes:
    """The symbols of a signature as PyTorch's, and back."""

    def __init__(self, inputs: Sequence[TensorType | None]) -> None:
        self.environment = ShapeEnv(specialize_zero_one=False, duck_shape=False)
        self.fake = FakeTensorMode(shape_env=self.environment, allow_non_fake_inputs=True)
        symbols = {name: m for x in inputs if x for dim in x.shape for name, m in dim.symbols().items()}
        self.dims: dict[sympy.Symbol, Dim] = {}
        self.sizes: dict[str, Any] = {}
        for (name, multiple_of), prime in zip(symbols.items(), _PRIMES, strict=False):
            source = ConstantSource(name)
            symbol = self.environment.create_symbol(prime, source=source, dynamic_dim=DimDynamic.DYNAMIC)
            self.dims[symbol] = Dim.symbol(name, multiple_of) // multiple_of
            self.sizes[name] = self.environment.create_symintnode(symbol, hint=prime, source=source) * multiple_of

    def tensor(self, x: TensorType) -> Tensor:
        """A tensor of that type, without numbers."""
        return torch.empty([dim.evaluate(self.sizes) for dim in x.shape], dtype=getattr(torch, x.dtype))

    def type_of(self, x: Tensor, output: str) -> TensorType:
        """The type of what came out. SignatureError T211 where a size has no words here."""
        dtype = str(x.dtype).removeprefix("torch.")
        if dtype not in DTYPES:
            raise SignatureError(f"its output '{output}' is {dtype}, which is no element type here", code="T210")
        try:
            return TensorType(dtype, tuple(map(self.dim, x.shape)))
        except NotPolynomial as error:
            raise SignatureError(f"the shape of its output '{output}' {error}", code="T211") from None

    def flops(self, count: Any) -> Dim:
        """What was counted; what dims cannot say is not counted."""
        try:
            return self.dim(count)
        except NotPolynomial:
            return Dim.of(0)

    def dim(self, size: Any) -> Dim:
        """A size as a dim. Raises NotPolynomial."""
        return Dim.of(size) if isinstance(size, int) else self._dim(self.environment.simplify(size_expression(size)))

    def _dim(self, expression: sympy.Expr) -> Dim:
        match expression:
            case sympy.Integer():
                return Dim.of(int(expression))
            case sympy.Symbol() if expression in self.dims:
                return self.dims[expression]
            case sympy.Symbol():
                raise NotPolynomial("depends on the values of its inputs")
            case sympy.Add():
                return sum(map(self._dim, expression.args), Dim.of(0))
            case sympy.Mul():
                return product(map(self._dim, expression.args))
            case sympy.Pow(base=base, exp=sympy.Integer() as power) if power > 0:
                return product([self._dim(base)] * int(power))
            case FloorDiv(args=(over, sympy.Integer() as by)) | CleanDiv(args=(over, sympy.Integer() as by)):
                return self._dim(over) // int(by)
            case Mod(args=(over, sympy.Integer() as by)) | PythonMod(args=(over, sympy.Integer() as by)):
                return self._dim(over) - self._dim(over) // int(by) * int(by)
            case _:
                raise NotPolynomial(f"has {self.named(str(expression))} in it, which dims cannot say")

    def require_open(self) -> None:
        """SignatureError T211 where a symbol has become a number: what was run works at that size alone."""
        for symbol, dim in self.dims.items():
            if self.environment.replacements.get(symbol, symbol).is_Integer:
                message = f"it is written for one size of '{next(iter(dim.symbols()))}' alone"
                hint = "it, or an operator in it, reads the size as a number, as a loop over it does"
                raise SignatureError(message, code="T211", hint=hint)

    def named(self, text: str) -> str:
        """A text with dims in the place of PyTorch's symbols."""
        names = {str(symbol): str(dim) for symbol, dim in self.dims.items()}
        return re.sub(r"\bs\d+\b", lambda found: names.get(found[0], found[0]), text)


@contextmanager
def _told(what: str, sizes: _Sizes) -> Iterator[None]:
    """Whatever code of somebody else raises, as a SignatureError."""
    try:
        yield
    except _BY_VALUE as error:
        hint = "what depends on values has no graph: torch.where takes one or the other elementwise"
        message = f"what it does depends on the values of its inputs{raised_at(error)}"
        raise SignatureError(message, code="T211", hint=hint) from None
    except RAISED as error:
        if "UninitializedParameter" in str(error):
            message, hint = "its parameters have no shape before it is first run", "write their sizes: not LazyLinear"
            raise SignatureError(message, code="T210", hint=hint) from None
        raise SignatureError(f"it {what}: {sizes.named(describe(error))}", code="T210") from None


def _flat(made: Any, outputs: Sequence[str]) -> Sequence[Tensor]:
    """What came out, as tensors in the order of `outputs`."""
    values = made if isinstance(made, (tuple, list)) else (made,)
    odd = next((type(value).__name__ for value in values if not isinstance(value, Tensor)), None)
    if odd is not None:
        raise SignatureError(f"it gives a {odd}, and has to give a tensor, or a tuple of tensors", code="T210")
    if len(values) != len(outputs):
        names = ", ".join(["y", *(f"y{number}" for number in range(1, len(values)))])
        given = f"{len(values)} output{'s' if len(values) > 1 else ''}"
        message = f"it gives {given}, and {len(outputs)} {'are' if len(outputs) > 1 else 'is'} named"
        raise SignatureError(message, code="T210", field="outputs", hint=f"write `outputs: [{names}]`")
    return values


def _stored(name: str, x: Tensor) -> TensorType:
    dtype = str(x.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise SignatureError(f"its parameter '{name}' is {dtype}, which is no element type here", code="T210")
    return TensorType(dtype, tuple(Dim.of(int(size)) for size in x.shape))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyTorch from logging what is raised as well."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
