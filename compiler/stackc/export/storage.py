"""In which form each tensor of the state_dict is stored: as it is, or as the prologue of its calls leaves it.

A tensor that every call uses in one form is stored in that form alone, under its own name. Where calls differ (the
embedding that is the head of the model as well), transposing it is left to the graph, so that it is stored once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stackc.export.objects import Object, WeightSubgraph
from stackc.export.weight_folding import only_moves
from stackc.ir.program import Call
from stackc.typecheck.output_names import plain_name


@dataclass(frozen=True, slots=True)
class Stored:
    """What is written of tensors of the state_dict: `names` are initializers, `subgraph` None for a tensor as it is."""

    names: tuple[str, ...]
    sources: tuple[str, ...]
    subgraph: WeightSubgraph | None


Form = tuple[bytes, tuple[str, ...]]
"""A tensor after a part of the prologue, b"" for none, run on tensors of the state_dict."""


@dataclass(frozen=True)
class Storage:
    """Every stored form of a program, in the order of first use."""

    forms: Mapping[Form, Stored]

    def tensor(self, source: str) -> str:
        """The initializer that holds a tensor as it is."""
        return self.forms[b"", (source,)].names[0]

    def results(self, subgraph: WeightSubgraph, sources: tuple[str, ...]) -> tuple[str, ...] | None:
        """The initializers that hold the results of a cone; None where it is left to the graph."""
        stored = self.forms.get((subgraph.model, sources))
        return stored.names if stored else None


def source_of(call: Call, parameter: str) -> str:
    """The name in the state_dict of what the module of a call names `parameter`."""
    return call.parameters[parameter] if parameter in call.parameters else call.buffers[parameter]


def plan_storage(uses: Iterable[tuple[Call, Object]]) -> Storage:
    """Decide for every tensor that the program's calls use."""
    wanted = _Wanted()
    for call, compiled in uses:
        for parameter in compiled.parameters:
            wanted.add(None, (source_of(call, parameter),))
        for subgraph in compiled.subgraphs:
            wanted.add(subgraph, tuple(source_of(call, parameter) for parameter in subgraph.parameters))
    return Storage(wanted.stored())


@dataclass
class _Wanted:
    forms: dict[Form, WeightSubgraph | None] = field(default_factory=dict)
    of: dict[str, set[Form]] = field(default_factory=dict)

    def add(self, subgraph: WeightSubgraph | None, sources: tuple[str, ...]) -> None:
        form = (subgraph.model if subgraph else b"", sources)
        if form not in self.forms:
            self.forms[form] = subgraph
            for source in sources:
                self.of.setdefault(source, set()).add(form)

    def stored(self) -> dict[Form, Stored]:
        kept: dict[Form, WeightSubgraph | None] = {}
        for (model, sources), subgraph in self.forms.items():
            shared = any(len(self.of[source]) > 1 for source in sources)
            if subgraph is not None and shared and only_moves(subgraph):
                kept |= {(b"", (source,)): None for source in sources}
            else:
                kept[model, sources] = subgraph
        taken = {sources[0] for (_, sources), subgraph in kept.items() if subgraph is None}
        stored: dict[Form, Stored] = {}
        for (model, sources), subgraph in kept.items():
            names = (sources[0],) if subgraph is None else _names(subgraph, _joined(sources), taken)
            taken.update(names)
            stored[model, sources] = Stored(names, sources, subgraph)
        return stored


def _joined(sources: Iterable[str]) -> str:
    """One name for what is made of several tensors: `attn.q+k+v.weight`, or of many the first and how many more."""
    first, *others = dict.fromkeys(plain_name(source) for source in sources)
    if len(others) > 3:
        return f"{first}+{len(others)}"
    paths = [name.split(".") for name in (first, *others)]
    columns = [dict.fromkeys(column) for column in zip(*paths, strict=False)]
    if len({*map(len, paths)}) > 1 or sum(len(column) > 1 for column in columns) > 1:
        return "+".join((first, *others))
    return ".".join("+".join(column) for column in columns)


def _names(subgraph: WeightSubgraph, name: str, taken: set[str]) -> tuple[str, ...]:
    """The tensor's own name for a single result, where no other form has it; else numbered ones."""
    if len(subgraph.results) == 1 and name not in taken:
        return (name,)
    numbers = (f"{name}/{number}" for number in range(len(taken) + len(subgraph.results)))
    free = [numbered for numbered in numbers if numbered not in taken]
    return tuple(free[: len(subgraph.results)])
