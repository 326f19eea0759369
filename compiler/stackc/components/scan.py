"""`op: scan`: a block applied at each index of an axis in turn, with states that go from one index to the next.

The block is a `Cell`, plain data: components in running order, each with its inputs by number. So a scan is one
component, with one signature and one module.
"""

from __future__ import annotations

import builtins
import keyword
import linecache
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stackc.components.along import Along, Followed, Mixes, Portion, Portions, Reduces, State, static_beside
from stackc.components.base import Component, Port, Signature, SignatureError
from stackc.components.construction import ConstructorCall, construct, nested
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn

_WIDTH = 120
_USED = {"self", "nn", "torch", "Tensor"}
_HIDDEN = _USED | set(dir(builtins))
"""Names that no variable of a cell's class may have: those its source uses, and those of Python."""


@dataclass(frozen=True, slots=True)
class CellStep:
    """A component of a cell, and the numbers of the values that enter it, None at an open port."""

    name: str
    component: Component
    inputs: tuple[int | None, ...]


@dataclass(frozen=True)
class Cell:
    """A block as data. Its values are numbered: its inputs, then the outputs of each step.

    `outputs` are numbers of values, by name. An output with the name of an input is a state.
    """

    name: str
    inputs: tuple[str, ...]
    steps: tuple[CellStep, ...]
    outputs: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return self.name

    @property
    def states(self) -> tuple[str, ...]:
        """The names of inputs that are outputs too."""
        return tuple(name for name, _ in self.outputs if name in self.inputs)

    @cached_property
    def step_names(self) -> dict[str, str]:
        """The name of each step as an attribute of the class: that of its parameters."""
        taken = set(_USED)
        return {step.name: _identifier(step.name, taken) for step in self.steps}

    @cached_property
    def arguments(self) -> dict[str, str]:
        """The name of each step as an argument of the class."""
        taken = set(_HIDDEN)
        return {step.name: _identifier(step.name, taken) for step in self.steps}

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The variable of each value."""
        taken = set(_HIDDEN)
        names = [_identifier(name, taken) for name in self.inputs]
        for step in self.steps:
            names += [
                _identifier(f"{step.name}_{output}" if number else step.name, taken)
                for number, output in enumerate(step.component.outputs)
            ]
        return tuple(names)


@dataclass(frozen=True, kw_only=True)
class Scan(Component):
    """y[i], h[i + 1] = cell(x[i], h[i]) for each index i of an axis, in order or in reverse.

    `scan_of` makes one subclass for the ports and outputs of each cell.
    """

    cell: Cell
    axis: int = 1
    reverse: bool = False
    whole: tuple[str, ...] = ()

    @property
    def sliced(self) -> tuple[str, ...]:
        """The inputs that have the axis."""
        return tuple(name for name in self.cell.inputs if name not in (*self.cell.states, *self.whole))

    def values(self) -> Mapping[str, object]:
        """Return the fields as a spec has them."""
        return {"of": self.cell.name, "axis": self.axis, "reverse": self.reverse, "whole": self.whole}

    def signature(self, *inputs: TensorType) -> Signature:
        """Return stacked outputs and last states; the parameters of every step, under its name."""
        by_name = dict(zip(self.cell.inputs, inputs, strict=True))
        length = self._length(by_name)
        signatures, values = self._steps(by_name)

        outputs = []
        for name, number in self.cell.outputs:
            y = values[number]
            if name not in self.cell.states:
                outputs.append(self._stacked(name, y, length))
                continue
            if y != by_name[name]:
                message = f"the state '{name}' enters as {by_name[name]}, but leaves as {y}"
                hint = "a state has the same type at every index, and first of all where it enters the scan"
                raise SignatureError(message, port=name, hint=hint)
            outputs.append(y)

        names = self.cell.step_names
        return Signature(
            tuple(outputs),
            {f"cell.{names[s]}.{p}": t for s, signature in signatures.items() for p, t in signature.parameters.items()},
            {f"cell.{names[s]}.{p}": t for s, signature in signatures.items() for p, t in signature.buffers.items()},
            flops=sum((signature.flops for signature in signatures.values()), Dim.of(0)) * length,
            limits=tuple(dict.fromkeys(limit for signature in signatures.values() for limit in signature.limits)),
        )

    def construction(self, *inputs: TensorType) -> ConstructorCall[nn.Module]:
        """Return a loop over a module of the cell."""
        from stackc.modules.scan import Scan as ScanModule

        _, values = self._steps(dict(zip(self.cell.inputs, inputs, strict=True)))
        parts = {
            self.cell.arguments[step.name]: nested(
                step.component.construction(*(None if i is None else values[i] for i in step.inputs))
            )
            for step in self.cell.steps
        }
        place = {name: number for number, name in enumerate(self.cell.inputs)}
        carried = tuple((n, place[name]) for n, (name, _) in enumerate(self.cell.outputs) if name in place)
        return construct(
            ScanModule,
            nested(construct(class_of_cell(self.cell), **parts)),
            axis=self.axis,
            sliced=tuple(place[name] for name in self.sliced),
            carried=carried,
            reverse=self.reverse,
        )

    def along(self, followed: Followed, *inputs: TensorType) -> Along | Mixes:
        """Return that it is causal along its own axis, and acts along any other as its cell does at one index."""
        own = {name: axes for name, axes in zip(self.cell.inputs, followed.axes, strict=True) if axes}
        if any(self.axis in own.get(name, ()) for name in self.sliced):
            return self._along_its_axis(own, dict(zip(self.cell.inputs, inputs, strict=True)))
        return self._along_another(own, followed.training, dict(zip(self.cell.inputs, inputs, strict=True)))

    def _along_its_axis(self, own: Mapping[str, Portions], inputs: Mapping[str, TensorType]) -> Along | Mixes:
        """Return how it acts if the axis that is followed is the one that it goes along."""
        if self.reverse:
            return Mixes("goes along the axis from its end", field="reverse")
        if other := next((name for name in self.cell.inputs if own.get(name, {}) != self._expected(name)), None):
            return static_beside(other)
        last = Reduces("returns its state after the last entry")
        outputs = (last if name in self.cell.states else {self.axis: Portion.NEW} for name, _ in self.cell.outputs)
        states = tuple(State(name, inputs[name], port=name) for name in self.cell.states)
        return Along(tuple(outputs), states)

    def _expected(self, name: str) -> Portions:
        """Return what an input has of the axis that the scan goes along."""
        return {self.axis: Portion.NEW} if name in self.sliced else {}

    def _along_another(
        self, own: Mapping[str, Portions], training: bool, inputs: Mapping[str, TensorType]
    ) -> Along | Mixes:
        """Return how it acts along an axis that every index of the scan has."""
        _, types = self._steps(inputs)
        values: list[Portions | Reduces] = [
            {axis - (name in self.sliced and axis > self.axis): portion for axis, portion in own.get(name, {}).items()}
            for name in self.cell.inputs
        ]
        for step in self.cell.steps:
            answer = _step_along(step, [None if n is None else values[n] for n in step.inputs], training, types)
            if isinstance(answer, Mixes):
                return answer
            values += answer.outputs
        return self._stacked_along([values[number] for _, number in self.cell.outputs], own)

    def _stacked_along(self, values: Sequence[Portions | Reduces], own: Mapping[str, Portions]) -> Along | Mixes:
        """Return what the outputs have of an axis, from what those of the cell have."""
        outputs: list[Portions | Reduces] = []
        for (name, _), value in zip(self.cell.outputs, values, strict=True):
            if name in self.cell.states:
                if value != own.get(name, {}):
                    return Mixes(f"has the axis elsewhere in the state '{name}' after a step", port=name)
                outputs.append(value)
            else:
                outputs.append(value if isinstance(value, Reduces) else self._behind_the_axis(value))
        return Along(tuple(outputs))

    def _behind_the_axis(self, portions: Portions) -> Portions:
        return {axis + (axis >= self.axis): portion for axis, portion in portions.items()}

    def _length(self, inputs: Mapping[str, TensorType]) -> Dim:
        """Return the size of the axis. Raises SignatureError unless all sliced inputs have it."""
        lengths: dict[str, Dim] = {}
        for name in self.sliced:
            if inputs[name].rank <= self.axis:
                message = f"'{name}' is {inputs[name]}, without an axis {self.axis} to go along"
                hint = f"write another `axis`, or `whole: [{name}]` if every step takes all of it"
                raise SignatureError(message, port=name, hint=hint)
            lengths[name] = inputs[name].shape[self.axis]

        (first, length), *others = lengths.items()
        for name, size in others:
            if size != length:
                message = f"'{first}' has {length} entries along axis {self.axis}, but '{name}' has {size}"
                hint = f"write `whole: [{name}]` if every step takes all of it"
                raise SignatureError(message, port=name, hint=hint)
        return length

    def _steps(self, inputs: Mapping[str, TensorType]) -> tuple[dict[str, Signature], list[TensorType]]:
        """Return the signature of each step and the type of each value, at one index of the axis."""
        values = [
            _without(self.axis, inputs[name]) if name in self.sliced else inputs[name] for name in self.cell.inputs
        ]
        signatures: dict[str, Signature] = {}
        for step in self.cell.steps:
            operands = [None if number is None else values[number] for number in step.inputs]
            signatures[step.name] = signature = _signature(step, operands)
            values += signature.outputs
        return signatures, values

    def _stacked(self, name: str, y: TensorType, length: Dim) -> TensorType:
        """Return the type of an output of every index. Raises SignatureError if it has no place for the axis."""
        if y.rank < self.axis:
            message = f"the output '{name}' is {y} at each index, which has no place for axis {self.axis}"
            raise SignatureError(message, hint="unsqueeze it inside the cell, or return it as a state")
        return y.with_shape(*y.shape[: self.axis], length, *y.shape[self.axis :])


_CLASSES: dict[tuple[tuple[str, ...], tuple[str, ...]], type[Scan]] = {}


def scan_of(cell: Cell, *, axis: int, reverse: bool, whole: tuple[str, ...]) -> Scan:
    """Return the component of a scan, whose ports and outputs are those of the cell."""
    key = cell.inputs, tuple(name for name, _ in cell.outputs)
    if key not in _CLASSES:
        ports = tuple(Port(name) for name in key[0])
        attributes: dict[str, Any] = {"op": "scan", "family": "recurrent", "ports": ports, "outputs": key[1]}
        _CLASSES[key] = type("Scan", (Scan,), {**attributes, "__doc__": Scan.__doc__, "__module__": __name__})
    return _CLASSES[key](cell=cell, axis=axis, reverse=reverse, whole=whole)


def _without(axis: int, x: TensorType) -> TensorType:
    return x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :])


def _signature(step: CellStep, operands: Sequence[TensorType | None]) -> Signature:
    """Return the signature of a step. Raises SignatureError, naming it; a choice has none."""
    what = f"'{step.name}' ({step.component.op}) in the cell"
    try:
        signature = step.component.signature(*operands)
    except SignatureError as error:
        raise SignatureError(f"{what}: {error.message}", code=error.code, hint=error.hint) from None

    chooses = any(x is not None and x.is_float for x in operands) and any(not y.is_float for y in signature.outputs)
    if chooses or step.component.is_step or getattr(step.component, "top_k", None) is not None:
        message = f"{what} chooses by its inputs: what follows depends on rounding, at every index anew"
        raise SignatureError(message, code="T208", hint="choose outside of the scan, before or after it")
    return signature


def _step_along(
    step: CellStep, entering: Sequence[Portions | Reduces | None], training: bool, types: Sequence[TensorType]
) -> Along | Mixes:
    """Return how a step of a cell acts along an axis; it cannot keep anything from one call of the scan to the next."""
    what = f"'{step.name}' ({step.component.op}) in the cell"
    if reduced := next((value for value in entering if isinstance(value, Reduces)), None):
        return Mixes(f"reads what {reduced.reason} in the cell")
    portions = tuple({} if value is None or isinstance(value, Reduces) else value for value in entering)
    if not any(portions):
        return Along(({},) * len(step.component.outputs))

    operands = [None if number is None else types[number] for number in step.inputs]
    answer = step.component.along(Followed(portions, training), *operands)
    if isinstance(answer, Mixes):
        return Mixes(f"has {what}, which {answer.reason}", answer.hint)
    if answer.states or answer.needs_positions:
        return Mixes(f"has {what}, which goes along the axis from entry to entry")
    return answer


# -- the class of a cell


def class_of_cell(cell: Cell) -> type[nn.Module]:
    """Return a module class that runs the steps of a cell in straight-line code; it takes their modules by name.

    `written_source` is its source. Cells of equal source have one class; others of the same name get a number.
    """
    base = "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", cell.name) if word)
    base = unicodedata.normalize("NFKC", base if base.endswith("Cell") else f"{base}Cell")
    base = base if base.isidentifier() else f"Block{base}"

    number = 1
    while True:
        name = base if number == 1 else f"{base}{number}"
        source = "\n".join(_class_lines(cell, name))
        known = _SOURCES.setdefault(name, source)
        if known == source:
            return _compiled(name, source)
        number += 1


_SOURCES: dict[str, str] = {}
_COMPILED: dict[str, type[nn.Module]] = {}


def _compiled(name: str, source: str) -> type[nn.Module]:
    if name not in _COMPILED:
        from torch import Tensor, nn

        file = f"<stackc cell {name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        namespace: dict[str, Any] = {"nn": nn, "Tensor": Tensor, "__name__": "stackc.cells"}
        exec(compile(source, file, "exec"), namespace)
        namespace[name].written_source = source
        _COMPILED[name] = namespace[name]
    return _COMPILED[name]


def _class_lines(cell: Cell, name: str) -> Iterator[str]:
    """Yield the lines of the class."""
    arguments, number = cell.values[: len(cell.inputs)], len(cell.inputs)
    title = re.sub(r"[^\w .-]", " ", cell.name)
    yield f"class {name}(nn.Module):"
    yield f'    """One step of {title}."""'
    yield ""
    yield from _call("    def __init__", ["self", *(f"{a}: nn.Module" for a in cell.arguments.values())], " -> None:")
    yield "        super().__init__()"
    yield from (f"        self.{cell.step_names[step]} = {argument}" for step, argument in cell.arguments.items())
    yield ""

    inputs = ["self", *(f"{argument}: Tensor" for argument in arguments)]
    yield from _call("    def forward", inputs, " -> tuple[Tensor, ...]:")
    yield '        """Return the outputs at one index."""'
    for step in cell.steps:
        count = len(step.component.outputs)
        targets = ", ".join(cell.values[number : number + count])
        operands = ["None" if i is None else cell.values[i] for i in step.inputs]
        while operands and operands[-1] == "None":
            operands.pop()
        yield from _call(f"        {targets} = self.{cell.step_names[step.name]}", operands)
        number += count

    returned = [cell.values[i] for _, i in cell.outputs]
    yield f"        return {returned[0]}," if len(returned) == 1 else f"        return {', '.join(returned)}"


def _call(head: str, items: Sequence[str], tail: str = "") -> Iterator[str]:
    """Yield `head(items)tail`, broken as formatters break it if it is too long."""
    line, indent = f"{head}({', '.join(items)}){tail}", " " * (len(head) - len(head.lstrip()))
    if len(line) <= _WIDTH:
        yield line
        return
    inner = f"{indent}    {', '.join(items)}"
    yield f"{head}("
    yield from [inner] if len(inner) <= _WIDTH else (f"{indent}    {item}," for item in items)
    yield f"{indent}){tail}"


def _identifier(wanted: str, taken: set[str]) -> str:
    """Return a Python identifier as near to a name as possible, and add it to those that are taken."""
    text = unicodedata.normalize("NFKC", re.sub(r"\W", "_", wanted))
    text = text if text.isidentifier() else f"node_{text}"
    while text in taken or keyword.iskeyword(text):
        text += "_"
    taken.add(text)
    return text
