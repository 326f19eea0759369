"""The parameters that are trained, in groups of one learning rate and weight decay.

`lr` and `weight_decay` are numbers, or map patterns to numbers: the first that matches a parameter, or a part of the
model with it inside, decides. Norms and all with a single axis (biases, gains) do not decay, unless a pattern ends in
the parameter's own name (`**.bias`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from stackc.core.diagnostics import Collector, Span, did_you_mean
from stackc.core.name_patterns import is_below, plain_name, wildcards
from stackc.core.types import TensorType
from stackc.ir.optimizers import Optimizer
from stackc.ir.program import Call, Program
from stackc.ir.training import ParameterGroup


@dataclass(frozen=True)
class Pattern:
    """An entry of `lr: {"encoder.*": 1e-5}`."""

    text: str
    number: float
    span: Span

    def matches(self, name: str) -> bool:
        """Return whether it matches a parameter, or a part of the model that the parameter is in."""
        return any(
            self.expression.fullmatch(".".join(parts[:depth]))
            for parts in (plain_name(name).split("."), name.split("."))
            for depth in range(len(parts), 0, -1)
        )

    def is_about(self, name: str) -> bool:
        """Return whether it means a parameter itself: it ends in its name, rather than in a wildcard."""
        is_special = not self.text.endswith(("*", "}"))
        return is_special and any(self.expression.fullmatch(each) for each in (plain_name(name), name))

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """What it matches, as a regular expression."""
        return wildcards(self.text)


Patterns = Mapping[str, tuple[Pattern, ...]]
"""The patterns of `lr` and of `weight_decay`; none where it is a number."""


def frozen_parameters(program: Program, frozen: tuple[str, ...]) -> set[str]:
    """Return the parameters that are not trained: those of frozen modules, and those that an adaptation leaves alone.

    One that is tied is frozen if it is so in any place. What adapts a parameter is trained, in a frozen module too: it
    is there for nothing else.
    """
    still: set[str] = set()
    for call in program.calls:
        kept, adapting = _adapted(call)
        is_frozen = any(is_below(call.owner, path) for path in frozen)
        still |= {
            name for local, name in call.parameters.items() if local in kept or (is_frozen and local not in adapting)
        }
    return still


def _adapted(call: Call) -> tuple[set[str], set[str]]:
    """Return the parameters of a call that adaptations leave as they are, and those that are trained instead."""
    kept, adapting = set[str](), set[str]()
    for name, reparam in call.reparams:
        if reparam.frozen:
            owner, dot, local = name.rpartition(".")
            prefix = f"{owner}{dot}parametrizations.{local}."
            kept |= {f"{prefix}{original}" for original in reparam.frozen}
            adapting |= {each for each in call.parameters if each.startswith(prefix)} - kept
    return kept, adapting


def parameter_groups(
    program: Program,
    frozen: tuple[str, ...],
    optimizer: Optimizer,
    patterns: Patterns,
    span: Span,
    diagnostics: Collector,
) -> tuple[ParameterGroup, ...]:
    """Return the groups of the parameters that are trained, in running order.

    Reports L104 for a pattern that matches no parameter, or none that is trained and not matched before, and for a
    parameter without a learning rate; L107 if all are frozen.
    """
    still = frozen_parameters(program, frozen)
    rates, decays, used = patterns.get("lr", ()), patterns.get("weight_decay", ()), set[Pattern]()
    groups: dict[tuple[float, float], list[str]] = {}
    for name, decaying in _parameters(program).items():
        if name in still:
            continue
        rate, decay = (next((each for each in each_of if each.matches(name)), None) for each_of in (rates, decays))
        used |= {each for each in (rate, decay) if each}
        if rates and rate is None:
            message, hint = f"no pattern of `lr` matches '{name}'", 'add `"*": …` for all others, or freeze it'
            diagnostics.error("L104", message, rates[-1].span, hint)
            return ()
        amount = decay.number if decay else 0.0 if decays else optimizer.weight_decay
        if not decaying and not (decay and decay.is_about(name)):
            amount = 0.0
        groups.setdefault((rate.number if rate else optimizer.lr, amount), []).append(name)

    if still and not groups:
        message = "every parameter of the model is frozen, so there is nothing to train"
        diagnostics.error("L107", message, span, "leave a part of it unfrozen")
    for key, each_of in patterns.items():
        _check_used(key, each_of, used, program, still, diagnostics)
    return tuple(ParameterGroup(rate, decay, tuple(names)) for (rate, decay), names in groups.items())


def _check_used(
    key: str,
    patterns: tuple[Pattern, ...],
    used: set[Pattern],
    program: Program,
    still: set[str],
    diagnostics: Collector,
) -> None:
    """Report L104 for each pattern that decides about no parameter."""
    names = list(_parameters(program))
    for pattern in patterns:
        if pattern in used:
            continue
        matched = [name for name in names if pattern.matches(name)]
        if not matched:
            known = dict.fromkeys([*program.modules(), *map(plain_name, names)])
            message, hint = "matches no parameter of the model", did_you_mean(pattern.text, known)
        elif still.issuperset(matched):
            message, hint = "matches only what is frozen", "remove it"
        else:
            message, hint = (
                "is never reached",
                "write it above the more general pattern: the first that matches decides",
            )
        diagnostics.error("L104", f"'{pattern.text}' under `{key}` {message}", pattern.span, hint)


def _parameters(program: Program) -> dict[str, bool]:
    """Return every parameter by the name of its owner, and whether it decays."""
    parameters: dict[str, bool] = {}
    for call in program.calls:
        for local, name in call.parameters.items():
            parameters.setdefault(name, _decays(call, local, call.signature.parameters[local]))
    return parameters


def _decays(call: Call, local: str, type_: TensorType) -> bool:
    """Return whether weight decay applies: not to norms, to single axes and to the lengths of weight_norm."""
    return type_.rank > 1 and call.component.family != "norm" and not local.endswith(".original0")
