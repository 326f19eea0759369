"""stackc reduce SPEC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.cli.failures import INTERRUPTED
from stackc.cli.options import FilePath, json_option, override_options, provider_option, spec_argument, threads_option
from stackc.cli.screen import echo, echo_json, echo_text, style
from stackc.cli.stage_progress import stage_progress
from stackc.core.plurals import counted
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from stackc.reduction.search import Reduced


@click.command("reduce")
@spec_argument
@override_options
@click.option(
    "--weights", type=FilePath(), multiple=True,
    help="A file of tensors, may be repeated; random weights are used if they fail too.",
)  # fmt: skip
@click.option(
    "-o", "--out", type=FilePath(dir_okay=False),
    help="Write the reduced spec to this file, and the weights that it needs, if any, beside it.",
)  # fmt: skip
@click.option(
    "--command", "judge", metavar="COMMAND",
    help="What failing means: this command exits non-zero; {} is the path of a candidate, {seed} the seed.",
)  # fmt: skip
@click.option(
    "--opset", type=click.IntRange(18, 23), show_default="the artifact's, or 23", help="As for `stackc build`."
)
@click.option(
    "--target", type=click.Choice(["portable", "ort"]), show_default="the artifact's, or portable",
    help="As for `stackc build`.",
)  # fmt: skip
@click.option(
    "--functions/--no-functions", default=None, show_default="the artifact's, or --no-functions",
    help="As for `stackc build`.",
)  # fmt: skip
@click.option("--seed", type=int, show_default="the artifact's, or 0", help="The seed under which the spec fails.")
@provider_option
@threads_option
@click.option("--per-component", is_flag=True, help="Prove every component at all points.")
@click.option("--thorough", is_flag=True, help="Prove the largest sizes of the dims however long it takes.")
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=300, show_default=True,
    help="Stop after about this long with the smallest spec found by then; Ctrl-C does the same.",
)  # fmt: skip
@json_option
def command(
    spec: Path, overrides: Overrides, weights: tuple[Path, ...], out: Path | None, judge: str | None, provider: str,
    threads: int | None, per_component: bool, thorough: bool, seconds: float, as_json: bool, **as_built: Any,
) -> None:  # fmt: skip
    """Reduce SPEC to the smallest spec, sizes and seed that fail in the same way, and print it with how to repeat it.

    SPEC may be an artifact. Without --command a spec fails if its build does: a proof (P7xx), an export (E5xx) or a
    crash of stackc. Candidates are built in this process, without timing. If the process itself dies, use
    `--command 'stackc build {}'`.
    """
    from stackc.pipeline import Options
    from stackc.reduction.minimize import reduce_spec
    from stackc.reduction.recorded import recorded_options
    from stackc.reduction.repeat import repeat_command, with_comment

    _refuse_to_overwrite(spec, out)
    given = {name: value for name, value in as_built.items() if value is not None}
    options = Options(
        overrides=overrides, weights=weights or None, provider=provider, threads=threads, per_component=per_component,
        thorough=thorough, **{**recorded_options(spec), **given},
    )  # fmt: skip
    with stage_progress(quiet=as_json) as progress:
        reduced = reduce_spec(spec, options, command=judge, seconds=seconds, progress=progress)

    file = out or Path("reduced.mmd" if reduced.syntax == "mermaid" else "reduced.yaml")
    weight_file = file.with_suffix(".safetensors") if reduced.weights is not None else None
    repeat = repeat_command(reduced, options, file, weight_file, judge)
    reduced = with_comment(reduced, repeat)
    if out is not None:
        out.write_text(reduced.text, encoding="utf-8")
        if weight_file is not None and reduced.weights is not None:
            weight_file.write_bytes(reduced.weights)

    if as_json:
        echo_json(_facts(reduced, out, repeat), indent=2)
    else:
        _print(reduced, out, repeat)
    if reduced.interrupted:  # what is printed is the smallest until then
        raise SystemExit(INTERRUPTED)


def _refuse_to_overwrite(spec: Path, out: Path | None) -> None:
    """Raise UsageError if the reduced spec would replace the one that it comes from, or has no place."""
    if out is None:
        return
    if out.exists() and spec.exists() and out.samefile(spec):
        raise click.UsageError(f"{out} is the spec to reduce, and would be lost; name another file")
    if not out.parent.is_dir():
        raise click.UsageError(f"{out.parent} is not a folder")


def _print(reduced: Reduced, out: Path | None, repeat: str) -> None:
    echo()
    echo_text(reduced.text.rstrip("\n"))
    echo()
    if reduced.components is not None:
        echo(f"{counted(reduced.components, 'component')} of {reduced.before}, seed {reduced.seed}")
    echo(f"fails with {reduced.failure}: {reduced.failure.message}")
    echo(f"repeat it: {repeat}")
    if out is None and reduced.weights is not None:
        echo("it needs weights: `-o FILE` writes them beside the spec")
    if not reduced.finished:
        echo("the search was not finished: a smaller one may be found with more `--seconds`")
    what = f" in {reduced.seconds:.0f} s, {counted(reduced.tried, 'candidate')} tried{f': {out}' if out else ''}"
    echo(style("reduced", fg="green", bold=True), what)


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
