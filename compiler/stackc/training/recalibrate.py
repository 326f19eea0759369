"""Statistics of batch_norm that fit the weights which are kept, and not those that training passed through."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from torch import nn
from torch.optim.swa_utils import update_bn

from stackc.runtime import Array
from stackc.training.examples import Batch
from stackc.training.step import Model


def recalibrated(model: Model, batches: Iterable[Batch]) -> Model:
    """Return a copy of a model whose batch_norms have the means of the statistics of these batches.

    Frozen ones keep theirs. The weights are read as they are, as torch.optim.swa_utils.update_bn does for averaged ones
    (Izmailov et al. 2018, https://arxiv.org/abs/1803.05407).
    """
    model = replace(model, module=copy.deepcopy(model.module))
    update_bn((batch.feeds for batch in batches), _Calibrated(model))
    return model


class _Calibrated(nn.Module):
    """A model as update_bn runs it: on the feeds of a batch, and without what is frozen."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.module = model.module
        self._model = model
        frozen = [self.module.get_submodule(path) for path in model.training.settings.freeze]
        self._frozen = {id(part) for module in frozen for part in module.modules()}

    def forward(self, feeds: Mapping[str, Array]) -> None:
        self._model.means(feeds)

    def modules(self, remove_duplicate: bool = True) -> Iterator[nn.Module]:
        return (module for module in super().modules(remove_duplicate) if id(module) not in self._frozen)

    def train(self, mode: bool = True) -> _Calibrated:
        super().train(mode)
        if mode:
            self._model.start_training()
        return self
