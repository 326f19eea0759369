"""The rules of a legal Program: values, types, parameters and their owners, frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest

from stackc.core.types import TensorType
from stackc.ir.graph_rules import uncovered_types
from stackc.ir.program import Call, Program
from stackc.ir.typed_rules import signature_problems
from stackc.ir.violations import Violation


def _at(call: Call, message: str) -> Violation:
    return Violation(message, f"call '{call.path}'", call.span)


# -- values


def values_are_defined_once(program: Program) -> Iterator[Violation]:
    """Every input and every output of a call has a name of its own."""
    defined = set(program.inputs)
    for call in program.calls:
        for name in call.outputs:
            if name in defined:
                yield _at(call, f"the value '{name}' is defined twice")
            defined.add(name)


def values_are_defined_before_use(program: Program) -> Iterator[Violation]:
    """What enters a call is an input or an output of an earlier call."""
    defined = set(program.inputs)
    for call in program.calls:
        for name in call.inputs:
            if name is not None and name not in defined:
                yield _at(call, f"it uses '{name}', which is not defined before it")
        defined.update(call.outputs)


def outputs_are_values(program: Program) -> Iterator[Violation]:
    """A program has outputs, and each is a value."""
    if not program.outputs:
        yield Violation("it has no outputs", f"program '{program.name}'")

    defined = _defined(program)
    for name, value in program.outputs.items():
        if value not in defined:
            yield Violation(f"it is '{value}', which is not a value", f"output '{name}'")


def types_are_complete(program: Program) -> Iterator[Violation]:
    """`types` has every value with the type that its input or its call's signature gives it, and nothing else."""
    defined = _defined(program)
    for name in [*defined, *(name for name in program.types if name not in defined)]:
        if program.types.get(name) != defined.get(name):
            message = f"its type is {program.types.get(name)} in the table, and {defined.get(name)} where it is defined"
            yield Violation(message, f"value '{name}'")


def _defined(program: Program) -> Mapping[str, TensorType]:
    """Return every value that is defined, with its type."""
    defined = dict(program.inputs)
    for call in program.calls:
        defined |= dict(zip(call.outputs, call.signature.outputs, strict=False))
    return defined


# -- calls


def paths_are_unique(program: Program) -> Iterator[Violation]:
    """No two calls and frames have the same path."""
    paths: set[str] = set()
    calls = [(call.path, call.span) for call in program.calls]
    frames = [(frame.path, frame.span) for frame in program.frames]
    for path, span in [*calls, *frames]:
        if path in paths:
            yield Violation("the path is used twice", f"path '{path}'", span)
        paths.add(path)


def inputs_fit_ports(program: Program) -> Iterator[Violation]:
    """A call has an input for each port, several for a variadic one, and none is open but those of optional ports."""
    for call in program.calls:
        if problem := _misfit(call):
            yield _at(call, problem)


def _misfit(call: Call) -> str | None:
    """Return in what the inputs of a call do not fit its ports."""
    ports = call.component.ports
    if not ports:
        return f"it has {len(call.inputs)} inputs, but no port" if call.inputs else None
    several = ports[-1].variadic and len(call.inputs) >= len(ports)
    if len(call.inputs) != len(ports) and not several:
        return f"it has {len(call.inputs)} inputs for the ports {', '.join(port.name for port in ports)}"

    pairs = zip_longest(ports, call.inputs, fillvalue=ports[-1])
    open_ports = [port.name for port, value in pairs if value is None and not port.optional]
    return f"port '{open_ports[0]}' is required and open" if open_ports else None


def signatures_follow_from_inputs(program: Program) -> Iterator[Violation]:
    """A call's signature is the one that its component gives for the types of what enters it; it names every output."""
    for call in program.calls:
        if len(call.outputs) != len(call.signature.outputs):
            yield _at(
                call, f"it names {len(call.outputs)} outputs, and its signature has {len(call.signature.outputs)}"
            )

        typed = all(name in program.types for name in call.inputs if name is not None)
        if _misfit(call) or not typed:
            continue  # which other rules list

        inputs = tuple(program.types[name] if name is not None else None for name in call.inputs)
        for problem in signature_problems(call.component, inputs, call.signature, dict(call.reparams)):
            yield _at(call, problem)


