"""The rules of a legal Graph: names, operands, ports, outputs, shared modules, the dims contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from stackc.components.base import Component, Port
from stackc.core.entering_size import EnteringSize
from stackc.core.types import Dim, DimContract, TensorType
from stackc.ir.model import Graph, Node, Operand, Region, ValueRef
from stackc.ir.violations import Violation


def regions_of(root: Region) -> list[Region]:
    """Return a region and all regions inside it, each once."""
    regions = {root: None}
    pending = [root]
    while pending:
        for node in pending.pop().nodes.values():
            if isinstance(node.body, Region) and node.body not in regions:
                regions[node.body] = None
                pending.append(node.body)
    return list(regions)


def place_of(region: Region, node: Node | None = None) -> str:
    """Return the region, and the node in it, for messages."""
    return f"{region.kind} '{region.name}'" + (f", node '{node.id}'" if node else "")


# -- regions


def names_are_unique(region: Region) -> Iterator[Violation]:
    """No two nodes or inputs of a region have the same name, and a node stands under its own id."""
    for name, count in Counter(region.inputs).items():
        if count > 1:
            yield Violation(f"the input '{name}' is named {count} times", place_of(region), region.span)

    for key, node in region.nodes.items():
        if key != node.id:
            yield Violation(f"it stands under the name '{key}'", place_of(region, node), node.span)
        if node.id in region.inputs:
            yield Violation("an input has the same name", place_of(region, node), node.span)


def operands_are_defined_before_use(region: Region) -> Iterator[Violation]:
    """Every operand is an input of the region or an output of an earlier node."""
    defined: dict[str, Node | None] = dict.fromkeys(region.inputs)
    for node in region.nodes.values():
        for operand in node.operands:
            if operand.value and (problem := _undefined(operand.value, defined)):
                yield Violation(f"operand '{operand.port}' {problem}", place_of(region, node), operand.span)
        defined[node.id] = node


def outputs_are_defined(region: Region) -> Iterator[Violation]:
    """A region has outputs, each of which is an input of the region or an output of one of its nodes."""
    if not region.outputs:
        yield Violation("it has no outputs", place_of(region), region.span)

    defined: dict[str, Node | None] = {**dict.fromkeys(region.inputs), **region.nodes}
    for name, ref in region.outputs.items():
        if problem := _undefined(ref, defined):
            yield Violation(f"output '{name}' {problem}", place_of(region), region.span)


def _undefined(ref: ValueRef, defined: Mapping[str, Node | None]) -> str | None:
    """Return what is wrong with a reference to one of the defined inputs (None) and nodes."""
    if ref.node not in defined:
        return f"is '{ref.node}', which is not defined before it"
    node = defined[ref.node]
    count = len(node.body.outputs) if node else 1
    return None if 0 <= ref.output < count else f"is output {ref.output} of '{ref.node}', which has {count}"


def operands_fit_ports(region: Region) -> Iterator[Violation]:
    """Every port has its operands: one, or several if it is variadic, connected unless it is optional.

    A component takes its operands in port order. A region takes them by name, and has no ports that are open.
    """
    for node in region.nodes.values():
        if isinstance(node.body, Region):
            problems = _misfits([Port(name) for name in node.body.inputs], node.operands)
        else:
            problems = [*_misfits(node.body.ports, node.operands), *_disorder(node.body.ports, node.operands)]
        for problem in problems:
            yield Violation(problem, place_of(region, node), node.span)


def _misfits(ports: Sequence[Port], operands: Sequence[Operand]) -> list[str]:
    names = {port.name for port in ports}
    problems = [f"it has no port '{operand.port}'" for operand in operands if operand.port not in names]

    for port in ports:
        entering = [operand.value for operand in operands if operand.port == port.name]
        if len(entering) > 1 and not port.variadic:
            problems.append(f"port '{port.name}' has {len(entering)} operands")
        if not entering:
            problems.append(f"port '{port.name}' has no operand")
        elif None in entering and not port.optional:
            problems.append(f"port '{port.name}' is required and open")
    return problems


def _disorder(ports: Sequence[Port], operands: Sequence[Operand]) -> list[str]:
    ranks = {port.name: rank for rank, port in enumerate(ports)}
    order = [ranks[operand.port] for operand in operands if operand.port in ranks]
    return [] if order == sorted(order) else ["its operands are not in the order of its ports"]


def same_as_is_an_earlier_equal_node(region: Region) -> Iterator[Violation]:
    """A node that calls another one's module stands after that one, and has its body and reparametrizations."""
    earlier: dict[str, Node] = {}
    for node in region.nodes.values():
        if node.same_as is not None:
            owner = earlier.get(node.same_as)
            if owner is None:
                yield Violation(f"same_as '{node.same_as}' is not an earlier node", place_of(region, node), node.span)
            elif owner.body != node.body or owner.reparams != node.reparams:
                yield Violation(f"same_as '{node.same_as}' has another body", place_of(region, node), node.span)
        earlier[node.id] = node


