"""How much memory a step takes, before anything runs: a step under FakeTensorMode, whose tensors have sizes alone.

Autograd runs as in training, so that what it saves for the backward pass, and when it lets go of it, is what it saves
and lets go of then. The optimizer is the same for every parameter: it is measured on one of a few kilobytes.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.torch_internals import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    tree_map,
)
from stackc.core.types import TensorType
from stackc.frontend import Checked
from stackc.ir.optimizers import Optimizer
from stackc.ir.training import ParameterGroup, Training
from stackc.proof.eager_mode import EagerMode
from stackc.torch_backend.lower import lower
from stackc.training.optimizer import make_optimizer
from stackc.training.step import Model

_PROBE = (64, 64)
"""The shape of the parameter that an optimizer is measured on."""


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Bytes that a step allocates beside the weights and the state of the optimizer.

    saved                kept for the backward pass, at the end of the forward pass, inputs included
    peak                 the most at once, without gradients that are complete
    peak_with_gradients  the most at once, where each gradient is allocated as it is computed, and freed after the step
    """

    saved: int
    peak: int
    peak_with_gradients: int


@dataclass(frozen=True, slots=True)
class OptimizerMemory:
    """Elements for each element of a parameter: those kept from step to step, and the most at once within a step."""

    state: int
    temporary: int


class AllocatedBytes(EagerMode):
    """Counts the bytes of all tensors that operators make, from when they are made until nothing refers to them.

    Tensors that share memory count once; those of `ignored`, which were there before, do not count.
    """

    def __init__(self, ignored: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.live = self.peak = self.complete = self.peak_without_complete = 0
        self._storages: dict[int, weakref.ref[Any]] = {}
        self._complete: set[int] = set()
        self._ignored = [tensor.untyped_storage() for tensor in ignored]
        self._storages |= {id(storage): weakref.ref(storage) for storage in self._ignored}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator, and count what it returns."""
        returned = func(*args, **(kwargs or {}))
        tree_map(self._count, returned)
        return returned

    def complete_gradient(self, parameter: Tensor) -> None:
        """Count the gradient of a parameter as complete from now on."""
        assert parameter.grad is not None
        storage = parameter.grad.untyped_storage()
        if id(storage) in self._storages and id(storage) not in self._complete:
            self._complete.add(id(storage))
            self.complete += storage.nbytes()

    def _count(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            return
        storage = value.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key in self._storages:
            return

        def free(reference: Any) -> None:
            del self._storages[key]
            self.live -= size
            if key in self._complete:
                self._complete.discard(key)
                self.complete -= size

        self._storages[key] = weakref.ref(storage, free)
        self.live += size
        self.peak = max(self.peak, self.live)
        self.peak_without_complete = max(self.peak_without_complete, self.live - self.complete)


@dataclass(frozen=True)
class TracedModel:
    """The module of a model with its losses, or without if its spec has none, made of tensors without numbers."""

    name: str
    module: nn.Module
    inputs: Mapping[str, TensorType]
    training: Training | None
    mode: FakeTensorMode = field(repr=False)

    @staticmethod
    def of(checked: Checked) -> TracedModel:
        """Make the module of a checked spec."""
        training = checked.training
        typed, program = (training or checked).typed, (training or checked).program
        mode = FakeTensorMode()
        with mode:
            module = lower(typed)
            if training and training.settings.precision == "float64":
                _make_double(module)
        if training:
            Model(module, training).start_training()
        else:
            module.train()
        return TracedModel(checked.document.name, module, program.inputs, training, mode)

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that are trained, once each."""
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    @property
    def weight_bytes(self) -> int:
        """The bytes of all parameters and buffers."""
        return sum(map(bytes_of, {*self.module.parameters(), *self.module.buffers()}))

    def step(self, sizes: Mapping[str, int], parts: int = 1) -> StepMemory:
        """Return the memory of a step of `parts` parts, whose inputs have these sizes.

        Raises SpecError L221 if shapes of the model depend on values, which these tensors do not have.
        """
        counter = AllocatedBytes([*self.module.parameters(), *self.module.buffers()])
        saved = 0
        try:
            with self.mode, counter, _calling(self.trained, counter.complete_gradient):
                for _ in range(min(parts, 2)):  # the second has the gradients of the first beside it, as all others
                    loss = self._loss([self._input(type_, sizes) for type_ in self.inputs.values()])
                    saved = counter.live - counter.complete
                    loss.backward()
                    del loss
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            message = f"the memory of '{self.name}' depends on the values of its inputs: {error}"
            raise SpecError(Diagnostic("L221", message, hint="train for a step, and look at the process")) from None
        finally:
            for parameter in self.trained:
                parameter.grad = None
        return StepMemory(saved, counter.peak_without_complete, counter.peak)

    def _input(self, type_: TensorType, sizes: Mapping[str, int]) -> Tensor:
        is_double = type_.is_float and self.training and self.training.settings.precision == "float64"
        dtype = torch.float64 if is_double else getattr(torch, type_.dtype)
        return torch.empty([dim.evaluate(sizes) for dim in type_.shape], dtype=dtype)

    def _loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the loss; the sum of all outputs if the spec has none."""
        if self.training:
            model = Model(self.module, self.training)
            return model.loss(model.means_of(inputs))
        returned = self.module(*inputs)
        outputs = returned if isinstance(returned, tuple) else (returned,)
        return torch.stack([output.sum() for output in outputs if output.requires_grad]).sum()


def optimizer_memory(settings: Optimizer) -> OptimizerMemory:
    """Return what an optimizer needs for each element of a parameter, by two steps of a small one.

    On the CPU torch.optim goes through the parameters one after the other, so that its temporary tensors are those of
    one parameter.
    """
    module = nn.Module()
    module.weight = nn.Parameter(torch.zeros(_PROBE))
    optimizer = make_optimizer(settings, module, [ParameterGroup(settings.lr, settings.weight_decay, ("weight",))])
    module.weight.grad = torch.ones(_PROBE)
    optimizer.step()

    kept = [value for value in optimizer.state[module.weight].values() if isinstance(value, Tensor)]
    with AllocatedBytes([module.weight, module.weight.grad, *kept]) as counter:
        optimizer.step()
    state = sum(value.shape == module.weight.shape for value in kept)
    return OptimizerMemory(state, counter.peak // bytes_of(module.weight))


def _make_double(module: nn.Module) -> None:
    """Turn the floating-point tensors of a module into float64; `Module.double` cannot do that with fake tensors."""
    doubles: dict[Tensor, Tensor] = {}
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False, remove_duplicate=False):
            setattr(owner, name, doubles.setdefault(parameter, nn.Parameter(parameter.detach().double())))
        for name, buffer in owner.named_buffers(recurse=False, remove_duplicate=False):
            if buffer.is_floating_point():
                setattr(owner, name, doubles.setdefault(buffer, buffer.double()))


def bytes_of(tensor: Tensor) -> int:
    """Return the bytes of the elements of a tensor."""
    return tensor.numel() * tensor.element_size()


@contextmanager
def _calling(parameters: Sequence[nn.Parameter], hook: Any) -> Iterator[None]:
    """Call a function with each parameter whose gradient is complete."""
    handles = [parameter.register_post_accumulate_grad_hook(hook) for parameter in parameters]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
