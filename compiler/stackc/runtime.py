"""ONNX Runtime, and nothing else of the project knows it: sessions, providers, placement.

onnxruntime is imported when the first session is opened, not with this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def evaluate(model: bytes, feeds: Mapping[str, Array]) -> list[Array]:
    """The outputs, in order, of a small serialized model: one run on the CPU, the graph as it is written."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs: list[Array] = session.run(None, dict(feeds))
    return outputs
