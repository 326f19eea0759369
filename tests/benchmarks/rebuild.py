"""What a rebuild costs: `stackc build --no-verify` of bert_base with its weights from a file and all components cached,
whole processes in turns with copying that file, both with the data on disk at the end. At most the copy and 3 s.
From the project's folder: `python -m tests.benchmarks.rebuild`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.weights_file import Sample, bert

from stackc.core.versions import tool_versions
from stackc.timing import measure

ABOVE = 3.0
TORCH = "import sys, stackc.cli; stackc.cli.cli(standalone_mode=False); sys.exit('torch' in sys.modules)"


def main() -> None:
    """Print both medians; exit status 1 where the rebuild takes more than it may, or imports PyTorch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="builds and copies (default: 7)")
    parser.add_argument("--folder", type=Path, help="where files go, 2 GB (default: a temporary folder)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {tool_versions()}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.environ["STACKC_CACHE"] = f"{folder}/cache"
        sys.exit(not _compare(bert(Path(folder), {}), Path(folder), options.rounds))


def _compare(sample: Sample, folder: Path, rounds: int) -> bool:
    command = [*sample.arguments, "--no-verify", "--out", str(folder / "out")]
    _run("-m", "stackc", "build", *command)  # fills the cache
    torch = _run("-c", TORCH, "build", *command)
    candidates = {
        "copy": lambda: _copy(sample.weights, folder / "copy"),
        "rebuild": lambda: _run("-m", "stackc", "build", *command),
    }
    compared = measure(candidates, seconds=0, rounds=(rounds, rounds))
    copy, build = (compared.timings[name].median for name in candidates)
    others = "unknown" if compared.others is None else f"{compared.others:.2f}"
    print(f"{sample.size / 1e9:.2f} GB of weights copied in {copy:.2f} s, the rebuild takes {build:.2f} s:", end=" ")
    print(f"{build - copy:.2f} s more  [at most {ABOVE} s]; torch imported: {bool(torch)}; cores of others {others}")
    return bool(build - copy <= ABOVE and not torch)


def _run(*arguments: str) -> int:
    return subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=False).returncode


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    subprocess.run(["cp", str(source), str(target)], check=True)
    with target.open("rb") as file:
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
