"""Smaller trees by their numbers: dims fixed, sizes shrunk wherever they stand, fields left out, names shortened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count, cycle
from typing import Any

from stackc.core.types import DimContract
from stackc.reduction.tree import Plain, SpecTree, TreeBody, TreeNode

SMALL = (1, 2, 3, 4)
"""Sizes that are tried in the place of a larger one, smallest first."""

_PRIMES = (2, 3, 5, 7, 11, 13)


# -- dims


def trees_with_fixed_dims(tree: SpecTree, contract: DimContract) -> Iterator[SpecTree]:
    """Yield the trees with all dims fixed: at their smallest sizes, and at small sizes that differ; then each alone.

    `contract` has the dims that are open.
    """
    contract = {name: limits for name, limits in contract.items() if name in tree.dims or _in(tree, name)}
    least = {name: limits.least for name, limits in contract.items()}
    steps = {name: limits.multiple_of for name, limits in contract.items()}
    if not least:
        return

    yield with_sizes(tree, least)
    yield with_sizes(tree, {name: max(size, 2 * steps[name]) for name, size in least.items()})
    yield with_sizes(tree, distinct_sizes(contract))
    for name, size in least.items():
        for factor in SMALL:
            if factor * steps[name] >= size:
                yield with_sizes(tree, {name: factor * steps[name]})


def distinct_sizes(contract: DimContract) -> dict[str, int]:
    """Return a small size for each open dim, above 1 and different where the contract allows it."""
    sizes = {}
    for (name, limits), prime in zip(contract.items(), cycle(_PRIMES), strict=False):
        step = limits.multiple_of
        most = prime * step if limits.maximum is None else limits.maximum // step * step
        sizes[name] = max(limits.least, min(prime * step, most))
    return sizes


def narrowed_dims(tree: SpecTree, contract: DimContract) -> Iterator[SpecTree]:
    """Yield the trees in which a dim that stays open has a smaller maximum."""
    for name, limits in contract.items():
        for factor in (2, 3, 8):
            most = max(limits.least, factor * limits.multiple_of)
            if limits.maximum is None or most < limits.maximum:
                decl: dict[str, Plain] = {"max": most}
                decl |= {"min": limits.minimum} if limits.minimum > 1 else {}
                decl |= {"multiple_of": limits.multiple_of} if limits.multiple_of > 1 else {}
                yield replace(tree, dims={**tree.dims, name: decl})


def _in(tree: SpecTree, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", repr([decl["shape"] for decl in tree.inputs.values()])) is not None


def with_sizes(tree: SpecTree, sizes: Mapping[str, Plain]) -> SpecTree:
    """Return the tree with names of dims and params replaced by numbers, in expressions too."""
    if not sizes:
        return tree
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in sizes))

    def change(value: Plain) -> Plain:
        if not isinstance(value, str):
            return value
        if value in sizes:
            return sizes[value]
        text = pattern.sub(lambda match: str(sizes[match[0]]), value)
        return int(text) if text.isdecimal() and text != value else text

    dims = {name: _mapped(limits, change) for name, limits in tree.dims.items() if name not in sizes}
    params = {name: _changed(value, change) for name, value in tree.params.items() if name not in sizes}
    inputs = {name: _mapped(decl, change) for name, decl in tree.inputs.items()}
    return replace(
        _with_fields(tree, lambda node: _mapped(node.fields, change)), dims=dims, inputs=inputs, params=params
    )


def trees_with_bound_params(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the tree with the defaults of all params in their places, then those with one of them in its places."""
    defaults = {name: value for name, value in tree.params.items() if not isinstance(value, (dict, list, str))}
    if len(defaults) > 1:
        yield with_sizes(tree, defaults)
    for name, value in defaults.items():
        yield with_sizes(tree, {name: value})


# -- numbers


