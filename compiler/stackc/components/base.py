"""What every component is: typed fields, ports, a signature on symbolic shapes, and a PyTorch module.

A new component is one class under the `@component` decorator in the file of its family; registration, the schema, the
documentation and the property test follow from it. Neither this file nor a family file imports torch at import time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from stackc.components.along import Along, Followed, Mixes, pointwise_along
from stackc.components.axes import Axes
from stackc.components.construction import ConstructorCall
from stackc.components.deprecated import moved_names, warn
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Port:
    """Where an arrow enters. A variadic port is the last one and takes one or more arrows, in written order."""

    name: str
    optional: bool = False
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A constraint on a size that only the dims contract can satisfy: at least `minimum`, at most `maximum`."""

    dim: Dim
    reason: str
    minimum: int = 1
    maximum: int | None = None


INTEGERS = ("int64", "int32")
BYTES = ("uint8", "int8")
"""Whole numbers that inputs hold and components move, but do not calculate with: `cast` comes first."""
MASKS = (*INTEGERS, "bool")

_EMPTY: Mapping[str, TensorType] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Signature:
    """What a component computes for given inputs: types, parameters and cost.

    `parameters` and `buffers` have the names and the order of the real module. `flops` counts 2 per multiply-add, of
    matrix products and convolutions only. `workspace` is the number of elements held in intermediate tensors, if it
    exceeds inputs and outputs: the scores of an attention, the hidden features of an MLP.
    """

    outputs: tuple[TensorType, ...]
    parameters: Mapping[str, TensorType] = field(default_factory=lambda: _EMPTY)
    buffers: Mapping[str, TensorType] = field(default_factory=lambda: _EMPTY)
    flops: Dim = field(default_factory=lambda: Dim.of(0))
    workspace: Dim = field(default_factory=lambda: Dim.of(0))
    limits: tuple[Limit, ...] = ()


