"""`PYTHONPATH=compiler python -m handbook -o build/site`: build the site, and hold it to its links."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from handbook.links import problems
from handbook.sources import write_sources


def main() -> None:
    """Build; exit status 1 if the site generator complains, or a link leads to nothing."""
    parser = argparse.ArgumentParser(prog="python -m handbook", description="Build the site of stackc.")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/site"), help="default: build/site")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        settings = write_sources(Path(folder))
        zensical = Path(sys.executable).with_name("zensical")
        subprocess.run([zensical, "build", "--strict", "-f", settings], check=True)
        found = [*problems(Path(folder) / "site")]
        if options.out.exists():
            shutil.rmtree(options.out)
        shutil.copytree(Path(folder) / "site", options.out)

    for line in found:
        print(line, file=sys.stderr)
    print(f"{len([*options.out.rglob('*.html')])} pages in {options.out}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
