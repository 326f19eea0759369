"""Messages between `stackc bench` and the processes of candidates: lines of JSON."""

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
"""The engines that run the PyTorch module of a spec; the others run an ONNX file."""


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """One candidate to time: `source` is the spec of a module, or an ONNX file.

    `inputs` is an .npz to read, `outputs` one to write. A module without `weights`, files of tensors, draws them from
    `seed`. `flush_denormals` is for ONNX Runtime. `trust` names the Python modules whose code may run; they may be in
    the folder `beside`.
    """

    engine: Engine
    source: str
    provider: Provider
    threads: int
    inputs: str
    outputs: str
    weights: tuple[str, ...] = ()
    seed: int = 0
    trust: tuple[str, ...] = ()
    beside: str = "."
    flush_denormals: bool = False

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """The device to run on, by PyTorch's name."""
        return "cpu" if self.provider == "cpu" else "cuda"


@dataclass(frozen=True, slots=True)
class Opened:
    """A candidate that has run once.

    `load_seconds` is the time from imported libraries to the first outputs. `clock` is the one that times its runs;
    `off_provider` has a line for each component with nodes off the provider.
    """

    load_seconds: float
    clock: str
    off_provider: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """The peak bytes of a candidate beyond what its process had before; None if the system does not count them.

    `device` are the bytes it holds on the GPU.
    """

    peak: int | None
    device: int | None


def task_line(task: WorkerTask) -> str:
    """Write a task as one line."""
    return json.dumps(dataclasses.asdict(task))


def read_task(line: str) -> WorkerTask:
    """Parse a task from its line."""
    fields = json.loads(line)
    return WorkerTask(**{**fields, "trust": tuple(fields["trust"])})


def error_answer(diagnostics: tuple[Diagnostic, ...]) -> dict[str, Any]:
    """Return the answer of a process that failed."""
    return {"failed": [{"code": d.code, "message": d.message, "hint": d.hint} for d in diagnostics]}
