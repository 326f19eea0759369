"""What to do about each kind of failure of a proof: a fix in the spec or in custom code, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stackc.components.base import Component
from stackc.core.value_range import ValueRange
from stackc.ir.program import Call, Program
from stackc.proof.report import ComponentRow
from stackc.proof.tolerance import beyond_pytorch
from stackc.proof.value_draws import is_extreme, open_inputs

REPORT = (
    "nothing in the spec is wrong: stackc or ONNX Runtime is; please report what `stackc reduce`, with the spec and "
    "the options of this build, prints"
)
RANDOM = "draw random numbers in training only: `if self.training:`, or once, in the constructor"
CUSTOM = (
    "the file holds one run of this custom code, under torch.export: what it takes from Python there (`.item()`, "
    "attributes that change, `is_exporting()`) has to be tensor operations; if there is no such thing, please report "
    "what `stackc reduce` prints"
)
FROZEN = (
    "the file holds one run of this custom code: take sizes from tensors where they are needed, as `x.shape[1]`, "
    "without `int()` or a number in `reshape`; or write the size into the shapes of the inputs"
)
OVERFLOW = "float32 ends at 3.4e38: scale its inputs down, or take an op that does so itself, as softmax does"


def is_custom(component: Component) -> bool:
    """Return whether a component is somebody's own code: of `op: torch`, or of another package."""
    return not type(component).__module__.startswith(("stackc.components.families.", "stackc.components.steps."))


def fault_of(component: Component | None) -> str:
    """Return what to do about a component that the file computes wrongly, whatever its inputs."""
    return CUSTOM if component is not None and is_custom(component) else REPORT


def frozen_dim(component: Component | None) -> str:
    """Return what to do about a component that turns a size into a constant."""
    return FROZEN if component is not None and is_custom(component) else REPORT


def failing_module(component: Component) -> str:
    """Return what to do about a component that fails in PyTorch, whatever was tried."""
    if is_custom(component):
        return "none of the sizes and whole numbers that were tried work: mend its `forward`"
    return REPORT


def changed_buffer(call: Call | None) -> str:
    """Return what to do about a buffer that changes in evaluation."""
    if call is None or is_custom(call.component):
        return "change it in training only: `if self.training:`"
    return REPORT


@dataclass(frozen=True)
class Advice:
    """What the advice about a component that differs from PyTorch depends on, besides its row."""

    program: Program
    ranges: Mapping[str, ValueRange]
    provider: str

    def of_component(self, row: ComponentRow) -> str:
        """Return what to do about a failing component: about the inputs that show it first."""
        if beyond_pytorch(row.verdict):
            return OVERFLOW

        component = next((call.component for call in self.program.calls if call.path == row.path), None)
        return "; ".join([*self._about_inputs(row), fault_of(component), *self._about_provider()])

    def of_outputs(self) -> str:
        """Return what to do about outputs that differ although no component does."""
        cause = (
            "each component alone is within its tolerance: ONNX Runtime fuses nodes across components, or small errors "
            "add up"
        )
        return "; ".join([cause, REPORT, *self._about_provider()])

    def _about_inputs(self, row: ComponentRow) -> list[str]:
        names = open_inputs(self.program, self.ranges) if is_extreme(row.point.draw) else ()
        if not names:
            return []
        declared = ", ".join(f"`{name}: {{…, min: …, max: …}}`" for name in names)
        return [f"if the model never gets inputs {row.point.draw}, declare what it gets, {declared}"]

    def _about_provider(self) -> list[str]:
        return [] if self.provider == "cpu" else ["`--provider cpu` proves it on the processor"]
