"""Fields that are sizes of what enters a component: `groups: channels(x)`.

When a spec is resolved no types are known, so such a field stays an expression over symbols, each the size of an axis
of an operand. `SizedByInputs` holds it in the place of the component, until the types of the operands are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from stackc.components.along import Along, Followed, Mixes
from stackc.components.axes import Axes
from stackc.components.base import Component, Signature, SignatureError, axis_of
from stackc.components.construction import ConstructorCall
from stackc.components.fields import fields_of
from stackc.core.entering_size import EnteringSize
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn


FieldSizes: TypeAlias = "Dim | tuple[object, ...]"
"""The value of a field: a size, or a list with sizes among its entries."""


@dataclass(frozen=True)
class SizedByInputs(Component):
    """A component with fields that are sizes of its operands; `sized_by_inputs` makes one subclass for each op.

    `given` has the other fields that are written, `sizes` these, over symbols such as `channels(x)`.
    """

    component: ClassVar[type[Component]]
    given: tuple[tuple[str, object], ...]
    sizes: tuple[tuple[str, FieldSizes], ...]

    def values(self) -> Mapping[str, object]:
        """Return every written field by name."""
        return dict(self.given) | dict(self.sizes)

    def returning(self, outputs: Collection[str]) -> Component:
        """Return the component with these outputs, some of which it may have on demand only."""
        asked = {name: True for name in self.on_demand if name in outputs}
        return replace(self, given=tuple(sorted((dict(self.given) | asked).items())))

    def for_inputs(self, *inputs: TensorType | None) -> Component:
        """Return the component itself. Raises SignatureError for a size that does not exist or that a field refuses."""
        values = dict(self.given)
        for name, size in self.sizes:
            known = self._known(size, name, inputs)
            try:
                values[name] = fields_of(self.component)[name].decode(known)
            except ValueError as error:
                raise SignatureError(f"{error} ({_text(size)})", code="T201", field=name) from None
        return self.component.of_fields(values)

    def signature(self, *inputs: TensorType | None) -> Signature:
        """Return the signature of the component."""
        return self.for_inputs(*inputs).signature(*inputs)

    def fallback_outputs(self, *inputs: TensorType | None) -> tuple[TensorType, ...]:
        """Return those of the component; () if a size is unknown."""
        try:
            return self.for_inputs(*inputs).fallback_outputs(*inputs)
        except SignatureError:
            return ()

    def pointwise_axes(self, *inputs: TensorType | None) -> tuple[Axes, ...]:
        """Return those of the component."""
        return self.for_inputs(*inputs).pointwise_axes(*inputs)

    def along(self, followed: Followed, *inputs: TensorType | None) -> Along | Mixes:
        """Return how the component acts."""
        return self.for_inputs(*inputs).along(followed, *inputs)

    def construction(self, *inputs: TensorType | None) -> ConstructorCall[nn.Module]:
        """Return that of the component."""
        return self.for_inputs(*inputs).construction(*inputs)

    def _known(self, value: object, field: str, inputs: tuple[TensorType | None, ...]) -> object:
        """Return a value, or the entries of a list, with the sizes of the operands in them."""
        if isinstance(value, tuple):
            return tuple(self._known(entry, field, inputs) for entry in value)
        if not isinstance(value, Dim):
            return value
        return value.at({symbol: self._size(symbol, field, inputs) for symbol in value.symbols()})

    def _size(self, symbol: str, field: str, inputs: tuple[TensorType | None, ...]) -> Dim:
        size = EnteringSize.parse(symbol)
        if size is None:  # a dim of the spec
            return Dim.symbol(symbol)

        index = [port.name for port in self.ports].index(size.port)
        x = inputs[index] if index < len(inputs) else None
        if x is None:
            hint = f"draw an arrow into it: `… -->|{size.port}| …`"
            raise SignatureError(f"{symbol} needs an arrow into the port '{size.port}'", field=field, hint=hint)
        return x.shape[axis_of(size.axis, x, field=field)]


_CLASSES: dict[type[Component], type[SizedByInputs]] = {}


def sized_by_inputs(component: type[Component], values: Mapping[str, object]) -> Component:
    """Return the component with these field values, some of which hold sizes of what enters it."""
    if component not in _CLASSES:
        attributes = {
            "op": component.op,
            "family": component.family,
            "ports": component.ports,
            "outputs": component.outputs,
            "on_demand": component.on_demand,
            "is_commutative": component.is_commutative,
            "described": fields_of(component),
            "component": component,
            "__doc__": component.__doc__,
            "__module__": __name__,
        }
        _CLASSES[component] = type(f"{component.__name__}SizedByInputs", (SizedByInputs,), attributes)

    sizes = {
        name: value for name, value in values.items() if isinstance(value, (Dim, tuple)) and has_entering_size(value)
    }
    given = {name: value for name, value in values.items() if name not in sizes}
    return _CLASSES[component](tuple(sorted(given.items())), tuple(sorted(sizes.items())))


def has_entering_size(value: object) -> bool:
    """Return whether a value, or an entry of a list, is an expression over sizes of what enters a component."""
    if isinstance(value, tuple):
        return any(map(has_entering_size, value))
    return isinstance(value, Dim) and any(EnteringSize.parse(symbol) for symbol in value.symbols())


def _text(value: object) -> str:
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, tuple) else str(value)
