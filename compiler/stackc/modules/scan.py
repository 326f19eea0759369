"""A cell applied along an axis with a state, as a loop, and its export as one ONNX Scan."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Tensors = tuple[Tensor, ...]


class Scan(nn.Module):
    """A cell called at each index of an axis in turn; each state that it returns enters the next call.

    `sliced` are the inputs of the cell that have the axis, `carried` pairs an output of the cell with the input that
    takes it next. All other inputs enter every call whole.
    """

    def __init__(
        self,
        cell: nn.Module,
        *,
        axis: int,
        sliced: tuple[int, ...],
        carried: tuple[tuple[int, int], ...],
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.axis = axis
        self.sliced = sliced
        self.carried = carried
        self.reverse = reverse

    def forward(self, *inputs: Tensor) -> Tensor | Tensors:
        """Return outputs stacked along the axis, and the last states, in the order of the cell's outputs."""
        values, steps = list(inputs), []
        indices = range(inputs[self.sliced[0]].shape[self.axis])
        for index in reversed(indices) if self.reverse else indices:
            for port in self.sliced:
                values[port] = inputs[port].select(self.axis, index)
            outputs = self.cell(*values)
            for output, port in self.carried:
                values[port] = outputs[output]
            steps.append(outputs)

        ordered = steps[::-1] if self.reverse else steps
        last = dict(self.carried)
        results = [
            values[last[output]] if output in last else torch.stack([step[output] for step in ordered], dim=self.axis)
            for output in range(len(steps[0]))
        ]
        return results[0] if len(results) == 1 else tuple(results)

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor | Tensors]:
        """Export as one Scan, of any length; modules of the cell in ONNX's own operators."""
        for part in self.cell.children():
            export_forward = getattr(part, "export_forward", None)
            if export_forward is not None and (forward := export_forward(opset, "portable")) is not None:
                part.forward = forward
        return self.scanned

    def scanned(self, *inputs: Tensor) -> Tensor | Tensors:
        """Return the same by PyTorch's own operator, which an exporter keeps whole; it goes along axis 0."""
        from torch._higher_order_ops.scan import scan_op

        returned = dict(self.carried)
        state = dict(self.cell.named_parameters()) | dict(self.cell.named_buffers())
        whole = [port for port in range(len(inputs)) if port not in (*self.sliced, *returned.values())]
        order = [*returned.values(), *self.sliced, *whole]

        def step(*arguments: Tensor) -> list[Tensor]:
            values = [x for _, x in sorted(zip(order, arguments, strict=False), key=lambda pair: pair[0])]
            parts = dict(zip(state, arguments[len(order) :], strict=True))
            outputs = torch.func.functional_call(self.cell, parts, tuple(values))
            kept = [number for number in range(len(outputs)) if number not in returned]
            return [outputs[number].clone() for number in (*returned, *kept)]  # the operator takes no views

        moved = [inputs[port].movedim(self.axis, 0) for port in self.sliced]
        slices = [x.flip(0) for x in moved] if self.reverse else moved
        extra = (*(inputs[port] for port in whole), *state.values())
        results = scan_op(step, [inputs[port] for port in returned.values()], slices, extra)

        last, stacked = dict(zip(returned, results, strict=False)), iter(results[len(returned) :])
        ordered = [last[n] if n in last else self.placed(next(stacked)) for n in range(len(results))]
        return ordered[0] if len(ordered) == 1 else tuple(ordered)

    def placed(self, stacked: Tensor) -> Tensor:
        """Return an output of the operator in the order of the axis, and at its place."""
        y = stacked.flip(0) if self.reverse else stacked
        return y.movedim(0, self.axis)
