"""The decoding step of an artifact, run on new ids; what it keeps of earlier ones stays here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stackc.artifact.folder import load_artifact
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.onnx_format.files import STEP
from stackc.runtime import Array, Session, open_session

MISSING = "write `decode: {along: seq, inputs: […], outputs: […]}` into the spec and build it again"


@dataclass
class Stepper:
    """A model that generates from one sequence of ids. `past` is how many it has seen."""

    session: Session
    inputs: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, str]
    ids: str
    whole: tuple[str, ...]
    logits: str
    vocabulary: int
    below: int | None
    longest: int | None
    past: int = 0
    kept: dict[str, Array] = field(default_factory=dict)

    @staticmethod
    def of(path: Path, provider: str = "auto", *, threads: int | None = None) -> Stepper:
        """Open the step of an artifact.

        Raises SpecError: what `load_artifact` and sessions raise; G911 if it has no step, or one that takes other
        things than ids and masks, or returns no logits.
        """
        artifact = load_artifact(path)
        decoding = artifact.manifest.decoding
        if decoding is None:
            raise SpecError(Diagnostic("G911", f"{path} has no decoding step", hint=MISSING))

        inputs = {value["name"]: value for value in decoding["inputs"]}
        outputs = {value["name"]: value for value in decoding["outputs"]}
        logits = next((name for name in outputs if name not in decoding["states"].values()), "")
        ids, whole = decoding["new"], tuple(name for name in decoding["whole"] if name in inputs)
        _require_language_model(path, inputs, ids, whole, outputs[logits])

        (below,) = (
            value.allowed.below if value.allowed else None for value in artifact.manifest.inputs if value.name == ids[0]
        )
        session = open_session(artifact.folder / STEP, provider, threads=threads)
        vocabulary = int(outputs[logits]["shape"][2])
        stepper = Stepper(
            session, inputs, decoding["states"], ids[0], whole, logits, vocabulary, below, decoding["longest"]
        )
        stepper.reset()
        return stepper

    def reset(self) -> None:
        """Forget what it has seen."""
        self.past = 0
        self.kept = {name: np.zeros(self._empty(name), self.inputs[name]["dtype"]) for name in self.states}

    def _empty(self, name: str) -> list[int]:
        """Return the shape of a state of one sequence with no past."""
        batch, *sizes = self.inputs[name]["shape"]
        return [1 if isinstance(batch, str) else batch, *(0 if isinstance(size, str) else size for size in sizes)]

    def step(self, ids: Sequence[int]) -> Array:
        """See these ids after the past ones; return the logits of the one that follows, [vocabulary]."""
        self.past += len(ids)
        given = {name: np.ones((1, self.past), self.inputs[name]["dtype"]) for name in self.whole}
        feeds = {self.ids: np.array([ids], self.inputs[self.ids]["dtype"]), **given, **self.kept}
        outputs = self.session.run(feeds)
        self.kept = {past: outputs[present] for past, present in self.states.items()}
        logits: Array = outputs[self.logits][0, -1]
        return logits

    def require_fitting(self, ids: Sequence[int], tokens: int) -> None:
        """Raise SpecError G913 if a prompt is empty, has ids that there are not, or is too long with what follows."""
        below = self.vocabulary if self.below is None else int(self.below)
        wrong = [id for id in ids if not 0 <= id < below]
        if not ids:
            raise SpecError(Diagnostic("G913", "the prompt is empty: it has no token", hint="write at least one token"))
        if wrong:
            message = f"the prompt has the id {wrong[0]}, but the ids of the model are 0 to {below - 1}"
            raise SpecError(Diagnostic("G913", message, hint="use the tokenizer of the model"))
        if self.longest is not None and len(ids) + tokens > self.longest:
            message = f"the prompt has {len(ids)} tokens and {tokens} are to follow, but the model takes {self.longest}"
            room = self.longest - len(ids)
            hint = f"ask for at most {room} tokens" if room > 0 else "shorten the prompt"
            raise SpecError(Diagnostic("G913", message, hint=hint))


def _require_language_model(
    path: Path, inputs: Mapping[str, Any], ids: Sequence[str], whole: Sequence[str], logits: Mapping[str, Any]
) -> None:
    """Raise SpecError G911 unless a step takes ids [batch, new] and masks [batch, all], and returns logits."""
    integers = ("int64", "int32")
    for name in (*ids, *whole):
        if inputs[name]["dtype"] not in integers or len(inputs[name]["shape"]) != 2:
            message = f"{path}: '{name}' is not [batch, entries] of whole numbers, as ids and masks are"
            raise SpecError(Diagnostic("G911", message, hint="run step.onnx yourself"))
    if len(ids) != 1 or len(logits["shape"]) != 3 or not isinstance(logits["shape"][2], int):
        message = f"{path}: the step does not go from ids [batch, entries] to logits [batch, entries, vocabulary]"
        raise SpecError(Diagnostic("G911", message, hint="run step.onnx yourself"))
