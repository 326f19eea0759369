"""The gradient of each example, and an update of the weights with what `privacy` leaves of them.

An example is run alone, as a batch of one: so its gradient has nothing of the others, whatever the model does. PyTorch
runs many of them at once by vmap, which is as fast as opacus's hooks and, other than these, right for tied weights,
reparametrized ones and for components with parameters of their own. Clipping, noise and the division by the expected
size of a batch are those of opacus's DPOptimizer.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from stackc.core.types import Dim
from stackc.dataflow.batch_axis import batch_axes
from stackc.runtime import Array
from stackc.training.private_run import PrivatePlan, secret_number
from stackc.training.step import Model

Gradients = Mapping[str, Tensor]
"""The gradient of each example for each trained parameter: [examples, *shape]."""


class ExampleLoss(nn.Module):
    """The loss of one example, whose inputs lack the axis of the batch."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.module = model.module
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs of one example → a number."""
        return self.model.loss(self.model.means_of([x[None] for x in inputs]))


@dataclass(frozen=True)
class PerExample:
    """Computes the gradient of each example of a batch, for a model whose examples are independent."""

    loss: ExampleLoss
    batch: Dim
    runs_together: bool

    @staticmethod
    def of(model: Model) -> PerExample:
        """Choose how examples run. vmap has no rules for the recurrent networks of torch.nn: these run one by one."""
        batch = batch_axes(model.training.program.inputs)
        assert batch is not None, "a model without a batch axis is refused"
        together = not any(isinstance(module, nn.RNNBase) for module in model.module.modules())
        return PerExample(ExampleLoss(model), batch[0], together)

    def gradients(self, feeds: Mapping[str, Array]) -> tuple[Gradients, Tensor]:
        """Return the gradient of each example, and its loss: [examples, …], [examples]."""
        parameters = dict(self.loss.named_parameters())
        trained = {name: tensor.detach() for name, tensor in parameters.items() if tensor.requires_grad}
        held = {name: tensor.detach() for name, tensor in parameters.items() if name not in trained}
        held |= dict(self.loss.named_buffers())

        def loss_of(weights: dict[str, Tensor], *inputs: Tensor) -> Tensor:
            value = functional_call(self.loss, {**weights, **held}, inputs)
            assert isinstance(value, Tensor)
            return value

        inputs = self.loss.model.tensors(feeds)
        of_one = grad_and_value(loss_of)
        if self.runs_together:
            with _batched_kernels():
                return vmap(of_one, in_dims=(None, *[0] * len(inputs)), randomness="different")(trained, *inputs)

        found = [of_one(trained, *row) for row in zip(*inputs, strict=True)]
        gradients = {name: torch.stack([each[0][name] for each in found]) for name in trained}
        return gradients, torch.stack([loss for _, loss in found])


@contextmanager
def _batched_kernels() -> Iterator[None]:
    """Take attention's plain kernel, which vmap batches; it loops over the few others that it has no rule for, and
    PyTorch warns of that."""
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        yield


def private_optimizer(optimizer: torch.optim.Optimizer, plan: PrivatePlan) -> torch.optim.Optimizer:
    """Return opacus's optimizer around another one."""
    from opacus.optimizers import DPOptimizer

    private: torch.optim.Optimizer = DPOptimizer(
        optimizer, noise_multiplier=plan.noise, max_grad_norm=plan.budget.clip, expected_batch_size=plan.expected_batch,
        loss_reduction="mean", generator=torch.Generator(),
    )  # fmt: skip
    return private


def private_update(
    per_example: PerExample, optimizer: Any, feeds: Mapping[str, Array], secret: str, step: int
) -> float | None:
    """Make one step with an optimizer of `private_optimizer`, and return the mean loss of the examples, None of none.

    The batch, which has as many examples as were drawn, is computed in parts that are no larger than the `batch` and
    `accumulate` of the spec ask for. The weights stay as they are if a loss is not finite.
    """
    settings = per_example.loss.model.training.settings
    size = -(-settings.data.batch // settings.accumulate)
    optimizer.zero_grad(set_to_none=True)
    optimizer.generator.manual_seed(secret_number(secret, "noise", step))

    losses = []
    parts = [*example_parts(feeds, size)]
    for number, part in enumerate(parts):
        gradients, of_part = per_example.gradients(part)
        losses.append(of_part)
        if not bool(of_part.isfinite().all()):
            optimizer.zero_grad(set_to_none=True)
            return float(of_part.mean())
        _hand_over(per_example.loss, gradients)
        optimizer.signal_skip_step(do_skip=number + 1 < len(parts))
        optimizer.step()
        if number + 1 < len(parts):
            optimizer.zero_grad(set_to_none=True)
    if losses:
        return float(torch.cat(losses).mean())

    _hand_over(per_example.loss, {})
    optimizer.step()
    return None


def example_parts(feeds: Mapping[str, Array], size: int) -> Iterator[dict[str, Array]]:
    """Cut a batch along its first axis into parts of at most so many examples; none if there are no feeds."""
    count = min((len(array) for array in feeds.values()), default=0)
    for start in range(0, count, size):
        yield {name: array[start : start + size] for name, array in feeds.items()}


def _hand_over(loss: nn.Module, gradients: Gradients) -> None:
    """Set the gradients where opacus looks for them: those of no example if there are none."""
    for name, parameter in loss.named_parameters():
        if parameter.requires_grad:
            own = gradients[name] if gradients else parameter.new_zeros((0, *parameter.shape))
            parameter.grad_sample = own  # type: ignore[attr-defined]
