"""Names of outputs: an ONNX model has one namespace for inputs, outputs and parameters."""

from __future__ import annotations

from stackc.core.diagnostics import Collector, Note
from stackc.core.name_patterns import plain_name
from stackc.ir.program import Program
from stackc.spec.document import Document


def require_own_names(document: Document, program: Program) -> None:
    """Raise SpecError (S008) for every output that has the name of an input or a parameter."""
    diagnostics, hint = Collector(), "give the output another name"
    has_dots = any("." in name for name in program.outputs)  # as the names of all parameters have
    parameters = {plain_name(name) for name in program.tensors()} if has_dots else set()

    for output in document.body.outputs:
        if output.name in document.inputs:
            message = f"'{output.name}' is the name of an input and of an output"
            note = Note("the input", document.inputs[output.name].span)
            diagnostics.error("S008", message, output.span, hint, note)
        elif output.name in parameters:
            message = f"'{output.name}' is the name of a parameter and of an output"
            diagnostics.error("S008", message, output.span, hint)
    diagnostics.raise_if_any()
