"""Plant the faults of the table in one model after another, and collect what is said of the mutants."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.mutants import value_faults, weight_faults, wiring_faults
from tests.benchmarks.mutants.effects import Probe, measure, probes
from tests.benchmarks.mutants.faults import FAULTS as FAULTS
from tests.benchmarks.mutants.faults import planted, sites
from tests.benchmarks.mutants.graph import changed_components
from tests.benchmarks.mutants.peers import ATOLS, Peers
from tests.benchmarks.mutants.settings import SMALL, Setting, Subject
from tests.benchmarks.mutants.table import Outcome
from tests.benchmarks.mutants.verdicts import prove_mutant

TABLES = (weight_faults, wiring_faults, value_faults)  # importing them fills FAULTS
Plan = list[tuple[int, str]]  # faults by their number in the table, and the nodes to plant them at


def offers(seed: int, setting: Setting) -> dict[int, str]:
    """Return a node for each fault that fits any, in an order that the seed determines."""
    graph = Subject.of(setting).graph
    nodes = {}
    only = SMALL[setting.spec].only
    for number, fault in enumerate(FAULTS):
        if only and fault.name not in only:
            continue
        names = list(sites(fault, graph))
        shuffled = random.Random(f"{seed}:{setting}:{fault.name}").sample(names, len(names))
        name = next((name for name in shuffled if planted(fault, graph, name)), None)
        if name is not None:
            nodes[number] = name
    return nodes


def run_plan(verbose: bool, setting: Setting, plan: Plan) -> tuple[list[Outcome], list[str]]:
    """Prove a model and every mutant of it that is planned; return the mutants, and what is said against the model."""
    subject = Subject.of(setting)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        original = subject.save(subject.graph.model, folder / "original.onnx")
        proofs = [prove_mutant(subject, original, per_component=both) for both in (False, True)]
        refusals = [f"{setting}: {proof.message}" for proof in proofs if proof.refused]

        outcomes = list(_outcomes(subject, plan, original, folder / "mutant.onnx")) if plan else []
    if verbose:
        print("\n".join(str(outcome) for outcome in outcomes), flush=True)
    return outcomes, refusals


def _outcomes(subject: Subject, plan: Plan, original: Path, path: Path) -> Iterator[Outcome]:
    """Yield what becomes of each planned mutant; its file is at `path` meanwhile."""
    probed: list[Probe] = probes(subject, original)
    peers = Peers.of(subject)
    for number, node in plan:
        fault = FAULTS[number]
        mutant = planted(fault, subject.graph, node)
        assert mutant is not None, "it was offered"
        subject.save(mutant.model, path)
        paths = changed_components(subject.graph.model, mutant.model)

        yield Outcome(
            *(fault.kind, fault.name, fault.rare, str(subject.setting), node, paths),
            effect=measure(subject, original, path, paths, probed),
            default=prove_mutant(subject, path),
            by_component=prove_mutant(subject, path, per_component=True),
            peers=(peers.torch_refuses(mutant.model), *(peers.optimum_refuses(path, atol) for atol in ATOLS)),
        )
