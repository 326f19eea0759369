"""Whether a file is a valid ONNX model, by the checker of onnx, which reads no byte of weights that stand beside it."""

from __future__ import annotations

from pathlib import Path

import onnx


def require_valid(path: Path, model: onnx.ModelProto) -> None:
    """Raise onnx's ValidationError or InferenceError for the file `path`, which holds `model`.

    Types and shapes are inferred and held to the declared ones, but where a function has an operator that is not
    ONNX's own: what it gives has no type then, and the checker would miss it at whatever reads the function's outputs.
    """
    own = {"", *(function.domain for function in model.functions)}
    inferable = all(node.domain in own for function in model.functions for node in function.node)
    onnx.checker.check_model(str(path), full_check=inferable)
