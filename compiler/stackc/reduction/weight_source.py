"""Weights for candidates: the tensors of the original file under the names and sizes of a reduced spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.frontend import Checked
from stackc.reduction.tree import SpecTree
from stackc.runtime import Array
from stackc.weights.files.writing import write_safetensors
from stackc.weights.sources import Weights, tensor_shape

WEIGHTS = "reduced.safetensors"


@dataclass(frozen=True)
class WeightSource:
    """The tensors of the original spec: `names` maps `path.parameter` of every component to a key of `tensors`."""

    names: Mapping[str, str]
    tensors: Weights

    @staticmethod
    def of(checked: Checked, tensors: Weights) -> WeightSource:
        """Return the weights of a checked spec."""
        names = {
            f"{call.path}.{local}": name
            for call in checked.program.calls
            for local, name in {**call.parameters, **call.buffers}.items()
        }
        return WeightSource(names, tensors)

    def write(self, tree: SpecTree, checked: Checked, folder: Path) -> bool:
        """Write the tensors that a candidate needs, one at a time; a smaller one is the corner of the original.

        Returns False if one of them has no original, or a smaller one.
        """
        types = checked.program.tensors()
        corners: dict[str, tuple[str, tuple[int, ...]]] = {}
        for name, type_ in types.items():
            id, _, rest = name.partition(".")
            original = self.names.get(f"{tree.body.nodes[id].origin}.{rest}")
            if original is None:
                return False

            shape, whole = tensor_shape(type_), tensor_shape(self.tensors.types[original])
            if len(whole) != len(shape) or any(size < part for size, part in zip(whole, shape, strict=True)):
                return False
            corners[name] = original, shape

        write_safetensors(folder / WEIGHTS, _Corners(self.tensors, corners), types)
        return True


@dataclass(frozen=True)
class _Corners(Mapping[str, Array]):
    """Corners of tensors by new names, each with the name of its tensor and its shape; read when accessed."""

    tensors: Weights
    corners: Mapping[str, tuple[str, tuple[int, ...]]]

    def __getitem__(self, name: str) -> Array:
        original, shape = self.corners[name]
        return self.tensors[original][tuple(map(slice, shape))]

    def __iter__(self) -> Iterator[str]:
        return iter(self.corners)

    def __len__(self) -> int:
        return len(self.corners)
