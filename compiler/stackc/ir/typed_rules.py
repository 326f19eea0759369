"""The rules of a legal TypedGraph, beside those of its Graph: types, signatures, parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from stackc.components.base import Component, Signature, SignatureError
from stackc.components.reparam import Reparam
from stackc.core.types import TensorType
from stackc.ir.graph_rules import place_of, uncovered_types
from stackc.ir.model import Region, ValueRef
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.ir.violations import Violation


def typed_regions_of(root: TypedRegion) -> list[TypedRegion]:
    """Return a typed region and all inside it, each once."""
    regions = {root: None}
    pending = [root]
    while pending:
        for body in pending.pop().bodies.values():
            if body not in regions:
                regions[body] = None
                pending.append(body)
    return list(regions)


# -- typed regions. A rule takes for granted what the rules before it state.


def every_node_is_typed(typed: TypedRegion) -> Iterator[Violation]:
    """A component has a signature, a region a typed region of it, and every input and output a type."""
    region = typed.region
    for what, types, names in (("inputs", typed.inputs, region.inputs), ("outputs", typed.outputs, region.outputs)):
        if len(types) != len(names):
            yield Violation(f"{len(types)} types for {len(names)} {what}", place_of(region), region.span)

    for node in region.nodes.values():
        if isinstance(node.body, Component):
            complete = node.id in typed.signatures and node.id not in typed.bodies
        else:
            complete = node.id in typed.bodies and typed.bodies[node.id].region is node.body
            complete = complete and node.id not in typed.signatures
        if not complete:
            yield Violation("it has no type, or one of another body", place_of(region, node), node.span)

    for name in {*typed.signatures, *typed.bodies} - {*region.nodes}:
        yield Violation(f"a type for '{name}', which is not a node", place_of(region), region.span)


def operands_have_the_types_they_enter_as(typed: TypedRegion) -> Iterator[Violation]:
    """The type of what enters a region is the type of its input there; what enters a component has a type."""
    for node in typed.region.nodes.values():
        for operand in node.operands:
            type_ = _type_of(typed, operand.value) if operand.value else None
            if operand.value and type_ is None:
                message = f"operand '{operand.port}' has no type"
                yield Violation(message, place_of(typed.region, node), operand.span)
            elif isinstance(node.body, Region):
                expected = typed.bodies[node.id].inputs[node.body.inputs.index(operand.port)]
                if expected != type_:
                    message = f"operand '{operand.port}' is {type_} and enters as {expected}"
                    yield Violation(message, place_of(typed.region, node), operand.span)


def signatures_follow_from_operands(typed: TypedRegion) -> Iterator[Violation]:
    """A signature is the one that its component gives for the types of its operands, reparametrized."""
    for id, signature in typed.signatures.items():
        node = typed.region.nodes[id]
        types = tuple(_type_of(typed, operand.value) if operand.value else None for operand in node.operands)
        if any(operand.value and type_ is None for operand, type_ in zip(node.operands, types, strict=True)):
            continue  # which `operands_have_the_types_they_enter_as` lists

        assert isinstance(node.body, Component), "every node is typed"
        for problem in signature_problems(node.body, types, signature, dict(node.reparams)):
            yield Violation(problem, place_of(typed.region, node), node.span)


def output_types_agree(typed: TypedRegion) -> Iterator[Violation]:
    """The type of a region's output is the type of the value that it names."""
    for (name, ref), type_ in zip(typed.region.outputs.items(), typed.outputs, strict=True):
        if (actual := _type_of(typed, ref)) != type_:
            message = f"output '{name}' is declared {type_}, and its value is {actual}"
            yield Violation(message, place_of(typed.region), typed.region.span)


def parameter_shapes_are_numbers(typed: TypedRegion) -> Iterator[Violation]:
    """No parameter or buffer has a shape that is known only at run time."""
    for id, signature in typed.signatures.items():
        for name, type_ in [*signature.parameters.items(), *signature.buffers.items()]:
            if any(dim.constant is None for dim in type_.shape):
                node = typed.region.nodes[id]
                yield Violation(f"'{name}' is {type_}", place_of(typed.region, node), node.span)


def ties_are_of_equal_types(typed: TypedRegion) -> Iterator[Violation]:
    """A tie leads from a parameter of its node to a parameter of the region with the same type."""
    for node in typed.region.nodes.values():
        for name, tie in node.ties.items():
            tied, owner = typed.parameter_at(f"{node.id}.{name}"), typed.parameter_at(tie.path)
            if tied is None:
                message = f"it ties '{name}', and has no such parameter"
            elif owner is None:
                message = f"'{name}' is tied to '{tie.path}', which is not a parameter"
            elif owner != tied:
                message = f"'{name}' is {tied} and tied to '{tie.path}', which is {owner}"
            else:
                continue
            yield Violation(message, place_of(typed.region, node), tie.span)


