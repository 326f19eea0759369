"""The hook of pre-commit: check the specs among the files of a commit, and keep their drawings up to date.

`python -m stackc.cli.pre_commit FILE…` passes over files that are no specs. A drawing NAME.svg beside a spec NAME.yaml
is written anew where it differs from what `stackc show` draws, and the hook fails, as pre-commit's formatters do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from stackc.cli.pictures import draw_picture, write_file
from stackc.cli.report import report_diagnostics
from stackc.cli.screen import echo
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_spec

_SPEC = re.compile(r"^[\"']?stackc[\"']?[ \t]*:", re.MULTILINE)


def main(files: Sequence[str]) -> int:
    """Return the exit status: 0 if all specs are right and their drawings current, else 1."""
    failed = [path for path in map(Path, files) if _is_spec(path) and not _holds(path)]
    return int(bool(failed))


def _is_spec(path: Path) -> bool:
    """Return whether a file has a line that begins with `stackc:`."""
    try:
        return _SPEC.search(path.read_text(encoding="utf-8-sig")) is not None
    except UnicodeDecodeError:
        return False


def _holds(path: Path) -> bool:
    """Return whether a spec is right and its drawing current; print what is wrong, and write the drawing."""
    try:
        checked = check_spec(path)
        drawing = path.with_suffix(".svg")
        if not drawing.is_file():
            return True
        before = drawing.read_bytes()
        write_file(drawing, draw_picture(checked, ".svg", 1))
    except SpecError as error:
        report_diagnostics(error)
        return False

    if before != drawing.read_bytes():
        echo(f"{drawing} was not what stackc draws of {path}; it is now", err=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
