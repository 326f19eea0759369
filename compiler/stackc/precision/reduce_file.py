"""Make of a file one whose weights have other formats, each node stamped with its component again.

The quantizers know nothing of stamps: a node that they put in gets the stamp of the node whose result it computes, or
else of what it feeds. So a component of the reduced file can be cut out and run on its own, as in the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.export.template import PATH, SOURCE
from stackc.export.write import INLINE_LIMIT
from stackc.onnx_format.checker import require_valid
from stackc.onnx_format.files import DATA, MODEL
from stackc.onnx_format.nodes import reads
from stackc.precision.assignment import Assignment
from stackc.precision.formats import FORMATS, Format
from stackc.precision.weighted_nodes import WeightedNode
from stackc.proof.stamped_model import stamp_of
from stackc.runtime import Feeds
from stackc.runtime.quantizers import gemm_as_matmul, quantize_dynamic, quantize_static, quantize_weights

_HALVES = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}
_FIRST: tuple[Format, ...] = ("int8-static", *(format for format in FORMATS if format != "int8-static"))
"""Ranges are measured in the file as it is proven, so these come first."""


def reduce_model(
    model: onnx.ModelProto, nodes: Sequence[WeightedNode], assignment: Assignment, calibration: Sequence[Feeds] = ()
) -> onnx.ModelProto:
    """Return a model, which holds its weights, with those in the assignment in their formats.

    Raises SpecError P735 if a quantizer refuses it.
    """
    reduced = model
    for format in _FIRST:
        chosen = [node for node in nodes if assignment.get(node.initializer) == format]
        if chosen:
            reduced = _apply(format, reduced, chosen, calibration)
    return _restored(reduced, model)


def _apply(
    format: Format, model: onnx.ModelProto, nodes: Sequence[WeightedNode], calibration: Sequence[Feeds]
) -> onnx.ModelProto:
    names = [node.node for node in nodes]
    quantizers: dict[Format, Callable[[], onnx.ModelProto]] = {
        "int8": lambda: quantize_dynamic(model, names),
        "int8-static": lambda: quantize_static(model, names, calibration),
        "int8-weights": lambda: quantize_weights(model, frozenset(names), 8),
        "int4-weights": lambda: quantize_weights(model, frozenset(names), 4),
    }

    if format in _HALVES:
        return _stored_in(model, [node.initializer for node in nodes], _HALVES[format])
    try:
        return quantizers[format]()
    except Exception as error:  # whatever the quantizers raise about a model that they do not take
        cause = " ".join(str(error).split()) or type(error).__name__
        message = f"ONNX Runtime's quantizer does not make {format} of the model: {cause}"
        raise SpecError(
            Diagnostic("P735", message, hint="choose another format, or name with --keep what stays")
        ) from error


def _stored_in(model: onnx.ModelProto, initializers: Sequence[str], element: int) -> onnx.ModelProto:
    """Return the model with initializers stored in a half precision, each cast to float32 where it is read.

    ONNX Runtime casts them once, as it opens the file.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts = []
    for tensor in halved.graph.initializer:
        if tensor.name in initializers:
            stored, name = f"{tensor.name}/stored", tensor.name
            array = numpy_helper.to_array(tensor).astype(onnx.helper.tensor_dtype_to_np_dtype(element))
            tensor.CopyFrom(numpy_helper.from_array(array, stored))
            casts.append(onnx.helper.make_node("Cast", [stored], [name], f"{name}/Cast", to=TensorProto.FLOAT))

    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    return halved


def with_matmuls(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with every Gemm as MatMul and Add, stamped as the Gemm was."""
    rewritten = gemm_as_matmul(model)
    return rewritten if rewritten is model else _restored(rewritten, model)


# -- stamps


def _restored(reduced: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the reduced model with the metadata of the original, and every new node stamped.

    Only values of the original keep their declarations: sizes that a quantizer has inferred have names of its own, by
    which ONNX Runtime would plan its memory.
    """
    restored = onnx.ModelProto()
    restored.CopyFrom(reduced)
    restored.producer_name, restored.producer_version = model.producer_name, model.producer_version
    for target, source in ((restored, model), (restored.graph, model.graph)):
        del target.metadata_props[:]
        target.metadata_props.extend(source.metadata_props)

    known = {value.name: value for value in model.graph.value_info}
    tensors = {name for node in restored.graph.node for name in node.output}
    del restored.graph.value_info[:]
    restored.graph.value_info.extend(known[name] for name in known if name in tensors)

    _stamp_new_nodes(restored.graph, _stamps(model.graph))
    return restored


Stamp = tuple[str, str]
"""The path of a component and the line of the spec, as a node carries them."""


def _stamps(graph: onnx.GraphProto) -> dict[str, Stamp]:
    """Return the stamp of what computes each tensor."""
    return {name: stamp for node in graph.node if (stamp := _stamp(node)) for name in node.output}


def _stamp(node: onnx.NodeProto) -> Stamp | None:
    path = stamp_of(node)
    source = next((entry.value for entry in node.metadata_props if entry.key == SOURCE), "")
    return None if path is None else (path, source)


def _stamp_new_nodes(graph: onnx.GraphProto, stamps: Mapping[str, Stamp]) -> None:
    """Stamp every node without a stamp: with that of the same tensor before, or else of the first that reads it."""
    readers: dict[str, Stamp] = {}
    for node in reversed(graph.node):
        stamp = _stamp(node)
        if stamp is None:
            before = [stamps[name] for name in node.output if name in stamps]
            after = [readers[name] for name in node.output if name in readers]
            stamp = next(iter([*before, *after]), None)
            if stamp is not None:
                for key, value in zip((PATH, SOURCE), stamp, strict=True):
                    node.metadata_props.add(key=key, value=value)
        if stamp is not None:
            readers |= dict.fromkeys(reads(node), stamp)


# -- files


def write_reduced(model: onnx.ModelProto, folder: Path) -> tuple[Path, ...]:
    """Write the model in the place of the one in the folder, with its weights beside it if they are large.

    Returns the files. Raises onnx's ValidationError or InferenceError if the result is not a valid model.
    """
    (folder / DATA).unlink(missing_ok=True)
    written = onnx.ModelProto()
    written.CopyFrom(model)
    beside = sum(len(tensor.raw_data) for tensor in written.graph.initializer) > INLINE_LIMIT
    if beside:
        onnx.external_data_helper.convert_model_to_external_data(written, location=DATA)
        onnx.external_data_helper.write_external_data_tensors(written, str(folder))

    (folder / MODEL).write_bytes(written.SerializeToString(deterministic=True))
    require_valid(folder / MODEL, written)
    return (folder / MODEL, folder / DATA) if beside else (folder / MODEL,)
