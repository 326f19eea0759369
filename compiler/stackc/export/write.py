"""Step 7, the last of the export: linked graph + weights → files.

One tensor is read, folded (weight_folding.py), written and dropped at a time. Up to 100 MB of weights in total are
stored inside model.onnx; more go beside it, to model.onnx.data. Files are hashed while they are written, so that
nothing is read again for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import onnx
from onnx import numpy_helper

from stackc.export.link import LinkedGraph
from stackc.export.storage import Stored
from stackc.export.weight_folding import run_subgraph
from stackc.onnx_format.checker import require_valid
from stackc.onnx_format.files import DATA, MODEL, STEP
from stackc.onnx_format.identity import stamp_model, write_signed

Array = np.ndarray[Any, Any]

NO_METADATA: Mapping[str, str] = MappingProxyType({})
INLINE_LIMIT = 100_000_000
# Large tensors start where every system can map them into memory (Windows in steps of 64 KiB).
LARGE, LARGE_ALIGNMENT, SMALL_ALIGNMENT = 1 << 20, 1 << 16, 64


def write(
    linked: LinkedGraph,
    weights: Mapping[str, Array],
    folder: Path,
    *,
    inline: bool,
    metadata: Mapping[str, str] = NO_METADATA,
) -> dict[Path, str]:
    """Write the model, and its data beside it unless `inline`; return the files with their SHA-256, the model first.

    `weights` is asked for one tensor of the state_dict at a time, and may read it only then. `metadata` goes into the
    model, by key, with a digest of all that is written. Raises onnx's ValidationError or InferenceError if the result
    is not a valid model.
    """
    model = onnx.ModelProto()
    model.CopyFrom(linked.model)
    hashes = {folder / MODEL: ""}  # the model comes first, although its hash is known last

    if inline:
        for name, array in stored_arrays(linked, weights):
            model.graph.initializer.append(numpy_helper.from_array(array, name))
    else:
        with (folder / DATA).open("wb") as file, ThreadPoolExecutor(1) as background:
            data = _HashedFile(file, background)
            model.graph.initializer.extend(_write_external(data, stored_arrays(linked, weights)))
        hashes[folder / DATA] = data.digest.hexdigest()

    stamp_model(model, metadata)
    hashes[folder / MODEL] = write_signed(model, folder / MODEL, hashes.get(folder / DATA))
    require_valid(folder / MODEL, model)
    return hashes


def write_step(
    step: LinkedGraph,
    whole: LinkedGraph,
    weights: Mapping[str, Array],
    folder: Path,
    metadata: Mapping[str, str] = NO_METADATA,
) -> Path:
    """Write the decoding step of a model that is written to the folder, with external data; return its path.

    Its initializers refer to the same data. A form of a weight that the model does not store is stored inside the step.
    Raises what `write` raises.
    """
    model = onnx.ModelProto()
    model.CopyFrom(step.model)
    written = onnx.load(folder / MODEL, load_external_data=False).graph.initializer
    tensors = {tensor.name: tensor for tensor in written}
    names = {_form(stored): stored.names for stored in whole.weights}

    others = [stored for stored in step.weights if _form(stored) not in names]
    for stored in step.weights:
        for own, name in zip(stored.names, names.get(_form(stored), ()), strict=False):
            model.graph.initializer.add().CopyFrom(tensors[name])
            model.graph.initializer[-1].name = own
    for name, array in stored_arrays(replace(step, weights=tuple(others)), weights):
        model.graph.initializer.append(numpy_helper.from_array(array, name))

    stamp_model(model, metadata)
    with (folder / DATA).open("rb") as data:
        write_signed(model, folder / STEP, hashlib.file_digest(data, "sha256").hexdigest())
    require_valid(folder / STEP, model)
    return folder / STEP


def _form(stored: Stored) -> tuple[tuple[str, ...], bytes | None]:
    """Return what tells stored forms apart: the tensors of the state_dict, and what is made of them."""
    return stored.sources, None if stored.subgraph is None else stored.subgraph.model


def stored_arrays(linked: LinkedGraph, weights: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Yield the initializers that hold weights, by name, in the order they are stored."""
    for stored in linked.weights:
        sources = [weights[source] for source in stored.sources]
        results = sources if stored.subgraph is None else run_subgraph(stored.subgraph, sources)
        for name, array in zip(stored.names, results, strict=True):
            yield name, np.asarray(array, order="C")


@dataclass
class _HashedFile:
    """A file written from its start, and the hash of its content so far; large parts are hashed in the background."""

    file: BinaryIO
    background: ThreadPoolExecutor
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, data: memoryview | bytes) -> None:
        """Append bytes."""
        if len(data) < LARGE:
            self.digest.update(data)
            self.file.write(data)
        else:
            hashed = self.background.submit(self.digest.update, data)
            self.file.write(data)
            hashed.result()
        self.size += len(data)


def _write_external(file: _HashedFile, arrays: Iterable[tuple[str, Array]]) -> Iterator[onnx.TensorProto]:
    """Append arrays to a data file, each aligned, and yield the tensors that refer to them."""
    for name, array in arrays:
        alignment = LARGE_ALIGNMENT if array.nbytes >= LARGE else SMALL_ALIGNMENT
        file.write(bytes(-file.size % alignment))
        offset = file.size
        file.write(array.reshape(-1).view(np.uint8).data)

        tensor = onnx.TensorProto(name=name, dims=array.shape, data_location=onnx.TensorProto.EXTERNAL)
        tensor.data_type = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        for key, value in (("location", DATA), ("offset", offset), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        yield tensor
