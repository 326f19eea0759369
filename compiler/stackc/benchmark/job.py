"""What a process is asked to time, and what it answers: lines of JSON, the same on both sides of the pipe."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

from stackc.core.diagnostics import Diagnostic
from stackc.runtime import Provider

Engine = Literal["eager", "compile", "onnx", "openvino"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
MODULES: tuple[Engine, ...] = ("eager", "compile")
"""Those that run the PyTorch module of a spec; the others run an ONNX file."""


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """One candidate: `source` is the spec of a module, or else an ONNX file.

    `inputs` is an .npz that is there, `outputs` one that is to be written. A module without `weights`, a file of
    tensors, draws them from `seed`; the code of the Python modules that `trust` names may run, which are looked for in
    the folder `beside` as well.
    """

    engine: Engine
    source: str
    provider: Provider
    threads: int
    inputs: str
    outputs: str
    weights: str | None = None
    seed: int = 0
    trust: tuple[str, ...] = ()
    beside: str = "."

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where it runs, as PyTorch calls it."""
        return "cpu" if self.provider == "cpu" else "cuda"


@dataclass(frozen=True, slots=True)
class Opened:
    """A candidate that has run once.

    `load_seconds` count from its libraries, which are imported by then, to its first outputs. `clock` is what its runs
    are timed by; `off_provider` has a line for each component that is not wholly on the provider.
    """

    load_seconds: float
    clock: str
    off_provider: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """The most bytes that a candidate took beyond what its process had before; None where that is not counted.

    `device` is what it holds on the GPU.
    """

    peak: int | None
    device: int | None


def job_line(job: WorkerTask) -> str:
    """A job as one line."""
    return json.dumps(dataclasses.asdict(job))


def read_job(line: str) -> WorkerTask:
    """The job of a line."""
    fields = json.loads(line)
    return WorkerTask(**{**fields, "trust": tuple(fields["trust"])})


def error_text(diagnostics: tuple[Diagnostic, ...]) -> dict[str, Any]:
    """An answer that says why there is none."""
    return {"failed": [{"code": d.code, "message": d.message, "hint": d.hint} for d in diagnostics]}
