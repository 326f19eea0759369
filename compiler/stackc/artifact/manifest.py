"""Read and write manifest.json: what an artifact was built from, by which versions, and what it guarantees."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from stackc.core.types import Dim, DimContract, DimRange
from stackc.core.value_range import ValueRange
from stackc.precision.formats import FLOAT32
from stackc.runtime.feeds import ValueInfo

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of manifest.json. Hashes are SHA-256 in hexadecimal, by file name.

    versions    of stackc, torch, onnx and onnxruntime
    spec        hashes of the spec and of every file it includes, by path relative to the spec
    code        hashes of the Python modules of `op: torch`, by module name
    weights     hashes of the files of weights; None if the weights are random, drawn from `seed`
    target      "portable" or "ort"
    runs_on     the versions of ONNX Runtime that load the model
    provider    what the proof ran on, and the `reason` for it; None if nothing was run
    parity      the summary of the proof, any JSON value
    tolerances  the largest allowed distance of each output from the recorded one
    assumptions what the proof assumed of the values of inputs without a range, by input
    precision   the format of the weights, float32 or another, and then how far outputs and components are off
    privacy     what holds for weights of private training, by the name of the file: epsilon and delta, as JSON
    asserted    the figures that the spec asserts: name, min, max, what was measured and on what, as JSON
    decoding    the decoding step: its dims, inputs, outputs, states and proof, as JSON; None if there is none
    files       hashes of every other file of the folder
    """

    name: str
    versions: Mapping[str, str]
    spec: Mapping[str, str]
    weights: Mapping[str, str] | None
    dims: DimContract
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    opset: int
    target: str
    runs_on: str
    provider: str | None
    reason: str
    seed: int | None = None
    parity: Any = None
    tolerances: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    assumptions: Mapping[str, str] = field(default_factory=dict)
    asserted: tuple[Any, ...] = ()
    privacy: Mapping[str, Any] = field(default_factory=dict)
    precision: Mapping[str, Any] = field(default_factory=lambda: {"format": FLOAT32})
    decoding: Mapping[str, Any] | None = None

    @property
    def format(self) -> str:
        """The format of the weights."""
        return str(self.precision["format"])

    @property
    def proven_sizes(self) -> str:
        """Up to which size each dim is proven, as text; "" without a proof, without dims, or of an earlier version."""
        text = self.parity.get("proven") if isinstance(self.parity, dict) else None
        return text if isinstance(text, str) else ""


class ManifestError(Exception):
    """The text is not a valid manifest; the message says where and why."""


