"""What an output is attributed to: float inputs as they are, ids at the embeddings that read them.

Captum's methods need a function of floats. `OutputOfFeatures` is one: the model with the outputs of those embeddings in
place of ids, so that each method holds for text as it does for images. For integrated gradients that is what captum's
LayerIntegratedGradients computes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stackc.attribution.target import AttributionTarget
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import FLOATS
from stackc.ir.program import Call, Program


@dataclass(frozen=True)
class Feature:
    """A float input, or the vectors that an embedding has for an input of ids: then `call` is the embedding's."""

    input: str
    call: Call | None = None


def attributed_features(program: Program, output: str) -> tuple[Feature, ...]:
    """Return what an output is attributed to, in the order of the inputs. Raises SpecError R443 if there is nothing."""
    used = _values_before(program, program.outputs[output])
    features = []
    for name, type_ in program.inputs.items():
        if name in used and type_.dtype in FLOATS:
            features.append(Feature(name))
        features += [Feature(name, call) for call in _embeddings(program, name) if used.intersection(call.outputs)]
    if not features:
        message = f"'{output}' depends on no float input, and on no ids that an embedding reads as they are"
        raise SpecError(Diagnostic("R443", message, hint="attribute an output that does"))
    return tuple(features)


def _values_before(program: Program, value: str) -> set[str]:
    """Return a value and everything that it is computed from."""
    needed = {value}
    for call in reversed(program.calls):
        if needed.intersection(call.outputs):
            needed.update(name for name in call.inputs if name is not None)
    return needed


def _embeddings(program: Program, name: str) -> list[Call]:
    """Return the calls that have a vector for each id of an input."""
    shape = program.inputs[name].shape
    return [
        call
        for call in program.calls
        if name in program.index_bounds(call)
        and call.signature.outputs[0].dtype in FLOATS
        and call.signature.outputs[0].shape[:-1] == shape
    ]


class OutputOfFeatures(nn.Module):
    """One number of an output as a function of features: [rows, …] each → [rows].

    Rows are examples that run together, if every feature has the axis of examples (`together`). Else each row is the
    feature of one run, and they run one by one. `feeds` holds the other inputs fixed, for one example.
    """

    def __init__(
        self,
        module: nn.Module,
        program: Program,
        features: tuple[Feature, ...],
        target: AttributionTarget,
        feeds: Mapping[str, Tensor],
        batched: frozenset[str] | None,
    ) -> None:
        super().__init__()
        self.module = module
        self.program, self.features, self.target = program, features, target
        self.feeds, self.batched = feeds, batched
        self.together = batched is not None and all(feature.input in batched for feature in features)
        self.number = list(program.outputs).index(target.output)
        self.vectors: dict[str, Tensor] = {}
        self.handles = [self._substitute(owner) for owner in {f.call.owner: None for f in features if f.call}]

    def forward(self, *features: Tensor) -> Tensor:
        """Return the number of each row."""
        rows, batched = len(features[0]), self.batched
        if batched is not None and self.together:
            feeds = {n: x.expand(rows, *x.shape[1:]) if n in batched else x for n, x in self.feeds.items()}
            return self.target.of_rows(self._run(feeds, features))

        numbers = []
        for row in range(rows):
            own = [
                x[row : row + 1] if self._has_rows(f) else x[row] for f, x in zip(self.features, features, strict=True)
            ]
            output = self._run(self.feeds, own)
            numbers.append(self.target.of_example(output) if batched is None else self.target.of_rows(output)[0])
        return torch.stack(numbers)

    def release(self) -> None:
        """Leave the module as it was."""
        for handle in self.handles:
            handle.remove()

    def values_of(self, feature: Feature, x: Tensor) -> Tensor:
        """Return the values of a feature for an array of its input, with an axis of rows: [1, …]."""
        values = x if feature.call is None else self._vectors(feature.call.owner, x)
        return values if self._has_rows(feature) else values[None]

    def _vectors(self, owner: str, ids: Tensor) -> Tensor:
        """Return the vectors that an embedding has for ids."""
        self.vectors.clear()
        with torch.no_grad():
            vectors = self.module.get_submodule(owner)(ids)
        assert isinstance(vectors, Tensor)
        return vectors

    def _has_rows(self, feature: Feature) -> bool:
        """Return whether the first axis of an input is that of examples."""
        return self.batched is not None and feature.input in self.batched

    def _run(self, feeds: Mapping[str, Tensor], features: Any) -> Tensor:
        values = dict(feeds)
        self.vectors = {}
        for feature, x in zip(self.features, features, strict=True):
            if feature.call:
                self.vectors[feature.call.outputs[0]] = x
            else:
                values[feature.input] = x
        outputs = self.module(*(values[name] for name in self.program.inputs))
        output = (outputs,) if isinstance(outputs, Tensor) else outputs
        assert isinstance(output[self.number], Tensor)
        return output[self.number]

    def _substitute(self, owner: str) -> Any:
        """Hook a module so that each of its calls, in running order, returns the vectors that are set for it."""
        names = [call.outputs[0] for call in self.program.calls if call.owner == owner]
        waiting: deque[str] = deque()

        def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            if not self.vectors:
                return output
            if not waiting:
                waiting.extend(names)
            return self.vectors.get(waiting.popleft(), output)

        return self.module.get_submodule(owner).register_forward_hook(hook)