# -- the whole graph


def no_region_contains_itself(graph: Graph) -> Iterator[Violation]:
    """Following the bodies of nodes never leads back to a region that is open."""
    done: set[Region] = set()

    def visit(region: Region, around: tuple[Region, ...]) -> Iterator[Violation]:
        if region in around:
            yield Violation("it contains itself", place_of(region), region.span)
        elif region not in done:
            for node in region.nodes.values():
                if isinstance(node.body, Region):
                    yield from visit(node.body, (*around, region))
            done.add(region)

    return visit(graph.root, ())


def root_is_the_spec(graph: Graph) -> Iterator[Violation]:
    """The root is a spec, and its inputs are those that the graph has types of."""
    root = graph.root
    if root.kind != "spec":
        yield Violation("the root is not a spec", place_of(root), root.span)
    if root.inputs != tuple(graph.inputs):
        message = f"its inputs are {list(root.inputs)}, and the graph has types of {list(graph.inputs)}"
        yield Violation(message, place_of(root), root.span)


def contract_covers_every_dim(graph: Graph) -> Iterator[Violation]:
    """The dims contract has every dim of the inputs and fields, with its `multiple_of`, and allows a size for each."""
    for name, sizes in graph.contract.items():
        if sizes.minimum < 0 or not sizes.allows(sizes.least):
            yield Violation(f"no size of '{name}' is legal: {sizes}", "contract")

    for name, type_ in graph.inputs.items():
        for problem in uncovered(type_.shape, graph.contract):
            yield Violation(problem, f"input '{name}'", graph.root.places.get(name))
    for region in regions_of(graph.root):
        for node in region.nodes.values():
            if isinstance(node.body, Component):
                for problem in uncovered(_dims_of(node.body), graph.contract):
                    yield Violation(problem, place_of(region, node), node.span)


def _dims_of(component: Component) -> list[Dim]:
    """Return the dims that a component's fields hold, alone or in lists."""
    values = component.values().values()
    items = [item for value in values for item in (value if isinstance(value, tuple) else [value])]
    return [item for item in items if isinstance(item, Dim)]


def uncovered(dims: Iterable[Dim], contract: DimContract) -> Iterator[str]:
    """Yield what is wrong with each symbol of the dims that is not in the contract as it stands there.

    Sizes of what enters a component are known with its operands.
    """
    symbols = {symbol: multiple for dim in dims for symbol, multiple in dim.symbols().items()}
    for symbol, multiple in symbols.items():
        if EnteringSize.parse(symbol):
            continue
        if symbol not in contract:
            yield f"the dim '{symbol}' is not in the contract"
        elif contract[symbol].multiple_of != multiple:
            yield f"the dim '{symbol}' is a multiple of {multiple}, in the contract of {contract[symbol].multiple_of}"


def uncovered_types(types: Iterable[TensorType], contract: DimContract) -> Iterator[str]:
    """Yield the same for the shapes of types."""
    return uncovered((dim for type_ in types for dim in type_.shape), contract)


REGION_RULES = (
    names_are_unique,
    operands_are_defined_before_use,
    operands_fit_ports,
    outputs_are_defined,
    same_as_is_an_earlier_equal_node,
)
GRAPH_RULES = (no_region_contains_itself, root_is_the_spec, contract_covers_every_dim)
