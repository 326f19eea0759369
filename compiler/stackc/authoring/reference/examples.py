"""A working spec for every component, found by trying usual inputs until its signature takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product

from stackc.components.base import Component, Port, Signature, SignatureError
from stackc.components.fields import FieldSpec, fields_of
from stackc.core.types import Dim, TensorType, shape

_BATCH, _SEQ = Dim.symbol("batch"), Dim.symbol("seq")

# What flows through networks: sequences, vectors, ids, images, signals, videos; the first that fits makes the example.
_USUAL = tuple(
    TensorType(dtype, shape(*sizes))
    for dtype, sizes in (
        ("float32", (_BATCH, _SEQ, 64)),
        ("float32", (_BATCH, 64)),
        ("int64", (_BATCH, _SEQ)),
        ("float32", (_BATCH, 64, 32, 32)),
        ("float32", (_BATCH, 64, _SEQ)),
        ("int64", (_BATCH,)),
        ("float32", (_BATCH, 64, 1)),
        ("float32", (_BATCH, 3, 16, 32, 32)),
    )
)

# Values for fields that have to be given, by the names that fields bear everywhere.
_TYPICAL: Mapping[str, object] = {
    "vocab": 1000,
    "max": 512,
    "dim": 64,
    "hidden": 256,
    "out": 64,
    "heads": 4,
    "groups": 8,
    "kernel": 3,
    "order": (0, 2, 1),
    "shape": (0, 0, 4, 16),
}

# Values for fields that may be left out, where the component takes nothing without one: norms ask for the axis where
# the rank leaves it open, clamp for either end.
_ASKED: Mapping[str, object] = {"axis": -1, "max": 6.0}

MOST_TRIES = 2000


@dataclass(frozen=True)
class Example:
    """A component at work: the types that enter its required ports, the values of its required fields, the outcome."""

    component: type[Component]
    inputs: tuple[tuple[str, TensorType], ...]
    fields: Mapping[str, object]
    signature: Signature

    @property
    def spec(self) -> str:
        """The whole spec, in YAML."""
        op, names = self.component.op, self._names()
        arrows = [
            f"{name} -->{_label(port, i)} y" for i, (name, (port, _)) in enumerate(zip(names, self.inputs, strict=True))
        ]
        arrows[0] += f"[{op}]"
        types = (type_ for _, type_ in self.inputs)
        dims = {name for _, type_ in self.inputs for dim in type_.shape for name in dim.symbols()}
        lines = ["stackc: 1", *["dims: {seq: {min: 8, max: 512}}"] * ("seq" in dims), "inputs:"]
        lines += [f"  {name}: {_declared(type_)}" for name, type_ in zip(names, types, strict=True)]
        lines += ["graph: |", *(f"  {arrow}" for arrow in arrows)]
        if self.fields:
            shown = {name: list(v) if isinstance(v, tuple) else v for name, v in self.fields.items()}
            written = ", ".join(f"{name}: {value}" for name, value in shown.items())
            lines += ["nodes:", f"  y: {{{written}}}"]
        return "\n".join(lines) + "\n"

    def _names(self) -> list[str]:
        ports = [port for port, _ in self.inputs]
        return [port if ports.count(port) == 1 and port != "y" else f"{port}{i + 1}" for i, port in enumerate(ports)]


def _label(port: str, index: int) -> str:
    return "" if index == 0 or port == "x" else f"|{port}|"


def _declared(type_: TensorType) -> str:
    below = ", below: 1000" if type_.dtype == "int64" else ""
    return f"{{dtype: {type_.dtype}, shape: [{', '.join(map(str, type_.shape))}]{below}}}"


def example_of(component: type[Component]) -> Example:
    """The example of a component.

    An assertion fails for one that takes none of the usual inputs: it needs an entry in the tables above, and the
    test of all examples says so.
    """
    specs = fields_of(component)
    fields = {name: _typical(spec) for name, spec in specs.items() if spec.required}
    required = [port for port in component.ports if not port.optional]
    for given in [fields, *(fields | {name: value} for name, value in _ASKED.items() if name in specs)]:
        for types in islice(_choices(required), MOST_TRIES):
            if signature := _signature(component(**given), types):
                names = [port.name for port in required for _ in range(1 + port.variadic)]
                return Example(component, tuple(zip(names, types, strict=True)), given, signature)
    raise AssertionError(f"{component.op} takes none of the usual inputs with {fields}")


def _signature(component: Component, types: tuple[TensorType, ...]) -> Signature | None:
    """The signature with all optional ports left open; None where the types do not fit."""
    try:
        return component.signature(*types, *(None for port in component.ports if port.optional))
    except SignatureError:
        return None


def _choices(ports: list[Port]) -> Iterator[tuple[TensorType, ...]]:
    """Types for the ports; a variadic one gets two inputs of one type."""
    for choice in product(_USUAL, repeat=len(ports)):
        yield tuple(t for port, t in zip(ports, choice, strict=True) for _ in range(1 + port.variadic))


def _typical(spec: FieldSpec) -> object:
    if spec.name in _TYPICAL:
        return _TYPICAL[spec.name]
    if spec.choices:
        return spec.choices[0]
    return max(2, int(spec.range.minimum)) if "int" in spec.kinds else 0.5
