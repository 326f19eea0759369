"""Plan in which form each tensor of the state_dict is stored: unchanged, or as the results of a weight subgraph.

link.py plans before it links the first call; write.py stores what was planned, in this order. A tensor that every call
uses in one form is stored in that form alone, under its own name. If calls differ (an embedding that is the head of
the model as well), transposing it is left to the graph, so that it is stored once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stackc.core.name_patterns import plain_name
from stackc.export.objects import Object, WeightSubgraph
from stackc.export.weight_folding import only_moves
from stackc.ir.program import Call


@dataclass(frozen=True, slots=True)
class Stored:
    """Initializers, by `names`, that store tensors of the state_dict: the results of `subgraph`, or if it is None the
    tensor unchanged."""

    names: tuple[str, ...]
    sources: tuple[str, ...]
    subgraph: WeightSubgraph | None


Form = tuple[bytes, tuple[str, ...]]
"""A weight subgraph, serialized (b"" for none), and the tensors of the state_dict that it is run on."""


@dataclass(frozen=True)
class Storage:
    """Every stored form of a program, in the order of first use."""

    forms: Mapping[Form, Stored]

    def tensor(self, source: str) -> str:
        """Return the initializer that holds a tensor unchanged."""
        return self.forms[b"", (source,)].names[0]

    def results(self, subgraph: WeightSubgraph, sources: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the initializers that hold the results of a weight subgraph; None if it is left to the graph."""
        stored = self.forms.get((subgraph.model, sources))
        return stored.names if stored else None


def source_of(call: Call, parameter: str) -> str:
    """Return the name in the state_dict of `parameter`, a name inside the module of a call."""
    return call.parameters[parameter] if parameter in call.parameters else call.buffers[parameter]


def plan_storage(uses: Iterable[tuple[Call, Object]]) -> Storage:
    """Plan the storage of every tensor that the program's calls use."""
    needed = _NeededForms()
    for call, compiled in uses:
        for parameter in compiled.parameters:
            needed.add(None, (source_of(call, parameter),))
        for subgraph in compiled.subgraphs:
            needed.add(subgraph, tuple(source_of(call, parameter) for parameter in subgraph.parameters))
    return Storage(_name_forms(needed.to_store()))


@dataclass
class _NeededForms:
    """The forms that calls need, in the order of first use; `of` has those of each tensor."""

    forms: dict[Form, WeightSubgraph | None] = field(default_factory=dict)
    of: dict[str, set[Form]] = field(default_factory=dict)

    def add(self, subgraph: WeightSubgraph | None, sources: tuple[str, ...]) -> None:
        form = (subgraph.model if subgraph else b"", sources)
        if form not in self.forms:
            self.forms[form] = subgraph
            for source in sources:
                self.of.setdefault(source, set()).add(form)

    def to_store(self) -> dict[Form, WeightSubgraph | None]:
        """Return the forms to store: a mere rearrangement of a tensor that has other forms too is left to the graph."""
        kept: dict[Form, WeightSubgraph | None] = {}
        for (model, sources), subgraph in self.forms.items():
            shared = any(len(self.of[source]) > 1 for source in sources)
            if subgraph is not None and shared and only_moves(subgraph):
                kept |= {(b"", (source,)): None for source in sources}
            else:
                kept[model, sources] = subgraph
        return kept


def _name_forms(forms: Mapping[Form, WeightSubgraph | None]) -> dict[Form, Stored]:
    """Name the initializers of each form. The names of unchanged tensors are their own, so they are taken first."""
    taken = {sources[0] for (_, sources), subgraph in forms.items() if subgraph is None}
    stored: dict[Form, Stored] = {}
    for (model, sources), subgraph in forms.items():
        names = (sources[0],) if subgraph is None else _result_names(subgraph, _join_names(sources), taken)
        taken.update(names)
        stored[model, sources] = Stored(names, sources, subgraph)
    return stored


def _join_names(sources: Iterable[str]) -> str:
    """Return one name for results of several tensors: `attn.q+k+v.weight`; of many, the first and how many more."""
    first, *others = dict.fromkeys(plain_name(source) for source in sources)
    if len(others) > 3:
        return f"{first}+{len(others)}"

    paths = [name.split(".") for name in (first, *others)]
    columns = [dict.fromkeys(column) for column in zip(*paths, strict=False)]
    if len({*map(len, paths)}) > 1 or sum(len(column) > 1 for column in columns) > 1:
        return "+".join((first, *others))  # the names differ in more than one part
    return ".".join("+".join(column) for column in columns)


def _result_names(subgraph: WeightSubgraph, name: str, taken: set[str]) -> tuple[str, ...]:
    """Return the tensor's own name for a single result, if no other form has it, or else numbered names."""
    if len(subgraph.results) == 1 and name not in taken:
        return (name,)
    numbered = (f"{name}/{number}" for number in range(len(taken) + len(subgraph.results)))
    free = [candidate for candidate in numbered if candidate not in taken]
    return tuple(free[: len(subgraph.results)])
