"""Weights for candidates: the tensors of the original file under the names and sizes of a reduced spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stackc.frontend import Checked
from stackc.reduction.tree import SpecTree
from stackc.runtime import Array

WEIGHTS = "reduced.safetensors"


@dataclass(frozen=True)
class WeightSource:
    """The tensors of the original spec: `names` maps `path.parameter` of every component to a key of `tensors`."""

    names: Mapping[str, str]
    tensors: Mapping[str, Array]

    @staticmethod
    def of(checked: Checked, tensors: Mapping[str, Array]) -> WeightSource:
        """Return the weights of a checked spec; `tensors` has them by their names in the state_dict."""
        names = {
            f"{call.path}.{local}": name
            for call in checked.program.calls
            for local, name in {**call.parameters, **call.buffers}.items()
        }
        return WeightSource(names, tensors)

    def write(self, tree: SpecTree, checked: Checked, folder: Path) -> bool:
        """Write the tensors that a candidate needs; a smaller one is the corner of the original.

        Returns False if one of them has no original, or a smaller one.
        """
        from safetensors.numpy import save_file

        arrays = {}
        for name, type_ in checked.program.tensors().items():
            id, _, rest = name.partition(".")
            original = self.names.get(f"{tree.body.nodes[id].origin}.{rest}")
            shape = tuple(dim.evaluate({}) for dim in type_.shape)
            array = None if original is None else np.asarray(self.tensors[original])
            if array is None or array.ndim != len(shape) or any(s < n for s, n in zip(array.shape, shape, strict=True)):
                return False
            arrays[name] = np.ascontiguousarray(array[tuple(map(slice, shape))])
        save_file(arrays, folder / WEIGHTS)
        return True
