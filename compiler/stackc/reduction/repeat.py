"""The command that shows the failure of a reduced spec again, and the comment that says so in the spec."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from stackc.pipeline import Options
from stackc.reduction.search import Reduced


def repeat_command(
    reduced: Reduced, options: Options, file: Path, weights: Path | None = None, command: str | None = None
) -> str:
    """Return the command that shows the failure of a reduced spec in `file`, with its file of weights if it has one.

    `options` and `command` are those that the spec was reduced with.
    """
    if command is not None:
        filled = command if "{}" in command else f"{command} {{}}"
        return filled.replace("{}", shlex.quote(str(file))).replace("{seed}", str(reduced.seed))

    words = ["stackc", "build", str(file), "--seed", str(reduced.seed), "--no-bench"]
    if reduced.components is None:  # the text was reduced, and what was set is still set
        words += [word for name, value in options.overrides.params.items() for word in ("--set", f"{name}={value}")]
        words += [word for name, size in options.overrides.dims.items() for word in ("--dims", f"{name}={size}")]
    words += [word for name in options.overrides.trust for word in ("--trust", name)]
    words += ["--weights", str(weights)] if weights is not None else []
    words += ["--opset", str(options.opset)] if options.opset != 23 else []
    words += ["--target", options.target] if options.target != "portable" else []
    words += ["--functions"] * options.functions + ["--per-component"] * options.per_component
    words += ["--thorough"] * options.thorough
    words += ["--provider", options.provider] if options.provider != "auto" else []
    words += ["--threads", str(options.threads)] if options.threads else []
    return shlex.join(words)


def with_comment(reduced: Reduced, command: str) -> Reduced:
    """Return the reduced spec with a comment above it: how it fails, and the command that shows it.

    A Mermaid file begins with its front matter, in which the comment stands; without one it stays as it is.
    """
    failure = reduced.failure
    said = f"fails with {failure}: {failure.message}" if failure.message else f"fails with {failure}"
    comment = "".join(f"# {line}\n" for line in (" ".join(said.split()), " ".join(command.split())))
    if reduced.syntax != "mermaid":
        return replace(reduced, text=comment + reduced.text)
    opened = "---\n"
    if not reduced.text.startswith(opened):
        return reduced
    return replace(reduced, text=opened + comment + reduced.text.removeprefix(opened))
