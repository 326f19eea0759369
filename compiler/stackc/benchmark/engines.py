"""What a process can time: a PyTorch module, eagerly or compiled, and an ONNX file in ONNX Runtime or OpenVINO."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackc.benchmark.job import WorkerTask
from stackc.benchmark.stopwatch import Stopwatch, stopwatch
from stackc.core.torch_internals import import_inductor
from stackc.frontend import Overrides, check_spec
from stackc.runtime import Array, Feeds, off_provider_lines, open_session
from stackc.runtime.openvino import open_request, openvino
from stackc.runtime.providers import choose
from stackc.timing.candidates import eager_candidate
from stackc.timing.interleave import Candidate
from stackc.weights.files import open_weights
from stackc.weights.match import match_weights


@dataclass(frozen=True)
class Ready:
    """A candidate with its inputs on its device: `run` runs it once, `outputs` names what the last run made.

    It is given what that run returned, for an engine that does not keep it.
    """

    run: Candidate
    outputs: Callable[[object], Mapping[str, Array]]
    off_provider: tuple[str, ...] = ()


Load = Callable[[], Ready]


def open_engine(job: WorkerTask, feeds: Feeds) -> tuple[Load, Stopwatch]:
    """All that is no candidate's own is done now, imports first; what is returned loads the candidate."""
    engine = {"eager": _module, "compile": _module, "onnx": _session, "openvino": _request}[job.engine]
    watch = stopwatch(job.device)
    return engine(job, feeds, watch), watch


def _module(job: WorkerTask, feeds: Feeds, watch: Stopwatch) -> Load:
    """Loading is to put the weights into a module; random ones are drawn before, as they are for no other candidate."""
    import torch

    from stackc.torch_backend.lower import load_weights, lower

    if job.engine == "compile":
        import_inductor()

    torch.backends.cudnn.allow_tf32 = False  # float32 has to mean float32, as in the sessions
    if job.trust:
        sys.path.append(job.beside)
    checked = check_spec(Path(job.source), Overrides(trust=job.trust))
    tensors: Mapping[str, Array]
    if job.weights is None:
        drawn = lower(checked.typed, seed=job.seed).state_dict()
        tensors = {name: tensor.detach().numpy() for name, tensor in drawn.items()}
    else:
        file = Path(job.weights)
        tensors = match_weights(open_weights(file), checked.program.tensors(), checked.document.weights, file.name)

    def load() -> Ready:
        module = load_weights(lower(checked.typed, device="meta"), tensors).to(job.device)
        if job.engine == "compile":
            module.compile(dynamic=False)
        inputs = [torch.from_numpy(feeds[name]).to(job.device) for name in checked.program.inputs]
        run = eager_candidate(module, inputs, job.threads, wait=watch.stream is None)
        return Ready(run, lambda made: _named(checked.program.outputs, made))

    return load


def _named(names: Iterable[str], made: Any) -> dict[str, Array]:
    values = made if isinstance(made, tuple) else (made,)
    return {name: value.cpu().numpy() for name, value in zip(names, values, strict=True)}


def _session(job: WorkerTask, feeds: Feeds, watch: Stopwatch) -> Load:
    choose(job.provider)  # which imports ONNX Runtime and opens the provider

    def load() -> Ready:
        session = open_session(Path(job.source), job.provider, threads=job.threads, stream=watch.stream)
        bound = session.bind(feeds)
        run = bound if watch.stream is None else bound.launch
        return Ready(
            run, lambda _: bound.outputs(), tuple(off_provider_lines(session)) if job.provider != "cpu" else ()
        )

    return load


def _request(job: WorkerTask, feeds: Feeds, watch: Stopwatch) -> Load:
    openvino()

    def load() -> Ready:
        request = open_request(Path(job.source), feeds, job.threads)
        return Ready(request, lambda _: request.outputs())

    return load


def contiguous(feeds: Feeds) -> dict[str, Array]:
    """The inputs as every engine can take them without a copy."""
    return {name: np.ascontiguousarray(array) for name, array in feeds.items()}
