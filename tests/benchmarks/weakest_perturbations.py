"""The smallest relative perturbation of one weight matrix that the proof finds, with and without the spread."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from tests.benchmarks.linked_model import LinkedModel
from tests.proof.conftest import SPEC as SMALL
from torch import nn

from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_spec
from stackc.proof import tolerance
from stackc.proof.components import Reference
from stackc.proof.parity import prove
from stackc.runtime import open_session
from stackc.torch_backend.lower import lower

BERT = Path(__file__).parents[2] / "specs" / "bert_base.yaml"
SIZES = [10.0**-power for power in np.arange(2, 7.01, 0.25)]


def print_perturbations(bert: bool) -> None:
    """Print the smallest relative perturbation of one weight matrix that each rule finds, in `small` and bert_base."""
    small = LinkedModel.of("small", SMALL)
    names = ("encoder.1.mlp.up.weight", "encoder.0.attn.out.weight", "square.weight", "head.weight", "left.weight")
    _print_weakest(small, names)
    if bert:
        model = LinkedModel.linked_from("bert_base", check_spec(BERT, Overrides(dims={"batch": 1, "seq": 5})))
        _print_weakest(model, ("encoder.0.attn.q.weight", "encoder.11.mlp.down.weight", "pooler.weight"))


def _print_weakest(model: LinkedModel, names: Sequence[str]) -> None:
    module = lower(model.checked.typed)
    with tempfile.TemporaryDirectory() as folder:
        path = model.write(module, Path(folder))
        for name in names:
            without, now = (_weakest(model, module, name, spreads, path) for spreads in (0.0, tolerance.SPREADS))
            found = f"weakest perturbation found {without:.1e} without the spread, {now:.1e} with it"
            print(f"{model.name}, {name}: {found}", flush=True)


def _weakest(model: LinkedModel, module: nn.Module, name: str, spreads: float, path: Path) -> float:
    """Return the smallest size of a random relative perturbation of a matrix, the file's against the module's, that is
    refused although nobody compares the tensors of the file."""
    parameter = module.get_parameter(name)
    before = parameter.detach().clone()
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(tuple(before.shape)).astype(np.float32))
    program, ranges = model.checked.program, model.checked.ranges

    def is_found(size: float) -> bool:
        with torch.no_grad():
            parameter.copy_(before * (1 + size * noise))
        session = open_session(path, "cpu", threads=1)
        with mock.patch.object(tolerance, "SPREADS", spreads):
            try:
                prove(program, Reference.of(module), session, path, ranges, threads=1)
            except SpecError:
                return True
        return False

    found, missed = -1, len(SIZES)  # SIZES fall: a perturbation is found up to some index
    while missed - found > 1:
        middle = (found + missed) // 2
        found, missed = (middle, missed) if is_found(SIZES[middle]) else (found, middle)
    with torch.no_grad():
        parameter.copy_(before)
    return SIZES[found] if found >= 0 else float("inf")
