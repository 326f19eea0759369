"""What every component is: typed fields, ports, a signature on symbolic shapes, and a PyTorch module.

A new component is one class in the file of its family under the `@component` decorator; registration, the schema, the
documentation and the property test follow from it. Nothing here or in a family file imports torch at import time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from stackc.components.construction import ConstructorCall
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Port:
    """Where an arrow enters. A variadic port stands last and takes one or more arrows, in written order."""

    name: str
    optional: bool = False
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A demand on a size that only the dims contract can meet: at least `minimum`, at most `maximum`."""

    dim: Dim
    reason: str
    minimum: int = 1
    maximum: int | None = None


INTEGERS = ("int64", "int32")
MASKS = (*INTEGERS, "bool")

_NOTHING: Mapping[str, TensorType] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Signature:
    """What a component makes of its inputs.

    `parameters` and `buffers` go by the names that the real module gives them, in its order; `flops` counts 2 a
    multiply-add, of matrix products and convolutions only. `workspace` is how many elements it holds on the way beside
    inputs and outputs, where that is more than these: the scores of an attention, the hidden features of an MLP.
    """

    outputs: tuple[TensorType, ...]
    parameters: Mapping[str, TensorType] = field(default_factory=lambda: _NOTHING)
    buffers: Mapping[str, TensorType] = field(default_factory=lambda: _NOTHING)
    flops: Dim = field(default_factory=lambda: Dim.of(0))
    workspace: Dim = field(default_factory=lambda: Dim.of(0))
    limits: tuple[Limit, ...] = ()


class SignatureError(Exception):
    """The inputs or the fields of a component do not go together; said in the user's terms, behind the node's name.

    `field` or `port` name the culprit where there is one, so that the caret points at it.
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
    """The base of all components; see `@component` for how one is declared."""

    op: ClassVar[str]
    family: ClassVar[str]
    ports: ClassVar[tuple[Port, ...]]
    outputs: ClassVar[tuple[str, ...]] = ("y",)
    described: ClassVar[Mapping[str, Any] | None] = None
    """Its fields (`FieldSpec`s), where they are not those that the class declares."""

    @classmethod
    def of_fields(cls, values: Mapping[str, object]) -> Self:
        """The component with these values of its fields, each decoded; all that have to be given are there."""
        return cls(**values)

    def values(self) -> Mapping[str, object]:
        """The value of every field by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]  # all are dataclasses

    def signature(self, *inputs: Any, **named: Any) -> Signature:
        """Types, parameters and FLOPs for `TensorType`s in the order of `ports`, None at an optional port left open.

        Raises `SignatureError` where the inputs or the fields do not go together. Each component spells its inputs out.
        """
        raise NotImplementedError(type(self).__name__)

    def fallback_outputs(self, *inputs: Any) -> tuple[TensorType, ...]:
        """The types of its outputs where they are clear although `signature` raises SignatureError; none where they are not."""
        return ()

    def construction(self, *inputs: Any, **named: Any) -> ConstructorCall[nn.Module]:
        """What makes the PyTorch module for these inputs, in words that `show --as torch` can print.

        The module's forward takes the connected inputs, None where one is open.
        """
        raise NotImplementedError(type(self).__name__)

    def module(self, *inputs: Any, **named: Any) -> nn.Module:
        """The PyTorch module for these inputs."""
        return self.construction(*inputs, **named).build()

    def expression(self, *x: Any, **named: Any) -> str | None:
        """What it does to variables of these names, as one writes it by hand; None where one writes a module.

        Only what has no parameters can be written so. It may use `torch` and `F`, torch.nn.functional. Sizes that
        inputs tell need their types: a name may be a `Variable` of components/extents.py.
        """
        return None


def fixed(dim: Dim, what: str, *, port: str | None = None) -> int:
    """The number that a size is; a SignatureError where it is known only at run time, since parameters need numbers."""
    if dim.constant is None:
        raise SignatureError(
            f"{what} is '{dim}', known only at run time; it has to be a number here",
            port=port,
            hint="write the size as a number or a param in the shape of the input",
        )
    return dim.constant


