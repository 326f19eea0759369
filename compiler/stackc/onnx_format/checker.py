"""Check that a file is a valid ONNX model, with the checker of onnx; weights in files beside it are not read."""

from __future__ import annotations

from pathlib import Path

import onnx


def require_valid(path: Path, model: onnx.ModelProto) -> None:
    """Raise onnx's ValidationError or InferenceError if the file `path`, which holds `model`, is not valid.

    Types and shapes are inferred and compared with the declared ones, unless a function contains an operator from
    outside ONNX. The outputs of such an operator have no type, so the checker would report whatever reads the outputs
    of the function.
    """
    domains = {"", *(function.domain for function in model.functions)}
    inferable = all(node.domain in domains for function in model.functions for node in function.node)
    onnx.checker.check_model(str(path), full_check=inferable)
