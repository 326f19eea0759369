"""ONNX Runtime's own quantizers, each over chosen nodes of a model: none of the arithmetic is ours."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stackc.runtime.feeds import Feeds

if TYPE_CHECKING:
    from onnx import ModelProto

_READY = "onnx.quant.pre_process"
"""The quantizers advise to pre-process a file that does not say that it is: shapes are declared in every linked one."""

BLOCK = 32
"""Numbers of a row that share a scale when weights alone are quantized; the kernels of MatMulNBits take 16 to 256."""

ACCURACY = 4
"""MatMulNBits rounds the rows that enter to int8, too: with level 1, float32, 8 bits ran 16 times slower."""


def quantize_dynamic(model: ModelProto, nodes: Sequence[str]) -> ModelProto:
    """Return the model with these MatMul nodes in int8.

    Weights are signed and have a scale per channel; the range of what enters is measured as it runs.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic as quantize

    def write(out: str) -> None:
        quantize(_ready(model), out, ["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
                 nodes_to_quantize=list(nodes))  # fmt: skip

    return _written(write)


def quantize_static(model: ModelProto, nodes: Sequence[str], calibration: Iterable[Feeds]) -> ModelProto:
    """Return the model with these nodes between QuantizeLinear and DequantizeLinear, in int8.

    The ranges of what enters are the least and the largest number seen while `calibration` runs.
    """
    from onnxruntime.quantization import QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize

    options = {"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]}

    def write(out: str) -> None:
        quantize(_ready(model), out, _reader(calibration), QuantFormat.QDQ, per_channel=True,
                 activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_quantize=list(nodes),
                 extra_options=options)  # fmt: skip

    return _written(write)


def quantize_weights(model: ModelProto, nodes: Collection[str], bits: Literal[4, 8]) -> ModelProto:
    """Return the model with the weights of these MatMul nodes alone in 4 or 8 bits, in blocks, as MatMulNBits."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    others = [node.name for node in model.graph.node if node.name not in nodes]
    with _quiet():
        quantizer = MatMulNBitsQuantizer(
            _copy(model), bits, BLOCK, is_symmetric=True, accuracy_level=ACCURACY, nodes_to_exclude=others
        )
        quantizer.process()
    quantized: ModelProto = quantizer.model.model
    return quantized


def gemm_as_matmul(model: ModelProto) -> ModelProto:
    """Return the model with every Gemm as MatMul and Add, which is what the quantizers take.

    It stays as it is if another node reads the matrix of a Gemm: ONNX Runtime's tool transposes that in its place.
    """
    from onnxruntime.quantization.onnx_model import ONNXModel

    readers = Counter(name for node in model.graph.node for name in node.input)
    if any(node.op_type == "Gemm" and readers[node.input[1]] > 1 for node in model.graph.node):
        return model
    rewritten = ONNXModel(_copy(model))
    rewritten.replace_gemm_with_matmul()
    result: ModelProto = rewritten.model
    return result


def _copy(model: ModelProto) -> ModelProto:
    """Return a copy, which the quantizers may change."""
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def _ready(model: ModelProto) -> ModelProto:
    ready = _copy(model)
    ready.metadata_props.add(key=_READY, value="stackc")
    return ready


def _written(write: Callable[[str], None]) -> ModelProto:
    """Return the model that a quantizer writes to a file."""
    import onnx

    with tempfile.TemporaryDirectory(prefix="stackc-") as folder, _quiet():
        path = Path(folder) / "quantized.onnx"
        write(str(path))
        return onnx.load(path)


def _reader(calibration: Iterable[Feeds]) -> Any:
    """Return inputs as the quantizers read them: one after the other, then None."""
    from onnxruntime.quantization import CalibrationDataReader

    class FeedsReader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no type information
        """The inputs one after the other."""

        def __init__(self) -> None:
            self.remaining = iter(calibration)

        def get_next(self) -> Feeds | None:
            """Return the next inputs."""
            return next(self.remaining, None)

    return FeedsReader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the quantizers log about each node off the screen; what goes wrong is raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
