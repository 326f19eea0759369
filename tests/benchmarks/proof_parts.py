"""What each part of a proof costs: outputs, tensors of the file, components by themselves, constants jittered.

Processor time of this process, one thread, medians: wall time says little on a machine that others use. Tensors,
components and constants together take at most 3 s for bert_base. `prove_sizes` is the proof at the largest sizes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import torch

from stackc.core.versions import tool_versions
from stackc.export import link_program, write_model
from stackc.frontend import check_spec
from stackc.proof import parity
from stackc.proof.components import Reference
from stackc.runtime import open_session
from stackc.torch_backend.lower import lower

SPECS = Path(__file__).parents[2] / "specs"
ADDED = ("compare_tensors", "_prove_by_component", "jitter_constants", "_prove_jittered")
PARTS = ("_prove_outputs", *ADDED, "prove_sizes")
MOST = 3.0


def main() -> None:
    """Print the medians of each part; exit status 1 if the new parts take more than they may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default="bert_base", help="a spec of specs/ (default: bert_base)")
    parser.add_argument("--rounds", type=int, default=5, help="proofs (default: 5)")
    options = parser.parse_args()
    print(tool_versions())

    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = defaultdict(list)
    for name in PARTS:
        setattr(parity, name, _timed(name, getattr(parity, name), seconds))

    checked = check_spec(SPECS / f"{options.spec}.yaml")
    module, linked = lower(checked.typed), link_program(checked.program)
    tensors = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(linked, tensors, Path(folder)).paths[0]
        session, reference = open_session(path, "cpu", threads=1), Reference.of(module)
        for _ in range(options.rounds):
            program, ranges = checked.program, checked.ranges
            parity.prove(program, reference, session, path, ranges, linked=linked.graph, threads=1)

    medians = {name: statistics.median(seconds[name]) for name in PARTS if seconds[name]}
    for name, median in medians.items():
        print(f"{name.removeprefix('_'):20} {median:6.2f} s  ({min(seconds[name]):.2f} to {max(seconds[name]):.2f})")
    added = sum(median for name, median in medians.items() if name in ADDED)
    print(f"tensors, components, constants: {added:.2f} s  [at most {MOST}]")
    sys.exit(added > MOST)


def _timed(name: str, function: Callable[..., Any], seconds: dict[str, list[float]]) -> Callable[..., Any]:
    @wraps(function)
    def timed(*arguments: Any, **keywords: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments, **keywords)
        finally:
            seconds[name].append(time.process_time() - start)

    return timed


if __name__ == "__main__":
    main()