def owners_are_equal_modules(program: Program) -> Iterator[Violation]:
    """A call's owner is the call itself, or an earlier one of an equal module, which owns itself."""
    earlier: dict[str, Call] = {}
    for call in program.calls:
        if call.owner != call.path:
            owner = earlier.get(call.owner)
            if owner is None or owner.owner != owner.path:
                yield _at(call, f"its owner '{call.owner}' is not an earlier call that owns its module")
            elif (owner.component, owner.reparams) != (call.component, call.reparams):
                yield _at(call, f"its owner '{call.owner}' is another component")
        earlier[call.path] = call


# -- parameters


def tensors_match_signatures(program: Program) -> Iterator[Violation]:
    """A call has a tensor for each parameter and buffer of its signature; buffers are never tied."""
    for call in program.calls:
        for what, names, types in (
            ("parameters", call.parameters, call.signature.parameters),
            ("buffers", call.buffers, call.signature.buffers),
        ):
            if names.keys() != types.keys():
                yield _at(call, f"its {what} are {sorted(names)}, in its signature {sorted(types)}")
        for local, name in call.buffers.items():
            if name != f"{call.owner}.{local}":
                yield _at(call, f"the buffer '{local}' is '{name}' of another module")


def tensors_have_one_owner_and_type(program: Program) -> Iterator[Violation]:
    """Every parameter and buffer is owned by the call at its path; other calls take it with the same type."""
    owned: dict[str, tuple[str, TensorType]] = {}
    for call in program.calls:
        if call.owner == call.path:
            for kind, local, name, type_ in _tensors(call):
                if name == f"{call.path}.{local}":
                    owned[name] = kind, type_

    for call in program.calls:
        for kind, local, name, type_ in _tensors(call):
            if name not in owned:
                yield _at(call, f"the {kind} '{local}' is '{name}', which no call owns")
            elif owned[name] != (kind, type_):
                what, other = owned[name]
                yield _at(call, f"the {kind} '{local}' is {type_}, and its owner has the {what} '{name}' as {other}")


def _tensors(call: Call) -> Iterator[tuple[str, str, str, TensorType]]:
    """Yield kind, local name, name and type of each parameter and buffer that is in the signature."""
    for kind, names, types in (
        ("parameter", call.parameters, call.signature.parameters),
        ("buffer", call.buffers, call.signature.buffers),
    ):
        yield from ((kind, local, name, types[local]) for local, name in names.items() if local in types)


# -- frames and dims


def frames_enclose_earlier_ones(program: Program) -> Iterator[Violation]:
    """A frame stands after those inside it, and what enters it is a value."""
    defined, paths = _defined(program), set[str]()
    for frame in program.frames:
        for port, value in frame.inputs.items():
            if value not in defined:
                yield Violation(f"'{port}' is '{value}', which is not a value", f"frame '{frame.path}'", frame.span)

        parts = frame.path.split(".")
        if outer := paths.intersection(".".join(parts[:depth]) for depth in range(1, len(parts))):
            message = f"it stands after '{min(outer)}', which is around it"
            yield Violation(message, f"frame '{frame.path}'", frame.span)
        paths.add(frame.path)


def contract_covers_every_value(program: Program) -> Iterator[Violation]:
    """The dims contract has every dim of every value."""
    for name, type_ in program.types.items():
        for problem in uncovered_types([type_], program.contract):
            yield Violation(problem, f"value '{name}'")


PROGRAM_RULES = (
    values_are_defined_once,
    values_are_defined_before_use,
    outputs_are_values,
    types_are_complete,
    paths_are_unique,
    inputs_fit_ports,
    signatures_follow_from_inputs,
    owners_are_equal_modules,
    tensors_match_signatures,
    tensors_have_one_owner_and_type,
    frames_enclose_earlier_ones,
    contract_covers_every_value,
)
