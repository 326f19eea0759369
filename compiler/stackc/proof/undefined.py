"""Find the components from which numbers that are not finite come, in float64: where the truth itself is undefined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from stackc.core.diagnostics import Diagnostic, Note, Span
from stackc.ir.program import Call, Program
from stackc.proof.components import Draw, Reference
from stackc.proof.eager import Values, array_of, run_eager
from stackc.proof.report import ParityRow
from stackc.proof.tolerance import kinds_of, kinds_text
from stackc.runtime import Array


def undefined_failures(
    program: Program, reference: Reference, rows: Sequence[ParityRow], draws: Iterable[Draw]
) -> list[Diagnostic]:
    """Return a P706 for each line of the spec with a component from which NaN or Inf in the truth of an output comes.

    `rows` are those of the outputs whose truth is not finite.
    """
    feeds = {str(point): inputs for point, inputs in draws}
    diagnostics: dict[Span | None, Diagnostic] = {}
    for row in {row.output: row for row in reversed(rows)}.values():
        values = _truth(program, reference.double, feeds[str(row.point)])
        value = program.outputs.get(row.output, row.output)
        call = _origin(program, values, value)
        if call is None:
            message = f"the output '{row.output}' at {row.point} {row.verdict.problem}"
            diagnostics.setdefault(None, Diagnostic("P706", message, hint=_meant(program, row.output, values[value])))
        else:
            diagnostics.setdefault(call.span, _at_component(program, reference, row, call, values))
    return list(diagnostics.values())


def _truth(program: Program, double: nn.Module, feeds: Mapping[str, Array]) -> Values:
    """Return every value of the program in float64."""
    return run_eager(double, feeds, program, torch.float64, keep=frozenset(program.types)).values


def _origin(program: Program, values: Values, value: str) -> Call | None:
    """Return the first component, in running order, of those before `value` that makes NaN or Inf of finite inputs."""
    needed = {value}
    origin = None
    for call in reversed(program.calls):
        if not needed.intersection(call.outputs) or _finite(values[name] for name in call.outputs):
            continue
        inputs = [name for name in call.inputs if name is not None]
        needed.update(inputs)
        if _finite(values[name] for name in inputs):
            origin = call
    return origin


def _finite(tensors: Iterable[Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _at_component(program: Program, reference: Reference, row: ParityRow, call: Call, values: Values) -> Diagnostic:
    value = next(name for name in call.outputs if not _finite([values[name]]))
    array = array_of(values[value])
    kinds = kinds_of(array)
    message = (
        f"'{call.path}' ({call.component.op}) is not finite: at {row.point} it has {kinds_text(kinds)} among "
        f"{array.size:,} numbers, from finite inputs, in float64 too"
    )

    meant = _meant(program, row.output, values[program.outputs.get(row.output, row.output)])
    module = reference.double.get_submodule(call.owner)
    if tensors := list(_undefined_tensors(module)):
        hint = (
            f"its tensor '{tensors[0]}' is not finite, as `weights: {{nonfinite: …}}` allows: correct the file, or "
            f"{meant}"
        )
    elif parameters := list(_undefined_parameters(module)):
        hint = (
            f"its parameter '{parameters[0]}' is not finite: a norm of zeros divides by zero; start it from other "
            "values, or take another `reparam`"
        )
    else:
        hint = (
            "inputs are drawn as the spec declares them, floats without a range from N(0, 1): keep them where the "
            "component is defined, with `min` and `max` of the input, or "
            f"{meant}"
        )
    note = Note(f"so the output '{row.output}' {row.verdict.problem}", call.span)
    return Diagnostic("P706", message, call.span, hint, (note,))


def _meant(program: Program, output: str, value: Tensor) -> str:
    """Say how the spec allows what an output holds."""
    kinds = ", ".join(kinds_of(array_of(value)))
    written = f"{{of: {program.outputs.get(output, output)}, nonfinite: [{kinds}]}}"
    return f"say that it is meant: `outputs: {{{output}: {written}}}`"


def _undefined_tensors(module: nn.Module) -> Iterator[str]:
    """Yield the parameters of a module that are not finite, and its buffers with NaN: those of masks may hold Inf."""
    yield from (name for name, parameter in module.named_parameters() if not _finite([parameter.detach()]))
    yield from (name for name, buffer in module.named_buffers() if buffer.isnan().any())


def _undefined_parameters(module: nn.Module) -> Iterator[str]:
    """Yield the reparametrized parameters of a module whose values are not finite."""
    for path, inner in module.named_modules():
        if parametrize.is_parametrized(inner):
            for name in inner.parametrizations:
                if not _finite([getattr(inner, name).detach()]):
                    yield f"{path}.{name}".lstrip(".")
