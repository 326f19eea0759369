"""Steps of a spec's training one by one, without files of examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from stackc.frontend import Checked, check_source
from stackc.runtime import Array
from stackc.spec.source import Source
from stackc.training.optimizer import make_optimizer
from stackc.training.prepare import training_module
from stackc.training.ranks import RankBatch
from stackc.training.step import Model, update


@dataclass(frozen=True)
class Steps:
    """A model in training, with its optimizer."""

    checked: Checked
    model: Model
    optimizer: torch.optim.Optimizer

    @staticmethod
    def of(text: str, file: str | Path = "model.yaml") -> Steps:
        """Check a spec and start its training."""
        checked = check_source(Source(str(file), text))
        assert checked.training is not None
        model = Model(training_module(checked, checked.training), checked.training)
        model.start_training()
        settings = checked.training.settings
        return Steps(checked, model, make_optimizer(settings.optimizer, model.module, settings.groups))

    @property
    def module(self) -> nn.Module:
        """The module that is trained."""
        return self.model.module

    def step(self, **feeds: Array) -> float:
        """Make one step; return the loss before it."""
        return update(self.model, self.optimizer, RankBatch.alone(feeds))
