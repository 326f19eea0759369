"""Run a module on tensors with symbolic sizes: one run gives its output shapes for all sizes, without values."""

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
from stackc.components.custom.frozen_sizes import RefuseFrozenSizes, refuse_frozen_lengths
from stackc.components.custom.trusted_imports import missing_trust
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
    ToFloat,
    TruncToInt,
    enable_python_dispatcher,
    size_expression,
)
from stackc.core.types import DTYPES, Dim, TensorType, product

_DATA_DEPENDENT = (GuardOnDataDependentSymNode, DataDependentOutputException, DynamicOutputShapeException)
_PRIMES = tuple(sympy.primerange(7, 1000))
"""The values of symbols that a module reads as numbers: distinct primes, so that no two sizes are equal by chance."""


_LARGEST_DENOMINATOR = 64
"""Floats with a larger one, such as 0.1, are rounded, and so is their product with a size."""


class NotPolynomial(Exception):
    """A size is not a polynomial of dims with floor divisions; the message continues "the shape of its output …"."""


def traced(make: Callable[[], nn.Module], inputs: Sequence[TensorType | None], outputs: Sequence[str]) -> Signature:
    """Return the signature of a module on inputs of these types, None at an unconnected port.

    Raises SignatureError: T210 if the module cannot be constructed or run on them, or does not return one tensor for
    each of `outputs`; T211 if its output sizes depend on values, or if it works or is exported for one size only;
    N316 if it imports a module that is not trusted.
    """
    sizes = _Sizes(inputs)
    with sizes.fake, torch.no_grad(), _quiet():
        with _signature_errors("cannot be constructed", sizes):
            module = make().eval()
        refuse_frozen_lengths(module)
        tensors = [None if x is None else sizes.tensor(x) for x in inputs]
        with (
            _signature_errors("fails on these inputs", sizes),
            FlopCounterMode(display=False) as counter,
            RefuseFrozenSizes(),  # type: ignore[no-untyped-call]  # PyTorch's base class has no annotations
            enable_python_dispatcher(),
        ):
            result = module(*tensors)

    sizes.require_open()
    types = tuple(sizes.type_of(x, name) for name, x in zip(outputs, _tensors(result, outputs), strict=True))

    parameters = {name: _stored(name, x) for name, x in module.named_parameters()}
    stored = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    buffers = {name: _stored(name, x) for name, x in module.state_dict().items() if name not in stored}
    return Signature(types, parameters, buffers, flops=sizes.flops(counter.get_total_flops()))


class _Sizes:
    """Conversion of dims to PyTorch's symbols and back."""

    def __init__(self, inputs: Sequence[TensorType | None]) -> None:
        self.environment = ShapeEnv(specialize_zero_one=False, duck_shape=False)
        self.fake = FakeTensorMode(shape_env=self.environment, allow_non_fake_inputs=True)
        self.dims: dict[sympy.Symbol, Dim] = {}
        self.sizes: dict[str, Any] = {}

        # A dim that is a multiple of m is m times a symbol, so that divisions by m stay exact.
        symbols = {name: m for x in inputs if x for dim in x.shape for name, m in dim.symbols().items()}
        for (name, multiple_of), prime in zip(symbols.items(), _PRIMES, strict=False):
            source = ConstantSource(name)
            symbol = self.environment.create_symbol(prime, source=source, dynamic_dim=DimDynamic.DYNAMIC)
            self.dims[symbol] = Dim.symbol(name, multiple_of) // multiple_of
            self.sizes[name] = self.environment.create_symintnode(symbol, hint=prime, source=source) * multiple_of

    def tensor(self, x: TensorType) -> Tensor:
        """Return a fake tensor of this type."""
        return torch.empty([dim.evaluate(self.sizes) for dim in x.shape], dtype=getattr(torch, x.dtype))

    def type_of(self, x: Tensor, output: str) -> TensorType:
        """Return the type of an output. Raises SignatureError: T210 for its dtype, T211 for sizes that are not dims."""
        dtype = _supported_dtype(x, f"output '{output}'")
        try:
            return TensorType(dtype, tuple(map(self.dim, x.shape)))
        except NotPolynomial as error:
            raise SignatureError(f"the shape of its output '{output}' {error}", code="T211") from None

    def flops(self, count: Any) -> Dim:
        """Return a count of FLOPs; 0 if dims cannot express it."""
        try:
            return self.dim(count)
        except NotPolynomial:
            return Dim.of(0)

    def dim(self, size: Any) -> Dim:
        """Return a size as a dim. Raises NotPolynomial."""
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

            case TruncToInt(args=(sympy.Mul(args=(sympy.Float() as factor, ToFloat(args=(size,)))),)):
                return self._times(size, float(factor), expression)

            case _:
                raise NotPolynomial(f"contains {self.with_dims(str(expression))}, which dims cannot express")

    def _times(self, size: sympy.Expr, factor: float, expression: sympy.Expr) -> Dim:
        """Return a size times a float, rounded down. Raises NotPolynomial unless the float is a small fraction."""
        numerator, denominator = factor.as_integer_ratio()
        if denominator > _LARGEST_DENOMINATOR or factor < 0:
            raise NotPolynomial(f"contains {self.with_dims(str(expression))}, which dims cannot express")
        return self._dim(size) * numerator // denominator

    def require_open(self) -> None:
        """Raise SignatureError (T211) if a symbol has become a number: the module works for that size only."""
        for symbol, dim in self.dims.items():
            if self.environment.replacements.get(symbol, symbol).is_Integer:
                message = f"it works for only one size of '{next(iter(dim.symbols()))}'"
                hint = "it, or an operator in it, reads the size as a number, as a loop over it does"
                raise SignatureError(message, code="T211", hint=hint)

    def with_dims(self, text: str) -> str:
        """Return a text with dims in place of PyTorch's symbols."""
        names = {str(symbol): str(dim) for symbol, dim in self.dims.items()}
        return re.sub(r"\bs\d+\b", lambda match: names.get(match[0], match[0]), text)


