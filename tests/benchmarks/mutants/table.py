"""Count what became of the mutants: the table by class, the mutants that were missed, and whether the reach is met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.mutants.effects import Effect
from tests.benchmarks.mutants.peers import ATOLS
from tests.benchmarks.mutants.verdicts import Judgement

REACH = 4.0  # times what is allowed: the effect from which on every fault has to be found
RARE = 0.9  # the share to be found of the faults that only rare inputs show
HEADINGS = ("planted", "equal", "below", "faults", "found", "by comp.", "blamed", "0.1.0", "torch", *map(str, ATOLS))


@dataclass(frozen=True)
class Outcome:
    """A fault at a node of a model, and what became of it; `paths` are the components that it changes.

    `peers` has for torch.onnx's check, and for optimum's with each tolerance, whether it refuses the mutant.
    """

    kind: str
    fault: str
    rare: bool
    setting: str
    node: str
    paths: frozenset[str]
    effect: Effect
    default: Judgement
    by_component: Judgement
    peers: tuple[bool, ...]

    def __str__(self) -> str:
        output, component = self.effect.output, self.effect.component
        blamed = (
            f"; blamed {_listed(self.default.blamed)} of {_listed(self.paths)}" if self.default.refused else "; missed"
        )
        effect = f"{output:.2g} at an output, {component:.2g} at the component"
        return f"{self.kind}: {self.fault}; {self.setting}; {self.node}: {effect}{blamed}"

    @property
    def is_strong(self) -> bool:
        return self.is_fault and self.effect.largest >= REACH

    @property
    def is_fault(self) -> bool:
        """Whether any distance is above what is allowed, in a file that opens."""
        return self.default.opened and self.effect.largest > 1

    @property
    def rightly_blamed(self) -> bool:
        """Whether the default proof names a changed component, and no other."""
        return self.default.refused and bool(self.default.blamed) and self.default.blamed <= self.paths


def print_outcomes(outcomes: Sequence[Outcome]) -> bool:
    """Print the table by class and lists of mutants by name; return whether the reach is met."""
    by_class: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_class[outcome.kind].append(outcome)

    print(f"{'class':12}" + "".join(f"{heading:>9}" for heading in HEADINGS))
    for kind, group in [*by_class.items(), ("all", list(outcomes))]:
        print(f"{kind:12}" + "".join(f"{count:9}" for count in _counts(group)))

    lists = _lists(outcomes)
    for title, group in lists.items():
        print(f"{title}: {len(group)}")
        for outcome in group:
            print(f"  {outcome}")
    return _print_reach(outcomes, lists)


def _counts(group: Sequence[Outcome]) -> list[int]:
    """Return the numbers below the headings; from `faults` on only faults whose effect is above the allowance."""
    faults = [outcome for outcome in group if outcome.is_fault]
    return [
        len(group),
        sum(outcome.effect.equal for outcome in group),
        sum(not outcome.effect.equal and outcome.effect.largest <= 1 for outcome in group),
        len(faults),
        sum(outcome.default.refused for outcome in faults),
        sum(outcome.by_component.refused for outcome in faults),
        sum(outcome.rightly_blamed for outcome in faults),
        sum(outcome.default.before for outcome in faults),
        *(sum(outcome.peers[index] for outcome in faults) for index in range(1 + len(ATOLS))),
    ]


def _lists(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    strong = [outcome for outcome in outcomes if outcome.is_strong]
    weak = [outcome for outcome in outcomes if outcome.is_fault and not outcome.is_strong]
    changed = [outcome for outcome in outcomes if not outcome.effect.equal]
    return {
        "not opened by ONNX Runtime": [o for o in outcomes if not o.default.opened],
        "missed": [o for o in strong if not o.rare and not o.default.refused],
        "missed, shown by rare inputs only": [o for o in strong if o.rare and not o.default.refused],
        "blamed wrongly": [o for o in strong if o.default.refused and not o.rightly_blamed],
        "missed by --per-component": [o for o in strong if not o.by_component.refused],
        "missed, found by the rule of 0.1.0": [o for o in changed if o.default.before and not o.default.refused],
        "effect of 1 to 4, missed": [o for o in weak if not o.default.refused],
        "effect of 1 to 4, found": [o for o in weak if o.default.refused],
        "shown by no probe, but found": [o for o in outcomes if o.effect.equal and o.default.refused],
    }


def _print_reach(outcomes: Sequence[Outcome], lists: dict[str, list[Outcome]]) -> bool:
    strong = [outcome for outcome in outcomes if outcome.is_strong and not outcome.rare]
    rare = [outcome for outcome in outcomes if outcome.is_strong and outcome.rare]
    found = len(strong) - len(lists["missed"])
    rare_found = len(rare) - len(lists["missed, shown by rare inputs only"])
    print(f"effect of at least {REACH:g}: {found} of {len(strong)} found (to reach: all)")
    print(
        f"effect of at least {REACH:g}, shown by rare inputs only: {rare_found} of {len(rare)} found (to reach: 90 %)"
    )
    failed = ("missed", "blamed wrongly", "missed, found by the rule of 0.1.0")
    return not any(lists[title] for title in failed) and rare_found >= RARE * len(rare)


def _listed(paths: frozenset[str]) -> str:
    return ", ".join(sorted(paths)) or "nothing"
