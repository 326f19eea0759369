"""Examples for the inputs of a spec, as training reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_source
from stackc.spec.source import Source
from stackc.training.examples import Batch, Examples

HEAD = """\
stackc: 1
dims: {{{dims}}}
inputs: {inputs}
graph: |
  x --> y[cast]
{others}
nodes: {{y: {{dtype: float32}}, {casts}}}
outputs: {{y: y, {outputs}}}
train:
  graph: |
    y --> loss[mse]
    y -->|target| loss
  epochs: 1
  data: {data}
"""
DIMS = {"seq": "{max: 6}", "nodes": "{max: 50}", "edges": "{min: 0, max: 90}", "graphs": "{max: 9}"}


def opened(path: Path, inputs: str, data: str, **overrides: Any) -> Examples:
    """The examples of a file for inputs, the first of them x, with `data` as in the spec."""
    names = [name for name in re.findall(r"(\w+): {", inputs) if name != "x"]
    text = HEAD.format(
        dims=", ".join(f"{name}: {limits}" for name, limits in DIMS.items() if re.search(rf"[\[ ]{name}\]", inputs)),
        inputs=inputs,
        others="\n".join(f"  {name} --> y_{name}[cast]" for name in names),
        casts=", ".join(f"y_{name}: {{dtype: float32}}" for name in names),
        outputs=", ".join(f"o_{name}: y_{name}" for name in names),
        data=data,
    )
    training = check_source(Source(str(path.parent / "model.yaml"), text), Overrides(**overrides)).training
    assert training is not None
    return Examples.open(path, training)


def only_batch(examples: Examples) -> Batch:
    (batch,) = examples.batches(len(examples))
    return batch


def complaint(examples: Examples, batch: int = 4) -> tuple[str, str | None]:
    """The code and message of what is wrong with a file, and its help."""
    with pytest.raises(SpecError) as caught:
        list(examples.batches(batch))
    diagnostic = caught.value.diagnostics[0]
    return f"{diagnostic.code} {diagnostic.message.replace(f'{examples.path.parent}/', '')}", diagnostic.hint
