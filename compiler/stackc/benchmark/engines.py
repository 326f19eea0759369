"""The engines that a process can time: a PyTorch module, eager or compiled, and ONNX Runtime and OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackc.artifact.stored_weights import open_all_weights
from stackc.benchmark.job import WorkerTask
from stackc.benchmark.stopwatch import Stopwatch, stopwatch
from stackc.components.custom.trusted_imports import TrustedImports
from stackc.core.torch_internals import import_inductor
from stackc.frontend import Checked, Overrides, check_spec
from stackc.runtime import Array, Feeds, off_provider_lines, open_session
from stackc.runtime.openvino import open_request, openvino
from stackc.runtime.providers import choose
from stackc.timing.candidates import eager_candidate
from stackc.timing.interleave import Candidate
from stackc.weights.files import describe_paths
from stackc.weights.match import match_program


@dataclass(frozen=True)
class LoadedCandidate:
    """A candidate with its inputs on its device: `run` runs it once, `outputs` returns the outputs of the last run.

    `outputs` gets what that run returned, for engines that do not keep it.
    """

    run: Candidate
    outputs: Callable[[object], Mapping[str, Array]]
    off_provider: tuple[str, ...] = ()


Load = Callable[[], LoadedCandidate]


def open_engine(task: WorkerTask, feeds: Feeds) -> tuple[Load, Stopwatch]:
    """Prepare a candidate, imports first, and return the function that loads it: only that is part of its load time."""
    engine = {"eager": _module, "compile": _module, "onnx": _session, "openvino": _request}[task.engine]
    watch = stopwatch(task.device)
    return engine(task, feeds, watch), watch


def _module(task: WorkerTask, feeds: Feeds, watch: Stopwatch) -> Load:
    """Prepare a PyTorch module, of which loading puts the weights into it.

    Random weights are drawn beforehand: other candidates have theirs in a file.
    """
    import torch

    from stackc.proof.eager import tensor_of
    from stackc.torch_backend.lower import lower_with

    if task.engine == "compile":
        import_inductor()

    torch.set_num_threads(task.threads)
    torch.backends.cudnn.allow_tf32 = False  # compute in true float32, as the sessions do
    with TrustedImports(task.trust, (task.beside,)):
        checked = check_spec(Path(task.source), Overrides(trust=task.trust))
    tensors = _tensors(task, checked)

    def load() -> LoadedCandidate:
        module = lower_with(checked.typed, tensors, seed=task.seed).to(task.device)
        if task.engine == "compile":
            module.compile(dynamic=False)
        inputs = [tensor_of(feeds[name]).to(task.device) for name in checked.program.inputs]
        run = eager_candidate(module, inputs, wait=watch.stream is None)
        return LoadedCandidate(run, lambda results: _by_name(checked.program.outputs, results))

    return load


def _tensors(task: WorkerTask, checked: Checked) -> Mapping[str, Array]:
    """Return the weights of a module: of the file of the task, or drawn from its seed."""
    from stackc.torch_backend.lower import lower

    if task.weights:
        paths = tuple(map(Path, task.weights))
        decl = checked.document.weights
        return match_program(
            open_all_weights(paths), checked.program, decl, checked.graph.params, describe_paths(paths)
        )
    drawn = lower(checked.typed, seed=task.seed).state_dict()
    return {name: tensor.detach().numpy() for name, tensor in drawn.items()}


def _by_name(names: Iterable[str], results: Any) -> dict[str, Array]:
    values = results if isinstance(results, tuple) else (results,)
    return {name: value.cpu().numpy() for name, value in zip(names, values, strict=True)}


def _session(task: WorkerTask, feeds: Feeds, watch: Stopwatch) -> Load:
    """Prepare a session of ONNX Runtime."""
    choose(task.provider)  # imports ONNX Runtime and opens the provider

    def load() -> LoadedCandidate:
        session = open_session(
            Path(task.source),
            task.provider,
            threads=task.threads,
            stream=watch.stream,
            flush_denormals=task.flush_denormals,
        )
        bound = session.bind(feeds)
        run = bound if watch.stream is None else bound.launch
        off_provider = tuple(off_provider_lines(session)) if task.provider != "cpu" else ()
        return LoadedCandidate(run, lambda _: bound.outputs(), off_provider)

    return load


def _request(task: WorkerTask, feeds: Feeds, watch: Stopwatch) -> Load:
    """Prepare a model in OpenVINO."""
    openvino()

    def load() -> LoadedCandidate:
        request = open_request(Path(task.source), feeds, task.threads)
        return LoadedCandidate(request, lambda _: request.outputs())

    return load


def contiguous(feeds: Feeds) -> dict[str, Array]:
    """Return the inputs in a layout that every engine takes without a copy."""
    return {name: np.ascontiguousarray(array) for name, array in feeds.items()}