@contextmanager
def _signature_errors(failure: str, sizes: _Sizes) -> Iterator[None]:
    """Turn whatever the user's code raises into a SignatureError."""
    try:
        yield
    except SignatureError:
        raise
    except _DATA_DEPENDENT as error:
        message = f"its computation depends on the values of its inputs{raised_at(error)}"
        hint = "a graph cannot depend on values: use torch.where to choose elementwise"
        raise SignatureError(message, code="T211", hint=hint) from None
    except RAISED as error:
        if "UninitializedParameter" in str(error):
            message, hint = "its parameters have no shape before the first run", "write their sizes: not LazyLinear"
            raise SignatureError(message, code="T210", hint=hint) from None
        if problem := missing_trust(error):
            raise SignatureError(problem[0], code="N316", hint=problem[1]) from None
        message = f"it {failure}: {sizes.with_dims(describe(error))}"
        raise SignatureError(message, code="T210", hint=_exact_sizes(message)) from None


def _exact_sizes(message: str) -> str | None:
    """Return a hint if a reshape fails since a size is not known to be a multiple of what the module divides it by."""
    quotients = dict(re.findall(r"\(?([A-Za-z_]\w*)//(\d+)\)?", message))
    if "is invalid for input of size" not in message or not quotients:
        return None
    dims = ", ".join(f"{name}: {{multiple_of: {divisor}}}" for name, divisor in quotients.items())
    return f"it divides sizes without a rest: write `dims: {{{dims}}}`"


def _tensors(result: Any, outputs: Sequence[str]) -> Sequence[Tensor]:
    """Return the results of a forward in the order of `outputs`. Raises SignatureError (T210) if they do not match."""
    values = result if isinstance(result, (tuple, list)) else (result,)
    wrong_type = next((type(value).__name__ for value in values if not isinstance(value, Tensor)), None)
    if wrong_type is not None:
        raise SignatureError(f"it returns a {wrong_type}, but must return a tensor or a tuple of tensors", code="T210")

    if len(values) != len(outputs):
        returned = f"{len(values)} output{'s' if len(values) > 1 else ''}"
        declared = f"{len(outputs)} {'are' if len(outputs) > 1 else 'is'} named"
        names = ", ".join(["y", *(f"y{number}" for number in range(1, len(values)))])
        hint = f"write `outputs: [{names}]`"
        raise SignatureError(f"it returns {returned}, but {declared}", code="T210", field="outputs", hint=hint)
    return values


def _stored(name: str, x: Tensor) -> TensorType:
    """Return the type of a parameter or buffer. Raises SignatureError (T210) for its dtype."""
    dtype = _supported_dtype(x, f"parameter '{name}'")
    return TensorType(dtype, tuple(Dim.of(int(size)) for size in x.shape))


def _supported_dtype(x: Tensor, what: str) -> str:
    dtype = str(x.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise SignatureError(f"its {what} is {dtype}, which is not a supported element type", code="T210")
    return dtype


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyTorch from logging errors that are raised as well."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
