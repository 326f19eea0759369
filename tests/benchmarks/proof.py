"""What the default proof of bert_base costs: whole builds with it in turns with builds that end after the export.

Random weights, every component compiled anew in both, no timing in either. At most 10 s more.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from stackc.core.versions import tool_versions
from stackc.timing import measure

SPEC = Path(__file__).parents[2] / "specs" / "bert_base.yaml"
ABOVE = 10.0


def main() -> None:
    """Print both medians; exit status 1 where the proof takes more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="builds of each kind (default: 3)")
    rounds: int = parser.parse_args().rounds
    print(f"{os.cpu_count()} cores, {tool_versions()}")
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "stackc", "build", str(SPEC), "--no-cache", "--provider", "cpu", "--out", folder]
        run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
        kinds = {"export": [*build, "--no-verify"], "proof": [*build, "--no-bench"]}
        candidates = {name: partial(run, command) for name, command in kinds.items()}
        compared = measure(candidates, seconds=0, rounds=(rounds, rounds), window=1)
    export, proof = (compared.timings[name].median for name in kinds)
    others = "unknown" if compared.others is None else f"{compared.others:.2f}"
    print(f"a build without proof takes {export:.1f} s, with it {proof:.1f} s:", end=" ")
    print(f"{proof - export:.1f} s more  [at most {ABOVE} s]; cores of others {others}")
    sys.exit(proof - export > ABOVE)


if __name__ == "__main__":
    main()
