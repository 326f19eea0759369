"""Parameters of typed regions: tied, shared and reparametrized ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from stackc.components.base import Signature, SignatureError
from stackc.core.diagnostics import MOST_GUESSED, Collector, did_you_mean
from stackc.core.types import TensorType
from stackc.ir.model import Node
from stackc.ir.typed import TypedRegion

if TYPE_CHECKING:
    from stackc.components.reparam import Reparam


def with_originals(signature: Signature, reparams: Sequence[tuple[str, Reparam]]) -> Signature:
    """Return the signature with PyTorch's names for what reparametrized parameters are computed from.

    `weight` becomes `parametrizations.weight.original`, or `.original0` and `.original1`. Raises SignatureError.
    """
    parameters, buffers = dict(signature.parameters), dict(signature.buffers)
    for name, reparam in reparams:
        field = f"reparam.{name}"
        if name not in parameters:
            hint = did_you_mean(name, parameters) or "it has no parameters"
            raise SignatureError(f"it has no parameter '{name}' to normalize", code="T207", hint=hint, field=field)
        try:
            reparam.check(parameters[name])
        except SignatureError as error:
            message = f"the normalization of '{name}': {error.message}"
            raise SignatureError(message, code=error.code, field=field) from None

        owner, dot, local = name.rpartition(".")
        prefix, parameter = f"{owner}{dot}parametrizations.{local}.", parameters.pop(name)
        parameters |= {prefix + original: type_ for original, type_ in reparam.originals(parameter).items()}
        buffers |= {prefix + buffer: type_ for buffer, type_ in reparam.buffers(parameter).items()}
    return replace(signature, parameters=parameters, buffers=buffers)


def parameter_at(typed: TypedRegion, path: str) -> TensorType | None:
    """Return the type of the parameter at a path inside the region; None if there is no such parameter."""
    id, _, rest = path.partition(".")
    if id in typed.bodies:
        return parameter_at(typed.bodies[id], rest)
    return typed.signatures[id].parameters.get(rest) if id in typed.signatures else None


def _parameters(typed: TypedRegion, id: str) -> Iterator[str]:
    """Yield the names of a node's parameters; of a region, their paths inside it. Shared regions may have very many."""
    if id in typed.signatures:
        yield from typed.signatures[id].parameters
    else:
        body = typed.bodies[id]
        yield from (f"{inner}.{name}" for inner in body.region.nodes for name in _parameters(body, inner))


# -- ties


def check_ties(typed: TypedRegion, node: Node, diagnostics: Collector) -> None:
    """Report T207 for each tied parameter that does not exist, is normalized, or differs in type from its owner."""
    for name, tie in node.ties.items():
        type_, owner_type = parameter_at(typed, f"{node.id}.{name}"), parameter_at(typed, tie.path)

        if name in dict(node.reparams):
            message = f"'{node.id}.{name}' is normalized and cannot be tied"
            diagnostics.error("T207", message, tie.key, "remove the tie or the normalization")
        elif type_ is None:
            names = list(islice(_parameters(typed, node.id), MOST_GUESSED))
            hint = "it has no parameters"
            if names:
                hint = did_you_mean(name, names) or "a tie names a parameter of its node"
            diagnostics.error("T207", f"'{node.id}' has no parameter '{name}'", tie.key, hint)
        elif owner_type is None:
            paths = (f"{id}.{inner}" for id in typed.region.nodes for inner in _parameters(typed, id))
            guess = did_you_mean(tie.path, islice(paths, MOST_GUESSED))
            hint = guess or "a tie leads to a node and its parameter, for example `embed.weight`"
            diagnostics.error("T207", f"there is no parameter '{tie.path}' here", tie.span, hint)
        elif owner_type != type_:
            message = f"'{node.id}.{name}' is {type_} and cannot be tied to '{tie.path}', which is {owner_type}"
            hint = "tied parameters must have the same shape and element type"
            diagnostics.error("T207", message, tie.span, hint)


# -- modules that are called again


def check_same_module(typed: TypedRegion, node: Node, title: str, diagnostics: Collector) -> None:
    """Report T209 for a node that calls a module again, but would need other parameters than the module has."""
    assert node.same_as is not None
    if difference := _different_parameter(typed, node.same_as, typed, node.id, set()):
        message = f"{title} is the same module as '{node.same_as}', but its inputs need another {difference}"
        hint = "give it inputs of the same size, or a module of its own"
        diagnostics.error("T209", message, node.span, hint)


def _different_parameter(
    left: TypedRegion, left_id: str, right: TypedRegion, right_id: str, seen: set[tuple[int, int]]
) -> str | None:
    """Describe a parameter whose type differs between two nodes that share a module; None if there is none."""
    if left_id in left.signatures:
        actual, wanted = left.signatures[left_id].parameters, right.signatures[right_id].parameters
        return next((f"{name}: {t} instead of {actual[name]}" for name, t in wanted.items() if actual[name] != t), None)

    left_body, right_body = left.bodies[left_id], right.bodies[right_id]
    if left_body is right_body or (id(left_body), id(right_body)) in seen:
        return None
    seen.add((id(left_body), id(right_body)))
    for name in left_body.region.nodes:
        if difference := _different_parameter(left_body, name, right_body, name, seen):
            return f"{name}.{difference}"
    return None
