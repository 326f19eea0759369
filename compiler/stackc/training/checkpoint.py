"""Checkpoints: everything that a run continues from, in one .safetensors file that appears whole or not at all.

Tensors are those of the model, of the average of weights, and of the optimizer, and the state of the random numbers;
the rest, as the place in the data, is JSON in the metadata. Nothing in the file is ever run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import TensorType
from stackc.training.history import report_full_disk, temporary_name
from stackc.training.ranks import ALONE, Ranks, placed_as, whole
from stackc.weights.files.safetensors_file import read_metadata


@dataclass
class Position:
    """Where a run is: the epoch, the batches done in it, all updates, and the best epoch so far.

    `losses` is the sum of the losses of the epoch's batches, `norms` are those of watch_components.py. `made_with` is
    what a run has to be continued with. `secret` is what draws and noise of `privacy` are made from.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    losses: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    made_with: str = ""
    norms: dict[str, list[float | None]] = field(default_factory=dict)
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class RunState:
    """All that changes while a run goes on."""

    position: Position
    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None


def save_checkpoint(path: Path, state: RunState, ranks: Ranks = ALONE) -> None:
    """Write a checkpoint, as rank 0. Raises SpecError L205 if the disk does not take it; an earlier one then stays.

    It is the same whether one process trains or several, but for the random numbers, of which each rank has its own.
    """
    tensors = _tensors_of("model", state.module)
    if state.average is not None:
        tensors |= _tensors_of("average", state.average)
    optimizer = state.optimizer.state_dict()
    for index, values in optimizer["state"].items():
        whole_values = {key: whole(value) for key, value in values.items() if isinstance(value, Tensor)}
        tensors |= {f"optimizer.{index}.{name}": value for name, value in whole_values.items()}
    first, *others = ranks.all_of(torch.get_rng_state())
    tensors |= {"random": first} | {f"random.{number}": state for number, state in enumerate(others, 1)}
    if ranks.is_first:
        is_secret = bool(state.position.secret)
        write_tensors(path, tensors, {"position": json.dumps(asdict(state.position))}, is_secret=is_secret)


def load_checkpoint(path: Path, state: RunState, ranks: Ranks = ALONE) -> None:
    """Set a state to that of a checkpoint, of as many ranks or of others: then random numbers are new on some.

    Raises SpecError L204 if there is none, or it is of another run."""
    if not path.is_file():
        raise SpecError(Diagnostic("L204", f"there is no run to resume at {path.parent}", hint="leave out `--resume`"))
    try:
        with safe_open(path, framework="pt") as file:
            position = json.loads(file.metadata()["position"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except (SafetensorError, KeyError, ValueError) as error:
        raise SpecError(Diagnostic("L204", f"{path} is no checkpoint: {error}")) from None
    if position["made_with"] != state.position.made_with:
        message = f"the run at {path.parent} was made with another model, other settings or other data"
        raise SpecError(Diagnostic("L204", message, hint="name another folder with `-o`"))

    for each in fields(Position):
        setattr(state.position, each.name, position[each.name])
    _load(state.module, _below("model", tensors))
    if state.average is not None:
        _load(state.average, _below("average", tensors))
    optimizer = state.optimizer.state_dict()
    optimizer["state"] = _optimizer_state(_below("optimizer", tensors), state.optimizer)
    state.optimizer.load_state_dict(optimizer)
    random = tensors.get(f"random.{ranks.number}" if ranks.number else "random")
    if random is not None:
        torch.set_rng_state(random)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, is_secret: bool = False
) -> None:
    """Write a .safetensors file, whole or not at all; a secret one for its owner alone. Raises SpecError L205 if that
    fails."""
    beside = temporary_name(path)
    try:
        with report_full_disk(path):
            beside.touch()
            # as the umask has it; files of save_file can be read by their owner alone
            mode = 0o600 if is_secret else beside.stat().st_mode
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, beside, dict(metadata))
            beside.chmod(mode)
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(beside, path)
    except SafetensorError as error:
        raise SpecError(Diagnostic("L205", f"cannot write {path}: {error}")) from error
    finally:
        beside.unlink(missing_ok=True)


def rewrite_metadata(path: Path, metadata: dict[str, str]) -> None:
    """Write a .safetensors file again, with other values in its metadata. Raises SpecError L205 if that fails."""
    write_tensors(path, load_file(path), read_metadata(path) | metadata)


def weights_of(module: nn.Module, types: Mapping[str, TensorType]) -> dict[str, Tensor]:
    """Return the tensors of a module that a spec has, in its element types: a tied one under the name of its owner."""
    state = module.state_dict()
    return {name: whole(state[name]).to(getattr(torch, type_.dtype)) for name, type_ in types.items()}


def _tensors_of(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": whole(tensor.detach()).clone() for name, tensor in module.state_dict().items()}


def _load(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Set the tensors of a module, shared among the ranks as they are."""
    current = module.state_dict()
    module.load_state_dict(
        {name: placed_as(tensor, current[name]) if name in current else tensor for name, tensor in tensors.items()}
    )


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def _optimizer_state(tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Any]]:
    """Return the state of each parameter by its number, shared among the ranks as the parameter is."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        parameter = parameters[int(index)]
        placed = placed_as(tensor, parameter) if tensor.shape == parameter.shape else tensor
        state.setdefault(int(index), {})[key] = placed
    return state
