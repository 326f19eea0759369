"""stackc reduce SPEC."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.cli.options import json_option, override_options, provider_option, spec_argument, threads_option
from stackc.cli.report import stage_report
from stackc.core.plurals import counted
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from stackc.pipeline import Options
    from stackc.reduction.minimize import Reduced


@click.command("reduce")
@spec_argument
@override_options
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A file of tensors; random weights are used if they fail too."
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the reduced spec to this file, and the weights that it needs, if any, beside it.",
)  # fmt: skip
@click.option(
    "--command", "judge", metavar="COMMAND",
    help="What failing means: this command exits non-zero; {} is the path of a candidate, {seed} the seed.",
)  # fmt: skip
@click.option("--opset", type=click.IntRange(18, 23), default=23, show_default=True, help="As for `stackc build`.")
@click.option(
    "--target", type=click.Choice(["portable", "ort"]), default="portable", show_default=True,
    help="As for `stackc build`.",
)  # fmt: skip
@click.option("--functions", is_flag=True, help="As for `stackc build`.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed under which the spec fails.")
@provider_option
@threads_option
@click.option("--per-component", is_flag=True, help="Prove every component by itself as well.")
@click.option("--thorough", is_flag=True, help="Prove the largest sizes of the dims however long it takes.")
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=300, show_default=True,
    help="Stop after about this long with the smallest spec found by then; Ctrl-C does the same.",
)  # fmt: skip
@json_option
def command(
    spec: Path, overrides: Overrides, weights: Path | None, out: Path | None, judge: str | None, opset: int,
    target: str, functions: bool, seed: int, provider: str, threads: int | None, per_component: bool, thorough: bool, seconds: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Reduce SPEC to the smallest spec, sizes and seed that fail in the same way, and print it with how to repeat it.

    Without --command a spec fails if its build does: a proof (P7xx), an export (E5xx) or a crash of stackc. Candidates
    are built in this process, without timing. If the process itself dies, use `--command 'stackc build {}'`.
    """
    from stackc.pipeline import Options
    from stackc.reduction.minimize import reduce_spec

    _refuse_to_overwrite(spec, out)
    options = Options(
        overrides=overrides, weights=weights, seed=seed, opset=opset, target=target, functions=functions,
        provider=provider, threads=threads, per_component=per_component, thorough=thorough,
    )  # fmt: skip
    progress = stage_report(quiet=as_json)
    reduced = reduce_spec(spec, options, command=judge, seconds=seconds, progress=progress)

    file = out or Path("reduced.mmd" if reduced.syntax == "mermaid" else "reduced.yaml")
    weight_file = file.with_suffix(".safetensors") if reduced.weights is not None else None
    if out is not None:
        out.write_text(reduced.text, encoding="utf-8")
        if weight_file is not None and reduced.weights is not None:
            weight_file.write_bytes(reduced.weights)

    repeat = _repeat(judge, file, reduced, options, weight_file)
    if as_json:
        click.echo(json.dumps(_facts(reduced, out, repeat), indent=2, ensure_ascii=False))
    else:
        _print(reduced, out, repeat)


def _refuse_to_overwrite(spec: Path, out: Path | None) -> None:
    """Raise UsageError if the reduced spec would replace the one that it comes from, or has no place."""
    if out is None:
        return
    if out.exists() and spec.exists() and out.samefile(spec):
        raise click.UsageError(f"{out} is the spec to reduce, and would be lost; name another file")
    if not out.parent.is_dir():
        raise click.UsageError(f"{out.parent} is not a folder")


def _repeat(judge: str | None, file: Path, reduced: Reduced, options: Options, weights: Path | None) -> str:
    """Return the command that shows the failure again."""
    if judge is not None:
        filled = judge if "{}" in judge else f"{judge} {{}}"
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


def _print(reduced: Reduced, out: Path | None, repeat: str) -> None:
    click.echo()
    click.echo(reduced.text.rstrip("\n"))
    click.echo()
    if reduced.components is not None:
        click.echo(f"{counted(reduced.components, 'component')} of {reduced.before}, seed {reduced.seed}")
    click.echo(f"fails with {reduced.failure}: {reduced.failure.message}")
    click.echo(f"repeat it: {repeat}")
    if out is None and reduced.weights is not None:
        click.echo("it needs weights: `-o FILE` writes them beside the spec")
    if not reduced.finished:
        click.echo("the search was not finished: a smaller one may be found with more `--seconds`")
    mark = click.style("reduced", fg="green", bold=True)
    click.echo(
        f"{mark} in {reduced.seconds:.0f} s, {counted(reduced.tried, 'candidate')} tried{f': {out}' if out else ''}"
    )


def _facts(reduced: Reduced, out: Path | None, repeat: str) -> dict[str, Any]:
    failure = reduced.failure
    return {
        "spec": reduced.text,
        "file": str(out) if out else None,
        "seed": reduced.seed,
        "code": failure.code,
        "subject": failure.subject,
        "message": failure.message,
        "components": reduced.components,
        "components_before": reduced.before,
        "weights": reduced.weights is not None,
        "command": repeat,
        "tried": reduced.tried,
        "seconds": round(reduced.seconds, 2),
        "finished": reduced.finished,
    }
