"""The names that parameters have in a file: rules of `weights: {map: …}`, each from a pattern of stackc's names to one
of the file's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from stackc.core.diagnostics import MOST_GUESSED, Collector, did_you_mean
from stackc.spec.document import WeightsDecl
from stackc.typecheck.output_names import plain_name


@dataclass(frozen=True)
class Rule:
    """`encoder.*.attn.**` → `layer.*.attention.**`: the first `*` of one side is the first of the other, and so on."""

    source: re.Pattern[str]
    target: str

    @staticmethod
    def of(source: str, target: str) -> Rule:
        """Return the rule of an entry `source: target`."""
        return Rule(wildcards(source), target)

    def apply(self, name: str) -> str | None:
        """Return the name in the file; None if the rule does not match."""
        match = self.source.fullmatch(name)
        if match is None:
            return None
        parts = iter(match.groups())
        return re.sub(r"\*\*?", lambda star: next(parts, star[0]), self.target)


def plain_file_name(name: str) -> str:
    """Return the plain name that a file may use for a parameter: without its reparametrization if it has one original.

    Weight normalization has two originals: a file with the plain weight has the values of neither.
    """
    return plain_name(name) if name.endswith(".original") else name


_OLDER_ENDINGS = {"original": "_orig", "original0": "_g", "original1": "_v", "0._u": "_u", "0._v": "_v"}


def older_name(name: str) -> str | None:
    """Return the name that torch.nn.utils.spectral_norm and weight_norm, which came before parametrizations, store.

    `b.parametrizations.weight.original` is `b.weight_orig` there.
    """
    match = re.fullmatch(r"((?:.+\.)?)parametrizations\.([^.]+)\.(original[01]?|0\._[uv])", name)
    return f"{match[1]}{match[2]}{_OLDER_ENDINGS[match[3]]}" if match else None


def wildcards(pattern: str) -> re.Pattern[str]:
    """Compile a pattern: `*` matches one part of a dotted name or a piece of it, `**` any number of parts."""
    return re.compile(re.escape(pattern).replace(r"\*\*", "(.+)").replace(r"\*", "([^.]+)"))


def check_names(decl: WeightsDecl, tensors: Iterable[str]) -> None:
    """Raise SpecError (W805) with every rule that matches no tensor of the model."""
    diagnostics, names = Collector(), [*tensors]
    candidates = dict.fromkeys([*names, *map(plain_file_name, names)])
    for key, entry in decl.names.items():
        pattern = wildcards(key)
        if not any(map(pattern.fullmatch, candidates)):
            hint = did_you_mean(key, islice(candidates, MOST_GUESSED)) if candidates else "the model has no parameters"
            diagnostics.error("W805", f"'{key}' matches no parameter", entry.key, hint)
    diagnostics.raise_if_any()
