"""config.pbtxt of a model in Triton: types, dims, batching, instances and threads, in protobuf's text format.

The messages are those of model_config.proto in triton-inference-server/common; options of the backend are those that
triton-inference-server/onnxruntime_backend documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stackc.artifact.manifest import Manifest
from stackc.core.types import DimContract
from stackc.deployment.batching import RequestBatching
from stackc.runtime import ValueInfo

DATATYPES = {
    **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "bfloat16": "BF16",
}
"""Names of element types in KServe's protocol; Triton's configuration has TYPE_ before them."""
DEFAULT_BATCH = 64
"""Entries that are joined where the contract has no limit."""


@dataclass(frozen=True, slots=True)
class TritonSettings:
    """What a user chooses: entries joined at most, instances, whether on the GPU, threads of an operation (0: all)."""

    largest_batch: int | None = None
    instances: int = 1
    on_gpu: bool = False
    threads: int = 0


def batch_limit(batching: RequestBatching, wanted: int | None = None) -> tuple[int, str]:
    """Return `max_batch_size`, and the reason for it. Triton joins along the first axis alone; 0 is not at all."""
    if batching.refusal is not None:
        return 0, batching.refusal
    if not batching.is_first:
        where = {**batching.inputs, **batching.outputs}
        name = next(name for name, axis in where.items() if axis)
        return 0, f"the batch axis of '{name}' is axis {where[name]}, and Triton joins along axis 0"
    if batching.largest is None:
        return wanted or DEFAULT_BATCH, f"the contract has no limit for '{batching.dim}'"
    if wanted is None or wanted > batching.largest:
        return batching.largest, f"the contract allows '{batching.dim}' to be at most {batching.largest}"
    return wanted, "as asked for"


def write_config(name: str, manifest: Manifest, batching: RequestBatching, settings: TritonSettings) -> str:
    """Return the text of config.pbtxt."""
    limit, reason = batch_limit(batching, settings.largest_batch)
    lines = [
        f"# written by stackc {manifest.versions.get('stackc', '')}; max_batch_size: {' '.join(reason.split())}",
        f"name: {json.dumps(name)}",
        'backend: "onnxruntime"',
        f"max_batch_size: {limit}",
    ]
    for kind, values in (("input", manifest.inputs), ("output", manifest.outputs)):
        for value in values:
            lines += _message(kind, _tensor(value, manifest.dims, batched=limit > 0))
    kind = "KIND_GPU" if settings.on_gpu else "KIND_CPU"
    lines += _message("instance_group", {"count": str(settings.instances), "kind": kind})
    if limit:
        lines += ["dynamic_batching { }"]

    # all optimizations are the default of the backend, whose levels -1, 1 and 2 leave some out
    threads = {"intra_op_thread_count": settings.threads, "inter_op_thread_count": 1, "execution_mode": 0}
    lines += [f'parameters {{ key: "{key}" value {{ string_value: "{number}" }} }}' for key, number in threads.items()]
    return "\n".join(lines) + "\n"


def _message(field: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f"{field} {{"
    yield from (f"  {key}: {text}" for key, text in entries.items())
    yield "}"


def _tensor(value: ValueInfo, contract: DimContract, *, batched: bool) -> dict[str, str]:
    """Return an input or output; the batch axis is left out, and a value without axes is one of a reshaped [1]."""
    sizes = [_size(size, contract) for size in value.shape[batched:]]
    entries = {"name": json.dumps(value.name), "data_type": f"TYPE_{DATATYPES[value.dtype]}"}
    if not sizes:
        return entries | {"dims": "[ 1 ]", "reshape": "{ shape: [ ] }"}
    return entries | {"dims": f"[ {', '.join(map(str, sizes))} ]"}


def _size(size: int | str | None, contract: DimContract) -> int:
    """Return a size that never changes, else −1."""
    if isinstance(size, int):
        return size
    limits = contract.get(size) if size is not None else None
    return limits.minimum if limits is not None and limits.minimum == limits.maximum else -1