def require_float(x: TensorType, port: str = "x") -> None:
    """A SignatureError unless the elements are floating-point numbers."""
    if not x.is_float:
        raise SignatureError(
            f"needs floating-point numbers, and gets {x}",
            code="T203",
            port=port,
            hint="an embedding turns ids into vectors" if x.dtype.startswith("int") else None,
        )


class TypePreserving(Component):
    """The base of what gives the type that it takes: whatever is wrong with its fields, what follows can be judged."""

    def fallback_outputs(self, x: TensorType, *others: Any) -> tuple[TensorType, ...]:
        """The type of x, unless it is no type for it."""
        return (x,) if x.is_float else ()


def axis_of(axis: int, x: TensorType, *, field: str = "axis") -> int:
    """`axis` counted from 0; a SignatureError where the tensor has no such axis."""
    if not -x.rank <= axis < x.rank:
        raise SignatureError(f"axis {axis} is outside {x}, which has {x.rank} axes", field=field)
    return axis % x.rank


def axes_of(axes: int | tuple[int, ...], x: TensorType, *, field: str = "axis") -> tuple[int, ...]:
    """One axis or several, counted from 0, in the order of x; a SignatureError where there is none, or one twice."""
    given = axes if isinstance(axes, tuple) else (axes,)
    counted = sorted(axis_of(axis, x, field=field) for axis in given)
    if not counted or len(set(counted)) < len(counted):
        raise SignatureError(f"{field} {list(given)} has to name an axis of {x} or more, each once", field=field)
    return tuple(counted)


def features_of(x: TensorType, port: str = "x") -> int:
    """The number of features, the size of the last axis; a SignatureError where there is none or it is no number."""
    if not x.rank:
        raise SignatureError(f"needs [..., features], and gets {x}", port=port)
    return fixed(x.shape[-1], "the feature axis", port=port)


def require_layout(x: TensorType, layout: str, port: str = "x") -> None:
    """A SignatureError unless the tensor has as many axes as `layout` names, as in "[batch, seq, dim]"."""
    if x.rank != layout.count(",") + 1:
        raise SignatureError(f"needs {layout}, and gets {x}", port=port)


def require_integer(x: TensorType, port: str = "x") -> None:
    """A SignatureError unless the elements are whole numbers."""
    if x.dtype not in INTEGERS:
        message = f"needs whole numbers, {' or '.join(INTEGERS)}, and gets {x}"
        hint = "ids are whole numbers: an input has them with `dtype: int64`" if x.is_float else None
        raise SignatureError(message, code="T203", port=port, hint=hint)


def require_mask(mask: TensorType, port: str = "mask") -> None:
    """A SignatureError unless the elements are whole numbers or booleans, of which nonzero keeps a position."""
    if mask.dtype not in MASKS:
        raise SignatureError(
            f"needs a mask of whole numbers or booleans, and gets {mask}",
            code="T203",
            port=port,
            hint="a mask is 1 where a position counts and 0 where it is padding; it is not added to scores",
        )


MOST_TRIED = 100_000
"""How far from a number its nearest divisor is looked for, each way: sizes can be of any length."""


def require_divisor(divisor: int, size: int, *, field: str, of: str) -> None:
    """A SignatureError unless `divisor`, the value of `field`, divides `size`; the hint has the nearest numbers that do."""
    if size % divisor:
        start = min(divisor, size)
        downwards, upwards = range(start, max(0, start - MOST_TRIED), -1), range(divisor, size + 1)[:MOST_TRIED]
        found = (next((n for n in numbers if size % n == 0), None) for numbers in (downwards, upwards))
        near = [str(n) for n in found if n]
        raise SignatureError(
            f"{field} {divisor} does not divide {of} {size}",
            code="T202",
            field=field,
            hint=f"{' and '.join(near)} {'do' if len(near) > 1 else 'does'}" if near else None,
        )