class SignatureError(Exception):
    """The inputs or fields of a component are incompatible; the message follows the node's name in the diagnostic.

    `field` or `port` names the one to blame, if there is one, so that the caret points at it.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "T201",
        field: str | None = None,
        port: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.field, self.port, self.hint = message, code, field, port, hint


class Component:
    """The base class of all components; `@component` declares one."""

    op: ClassVar[str]
    family: ClassVar[str]
    ports: ClassVar[tuple[Port, ...]]
    outputs: ClassVar[tuple[str, ...]] = ("y",)
    on_demand: ClassVar[tuple[str, ...]] = ()
    """Outputs that a component has only if its boolean field of that name is set, as it is where one is read."""
    is_commutative: ClassVar[bool] = False
    """Whether the order of the arrows into its variadic port has no influence on what it computes."""
    is_for_training: ClassVar[bool] = False
    """Whether it is for the graph under `train:` alone, as losses are: a model cannot contain it."""
    ignore_index: int | None = None
    """The whole number that a port of `index_bounds` may hold besides indices: what it marks does not count."""
    reduces: ClassVar[str | None] = None
    """What it does to axes beyond `pointwise_axes` that y does not have, as a reason in a message: "takes the mean"."""
    mixes: ClassVar[tuple[str, str | None]] = ("may combine any entries of the axis", None)
    """What it does to other axes beyond them, and what to write instead."""
    size_ports: ClassVar[frozenset[str]] = frozenset({"like"})
    """The ports of which it reads sizes alone."""
    described: ClassVar[Mapping[str, Any] | None] = None
    """Its fields (`FieldSpec`s), if they differ from the fields that the class declares."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "clear_outputs" in cls.__dict__:
            warn(f"{cls.__name__}.clear_outputs", "fallback_outputs", stacklevel=2)
            cls.fallback_outputs = cls.__dict__["clear_outputs"]  # type: ignore[method-assign]  # its former name

    def __post_init__(self) -> None:
        """Leave out the outputs on demand that are not asked for."""
        if self.on_demand:
            absent = {name for name in self.on_demand if not self.values().get(name)}
            present = tuple(name for name in type(self).outputs if name not in absent)
            object.__setattr__(self, "outputs", present)

    def returning(self, outputs: Collection[str]) -> Component:
        """Return the component with these outputs, some of which it may have on demand only."""
        asked = {name: True for name in self.on_demand if name in outputs}
        return replace(self, **asked) if asked else self  # type: ignore[type-var]  # all are dataclasses

    @classmethod
    def of_fields(cls, values: Mapping[str, object]) -> Self:
        """Return the component with these field values, each decoded; all required fields must be present."""
        return cls(**values)

    def values(self) -> Mapping[str, object]:
        """Return the value of every field by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]  # all are dataclasses

    def signature(self, *inputs: Any, **named: Any) -> Signature:
        """Return types, parameters and FLOPs for `TensorType`s in the order of `ports`, None at an unconnected port.

        Raises SignatureError if inputs or fields are incompatible. Each component lists its inputs by name.
        """
        raise NotImplementedError(type(self).__name__)

    def for_inputs(self, *inputs: Any) -> Component:
        """Return the component for these inputs: itself, unless its fields are sizes of them (entering_sizes.py)."""
        return self

    def fallback_outputs(self, *inputs: Any) -> tuple[TensorType, ...]:
        """Return output types to continue checking with after `signature` has failed; () if they are unknown."""
        return ()

    def pointwise_axes(self, *inputs: Any) -> tuple[Axes, ...]:
        """Return the axes along which it is pointwise for each of these inputs, in port order; see axes.py.

        `signature` accepts the inputs. By default none: any position may depend on all others.
        """
        return ({},) * len(inputs)

    def along(self, followed: Followed, *inputs: Any) -> Along | Mixes:
        """Return how it acts along the axis of these inputs that is followed, `followed`, in port order; see along.py.

        `signature` accepts the inputs; in training it may act otherwise than in evaluation. By default it carries the
        axis on where it is among `pointwise_axes`, and reduces it or mixes its entries elsewhere.
        """
        return pointwise_along(self, followed.axes, inputs)

    def step_form(self, along: Along, *inputs: Any) -> Component | None:
        """Return what it runs as on new entries alone, where it acts as `along` says; None if it has no such form yet.

        See steps/ for its ports. By default what counts no positions and keeps nothing runs as it is.
        """
        return None if along.states or along.needs_positions or along.sliced else self

    def empty_axes(self, *inputs: Any) -> tuple[Collection[int], ...]:
        """Return the axes, counted from 0, of each of these inputs that may have no entries; see axes.py.

        There y is what PyTorch makes of nothing, and the file in ONNX Runtime agrees. By default none: what a spec may
        leave empty (`min: 0`) is an error at all other axes.
        """
        return ((),) * len(inputs)

    def index_bounds(self, *inputs: Any) -> Mapping[str, Dim]:
        """Return the ports whose whole numbers are indices, each with the number of entries that they are below.

        `signature` accepts the inputs. What a spec declares of an input that enters such a port has to be within that.
        """
        return {}

    @property
    def is_step(self) -> bool:
        """Whether y jumps as x grows, so that two exact models may differ by a whole step: a choice, to the proof."""
        return False

    @property
    def reach(self) -> int:
        """The largest distance between positions that a field names: a window, the span of a kernel; 0 without one."""
        return 0

    def construction(self, *inputs: Any, **named: Any) -> ConstructorCall[nn.Module]:
        """Return the constructor call of the PyTorch module for these inputs, which `show --as torch` prints.

        The module's forward takes the connected inputs, and None for an unconnected one.
        """
        raise NotImplementedError(type(self).__name__)

    def module(self, *inputs: Any, **named: Any) -> nn.Module:
        """Construct the PyTorch module for these inputs."""
        return self.construction(*inputs, **named).build()

    def expression(self, *x: Any, **named: Any) -> str | None:
        """Return handwritten PyTorch for inputs in variables of these names; None if one would write a module.

        Only components without parameters have one. It may use `torch` and `F`, torch.nn.functional. If sizes are read
        off the inputs, a name must be a `Variable` of components/size_expressions.py, which has a type.
        """
        return None


class TypePreserving(Component):
    """The base class of components whose output has the type of x, even if their fields are wrong."""

    def fallback_outputs(self, x: TensorType, *others: Any) -> tuple[TensorType, ...]:
        """Return the type of x, unless its elements are not floating-point numbers."""
        return (x,) if x.is_float else ()


def fixed(dim: Dim, what: str, *, port: str | None = None) -> int:
    """Return a size as a number. Raises SignatureError if it is known only at run time: parameters need numbers."""
    if dim.constant is None:
        raise SignatureError(
            f"{what} is '{dim}', known only at run time, but must be a number here",
            port=port,
            hint="write the size as a number or a param in the shape of the input",
        )
    return dim.constant


def channels_of(x: TensorType) -> int:
    """Return the size of axis 1 as a number. Raises SignatureError if it is known only at run time.

    If another axis has a size that is a number, as the features of an embedding, they are probably the channels.
    """
    try:
        return fixed(x.shape[1], "the channel axis", port="x")
    except SignatureError as error:
        features = x.shape[-1].constant
        if x.rank < 3 or features is None:
            raise
        op = "`transpose`" if x.rank == 3 else f"`permute`, with `order: {[0, x.rank - 1, *range(1, x.rank - 1)]}`,"
        hint = f"the channels must be axis 1: put {op} before it if they are the {features} of the last axis"
        raise SignatureError(error.message, port="x", hint=hint) from None


def cast_hint(value: str = "it") -> str:
    """Return the help for whole numbers or booleans where floating-point numbers are expected."""
    return f"put `cast` before {value}, which turns whole numbers and booleans into float32"


def require_float(x: TensorType, port: str = "x", *, is_arithmetic: bool = False) -> None:
    """Raise SignatureError (T203) unless the elements are floating-point numbers.

    Arithmetic takes integers as numbers, which an embedding does not turn into floats.
    """
    if not x.is_float:
        ids = f"use an embedding to turn ids into vectors; if they are numbers, {cast_hint()}"
        hint = cast_hint() if is_arithmetic or x.dtype in ("bool", *BYTES) else ids
        raise SignatureError(f"expects floating-point numbers, got {x}", code="T203", port=port, hint=hint)


def require_integer(x: TensorType, port: str = "x") -> None:
    """Raise SignatureError (T203) unless the elements are integers."""
    if x.dtype not in INTEGERS:
        message = f"expects integers ({' or '.join(INTEGERS)}), got {x}"
        hint = "ids are integers: declare the input with `dtype: int64`" if x.is_float else None
        hint = "put `cast` before it, with `dtype: int64`" if x.dtype in BYTES else hint
        raise SignatureError(message, code="T203", port=port, hint=hint)


def require_mask(mask: TensorType, port: str = "mask") -> None:
    """Raise SignatureError (T203) unless the elements are integers or booleans; a nonzero one keeps its position."""
    if mask.dtype not in MASKS:
        is_bytes = mask.dtype in BYTES
        kinds = ", ".join(INTEGERS) + " or bool" if is_bytes else "integers or booleans"
        hint = "a mask is 1 at positions that count and 0 at padding; it is not added to the scores"
        hint = "put `cast` before it, with `dtype: bool`" if is_bytes else hint
        raise SignatureError(f"expects a mask of {kinds}, got {mask}", code="T203", port=port, hint=hint)


def require_layout(x: TensorType, layout: str, port: str = "x") -> None:
    """Raise SignatureError unless the tensor has as many axes as `layout` names, for example "[batch, seq, dim]"."""
    if x.rank != layout.count(",") + 1:
        raise SignatureError(f"expects {layout}, got {x}", port=port)


def axis_of(axis: int, x: TensorType, *, field: str = "axis") -> int:
    """Return `axis` counted from 0. Raises SignatureError if the tensor has no such axis."""
    if not -x.rank <= axis < x.rank:
        axes = "1 axis" if x.rank == 1 else f"{x.rank} axes"
        raise SignatureError(f"axis {axis} is out of range for {x}, which has {axes}", field=field)
    return axis % x.rank


def axes_of(axes: int | tuple[int, ...], x: TensorType, *, field: str = "axis") -> tuple[int, ...]:
    """Return one axis or several, counted from 0, in the order of x. Raises SignatureError if empty or repeated."""
    written = axes if isinstance(axes, tuple) else (axes,)
    counted = sorted(axis_of(axis, x, field=field) for axis in written)
    if not counted or len(set(counted)) < len(counted):
        raise SignatureError(f"{field} {list(written)} must name one or more axes of {x}, each once", field=field)
    return tuple(counted)


def features_of(x: TensorType, port: str = "x") -> int:
    """Return the number of features, the size of the last axis. Raises SignatureError if it is missing or symbolic."""
    if not x.rank:
        raise SignatureError(f"expects [..., features], got {x}", port=port)
    return fixed(x.shape[-1], "the feature axis", port=port)


_SEARCHED_DIVISORS = 100_000
"""How far to search for the nearest divisor, each way: sizes can be arbitrarily large."""


def require_divisor(divisor: int, size: int, *, field: str, of: str) -> None:
    """Raise SignatureError (T202) unless `divisor`, the value of `field`, divides `size`; hint at the nearest divisors.

    `of` names the size in the message.
    """
    if size % divisor == 0:
        return

    start = min(divisor, size)
    below = range(start, max(0, start - _SEARCHED_DIVISORS), -1)
    above = range(divisor, size + 1)[:_SEARCHED_DIVISORS]
    nearest = (next((n for n in numbers if size % n == 0), None) for numbers in (below, above))
    divisors = [str(n) for n in nearest if n]

    raise SignatureError(
        f"{field} {divisor} does not divide {of} {size}",
        code="T202",
        field=field,
        hint=f"{' or '.join(divisors)} would work" if divisors else None,
    )


if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        component="stackc.components.registry.component",
        KeepsType="stackc.components.base.TypePreserving",
        Misfit="stackc.components.base.SignatureError",
        REGISTRY="stackc.components.registry.REGISTRY",
        SPECIAL_OPS="stackc.components.registry.SPECIAL_OPS",
    )
