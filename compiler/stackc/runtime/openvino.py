"""OpenVINO, the other runtime of ONNX files on a CPU, where it is installed: nothing but `stackc bench` asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from stackc.runtime.feeds import Array, Feeds

INSTALL = "pip install openvino"


def has_openvino() -> bool:
    """Whether the package can be imported."""
    return find_spec("openvino") is not None


def openvino() -> Any:
    """The openvino module, imported when it is first asked for."""
    import openvino

    return openvino


@dataclass(frozen=True, slots=True)
class Request:
    """A model with its inputs, open on the CPU: to call it is to run it once."""

    _request: Any = field(repr=False)
    _names: tuple[str, ...]
    _inputs: tuple[Any, ...] = field(repr=False)  # kept alive: OpenVINO only points into the arrays

    def __call__(self) -> None:
        """Run, and return when it is done."""
        self._request.infer(share_outputs=True)

    def outputs(self) -> dict[str, Array]:
        """What the last run left, copied, by name."""
        return {name: np.array(self._request.get_output_tensor(i).data) for i, name in enumerate(self._names)}


def open_request(model: Path, feeds: Feeds, threads: int) -> Request:
    """Open a model on inputs, for the shortest time of one run. Raises RuntimeError with OpenVINO's word for why not.

    Its CPU plugin rounds to bfloat16 where the processor is faster with that; float32 has to mean float32.
    """
    ov = openvino()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",
    }
    compiled = ov.Core().compile_model(str(model), "CPU", settings)
    request = compiled.create_infer_request()
    tensors = {name: ov.Tensor(np.ascontiguousarray(a), shared_memory=True) for name, a in feeds.items()}
    for name, tensor in tensors.items():
        request.set_tensor(name, tensor)
    names = tuple(output.get_any_name() for output in compiled.outputs)
    return Request(request, names, tuple(tensors.values()))
