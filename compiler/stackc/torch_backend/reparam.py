"""Register the reparametrizations of a component on its module."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from stackc.components.reparam import Reparam


def register_reparams(module: nn.Module, reparams: Iterable[tuple[str, Reparam]]) -> None:
    """Reparametrize parameters of a module, each by its path below the module: "weight", "up.weight"."""
    for path, reparam in reparams:
        owner, _, parameter = path.rpartition(".")
        register_parametrization(module.get_submodule(owner), parameter, reparam.parametrization())
