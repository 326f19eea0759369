"""What `decode` names: a dim, inputs and outputs of the model."""

from __future__ import annotations

from collections.abc import Collection

from stackc.core.diagnostics import Collector, did_you_mean
from stackc.ir.decoding import DecodeSettings
from stackc.ir.program import Program
from stackc.spec.document import DecodeDecl
from stackc.spec.yaml.tree import Value


def read_decode_settings(decl: DecodeDecl, program: Program) -> DecodeSettings:
    """Return the names, which all exist. Raises SpecError G901 for each that does not, or that stands twice."""
    diagnostics = Collector()

    def checked(values: tuple[Value, ...], what: str, known: Collection[str]) -> tuple[str, ...]:
        names: list[str] = []
        for value in values:
            name = str(value.data)
            if name not in known:
                message = f"decode names '{name}', which is no {what} of the model"
                diagnostics.error("G901", message, value.span, did_you_mean(name, known))
            elif name in names:
                diagnostics.error("G901", f"decode names '{name}' twice", value.span, "remove one of them")
            names.append(name)
        return tuple(names)

    assert decl.along is not None, "the reader requires it"
    (along,) = checked((decl.along,), "dim", program.contract)
    inputs = checked(decl.inputs, "input", program.inputs)
    others = [name for name in program.inputs if name not in inputs]
    whole = checked(decl.whole, "other input", others)
    outputs = checked(decl.outputs, "output", program.outputs)
    diagnostics.raise_if_any()
    return DecodeSettings(along, inputs, whole, outputs, decl.span)
