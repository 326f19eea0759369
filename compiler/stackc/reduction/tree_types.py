"""What the checker says about a tree, or as much of it as it says before it crashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stackc.core.types import DimContract, DimRange, TensorType
from stackc.ir.model import ValueRef
from stackc.ir.typed import TypedGraph
from stackc.reduction.tree import SpecTree, TreeBody
from stackc.reduction.write import write_tree
from stackc.resolve.resolve import resolve
from stackc.spec.reader import parse
from stackc.spec.source import Source
from stackc.typecheck.infer import infer_types


@dataclass(frozen=True)
class TreeTypes:
    """The types of the inputs and of the values at the top of a spec, by node and output ("" for the first)."""

    inputs: Mapping[str, TensorType] = field(default_factory=dict)
    values: Mapping[tuple[str, str], TensorType] = field(default_factory=dict)
    contract: DimContract = field(default_factory=dict)

    @staticmethod
    def of(typed: TypedGraph) -> TreeTypes:
        """Return the types of a spec whose types are inferred."""
        root, values = typed.root, {}
        for id, node in root.region.nodes.items():
            for number, name in enumerate(node.body.outputs):
                values[id, name] = type_ = root.type_of(ValueRef(id, number))
                if number == 0:
                    values[id, ""] = type_
        return TreeTypes(typed.graph.inputs, values, typed.graph.contract)


def partial_types(tree: SpecTree, trust: Sequence[str] = ()) -> TreeTypes:
    """Return the types of the longest start of a tree that has types; none if only the empty one does.

    Where it is one node that has none, or crashes, all values that this node reads have a type.
    """
    types, good, bad = TreeTypes(contract=_contract(tree)), 0, len(tree.body.nodes) + 1
    length = bad - 1  # the whole first: what crashes may come later
    while bad - good > 1:
        typed = _typed(_start(tree, length), trust)
        if typed is None:
            bad = length
        else:
            types, good = TreeTypes.of(typed), length
        length = (good + bad) // 2
    return types


def _typed(tree: SpecTree, trust: Sequence[str]) -> TypedGraph | None:
    try:
        return infer_types(resolve(parse(Source("reduced.yaml", write_tree(tree))), trust=trust))
    except Exception:  # mistakes, or the crash that is looked for
        return None


def _contract(tree: SpecTree) -> DimContract:
    """Return the contract as far as the tree has it in numbers."""
    contract = {}
    for name, limits in tree.dims.items():
        numbers = {key: value for key, value in limits.items() if isinstance(value, int)}
        contract[name] = DimRange(numbers.get("min", 1), numbers.get("max"), numbers.get("multiple_of", 1))
    return contract


def _start(tree: SpecTree, length: int) -> SpecTree:
    """Return the tree with its first nodes only, all of them outputs."""
    nodes = dict(list(tree.body.nodes.items())[:length])
    return replace(tree, body=TreeBody(nodes, {id: id for id in nodes}), nonfinite={})
