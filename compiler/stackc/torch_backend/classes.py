"""Typed regions → the classes that are printed for them.

Regions that differ only in literals are one class, with the literals that differ as its parameters: a block that is
called with other params, or on inputs of another size. Literals that are equal in every region are one parameter, named
like the spec's param with these values if there is one.
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
    """A parametrization to register on a parameter, by its path below the region."""

    path: str
    value: ClassCall


@dataclass(frozen=True, eq=False)
class ClassOutline:
    """The content of one typed region's class: submodules by id, parametrizations, and a forward."""

    typed: TypedRegion
    forward: Forward
    submodules: tuple[tuple[str, Value], ...]
    reparams: tuple[Reparametrized, ...]

    def leaves(self) -> Iterator[Leaf]:
        """Yield every literal in it, in the order in which they are printed."""
        for _, value in self.submodules:
            yield from leaves(value)
        for reparam in self.reparams:
            yield from leaves(reparam.value)

    def skeleton(self) -> Hashable:
        """Return it without literals: regions with equal skeletons are one class."""
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
    """A class to print. `literals` are the leaves of its first outline, some of them replaced by parameters.

    `parameters` has, by name, the value of each in every outline.
    """

    name: str
    outlines: tuple[ClassOutline, ...]
    literals: tuple[Leaf, ...]
    parameters: Mapping[str, tuple[object, ...]]

    def shape(self, line: CodeLine) -> str | None:
        """Return the shape of the value that a line computes, if it differs from that of its first operand."""
        if line.value is None:
            return None

        shape = self.shape_of([outline.typed.type_of(line.value) for outline in self.outlines])
        if line.source is None:
            return shape
        before = self.shape_of([outline.typed.type_of(line.source) for outline in self.outlines])
        return None if shape == before else shape

    def shape_of(self, types: Sequence[TensorType]) -> str:
        """Return what the shapes of a value have in common: sizes, names of parameters, `...` for sizes that differ."""
        if len({type_.rank for type_ in types}) > 1:
            return "[...]"

        names = {values: name for name, values in self.parameters.items() if all(type(v) is int for v in values)}
        axes: list[str] = []
        for sizes in zip(*(type_.shape for type_ in types), strict=True):
            common = sizes[0] if len(set(sizes)) == 1 else names.get(tuple(size.constant for size in sizes))
            if common is not None or axes[-1:] != ["..."]:
                axes.append("..." if common is None else str(common))
        return f"[{', '.join(axes)}]"

    def type_of(self, types: Sequence[TensorType]) -> str:
        """Return the shape, after the element type unless that is a floating-point number."""
        dtypes = sorted({type_.dtype for type_ in types if not type_.is_float})
        return " ".join(["/".join(dtypes), self.shape_of(types)] if dtypes else [self.shape_of(types)])


def templates_of(root: TypedRegion, reserved: set[str]) -> list[ClassTemplate]:
    """Return every class of a model, each after those that it uses, the model itself last."""
    return _ClassCollector(RESERVED | reserved).collect(root)


@dataclass
class _ClassCollector:
    """Collects the classes of a model. `taken` are names of classes; regions have `heights` and `ids` once visited,
    `instances` once their class is made."""

    taken: set[str]
    instances: dict[TypedRegion, Instance] = field(default_factory=dict)
    heights: dict[TypedRegion, int] = field(default_factory=dict)
    ids: dict[TypedRegion, str] = field(default_factory=dict)

    def collect(self, root: TypedRegion) -> list[ClassTemplate]:
        self.visit(root, root.region.name)
        root_name = _unused_name(class_name(root.region.name), self.taken)

        # Bottom up: an outline needs the instances of the classes below it.
        templates: list[ClassTemplate] = []
        for height in range(self.heights[root] + 1):
            by_skeleton: dict[Hashable, list[ClassOutline]] = {}
            for typed in (typed for typed, own_height in self.heights.items() if own_height == height):
                outline = self.outline(typed)
                by_skeleton.setdefault(outline.skeleton(), []).append(outline)
            templates += [
                self.template(outlines, root_name if outlines[0].typed is root else None)
                for outlines in by_skeleton.values()
            ]
        return templates

    def visit(self, typed: TypedRegion, id: str) -> int:
        """Return how many levels of classes a region has below its own; a list has no class."""
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
        """Make one class of outlines that differ only in literals, and the instances of their regions."""
        first = outlines[0].typed
        columns = list(zip(*(outline.leaves() for outline in outlines), strict=True))  # one literal in all outlines
        parameters = _parameters(outlines, columns)
        names = {_key(values): name for name, values in parameters.items()}
        literals = tuple(
            Leaf(column[0].name, column[0].value, names.get(_key(tuple(leaf.value for leaf in column))))
            for column in columns
        )

        if name is None:
            own_name = first.region.name if first.region.kind != "stack" else self.ids[first]
            name = _unused_name(class_name(own_name), self.taken)
        template = ClassTemplate(name, tuple(outlines), literals, parameters)

        for i, outline in enumerate(outlines):
            self.instances[outline.typed] = Instance(
                template.name, (*parameters,), tuple(values[i] for values in parameters.values())
            )
        return template


def _parameters(outlines: Sequence[ClassOutline], columns: Sequence[Sequence[Leaf]]) -> dict[str, tuple[object, ...]]:
    """Return the value of each parameter in every outline: each column of leaves that are not all equal, once."""
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

        spec_params = (name for name in params[0] if _key(tuple(p.get(name) for p in params)) == key)
        wanted = next((name for name in spec_params if is_identifier(name)), column[0].name)
        parameters[variable(wanted, taken)] = values
    return parameters


def _key(values: tuple[object, ...]) -> Hashable:
    """Return values as they are written: 1, 1.0 and True are equal in Python, but not the same literal."""
    return tuple(map(repr, values))


def _unused_name(name: str, taken: set[str]) -> str:
    number = 2
    unused = name
    while unused in taken:
        unused, number = f"{name}{number}", number + 1
    taken.add(unused)
    return unused
