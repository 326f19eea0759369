"""Which outputs an ONNX file can have: it has one space of names for inputs, outputs and parameters."""

from __future__ import annotations

import re

from stackc.core.diagnostics import Collector, Note
from stackc.ir.program import Program
from stackc.spec.document import Document


def require_own_names(document: Document, program: Program) -> None:
    """Raise SpecError S008 for every output that has the name of an input or of a parameter."""
    diagnostics, hint = Collector(), "give the output another name"
    parameters = {plain_name(name) for name in program.tensors()} if any("." in o for o in program.outputs) else ()
    for output in document.body.outputs:
        if output.name in document.inputs:
            note = Note("the input", document.inputs[output.name].span)
            diagnostics.error(
                "S008", f"'{output.name}' is an input and an output; a name is one of them", output.span, hint, note
            )
        elif output.name in parameters:
            diagnostics.error("S008", f"'{output.name}' is a parameter; no output can have its name", output.span, hint)
    diagnostics.raise_if_any()


def plain_name(name: str) -> str:
    """A parameter's name without what a reparametrization adds: `parametrizations.weight.original` is `weight`."""
    return re.sub(r"\bparametrizations\.([^.]+)\.original\d*$", r"\1", name)
