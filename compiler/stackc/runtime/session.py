"""Sessions: a model opened on a provider, and run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime.feeds import Array, Feeds, ValueInfo, numpy_name
from stackc.runtime.onnxruntime_internals import error_cause, error_types, onnxruntime
from stackc.runtime.providers import Provider, choose, open_with

OPTIMIZED = "optimized.onnx"
"""The graph that a session with a profile runs: after ONNX Runtime's fusions, with its weights beside it."""

_BFLOAT16 = 16
"""The number of the element type in ONNX's TensorProto."""


@dataclass(frozen=True, slots=True)
class Session:
    """An open model: `provider` is the one that really opened, `reason` says why it was chosen."""

    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    provider: Provider
    reason: str
    _session: Any = field(repr=False)
    _tensors: Feeds = field(default_factory=dict, repr=False)  # kept alive: ONNX Runtime only points into them

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Return the outputs by name. Raises SpecError (R406) with ONNX Runtime's message if the run fails."""
        try:
            if any(array.dtype == ml_dtypes.bfloat16 for array in feeds.values()):
                entering = {name: _ort_value(array) for name, array in feeds.items()}
                values = [value.numpy() for value in self._session.run_with_ort_values(None, entering)]
            else:
                values = self._session.run(None, dict(feeds))
        except error_types() as error:
            raise _run_error(error) from error
        return {output.name: value for output, value in zip(self.outputs, values, strict=True)}

    def end_profile(self) -> Path:
        """End the profile of a session that was opened with one, and return its file, in JSON."""
        return Path(self._session.end_profiling())

    def bind(self, feeds: Feeds) -> BoundSession:
        """Copy inputs to the device of the model once, and bind them. Speed is measured on the result."""
        device = "cpu" if self.provider == "cpu" else "cuda"
        values = {name: _ort_value(array, device) for name, array in feeds.items()}

        binding = self._session.io_binding()
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for output in self.outputs:
            binding.bind_output(output.name, device)
        return BoundSession(self, binding, tuple(values.values()))


def _ort_value(array: Array, device: str = "cpu") -> Any:
    """Copy an array to a device; bfloat16, which ONNX Runtime takes by its bits alone, stays on the CPU."""
    values, ordered = onnxruntime().OrtValue, np.asarray(array, order="C")
    if ordered.dtype == ml_dtypes.bfloat16:
        return values.ortvalue_from_numpy_with_onnx_type(ordered.view(np.uint16), _BFLOAT16)
    return values.ortvalue_from_numpy(ordered, device, 0)


def _run_error(error: Exception) -> SpecError:
    return SpecError(Diagnostic("R406", f"the model does not run on these inputs: {error_cause(error)}"))


@dataclass(frozen=True, slots=True)
class BoundSession:
    """A session with its inputs; a call runs it once, and leaves the outputs on the device."""

    session: Session
    _binding: Any = field(repr=False)
    _inputs: tuple[Any, ...] = field(repr=False)  # kept alive: on the CPU the binding only points into the arrays

    def __call__(self) -> None:
        """Run, and wait until the device is done. Raises SpecError (R406) if the run fails."""
        try:
            self.session._session.run_with_iobinding(self._binding)
            self._binding.synchronize_outputs()
        except error_types() as error:
            raise _run_error(error) from error

    def launch(self) -> None:
        """Start a run on the stream that the session was opened with, without waiting for it. Raises like a call."""
        try:
            self.session._session.run_with_iobinding(self._binding, _unsynchronized())
        except error_types() as error:
            raise _run_error(error) from error

    def outputs(self) -> dict[str, Array]:
        """Copy the outputs of the last run from the device, by name."""
        values = self._binding.copy_outputs_to_cpu()
        return {output.name: value for output, value in zip(self.session.outputs, values, strict=True)}


@cache
def _unsynchronized() -> Any:
    options = onnxruntime().RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    return options


