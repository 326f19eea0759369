"""Plant the faults of the table in one model after another, and collect what is said of the mutants."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.mutants import value_faults, weight_faults, wiring_faults
from tests.benchmarks.mutants.effects import Probe, measure, probes
from tests.benchmarks.mutants.faults import FAULTS as FAULTS
from tests.benchmarks.mutants.faults import planted, sites
from tests.benchmarks.mutants.graph import changed_components
from tests.benchmarks.mutants.peers import ATOLS, Peers
from tests.benchmarks.mutants.reference_memory import remembered
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


def run_plan(verbose: bool, deadline: float, setting: Setting, plan: Plan) -> tuple[list[Outcome], list[str]]:
    """Prove a model and every mutant of it that is planned; return the mutants, and what is said against the model.

    No further mutant is proven after `deadline`, in seconds as of time.time().
    """
    if time.time() > deadline:
        return [], []
    subject = Subject.of(setting)
    with tempfile.TemporaryDirectory() as name, remembered(subject.reference, subject.twin.reference):
        folder = Path(name)
        original = subject.save(subject.graph.model, folder / "original.onnx")
        proofs = [prove_mutant(subject, original, per_component=both) for both in (False, True)]
        refusals = [f"{setting}: {proof.message}" for proof in proofs if proof.refused]

        outcomes = []
        for outcome in _outcomes(subject, plan, folder) if plan else ():
            outcomes.append(outcome)
            if verbose:
                print(outcome, flush=True)
            if time.time() > deadline:
                break
    return outcomes, refusals


def _outcomes(subject: Subject, plan: Plan, folder: Path) -> Iterator[Outcome]:
    """Yield what becomes of each planned mutant; the effect is that of the fault in the twin with trained weights."""
    twin, peers = subject.twin, Peers.of(subject)
    path, twin_path, twin_original = folder / "mutant.onnx", folder / "twin.onnx", folder / "twin_original.onnx"
    probed: list[Probe] = probes(twin, twin.save(twin.graph.model, twin_original))
    for number, node in plan:
        fault = FAULTS[number]
        mutant, twin_mutant = planted(fault, subject.graph, node), planted(fault, twin.graph, node)
        assert mutant is not None, "it was offered"
        assert twin_mutant is not None, "its twin has the same nodes"
        subject.save(mutant.model, path)
        twin.save(twin_mutant.model, twin_path)
        paths = changed_components(twin.graph.model, twin_mutant.model)

        yield Outcome(
            *(fault.kind, fault.name, fault.rare, str(subject.setting), node, paths),
            effect=measure(twin, twin_original, twin_path, paths, probed),
            default=prove_mutant(subject, path),
            by_component=prove_mutant(subject, path, per_component=True),
            peers=(peers.torch_refuses(mutant.model), *(peers.optimum_refuses(path, atol) for atol in ATOLS)),
        )
