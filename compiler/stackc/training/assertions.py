"""What a spec asserts of its losses and metrics, held against the ONNX file on the validation data."""

from __future__ import annotations

from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.frontend import Checked
from stackc.ir.assertions import Asserted
from stackc.runtime import Session
from stackc.training.evaluation import measure_file, require_outputs
from stackc.training.examples import Examples
from stackc.training.prepare import open_examples, training_of
from stackc.weights.sources import Weights

VALIDATION = "validation"


def validation_examples(checked: Checked) -> Examples:
    """Return the validation data of a spec that asserts something.

    Raises SpecError L303 if it names none, L201 if they cannot be read, L207 for a loss of a value that the model does
    not return.
    """
    require_outputs(checked)
    examples = open_examples(checked, training_of(checked), {}, VALIDATION)
    if examples is None:
        names = ", ".join(assertion.name for assertion in checked.assertions)
        message = f"{names} cannot be measured: the spec names no validation data"
        hint = "write `data: {validation: FILE}` under `train`, or build with `--no-assert`"
        raise SpecError(Diagnostic("L303", message, checked.assertions[0].span, hint))
    return examples


def hold_assertions(checked: Checked, session: Session | None, weights: Weights | None) -> tuple[Asserted, ...]:
    """Measure every figure that is asserted, of a file with trained weights.

    `checked` asserts nothing else. Raises SpecError L304 for each that is out of its bounds, and what
    `validation_examples` raises.
    """
    assert session is not None, "there is something to measure"
    assert weights is not None, "random weights assert nothing"
    examples = validation_examples(checked)
    figures = measure_file(checked, session, examples, weights)
    note = f"on {len(examples):,} examples of {examples.path.name}"

    diagnostics = Collector()
    for assertion in checked.assertions:
        figure = figures[assertion.name]
        if not assertion.holds(figure):
            message = f"{assertion.name} is {figure:.6g} {note}, but the spec asserts {assertion.bounds}"
            hint = "train it further, or change the bound; `--no-assert` builds it all the same"
            diagnostics.error("L304", message, assertion.span, hint)
    diagnostics.raise_if_any()
    return tuple(Asserted(assertion, figures[assertion.name], note) for assertion in checked.assertions)
