"""What other exporters check of a file that they have written, at one input each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import onnxruntime
import torch
from tests.benchmarks.mutants.settings import Subject
from torch.onnx import ONNXProgram
from torch.onnx.testing import assert_onnx_program

from stackc.proof.eager import run_eager
from stackc.runtime import Array

ATOLS = (1e-5, 1e-4, 1e-3)  # of optimum's OnnxConfig: by default, of BERT and ViT, of ResNet


@dataclass(frozen=True, eq=False)
class Peers:
    """The inputs of the checks, the module as torch.export captures it, and what it computes."""

    exported: Any
    feeds: dict[str, Array]
    outputs: dict[str, Array]

    @staticmethod
    def of(subject: Subject) -> Peers:
        """Capture the module once."""
        program, module = subject.checked.program, subject.reference.single
        example = tuple(torch.from_numpy(x) for x in _example(subject, padded=False).values())
        feeds = _example(subject, padded=True)
        outputs = run_eager(module, feeds, program).outputs
        return Peers(torch.export.export(module, example, strict=False), feeds, dict(outputs))

    def torch_refuses(self, model: onnx.ModelProto) -> bool:
        """Run torch.onnx.testing.assert_onnx_program, with its tolerances, at the example inputs of the export."""
        program = ONNXProgram(onnx_ir.from_proto(model), self.exported)
        try:
            assert_onnx_program(program, strategy=None)
        except Exception:  # an assertion, or whatever ONNX Runtime raises
            return True
        return False

    def optimum_refuses(self, path: Path, atol: float) -> bool:
        """Compare as optimum.exporters.onnx.convert._run_validation does: shapes, then np.allclose with this atol."""
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            results = session.run(list(self.outputs), self.feeds)
        except Exception:  # whatever ONNX Runtime raises
            return True
        pairs = list(zip(results, self.outputs.values(), strict=True))
        return any(a.shape != b.shape or not np.allclose(b, a, atol=atol) for a, b in pairs)


def _example(subject: Subject, *, padded: bool) -> dict[str, Array]:
    """Draw inputs as optimum's dummy generators do: 2 of 16 positions or of 64×64 pixels, masks of ones, or padded."""
    sizes = {}
    for name, limits in subject.checked.program.contract.items():
        wanted = 2 if name == "batch" else 64 if name in ("height", "width") else 16
        sizes[name] = max(
            limits.least, min(wanted, limits.maximum or wanted) // limits.multiple_of * limits.multiple_of
        )

    random = np.random.default_rng(0)
    feeds: dict[str, Array] = {}
    for name, type_ in subject.checked.program.inputs.items():
        shape = tuple(dim.evaluate(sizes) for dim in type_.shape)
        if type_.is_float:
            feeds[name] = random.standard_normal(shape).astype(np.float32)
        elif "mask" in name:
            feeds[name] = np.ones(shape, np.int64)
            if padded:
                feeds[name][0, shape[1] // 2 :] = 0
        else:
            feeds[name] = random.integers(0, subject.checked.ranges[name].below or 2, shape)
    return feeds
