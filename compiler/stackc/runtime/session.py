"""Sessions: a model opened on a provider, run and timed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime.feeds import Array, Feeds, ValueInfo, numpy_name
from stackc.runtime.providers import Provider, cause, choose, failures, onnxruntime, open_with


@dataclass(frozen=True, slots=True)
class Session:
    """A model, open: `provider` is what really opened, `reason` why it was taken."""

    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    provider: Provider
    reason: str
    _session: Any = field(repr=False)
    _tensors: Feeds = field(default_factory=dict, repr=False)  # kept alive: ONNX Runtime only points into them

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """The outputs by name. Raises SpecError R406 with ONNX Runtime's word where it cannot run."""
        try:
            values = self._session.run(None, dict(feeds))
        except failures() as error:
            raise _does_not_run(error) from error
        return {output.name: value for output, value in zip(self.outputs, values, strict=True)}

    def bind(self, feeds: Feeds) -> BoundSession:
        """The model on inputs that are put on its device now, once. This is what speed is measured with."""
        ort = onnxruntime()
        device = "cpu" if self.provider == "cpu" else "cuda"
        values = {n: ort.OrtValue.ortvalue_from_numpy(np.asarray(a, order="C"), device, 0) for n, a in feeds.items()}
        binding = self._session.io_binding()
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for output in self.outputs:
            binding.bind_output(output.name, device)
        return BoundSession(self, binding, tuple(values.values()))


def _does_not_run(error: Exception) -> SpecError:
    return SpecError(Diagnostic("R406", f"the model does not run on these inputs: {cause(error)}"))


@dataclass(frozen=True, slots=True)
class BoundSession:
    """A session with its inputs: to call it is to run it once, and leaves the outputs on the device."""

    session: Session
    _binding: Any = field(repr=False)
    _inputs: tuple[Any, ...] = field(repr=False)  # kept alive: on the CPU the binding only points into the arrays

    def __call__(self) -> None:
        """Run, and return when the device is done. Raises SpecError R406 where it cannot run."""
        try:
            self.session._session.run_with_iobinding(self._binding)
            self._binding.synchronize_outputs()
        except failures() as error:
            raise _does_not_run(error) from error

    def launch(self) -> None:
        """Run on the stream that the session was opened with, and do not wait for it. Raises as a call does."""
        try:
            self.session._session.run_with_iobinding(self._binding, _unsynchronized())
        except failures() as error:
            raise _does_not_run(error) from error

    def outputs(self) -> dict[str, Array]:
        """What the last run left on the device, copied from there, by name."""
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
) -> Session:
    """Open a model, from its file or serialized, on a provider: "cpu", "cuda", "tensorrt", or "auto".

    `threads` is the number for one operation, all cores where it is None; `deterministic` forbids kernels whose result
    changes from run to run; `tensors` are the initializers that a serialized model has outside of it; `stream` is the
    CUDA stream, as a number, to work on. Raises SpecError R400 to R404 where the provider does not open, R405 where the
    model does not.
    """
    chosen, reason = choose(provider)
    if isinstance(model, Path) and not os.path.isfile(model):
        raise SpecError(Diagnostic("R405", f"there is no model file {model}"))
    try:
        options = _options(threads, deterministic, tensors or {})
        session = open_with(chosen, model if isinstance(model, bytes) else str(model), options, stream)
    except failures() as error:
        what = "the model" if isinstance(model, bytes) else str(model)
        raise SpecError(Diagnostic("R405", f"ONNX Runtime cannot open {what}: {cause(error)}")) from error
    inputs, outputs = tuple(map(_value, session.get_inputs())), tuple(map(_value, session.get_outputs()))
    return Session(inputs, outputs, chosen, reason, session, tensors or {})


def _options(threads: int | None, deterministic: bool, tensors: Feeds) -> Any:
    ort = onnxruntime()
    options = ort.SessionOptions()
    if tensors:
        values = [ort.OrtValue.ortvalue_from_numpy(np.asarray(tensor)) for tensor in tensors.values()]
        options.add_external_initializers(list(tensors), values)
    options.intra_op_num_threads = threads or 0
    options.use_deterministic_compute = deterministic
    # Threads that spin on after a run take the cores from whatever runs next: eager PyTorch, timed in turns with a
    # session, was three times slower on two cores.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _value(argument: Any) -> ValueInfo:
    """`tensor(float)` becomes float32; a type that is no tensor keeps ONNX Runtime's word for it."""
    element = argument.type.removeprefix("tensor(").removesuffix(")")
    return ValueInfo(argument.name, numpy_name(element), tuple(argument.shape or ()))


def run_once(model: bytes, feeds: Feeds) -> list[Array]:
    """The outputs, in order, of a small serialized model: one run on the CPU, the graph as it is written.

    The same inputs give the same bytes, wherever in memory they lie.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs: list[Array] = session.run(None, {name: _aligned(array) for name, array in feeds.items()})
    return outputs


def _aligned(array: Array, alignment: int = 64) -> Array:
    """The array at an address that `alignment` divides.

    Kernels take sums in another order where an array begins off such an address, and end in other last digits.
    """
    if array.flags.c_contiguous and array.ctypes.data % alignment == 0:
        return array
    buffer = np.empty(array.nbytes + alignment, np.uint8)
    start = -buffer.ctypes.data % alignment
    aligned = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    return aligned
