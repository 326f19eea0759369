"""A spec that is checked and linked once, to be proven with many weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from stackc.export import link_program, write_model
from stackc.export.pipeline import LinkedProgram
from stackc.frontend import Checked, check_source
from stackc.proof.components import Reference
from stackc.proof.parity import prove
from stackc.runtime import open_session
from stackc.spec.source import Source


@dataclass(frozen=True)
class LinkedModel:
    """A spec that is checked and linked, to be proven with many weights."""

    name: str
    checked: Checked
    linked: LinkedProgram

    @staticmethod
    def of(name: str, text: str) -> LinkedModel:
        """Check and link a spec."""
        return LinkedModel.linked_from(name, check_source(Source(f"{name}.yaml", text)))

    @staticmethod
    def linked_from(name: str, checked: Checked) -> LinkedModel:
        """Link a checked spec."""
        return LinkedModel(name, checked, link_program(checked.program))

    def write(self, module: nn.Module, folder: Path) -> Path:
        """Write the file with the weights of a module."""
        tensors = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
        return write_model(self.linked, tensors, folder).paths[0]

    def prove(self, reference: Reference, path: Path, seed: int, threads: int, optimize: bool) -> None:
        """Prove the file against a module. Raises SpecError if it is refused."""
        session = open_session(path, "cpu", threads=threads, optimize=optimize)
        torch.set_num_threads(threads)
        program, ranges = self.checked.program, self.checked.ranges
        prove(program, reference, session, path, ranges, linked=self.linked.graph, seed=seed, threads=threads)
