"""Patterns of the names of parameters, and their plain names."""

from __future__ import annotations

import re


def wildcards(pattern: str) -> re.Pattern[str]:
    """Compile a pattern: `*` matches one part of a dotted name or a piece of it, `**` any number of parts.

    `{i}` matches a whole number, the same wherever `{i}` stands.
    """
    parts, captures = [], set[str]()
    for text in re.split(r"(\*\*?|\{[^\W\d]\w*\})", pattern):
        if text in ("*", "**"):
            parts.append("([^.]+)" if text == "*" else "(.+)")
        elif not text.startswith("{") or not text[1:-1].isidentifier():
            parts.append(re.escape(text))
        else:
            name = text[1:-1]
            parts.append(f"(?P={name})" if name in captures else rf"(?P<{name}>0|[1-9]\d{{0,8}})")
            captures.add(name)
    return re.compile("".join(parts))


def plain_name(name: str) -> str:
    """Return the name of a parameter without its reparametrization.

    `parametrizations.weight.original` is `weight`, and so are `….original0` and `….original1` of weight normalization,
    and `….0.lora_A` and `….0.lora_B` of low-rank adaptation.
    """
    return re.sub(r"\bparametrizations\.([^.]+)\.(original\d*|0\.lora_[AB])$", r"\1", name)


PEFT_PREFIX = "base_model.model."
"""Begins the names of adapters that peft, Hugging Face, stores."""


def is_factor(name: str) -> bool:
    """Return whether a parameter is a factor of a low-rank adaptation, which adds nothing at first."""
    return re.search(r"\bparametrizations\.[^.]+\.0\.lora_[AB]$", name) is not None


def peft_name(factor: str, parameter: str | None = None) -> str:
    """Return the name under which peft stores a factor: `base_model.model.body.lora_A.weight` for body.weight.

    `parameter` is what the file calls the parameter, if that is another name than the spec's.
    """
    owner, letter = (parameter or plain_name(factor)).removesuffix(".weight"), factor.rpartition(".")[2]
    return f"{PEFT_PREFIX}{owner}.{letter}.weight"


def is_below(name: str, path: str) -> bool:
    """Return whether a dotted name is that of a module or of something inside of it."""
    return name == path or name.startswith(f"{path}.")
