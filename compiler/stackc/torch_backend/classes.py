"""Typed regions → the classes that are printed for them.

Regions that are alike but for numbers are one class, and the numbers that differ its parameters: a block that is put to
work with other params, or on inputs of another size. The numbers that are equal everywhere are one parameter, under the
name of the spec's param where there is one with these values.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stackc.core.types import TensorType
from stackc.ir.model import Node, Region
from stackc.ir.typed import TypedRegion
from stackc.torch_backend.forward import CodeLine, Forward, emit_forward, is_series, is_written_out
from stackc.torch_backend.names import class_name, is_identifier, variable
from stackc.torch_backend.ties import ties_to_make
from stackc.torch_backend.values import ClassCall, Instance, Leaf, Members, Value, class_call, leaves, skeleton

RESERVED = {"nn", "torch", "Tensor", "F", "parametrize"}


@dataclass(frozen=True, slots=True)
class Reparametrized:
    """A parametrization to be registered on a parameter, both by path below the region."""

    path: str
    value: ClassCall


@dataclass(frozen=True, eq=False)
class ClassOutline:
    """What the class of one typed region has to have: submodules by id, parametrizations, and a forward."""

    typed: TypedRegion
    forward: Forward
    submodules: tuple[tuple[str, Value], ...]
    reparams: tuple[Reparametrized, ...]

    def leaves(self) -> Iterator[Leaf]:
        """Every literal in it, in the order in which they are printed."""
        for _, value in self.submodules:
            yield from leaves(value)
        for reparam in self.reparams:
            yield from leaves(reparam.value)

    def skeleton(self) -> Hashable:
        """What is left without literals."""
        region = self.typed.region
        return (
            region.name,
            region.kind,
            self.forward,
            tuple((id, skeleton(value)) for id, value in self.submodules),
            tuple((reparam.path, skeleton(reparam.value)) for reparam in self.reparams),
            tuple(ties_to_make(self.typed, {})),
        )


@dataclass(frozen=True, eq=False)
class ClassTemplate:
    """A class to be printed. `given` has the leaves of its first outline, with parameters in the place of some."""

    name: str
    outlines: tuple[ClassOutline, ...]
    given: tuple[Leaf, ...]
    parameters: Mapping[str, tuple[object, ...]]

    def shape(self, line: CodeLine) -> str | None:
        """The shape of the value that a line makes, where it is not that of the value it is made of."""
        if line.value is None:
            return None
        shape = self.shape_of([outline.typed.type_of(line.value) for outline in self.outlines])
        if line.source is None:
            return shape
        before = self.shape_of([outline.typed.type_of(line.source) for outline in self.outlines])
        return None if shape == before else shape

    def shape_of(self, types: Sequence[TensorType]) -> str:
        """What the shapes of a value have in common: sizes and names of parameters, `...` for what differs."""
        if len({type_.rank for type_ in types}) > 1:
            return "[...]"
        names = {values: name for name, values in self.parameters.items() if all(type(v) is int for v in values)}
        shown: list[str] = []
        for sizes in zip(*(type_.shape for type_ in types), strict=True):
            same = sizes[0] if len(set(sizes)) == 1 else names.get(tuple(size.constant for size in sizes))
            if same is not None or shown[-1:] != ["..."]:
                shown.append("..." if same is None else str(same))
        return f"[{', '.join(shown)}]"

    def type_of(self, types: Sequence[TensorType]) -> str:
        """`shape_of`, behind the element type where that is not a floating-point number."""
        dtypes = sorted({type_.dtype for type_ in types if not type_.is_float})
        return " ".join(["/".join(dtypes), self.shape_of(types)] if dtypes else [self.shape_of(types)])


def templates_of(root: TypedRegion, reserved: set[str]) -> list[ClassTemplate]:
    """Every class of a model, those that others are made of before them, the model itself last."""
    return _Classes(RESERVED | reserved).of(root)


@dataclass(frozen=True)
class _Classes:
    taken: set[str]
    instances: dict[TypedRegion, Instance] = field(default_factory=dict)
    heights: dict[TypedRegion, int] = field(default_factory=dict)
    ids: dict[TypedRegion, str] = field(default_factory=dict)

    def of(self, root: TypedRegion) -> list[ClassTemplate]:
        self.visit(root, root.region.name)
        root_name = _unused(class_name(root.region.name), self.taken)
        found: list[ClassTemplate] = []
        for height in range(self.heights[root] + 1):
            alike: dict[Hashable, list[ClassOutline]] = {}
            for typed in (typed for typed, its in self.heights.items() if its == height):
                outline = self.outline(typed)
                alike.setdefault(outline.skeleton(), []).append(outline)
            for outlines in alike.values():
                found.append(self.template(outlines, root_name if outlines[0].typed is root else None))
        return found

    def visit(self, typed: TypedRegion, id: str) -> int:
        """How many levels of classes a region has below its own; what is a mere list has no class."""
        if typed not in self.heights:
            below = [self.visit(body, inner) for inner, body in typed.bodies.items()]
            if is_series(typed.region):
                return max(below, default=-1)
            self.heights[typed] = max(below, default=-1) + 1
            self.ids[typed] = id
        return self.heights[typed]

    def outline(self, typed: TypedRegion) -> ClassOutline:
        nodes = [node for node in typed.region.nodes.values() if not node.same_as and not is_written_out(node)]
        return ClassOutline(
            typed,
            emit_forward(typed.region, by_hand=typed),
            tuple((node.id, self.value(typed, node)) for node in nodes),
            tuple(
                Reparametrized(f"{node.id}.{name}", class_call(reparam.construction()))
                for node in nodes
                for name, reparam in node.reparams
            ),
        )

    def value(self, typed: TypedRegion, node: Node) -> Value:
        if isinstance(node.body, Region):
            body = typed.bodies[node.id]
            if not is_series(node.body):
                return self.instances[body]
            return Members(tuple(self.value(body, member) for member in node.body.nodes.values()))
        inputs = [typed.type_of(operand.value) if operand.value else None for operand in node.operands]
        return class_call(node.body.construction(*inputs))

    def template(self, outlines: Sequence[ClassOutline], name: str | None) -> ClassTemplate:
        first = outlines[0].typed
        columns = list(zip(*(outline.leaves() for outline in outlines), strict=True))
        parameters = _parameters(outlines, columns)
        by_values = {_key(values): name for name, values in parameters.items()}
        given = tuple(
            Leaf(column[0].name, column[0].value, by_values.get(_key(tuple(leaf.value for leaf in column))))
            for column in columns
        )
        called = first.region.name if first.region.kind != "stack" else self.ids[first]
        template = ClassTemplate(name or _unused(class_name(called), self.taken), tuple(outlines), given, parameters)
        for i, outline in enumerate(outlines):
            self.instances[outline.typed] = Instance(
                template.name, (*parameters,), tuple(values[i] for values in parameters.values())
            )
        return template


def _parameters(outlines: Sequence[ClassOutline], columns: Sequence[Sequence[Leaf]]) -> dict[str, tuple[object, ...]]:
    """The values of each parameter in every outline: a column of leaves that are not all equal, once."""
    params = [outline.typed.region.params for outline in outlines]
    parameters: dict[str, tuple[object, ...]] = {}
    seen: set[Hashable] = set()
    taken = {"self", *RESERVED}
    for column in columns:
        values = tuple(leaf.value for leaf in column)
        key = _key(values)
        if len({_key((value,)) for value in values}) == 1 or key in seen:
            continue
        seen.add(key)
        of_spec = (name for name in params[0] if _key(tuple(p.get(name) for p in params)) == key)
        wanted = next((name for name in of_spec if is_identifier(name)), column[0].name)
        parameters[variable(wanted, taken)] = values
    return parameters


def _key(values: tuple[object, ...]) -> Hashable:
    """Values as they are written: 1, 1.0 and True are equal in Python, and not the same."""
    return tuple(map(repr, values))


def _unused(name: str, taken: set[str]) -> str:
    number = 2
    unused = name
    while unused in taken:
        unused, number = f"{name}{number}", number + 1
    taken.add(unused)
    return unused
