"""OpenVINO, another runtime for ONNX files on a CPU, if it is installed: for `stackc bench` and `stackc deploy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime.feeds import Array, Feeds

INSTALL = "pip install openvino"


def has_openvino() -> bool:
    """Return whether the package is installed."""
    return find_spec("openvino") is not None


def openvino() -> Any:
    """Import openvino on first use."""
    import openvino

    return openvino


@dataclass(frozen=True, slots=True)
class Request:
    """A model open on the CPU with its inputs; a call runs it once."""

    _request: Any = field(repr=False)
    _names: tuple[str, ...]
    _inputs: tuple[Any, ...] = field(repr=False)  # kept alive: OpenVINO only points into the arrays

    def __call__(self) -> None:
        """Run, and wait until it is done."""
        self._request.infer(share_outputs=True)

    def outputs(self) -> dict[str, Array]:
        """Return copies of the outputs of the last run, by name."""
        return {name: np.array(self._request.get_output_tensor(i).data) for i, name in enumerate(self._names)}

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Run on other inputs, beside its own, and return the outputs by name."""
        request = self._request.get_compiled_model().create_infer_request()
        request.infer({name: np.ascontiguousarray(array) for name, array in feeds.items()})
        return Request(request, self._names, ()).outputs()


def open_request(model: Path, feeds: Feeds, threads: int, *, bfloat16: bool = False) -> Request:
    """Open a model with its inputs, for the lowest latency. Raises RuntimeError with OpenVINO's message if that fails.

    Its CPU plugin rounds to bfloat16 on processors that are faster with it: float32 is asked for, or that.
    """
    ov = openvino()
    compiled = ov.Core().compile_model(str(model), "CPU", _settings(threads, bfloat16=bfloat16))

    request = compiled.create_infer_request()
    tensors = {name: ov.Tensor(np.ascontiguousarray(a), shared_memory=True) for name, a in feeds.items()}
    for name, tensor in tensors.items():
        request.set_tensor(name, tensor)

    names = tuple(output.get_any_name() for output in compiled.outputs)
    return Request(request, names, tuple(tensors.values()))


def _settings(threads: int | None, *, bfloat16: bool = False) -> dict[str, str | int]:
    settings: dict[str, str | int] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        "EXECUTION_MODE_HINT": "PERFORMANCE" if bfloat16 else "ACCURACY",
    }
    return settings if threads is None else settings | {"INFERENCE_NUM_THREADS": threads}


def convert_to_ir(model: Path, target: Path) -> None:
    """Write an ONNX file in OpenVINO's format, its weights as they are. Raises SpecError D805 if that fails."""
    ov = openvino()
    try:
        ov.save_model(ov.Core().read_model(str(model)), str(target), compress_to_fp16=False)
    except RuntimeError as error:
        raise _refusal("convert", error) from error


def run_openvino(model: Path, runs: Sequence[Feeds], threads: int | None = None) -> list[dict[str, Array]]:
    """Run a file on the CPU in float32 on each of some inputs. Raises SpecError D805 with OpenVINO's message."""
    try:
        compiled = openvino().Core().compile_model(str(model), "CPU", _settings(threads))
        names = [output.get_any_name() for output in compiled.outputs]
        return [
            {name: np.array(value) for name, value in zip(names, compiled(dict(feeds)).values(), strict=True)}
            for feeds in runs
        ]
    except RuntimeError as error:
        raise _refusal("run", error) from error


def _refusal(verb: str, error: RuntimeError) -> SpecError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hint = "deploy the ONNX file itself: `--to triton` or `--to package`"
    return SpecError(Diagnostic("D805", f"OpenVINO does not {verb} the model: {lines[-1]}", hint=hint))
