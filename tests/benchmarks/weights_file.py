"""A spec of given sizes with a file of weights beside it, for the programs that measure how weights are written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stackc.frontend import Overrides, check_spec

SPECS = Path(__file__).parents[2] / "specs"
STACKED = """\
stackc: 1
name: stacked_{layers}
params: {{width: {width}, layers: {layers}}}
inputs: {{x: {{shape: [batch, seq, width]}}}}
graph: x --> y[stack]
nodes: {{y: {{of: linear, repeat: layers, with: {{out: width, bias: false}}}}}}
"""


@dataclass(frozen=True)
class Sample:
    """A spec, the params to build it with, and its weights."""

    spec: Path
    params: Mapping[str, str]
    weights: Path
    largest: int
    size: int

    @property
    def arguments(self) -> list[str]:
        """What `stackc build` takes to build it."""
        settings = [text for name, value in self.params.items() for text in ("--set", f"{name}={value}")]
        return [str(self.spec), *settings, "--weights", str(self.weights)]


def bert(folder: Path, params: Mapping[str, str]) -> Sample:
    """bert_base, its parameters under their own names."""
    text = (SPECS / "bert_base.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^weights:\n(?:[ ].*\n)*", "", text, flags=re.MULTILINE)
    return _sample(folder, "bert_base", text, params)


def stacked(folder: Path, width: int, layers: int) -> Sample:
    """Square matrices, one after the other, each of which is transposed as it is written."""
    return _sample(folder, f"stacked_{width}_{layers}", STACKED.format(width=width, layers=layers), {})


def _sample(folder: Path, name: str, text: str, params: Mapping[str, str]) -> Sample:
    spec = folder / f"{name}.yaml"
    spec.write_text(text, encoding="utf-8")
    tensors = check_spec(spec, Overrides(params)).program.tensors()
    shapes = {name: [dim.evaluate({}) for dim in type.shape] for name, type in tensors.items()}
    weights = folder / f"{'_'.join([name, *params.values()])}.safetensors"
    sizes = [4 * math.prod(shape) for shape in shapes.values()]
    _write(weights, shapes)
    return Sample(spec, params, weights, max(sizes), sum(sizes))


def _write(path: Path, shapes: Mapping[str, list[int]]) -> None:
    """float32 safetensors of noise, written in pieces: the file may be larger than memory."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    noise = (np.random.default_rng(0).standard_normal(1 << 22, dtype=np.float32) * np.float32(0.02)).tobytes()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for start in range(0, end, len(noise)):
            file.write(noise[: end - start])
