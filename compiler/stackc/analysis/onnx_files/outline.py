"""The outline of an ONNX file: its interface, its tensors and its operators, by the scopes that names contain.

Nothing is run, and external data is not read: a file of any size and any origin can be looked at. Scopes are those of
the exporters: parts of node names (`/encoder/layer.0/MatMul`, `encoder.0.attn/MatMul`), or where names have none, of
the `namespace` that PyTorch's exporter writes beside them.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.onnx_format.files import data_locations, read_model
from stackc.runtime import ValueInfo

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

DEEPEST = 24
"""Parts of a name that are scopes; the rest is the name itself."""


@dataclass(frozen=True, slots=True)
class FileTensor:
    """An initializer: its type, its bytes, and the hash of its content; None for what lies in another file."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    content: str | None

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class FileOutline:
    """What is in a file. `operators` counts every node by its scope and operator, those of subgraphs and functions too;
    `owners` has the innermost scope around all nodes that read an initializer."""

    path: Path
    producer: str
    ir_version: int
    opsets: Mapping[str, int]
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    tensors: Mapping[str, FileTensor]
    operators: Counter[tuple[tuple[str, ...], str]]
    owners: Mapping[str, tuple[str, ...]]
    functions: int
    data: tuple[tuple[str, int | None], ...]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return self.operators.total()

    @property
    def numbers(self) -> int:
        """How many numbers the initializers have."""
        return sum(tensor.numbers for tensor in self.tensors.values())

    @property
    def bytes(self) -> int:
        """How many bytes the initializers have, wherever they lie."""
        return sum(tensor.bytes for tensor in self.tensors.values())

    def counts(self) -> Counter[str]:
        """Return how often each operator occurs."""
        counts: Counter[str] = Counter()
        for (_, operator), count in self.operators.items():
            counts[operator] += count
        return counts


def outline_file(path: Path) -> FileOutline:
    """Return the outline of a file.

    Raises SpecError A610 if it cannot be read, A605 if its data lies outside its folder.
    """
    from stackc.onnx_format.files import declared_inputs
    from stackc.onnx_format.values import read_value

    model = read_model(path)
    operators: Counter[tuple[tuple[str, ...], str]] = Counter()
    owners: dict[str, tuple[str, ...]] = {}
    for scope, node in _nodes(model):
        operators[scope, _operator(node)] += 1
        for name in node.input:
            owners[name] = _common(owners[name], scope) if name in owners else scope

    return FileOutline(
        path=path,
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        ir_version=model.ir_version,
        opsets={opset.domain or "ai.onnx": opset.version for opset in model.opset_import},
        inputs=declared_inputs(model),
        outputs=tuple(read_value(value) for value in model.graph.output),
        tensors={tensor.name: _stored(tensor) for tensor in model.graph.initializer},
        operators=operators,
        owners=owners,
        functions=len(model.functions),
        data=tuple((name, _size(path.parent / name)) for name in data_locations(model)),
        metadata={entry.key: entry.value for entry in model.metadata_props},
    )


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes in which both lie."""
    pairs = zip(one, other, strict=False)
    return tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def scopes_of(node: NodeProto) -> tuple[str, ...]:
    """Return the scopes of a node, outermost first."""
    parts = [part for part in re.split(r"[/.]", node.name) if part]
    if len(parts) > 1:
        return tuple(parts[: min(len(parts) - 1, DEEPEST)])
    for entry in node.metadata_props:
        if entry.key == "namespace":  # "encoder: …BertEncoder/encoder.layer.0: …BertLayer/node_MatMul_3"
            scopes = [part.partition(":")[0].strip() for part in entry.value.split("/")[:-1] if part]
            return tuple(scope.rpartition(".")[2] or scope for scope in scopes if scope)[:DEEPEST]
    return ()


def _nodes(model: ModelProto) -> Iterator[tuple[tuple[str, ...], NodeProto]]:
    """Yield every node with its scopes; those of subgraphs have the scopes of the node around them before their own."""
    for node in model.graph.node:
        yield from _with_inner(node, ())
    for function in model.functions:
        for node in function.node:
            yield from _with_inner(node, (f"function {function.name}",))


def _with_inner(node: NodeProto, around: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], NodeProto]]:
    waiting = [(node, around)]
    while waiting:
        current, outer = waiting.pop()
        scopes = (*outer, *scopes_of(current))[:DEEPEST]
        yield scopes, current
        waiting += [(inner, scopes) for graph in _graphs(current) for inner in graph.node]


def _graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _operator(node: NodeProto) -> str:
    domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
    return f"{domain}{node.op_type}"


def _stored(tensor: TensorProto) -> FileTensor:
    import onnx

    try:
        dtype = onnx.TensorProto.DataType.Name(tensor.data_type).lower()
        width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (ValueError, KeyError, TypeError):
        dtype, width = f"type {tensor.data_type}", 0
    shape = tuple(tensor.dims)
    outside = tensor.data_location == onnx.TensorProto.EXTERNAL
    return FileTensor(dtype, shape, width * math.prod(shape), None if outside else _content(tensor))


def _content(tensor: TensorProto) -> str:
    """Return a hash of the numbers of a tensor, whichever of the fields of ONNX they are in."""
    import onnx

    try:
        content = onnx.numpy_helper.to_array(tensor).tobytes()
    except (ValueError, TypeError, KeyError, AttributeError):  # fewer numbers than its shape says, an unknown type
        content = tensor.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()


def _size(path: Path) -> int | None:
    """Return the bytes of a file of external data; None if it is missing."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None
