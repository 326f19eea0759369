"""A working spec for every component, found by trying common inputs until its signature accepts them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product

from stackc.components.base import Component, Port, Signature, SignatureError
from stackc.components.fields import FieldSpec, fields_of
from stackc.core.types import Dim, TensorType, shape

_BATCH, _SEQ = Dim.symbol("batch"), Dim.symbol("seq")

# Common inputs of networks: sequences, vectors, ids, images, signals, videos. The first that fits is the example.
_COMMON_TYPES = tuple(
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
        ("float32", (_BATCH, 16000)),
        ("float32", (_BATCH, _SEQ, 2)),
        ("bool", (_BATCH, _SEQ, 2)),
        ("float32", (_BATCH, 100, 4)),
        ("float32", (_BATCH, 80, 100)),
        ("float32", (_BATCH, 16, 16, 2)),
        ("float32", (_BATCH, _SEQ)),
    )
)

# Values for required fields; fields of one name have one meaning in all components.
_TYPICAL_VALUES: Mapping[str, object] = {
    "vocab": 1000,
    "max": 512,
    "dim": 64,
    "hidden": 256,
    "out": 64,
    "heads": 4,
    "groups": 8,
    "kernel": 3,
    "n_fft": 400,
    "n_mels": 40,
    "frame_length": 16,
    "hop_length": 8,
    "order": (0, 2, 1),
    "shape": (0, 0, 4, 16),
    "classes": 10,
    "indices": (0, 2),
    "equation": "bsd,bsd->bs",
    "quantiles": (0.1, 0.9),
}

# Values for optional fields that some components need nevertheless: an axis for norms if the rank leaves it open, a
# bound for clamp, the number of a constant or of a comparison.
_FALLBACK_VALUES: Mapping[str, object] = {"axis": -1, "max": 6.0, "value": 0, "size": 16}

MOST_TRIES = 5000


@dataclass(frozen=True)
class Example:
    """A valid call of a component: types at its required ports, values of its required fields, the signature."""

    component: type[Component]
    inputs: tuple[tuple[str, TensorType], ...]
    fields: Mapping[str, object]
    signature: Signature

    @property
    def outputs(self) -> dict[str, TensorType]:
        """Every output with its type, those on demand included."""
        whole = self.component(**self.fields).returning(self.component.on_demand)
        unconnected = (None for port in whole.ports if port.optional)
        signature = whole.signature(*(type_ for _, type_ in self.inputs), *unconnected)
        return dict(zip(whole.outputs, signature.outputs, strict=True))

    @property
    def spec(self) -> str:
        """The complete spec, in YAML."""
        op, names = self.component.op, self._input_names()
        if not self.inputs:
            return self._spec_beside_an_input()
        if self.component.is_for_training:
            return self._spec_of_training()
        arrows = [
            f"{name} -->{_label(port, i)} y" for i, (name, (port, _)) in enumerate(zip(names, self.inputs, strict=True))
        ]
        arrows[0] += f"[{op}]"

        types = [type_ for _, type_ in self.inputs]
        bounds = self.component(**self.fields).index_bounds(*types)
        dims = {name for _, type_ in self.inputs for dim in type_.shape for name in dim.symbols()}
        lines = ["stackc: 1", *["dims: {seq: {min: 8, max: 512}}"] * ("seq" in dims), "inputs:"]
        lines += [
            f"  {name}: {_declaration(type_, bounds.get(port))}"
            for name, (port, type_) in zip(names, self.inputs, strict=True)
        ]

        lines += ["graph: |", *(f"  {arrow}" for arrow in arrows), *self._entry_lines()]
        return "\n".join(lines) + "\n"

    def _spec_beside_an_input(self) -> str:
        """Return the spec of a component without ports: what it computes is added to an input."""
        arrows = [f"  y[{self.component.op}] --> sum[add]", "  x --> sum"]
        lines = ["stackc: 1", "inputs:", "  x: {shape: [batch, 64]}", "graph: |", *arrows, *self._entry_lines()]
        return "\n".join(lines) + "\n"

    def _spec_of_training(self) -> str:
        """Return the spec of a loss or metric, which follows a model."""
        op, first, *others = self.component.op, *self.inputs
        bounds = self.component(**self.fields).index_bounds(*(type_ for _, type_ in self.inputs))
        arrows = [f"model --> y[{op}]", *(f"{port} -->|{port}| y" for port, _ in others)]
        if self.component.family == "metric":  # it is measured beside a loss
            arrows += ["model --> loss[cross_entropy]", "target -->|target| loss"]

        lines = ["stackc: 1", "inputs:", f"  x: {_declaration(first[1])}", "graph: x --> model[identity]", "train:"]
        train = ["inputs:", *(f"  {port}: {_declaration(type_, bounds.get(port))}" for port, type_ in others)]
        train += ["graph: |", *(f"  {arrow}" for arrow in arrows), *self._entry_lines()]
        train += ["data: {batch: 32}", "steps: 1000"]
        return "\n".join([*lines, *(f"  {line}" for line in train)]) + "\n"

    def _entry_lines(self) -> list[str]:
        """Return the lines with the fields; none without fields."""
        if not self.fields:
            return []
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in self.fields.items()}
        return ["nodes:", f"  y: {{{', '.join(f'{name}: {_written(value)}' for name, value in values.items())}}}"]

    def _input_names(self) -> list[str]:
        ports = [port for port, _ in self.inputs]
        return [port if ports.count(port) == 1 and port != "y" else f"{port}{i + 1}" for i, port in enumerate(ports)]


def _label(port: str, index: int) -> str:
    return "" if index == 0 or port == "x" else f"|{port}|"


def _written(value: object) -> str:
    """Return a value in YAML; text that would end an entry is in quotes."""
    return f'"{value}"' if isinstance(value, str) and "," in value else str(value)


def _declaration(type_: TensorType, bound: Dim | None = None) -> str:
    below = f", below: {1000 if bound is None else bound}" if type_.dtype == "int64" else ""
    return f"{{dtype: {type_.dtype}, shape: [{', '.join(map(str, type_.shape))}]{below}}}"


def example_of(component: type[Component]) -> Example:
    """Return the example of a component.

    Fails an assertion if the component accepts none of the common inputs: it then needs an entry in the tables above.
    """
    specs = fields_of(component)
    fields = {name: _typical_value(spec) for name, spec in specs.items() if spec.required}
    required = [port for port in component.ports if not port.optional]
    fallbacks = [fields | {name: value} for name, value in _FALLBACK_VALUES.items() if name in specs]

    for arguments in [fields, *fallbacks]:
        for types in islice(_candidate_types(required), MOST_TRIES):
            if signature := _signature(component(**arguments), types):
                names = [port.name for port in required for _ in range(1 + port.variadic)]
                return Example(component, tuple(zip(names, types, strict=True)), arguments, signature)

    raise AssertionError(f"{component.op} accepts none of the common inputs with {fields}")


def _signature(component: Component, types: tuple[TensorType, ...]) -> Signature | None:
    """Return the signature without any optional operand, or None if the types do not fit."""
    try:
        return component.signature(*types, *(None for port in component.ports if port.optional))
    except SignatureError:
        return None


def _candidate_types(ports: list[Port]) -> Iterator[tuple[TensorType, ...]]:
    """Yield types for the ports; a variadic port gets two inputs of the same type."""
    for choice in product(_COMMON_TYPES, repeat=len(ports)):
        yield tuple(t for port, t in zip(ports, choice, strict=True) for _ in range(1 + port.variadic))


def _typical_value(spec: FieldSpec) -> object:
    if spec.name in _TYPICAL_VALUES:
        return _TYPICAL_VALUES[spec.name]
    if spec.choices:
        return spec.choices[0]
    if "int" not in spec.kinds:
        return 0.5
    return max(2, int(spec.range.minimum)) if math.isfinite(spec.range.minimum) else 2