def write_manifest(manifest: Manifest) -> str:
    """Return the manifest as JSON text, deterministically."""
    tree = {f.name: getattr(manifest, f.name) for f in dataclasses.fields(manifest)}
    tree |= {
        "format": FORMAT,
        "versions": dict(manifest.versions),
        "spec": dict(manifest.spec),
        "code": dict(manifest.code),
        "assumptions": dict(manifest.assumptions),
        "weights": None if manifest.weights is None else dict(manifest.weights),
        "files": dict(manifest.files),
        "tolerances": dict(manifest.tolerances),
        **contract_json(manifest.dims, manifest.inputs, manifest.outputs),
        "asserted": list(manifest.asserted),
        "precision": dict(manifest.precision),
        "privacy": dict(manifest.privacy),
    }
    if manifest.decoding is None:
        del tree["decoding"]

    text = json.dumps({**tree, "digest": ""}, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    return text.replace(_NO_DIGEST, f'"digest": "{_digest(text)}"', 1)


def contract_json(
    dims: DimContract, inputs: Iterable[ValueInfo], outputs: Iterable[ValueInfo]
) -> dict[str, dict[str, Any] | list[dict[str, Any]]]:
    """Return the contract of a model: the ranges of its dims, types of inputs and outputs, and values of inputs."""
    return {
        "dims": {name: _dim_json(dim) for name, dim in dims.items()},
        "inputs": list(map(_value_json, inputs)),
        "outputs": list(map(_value_json, outputs)),
    }


def parse_contract(text: str) -> tuple[DimContract, tuple[ValueInfo, ...], tuple[ValueInfo, ...]]:
    """Parse a contract that is written alone: dims, inputs, outputs. Raises ManifestError if it is none."""
    root = _parse_json(text)
    return root.mapping("dims", _dim), _inputs(root), root.sequence("outputs", _value)


_NO_DIGEST = '"digest": ""'


def _digest(text: str) -> str:
    """Return the hash of the text of a manifest whose own digest is left empty."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _dim_json(dim: DimRange) -> dict[str, int | None]:
    return {"min": dim.minimum, "max": dim.maximum, "multiple_of": dim.multiple_of}


def _value_json(value: ValueInfo) -> dict[str, Any]:
    """Return name, dtype and shape, and the allowed values under the keys that a spec uses."""
    tree: dict[str, Any] = {"name": value.name, "dtype": value.dtype, "shape": list(value.shape)}
    return tree | (value.allowed.declaration() if value.allowed is not None else {})


def parse_manifest(text: str) -> Manifest:
    """Parse the text of a manifest.

    Raises ManifestError if it is not a manifest, has a later format than this version reads, or differs in any
    character from what was written.
    """
    root = _parse_json(text)
    if (version := root.get("format", int)) > FORMAT:
        raise ManifestError(f"it has format {version}, and this version of stackc reads {FORMAT}: update stackc")

    manifest = Manifest(
        name=root.get("name", str),
        versions=root.mapping("versions", _text),
        spec=root.mapping("spec", _text),
        weights=None if root.child("weights").value is None else root.mapping("weights", _text),
        dims=root.mapping("dims", _dim),
        inputs=_inputs(root),
        outputs=root.sequence("outputs", _value),
        opset=root.get("opset", int),
        target=root.get("target", str),
        runs_on=root.get("runs_on", str),
        provider=root.optional("provider", str),
        reason=root.get("reason", str),
        seed=root.optional("seed", int),
        parity=root.entries().get("parity"),
        tolerances=root.mapping("tolerances", _number),
        files=root.mapping("files", _text),
        code=root.mapping("code", _text) if "code" in root.entries() else {},
        assumptions=root.mapping("assumptions", _text) if "assumptions" in root.entries() else {},
        asserted=root.sequence("asserted", lambda tree: tree.entries()) if "asserted" in root.entries() else (),
        precision=_precision(root),
        decoding=root.child("decoding").entries() if "decoding" in root.entries() else None,
        privacy=root.mapping("privacy", lambda tree: tree.entries()) if "privacy" in root.entries() else {},
    )

    digest = root.get("digest", str)
    if _digest(text.replace(f'"digest": "{digest}"', _NO_DIGEST, 1)) != digest:
        raise ManifestError("it has changed since it was written")
    return manifest


def _parse_json(text: str) -> _Tree:
    try:
        return _Tree(json.loads(text), "")
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"it is not JSON: {error}") from error


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Tree:
    """A value of the JSON tree with its path, which errors name. Its getters raise ManifestError."""

    value: Any
    path: str

    def expect(self, kind: type[T]) -> T:
        if isinstance(self.value, bool) or not isinstance(self.value, kind):
            raise ManifestError(f"{self.path or 'the whole file'} must be {_KIND_NAMES[kind]}")
        return self.value

    def entries(self) -> dict[str, Any]:
        return self.expect(dict)

    def child(self, key: str) -> _Tree:
        return _Tree(self.entries().get(key), f"{self.path}.{key}".lstrip("."))

    def get(self, key: str, kind: type[T]) -> T:
        return self.child(key).expect(kind)

    def optional(self, key: str, kind: type[T]) -> T | None:
        child = self.child(key)
        return None if child.value is None else child.expect(kind)

    def mapping(self, key: str, read: Callable[[_Tree], T]) -> Mapping[str, T]:
        child = self.child(key)
        return MappingProxyType({name: read(child.child(name)) for name in child.entries()})

    def sequence(self, key: str, read: Callable[[_Tree], T]) -> tuple[T, ...]:
        child = self.child(key)
        items = child.expect(list)
        return tuple(read(_Tree(item, f"{child.path}[{i}]")) for i, item in enumerate(items))


_KIND_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    dict: "an object",
    list: "a list",
    float: "a number",
}


def _text(tree: _Tree) -> str:
    return tree.expect(str)


def _number(tree: _Tree) -> float:
    return float(tree.expect(float) if isinstance(tree.value, float) else tree.expect(int))


def _whole_or_float(tree: _Tree) -> float:
    """Return a number of the type it is written in: those of whole numbers have no point."""
    return tree.value if isinstance(tree.value, float) else tree.expect(int)


def _dim(tree: _Tree) -> DimRange:
    multiple_of = tree.get("multiple_of", int)
    if multiple_of < 1:
        raise ManifestError(f"{tree.path}.multiple_of must be at least 1")
    return DimRange(tree.get("min", int), tree.optional("max", int), multiple_of)


def _value(tree: _Tree) -> ValueInfo:
    return ValueInfo(tree.get("name", str), tree.get("dtype", str), tree.sequence("shape", _size), _allowed(tree))


def _inputs(root: _Tree) -> tuple[ValueInfo, ...]:
    """Parse the inputs. The ids that one holds may count the entries of an axis, its own or that of another."""
    inputs = root.sequence("inputs", _value)
    axes = {str(size) for value in inputs for size in value.shape if isinstance(size, str)}

    for number, value in enumerate(inputs):
        if value.allowed and value.allowed.size is not None and str(value.allowed.size) not in axes:
            raise ManifestError(f"inputs[{number}].below must be a whole number or the size of an axis")
    return inputs


def _allowed(tree: _Tree) -> ValueRange | None:
    """Parse the allowed values of an input; None if all are."""
    if "values" in tree.entries():
        choices = tree.sequence("values", _whole_or_float)
        return ValueRange(min(choices, default=None), max(choices, default=None), choices)
    if "below" in tree.entries() and isinstance(tree.child("below").value, str):
        return ValueRange.ids(Dim.symbol(tree.get("below", str)))
    if (below := tree.optional("below", int)) is not None:
        return ValueRange.ids(below)

    ends = {key: _whole_or_float(tree.child(key)) for key in ("min", "max") if key in tree.entries()}
    return ValueRange(ends.get("min"), ends.get("max")) if ends else None


def _precision(root: _Tree) -> Mapping[str, Any]:
    """Parse the precision; artifacts of earlier versions, which do not have it, are float32."""
    if "precision" not in root.entries():
        return MappingProxyType({"format": FLOAT32})
    precision = root.child("precision")
    precision.get("format", str)
    return MappingProxyType(precision.entries())


def _size(tree: _Tree) -> int | str | None:
    if tree.value is None or isinstance(tree.value, str):
        return tree.value
    return tree.expect(int)