def smaller_numbers(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the trees in which one number shrinks wherever it stands, the largest number first."""
    for number in sorted(set(_numbers(tree)), reverse=True):
        for small in (*SMALL, *([number // 2] if number > 2 * SMALL[-1] else [])):
            if small < number:
                yield _map_numbers(tree, lambda x, n=number, m=small: m if type(x) is int and x == n else x)  # type: ignore[misc]


def shrunk(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the trees with all large numbers divided by the same power of two, the smallest tree first.

    Sizes that depend on each other, as a width and that of its heads, often still fit then.
    """
    largest = max(_numbers(tree), default=0)
    for power in range(10, 1, -1):
        factor = 2**power
        if factor * SMALL[-1] <= largest:
            yield _map_numbers(tree, partial(_divided, factor=factor))


def _divided(value: Plain, factor: int) -> Plain:
    """Return a number divided by the factor if it is a multiple, else by as much of the factor as it is larger."""
    if type(value) is not int or value <= 2 * SMALL[-1]:
        return value
    return value // factor if value % factor == 0 else max(value // factor, SMALL[-1])


def single_numbers(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the trees in which one number at one place becomes 1 or 2."""
    places = len(list(_numbers(tree)))
    for place in range(places):
        for small in SMALL[:2]:
            changed = _at_place(tree, place, small)
            if changed != tree:
                yield changed


def _numbers(tree: SpecTree) -> list[int]:
    """Return every whole number above 1 in shapes, ranges and fields, in the order in which edits walk them."""
    numbers: list[int] = []

    def note(value: Plain) -> Plain:
        if type(value) is int and value > 1:
            numbers.append(value)
        return value

    _map_numbers(tree, note)
    return numbers


def _at_place(tree: SpecTree, place: int, small: int) -> SpecTree:
    places = count()

    def change(value: Plain) -> Plain:
        if type(value) is int and value > 1:
            return min(small, value) if next(places) == place else value
        return value

    return _map_numbers(tree, change)


def _map_numbers(tree: SpecTree, change: Callable[[Plain], Plain]) -> SpecTree:
    inputs = {name: _mapped(decl, change) for name, decl in tree.inputs.items()}
    params = _mapped(tree.params, change)
    return replace(_with_fields(tree, lambda node: _mapped(node.fields, change)), inputs=inputs, params=params)


# -- fields


def fewer_fields(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the trees without one field of a node, without ranges of an input; first without all of a node."""
    for node in _all_nodes(tree):
        for left in _fewer(node.fields):
            yield _with_fields(tree, partial(_fields_but, node, left))
    for name, decl in tree.inputs.items():
        bare = {key: value for key, value in decl.items() if key in ("dtype", "shape")}
        yield replace(tree, inputs={**tree.inputs, name: bare})


def _fewer(fields: Mapping[str, Plain]) -> Iterator[Mapping[str, Plain]]:
    """Yield no fields, and the fields without each one; a shared module stays shared."""
    if "same_as" not in fields and fields:
        yield {}
    for name in fields:
        if name != "same_as" and len(fields) > 1:
            yield {other: value for other, value in fields.items() if other != name}


def _fields_but(changed: TreeNode, left: Mapping[str, Plain], node: TreeNode) -> Mapping[str, Plain]:
    return left if node is changed else node.fields


def _all_nodes(tree: SpecTree) -> list[TreeNode]:
    bodies = [tree.body, *(block.body for block in tree.blocks.values())]
    return [node for body in bodies for node in body.nodes.values()]


def _with_fields(tree: SpecTree, fields: Callable[[TreeNode], Mapping[str, Plain]]) -> SpecTree:
    """Return the tree with other fields of every node, in blocks too."""

    def changed(body: TreeBody) -> TreeBody:
        return replace(body, nodes={id: replace(node, fields=fields(node)) for id, node in body.nodes.items()})

    blocks = {name: replace(block, body=changed(block.body)) for name, block in tree.blocks.items()}
    return replace(tree, body=changed(tree.body), blocks=blocks)


def _mapped(value: Mapping[str, Plain], change: Callable[[Plain], Plain]) -> dict[str, Plain]:
    return {name: _changed(inner, change) for name, inner in value.items()}


def _changed(value: Any, change: Callable[[Plain], Plain]) -> Plain:
    """Return a value with every scalar in it changed."""
    if isinstance(value, dict):
        return _mapped(value, change)
    return [_changed(item, change) for item in value] if isinstance(value, list) else change(value)


# -- names


def short_names(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the tree with short names: `x` for inputs, `y` for outputs, the last word of each node's path."""
    names: dict[str, str] = {}
    taken: set[str] = set(tree.blocks)

    def free(base: str) -> str:
        name = next(n for i in count(1) if (n := base if i == 1 else f"{base}{i}") not in taken)
        taken.add(name)
        return name

    for name in tree.inputs:
        names[name] = free("x")
    for id, node in tree.body.nodes.items():
        names[id] = free(_last_word(node.origin))
    yield _renamed(tree, names, {name: free("y") for name in tree.body.outputs})


def _last_word(path: str) -> str:
    last = path.rpartition(".")[2]
    return last if last[:1].isalpha() else f"n{last}"


def _renamed(tree: SpecTree, names: Mapping[str, str], outputs: Mapping[str, str]) -> SpecTree:
    def path(text: str) -> str:
        first, dot, rest = text.partition(".")
        return names.get(first, first) + dot + rest

    nodes = {}
    for id, node in tree.body.nodes.items():
        fields = dict(node.fields)
        if "same_as" in fields:
            fields["same_as"] = path(str(fields["same_as"]))
        if isinstance(tie := fields.get("tie"), dict):
            fields["tie"] = {name: path(str(target)) for name, target in tie.items()}
        operands = tuple(replace(operand, source=names[operand.source]) for operand in node.operands)
        nodes[names[id]] = replace(node, fields=fields, operands=operands)
    named = {outputs[name]: path(source) for name, source in tree.body.outputs.items()}
    inputs = {names[name]: decl for name, decl in tree.inputs.items()}
    return replace(tree, inputs=inputs, body=TreeBody(nodes, named))
