"""The outcomes of draws in a file of lines of JSON, so that a run that was interrupted goes on where it stopped.

The first line says which compiler, settings and specs the draws are of; every other one is a draw. Processes append
whole lines, each with one write; what a kill has left of a last line is dropped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.export.cache_key import compiler_versions


@dataclass(frozen=True)
class Outcome:
    """What the proofs of one draw came to in one setting."""

    threads: int
    optimize: bool
    refused: bool
    factors: tuple[float, ...]
    """The factors of the spread by which a distance would have been refused."""


@dataclass(frozen=True)
class Draw:
    """A spec with one seed of weights and inputs, proven in every setting."""

    spec: str
    seed: int
    outcomes: tuple[Outcome, ...]


class DrawLog:
    """The draws of one benchmark, in a file, or nowhere if there is none."""

    def __init__(self, path: Path | None, specs: Mapping[str, str]) -> None:
        """Open or begin the log of draws of these specs. Raises ValueError if the file is the log of something else."""
        self.path = path
        if path is None:
            return

        digest = hashlib.sha256(json.dumps(dict(specs), sort_keys=True).encode()).hexdigest()
        header = json.dumps({"compiler": compiler_versions(), "specs": digest})
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        if lines and not lines[-1].endswith(b"\n"):
            os.truncate(path, sum(map(len, lines[:-1])))
        if len(lines) <= 1 and not (lines and lines[0].endswith(b"\n")):
            path.write_text(header + "\n", encoding="utf-8")
        elif lines[0].decode() != header + "\n":
            raise ValueError(f"{path} has draws of another compiler or other specs: {lines[0].decode().strip()}")

    def add(self, draw: Draw) -> None:
        """Append a draw."""
        if self.path is not None:
            with self.path.open("ab", buffering=0) as file:
                file.write(json.dumps(dataclasses.asdict(draw)).encode() + b"\n")

    def draws(self) -> Iterator[Draw]:
        """Yield the draws of the file."""
        lines = self.path.read_text(encoding="utf-8").splitlines()[1:] if self.path is not None else []
        for line in lines:
            draw = json.loads(line)
            outcomes = tuple(Outcome(**{**each, "factors": tuple(each["factors"])}) for each in draw["outcomes"])
            yield Draw(draw["spec"], draw["seed"], outcomes)
