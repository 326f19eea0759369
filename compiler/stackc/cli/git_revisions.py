"""Specs as they are in revisions of a git repository, for `stackc diff --git`.

Specs, drawings, Markdown and Python files of a revision are written into a temporary folder, so that what a spec
includes is that of its revision too.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import click

SUFFIXES = frozenset({".yaml", ".yml", ".mmd", ".mermaid", ".md", ".markdown", ".py", ".json"})
"""What a spec can consist of."""


def revisions(range_: str) -> tuple[str, str | None]:
    """Return the two revisions of `REV..REV`; `REV..` ends at HEAD, and `REV` alone at the files as they are (None).

    Raises click.BadParameter for a text without a first revision.
    """
    before, dots, after = range_.partition("..")
    if not before or before.startswith("-") or after.startswith((".", "-")):
        raise click.BadParameter(f"'{range_}' is not REV..REV", param_hint="--git")
    return before, (after or "HEAD") if dots else None


@contextmanager
def inside_revision(revision: str | None, spec: Path) -> Iterator[Path]:
    """Change into the files of a revision, and yield the path of the spec there; None leaves all as it is.

    Raises click.BadParameter if git is missing, the folder is in no repository, or the revision lacks the spec.
    """
    if revision is None:
        yield spec
        return
    folder = spec.parent
    root = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    prefix = _git(folder, "rev-parse", "--show-prefix").decode().strip()
    inside = PurePosixPath(prefix) / spec.name
    name = f"{revision}^{{commit}}"
    commit = _git(folder, "rev-parse", "--verify", "--quiet", name, missing=f"no revision {revision}").decode().strip()
    names = _git(root, "ls-tree", "-r", "-z", "--name-only", commit).decode().split("\0")
    if str(inside).partition("#")[0] not in names:
        raise click.BadParameter(f"{revision} has no {inside}", param_hint="--git")

    patterns = [f"*{suffix}" for suffix in sorted({PurePosixPath(name).suffix for name in names} & SUFFIXES)]
    archive = _git(root, "archive", "--format=tar", commit, "--", *patterns)
    with TemporaryDirectory(prefix="stackc-") as temporary:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(temporary, filter="data")
        with chdir(temporary):
            yield Path(inside)


def _git(folder: Path, *arguments: str, missing: str | None = None) -> bytes:
    """Return what git prints. Raises click.BadParameter with its message, or `missing`, if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise click.BadParameter("git is not installed", param_hint="--git") from None
    if done.returncode:
        message = missing or done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise click.BadParameter(message, param_hint="--git")
    return done.stdout
