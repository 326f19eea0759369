"""Whether `stackc reduce` ends, in time and with the same component blamed, for faults planted in the compiler.

Each is met through bert_base or unet, at full size unless `--small`: it has to end below 10 components, in under two
minutes, with the component blamed that the whole model was blamed for, and a build without the fault has to pass.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.reduction.faults import FAULTS, Fault
from tests.reduction.planted import SMALL, Outcome, blamed, reduce_fault

from stackc.core.versions import tool_versions
from stackc.frontend import Overrides
from stackc.pipeline import Options
from stackc.timing.system_load import busy_cores, usage

COMPONENTS = 10
SECONDS = 120.0


def main() -> None:
    """Print a row for each fault; exit status 1 if one is not reduced as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", nargs="*", help="names of faults (default: all)")
    parser.add_argument("--small", action="store_true", help="the models at small sizes, as the tests reduce them")
    parser.add_argument("--show", action="store_true", help="print the reduced specs too")
    options = parser.parse_args()

    named = {fault.name: fault for fault in FAULTS}
    chosen = [named[name] for name in options.faults or named]
    print(f"{os.cpu_count()} cores, {tool_versions()}")
    print("| fault | spec | components | lines | seconds | of CPU | candidates | blamed, before and after | others |")
    print("|---|---|---|---|---|---|---|---|---|")
    missed = [fault.name for fault in chosen if not _row(fault, options.small, options.show)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} as they should be{': not ' * bool(missed)}{', '.join(missed)}")
    sys.exit(1 if missed else 0)


def _row(fault: Fault, small: bool, show: bool) -> bool:
    """Reduce one fault and print its row; return whether it ended as it should."""
    overrides = SMALL[fault.spec] if small else Overrides()
    with tempfile.TemporaryDirectory() as folder:
        before = usage()
        outcome = reduce_fault(fault, overrides, Path(folder))
        others = busy_cores(before, usage())
        sound = not blamed(outcome.file, Options(out=Path(folder) / "out", measure=False))

    reduced = outcome.reduced
    size = f"{reduced.components} of {reduced.before}" if reduced.components is not None else "text"
    print(
        f"| {fault.name} | {fault.spec} | {size} | {len(reduced.text.splitlines())} | {outcome.seconds:.1f} "
        f"| {outcome.cpu:.1f} | {reduced.tried} | {_blame(outcome)} | {'' if others is None else f'{others:.1f}'} |",
        flush=True,
    )
    if show:
        print(reduced.text)
    small_enough = reduced.components is not None and reduced.components < COMPONENTS
    return small_enough and outcome.seconds < SECONDS and outcome.same and sound and fault.op in ("", outcome.blamed[1])


def _blame(outcome: Outcome) -> str:
    before = ", ".join(outcome.blamed)
    return before if outcome.same else f"{before}; then {'; '.join(map(', '.join, outcome.after)) or 'nothing'}"


if __name__ == "__main__":
    main()
