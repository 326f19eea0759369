"""An ONNX file that anybody may have written: read without its data, and refused where that lies outside its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.runtime import ValueInfo

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto


def read_model(path: Path, hint: str | None = None) -> ModelProto:
    """The model without its external data. Raises SpecError A610 where it cannot be read, with `hint` as the mend, and
    A605 where its data lies outside of its folder: ONNX Runtime is not to open that."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise SpecError(Diagnostic("A610", f"{path} cannot be read: {why}", hint=hint)) from error
    diagnostics = Collector()
    for tensor in _tensors(model):
        for entry in tensor.external_data:
            if entry.key == "location" and leads_out(path.parent, entry.value):
                diagnostics.error("A605", f"{path}: the data of '{tensor.name}' lies outside, at {entry.value}")
    diagnostics.raise_if_any()
    return model


def leads_out(folder: Path, name: str | bytes) -> bool:
    """Whether a name leads out of the folder: by `..`, as an absolute path or through a symbolic link.

    Protobuf gives bytes for a text that is no UTF-8.
    """
    try:
        return not (folder / os.fsdecode(name)).resolve().is_relative_to(folder.resolve())
    except ValueError:  # a NUL character: it leads nowhere
        return True


def _tensors(message: Any) -> Iterator[Any]:
    """Every TensorProto below a protobuf message, wherever a model may hold one: subgraphs, functions, attributes."""
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                if descriptor.message_type.name == "TensorProto":
                    yield part
                else:
                    yield from _tensors(part)


def declared_inputs(model: ModelProto) -> tuple[ValueInfo, ...]:
    """The inputs that have to be fed: those that no initializer has a value for."""
    given = {tensor.name for tensor in model.graph.initializer}
    given |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    return tuple(_value(value) for value in model.graph.input if value.name not in given)


def _value(value: ValueInfoProto) -> ValueInfo:
    """Name, element type by NumPy's word, shape; in words, a type that is no tensor of a known rank."""
    import onnx

    kind = (value.type.WhichOneof("value") or "unknown_type").removesuffix("_type")
    tensor = value.type.tensor_type
    if kind != "tensor" or not tensor.HasField("shape"):
        return ValueInfo(value.name, "tensor of any rank" if kind == "tensor" else kind, ())
    element = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    shape = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)
    return ValueInfo(value.name, _NUMPY.get(element, element), shape)


_NUMPY = {"float": "float32", "double": "float64"}