def shared_modules_have_equal_parameters(typed: TypedRegion) -> Iterator[Violation]:
    """A node and the one whose module it calls again need the same parameters."""
    for node in typed.region.nodes.values():
        if node.same_as and (path := _differing_parameter(typed, node.same_as, node.id)):
            message = f"its parameter '{path}' differs from that of '{node.same_as}', whose module it calls"
            yield Violation(message, place_of(typed.region, node), node.span)


def _differing_parameter(typed: TypedRegion, owner: str, caller: str) -> str | None:
    """Return the path of a parameter for which two nodes need different types."""
    pending = [("", typed, owner, typed, caller)]
    seen: set[tuple[TypedRegion, TypedRegion]] = set()
    while pending:
        path, left, left_id, right, right_id = pending.pop()
        if left_id in left.signatures:
            expected, actual = left.signatures[left_id].parameters, right.signatures[right_id].parameters
            differing = (name for name in {**expected, **actual} if expected.get(name) != actual.get(name))
            if (name := next(differing, None)) is not None:
                return path + name
            continue

        bodies = left.bodies[left_id], right.bodies[right_id]
        if bodies[0] is not bodies[1] and bodies not in seen:
            seen.add(bodies)
            pending += [(f"{path}{name}.", bodies[0], name, bodies[1], name) for name in bodies[0].region.nodes]
    return None


def _type_of(typed: TypedRegion, ref: ValueRef) -> TensorType | None:
    """Return the type of a value, or None if it has none."""
    try:
        return typed.type_of(ref)
    except IndexError:
        return None


# -- components, in typed regions and programs


def signature_problems(
    component: Component,
    operands: tuple[TensorType | None, ...],
    signature: Signature,
    reparams: Mapping[str, Reparam],
) -> Iterator[str]:
    """Yield in what a signature differs from the one that a component gives for the types of its operands."""
    try:
        plain = _signature(component, operands)
    except (SignatureError, TypeError) as error:
        yield f"it takes no operands of these types: {error}"
        return

    if signature.outputs != plain.outputs:
        yield f"its outputs are {_types(signature.outputs)}; its operands give {_types(plain.outputs)}"
    if signature.flops != plain.flops:
        yield f"its FLOPs are {signature.flops}; its operands give {plain.flops}"

    expected = dict(plain.parameters)
    for name, reparam in reparams.items():
        if name not in expected:
            yield f"'{name}' is reparametrized, and is not a parameter"
            continue
        owner, dot, local = name.rpartition(".")
        originals = reparam.originals(expected.pop(name))
        expected |= {f"{owner}{dot}parametrizations.{local}.{key}": type_ for key, type_ in originals.items()}
    for name in [*expected, *(name for name in signature.parameters if name not in expected)]:
        if expected.get(name) != signature.parameters.get(name):
            yield f"parameter '{name}' is {signature.parameters.get(name)}; its operands give {expected.get(name)}"


@lru_cache(maxsize=10_000)
def _signature(component: Component, operands: tuple[TensorType | None, ...]) -> Signature:
    return component.signature(*operands)


def _types(types: tuple[TensorType, ...]) -> str:
    return f"({', '.join(map(str, types))})"


TYPED_REGION_RULES = (
    operands_have_the_types_they_enter_as,
    signatures_follow_from_operands,
    output_types_agree,
    parameter_shapes_are_numbers,
    ties_are_of_equal_types,
    shared_modules_have_equal_parameters,
)


# -- the whole typed graph


def root_is_typed_by_the_inputs(typed: TypedGraph) -> Iterator[Violation]:
    """The typed root is the graph's root with the types of the graph's inputs."""
    root = typed.root.region
    if root is not typed.graph.root:
        yield Violation("the typed root is not the root of the graph", place_of(root), root.span)
    elif typed.root.inputs != tuple(typed.graph.inputs.values()):
        message = (
            f"its inputs are {_types(typed.root.inputs)}, the graph's {_types(tuple(typed.graph.inputs.values()))}"
        )
        yield Violation(message, place_of(root), root.span)


def contract_covers_every_type(typed: TypedGraph) -> Iterator[Violation]:
    """The dims contract has every dim of every value."""
    for body in typed_regions_of(typed.root):
        for node in body.region.nodes.values():
            outputs = body.signatures[node.id].outputs if node.id in body.signatures else body.bodies[node.id].outputs
            for problem in uncovered_types(outputs, typed.graph.contract):
                yield Violation(problem, place_of(body.region, node), node.span)


TYPED_GRAPH_RULES = (root_is_typed_by_the_inputs, contract_covers_every_type)