def open_session(
    model: Path | bytes,
    provider: str = "auto",
    *,
    threads: int | None = None,
    deterministic: bool = False,
    tensors: Feeds | None = None,
    stream: int | None = None,
    optimize: bool = True,
    prepack: bool = True,
    profile: Path | None = None,
    flush_denormals: bool = False,
) -> Session:
    """Open a model, from its file or serialized, on a provider: "cpu", "cuda", "tensorrt", or "auto".

    `threads` is the number for one operation, None for all cores; `deterministic` forbids kernels whose result changes
    from run to run; `tensors` are the initializers that a serialized model does not contain; `stream` is the CUDA
    stream to run on, as a number; `optimize=False` runs the graph as it is written; `prepack=False` opens without
    copying matrices into the layout of the kernels, for a session that is run once; `profile` is a folder for the time
    of each node, and for OPTIMIZED, the graph that is run; `flush_denormals` takes numbers below 1e-38 for zero, which
    holds for this thread and all that start later, and only in the first session of a process. Raises SpecError: R400
    to R404 if the provider does not open, R405 if the model does not.
    """
    chosen, reason = choose(provider)
    if isinstance(model, Path) and not os.path.isfile(model):
        raise SpecError(Diagnostic("R405", f"there is no model file {model}"))

    try:
        options = _options(threads, deterministic, tensors or {})
        if not optimize:
            options.graph_optimization_level = onnxruntime().GraphOptimizationLevel.ORT_DISABLE_ALL
        if not prepack:
            options.add_session_config_entry("session.disable_prepacking", "1")
        if flush_denormals:
            options.add_session_config_entry("session.set_denormal_as_zero", "1")
        if profile is not None:
            _profile_into(options, profile)
        session = open_with(chosen, model if isinstance(model, bytes) else str(model), options, stream)
    except error_types() as error:
        subject = "the model" if isinstance(model, bytes) else str(model)
        raise SpecError(Diagnostic("R405", f"ONNX Runtime cannot open {subject}: {error_cause(error)}")) from error

    inputs = tuple(map(_value_info, session.get_inputs()))
    outputs = tuple(map(_value_info, session.get_outputs()))
    return Session(inputs, outputs, chosen, reason, session, tensors or {})


def _options(threads: int | None, deterministic: bool, tensors: Feeds) -> Any:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.use_deterministic_compute = deterministic
    if tensors:
        values = [ort.OrtValue.ortvalue_from_numpy(np.asarray(tensor)) for tensor in tensors.values()]
        options.add_external_initializers(list(tensors), values)

    # Threads that keep spinning after a run take the cores from whatever runs next: eager PyTorch, timed in turns with
    # a session, was three times slower on two cores.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # `placement` reads this information
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _profile_into(options: Any, folder: Path) -> None:
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.optimized_model_filepath = str(folder / OPTIMIZED)
    key = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{key}_file_name", f"{OPTIMIZED}.data")
    options.add_session_config_entry(f"{key}_min_size_in_bytes", "1024")


def _value_info(argument: Any) -> ValueInfo:
    """Describe an input or output: `tensor(float)` is float32; other types than tensors keep ONNX Runtime's name."""
    element = argument.type.removeprefix("tensor(").removesuffix(")")
    return ValueInfo(argument.name, numpy_name(element), tuple(argument.shape or ()))


def run_once(model: bytes, feeds: Feeds) -> list[Array]:
    """Run a small serialized model once on the CPU, without graph optimizations, and return its outputs in order.

    The same inputs give the same bytes, whatever their addresses in memory.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs: list[Array] = session.run(None, {name: _aligned(array) for name, array in feeds.items()})
    return outputs


def _aligned(array: Array, alignment: int = 64) -> Array:
    """Return the array at an address that `alignment` divides, copied if necessary.

    Kernels sum in another order if an array is not aligned, and the last digits of the result differ.
    """
    if array.flags.c_contiguous and array.ctypes.data % alignment == 0:
        return array
    buffer = np.empty(array.nbytes + alignment, np.uint8)
    start = -buffer.ctypes.data % alignment
    aligned = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    return aligned
