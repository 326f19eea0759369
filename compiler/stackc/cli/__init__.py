"""The command line: one module per command, imported only when the command runs.

budget_options                     bounds of error, for `stackc build` and `stackc tune`
options, screen, report, table, pictures   shared: options, printing, diagnostics and numbers, tables, picture files
failures                           failures of the command line itself, as JSON, and its schema
plain_text                         output to terminals whose encoding lacks characters
spec_completion                    shell completion from the spec on the command line
pre_commit                         the hook of pre-commit
diagnose                           the findings that `stackc doctor` prints
training_plan                      what `stackc plan --train` prints
stage_progress                     the lines and the bar of commands that run in stages
train_progress                     the bar and the lines of `stackc train`
git_revisions                      specs as they are in revisions of git, for `stackc diff --git`
file_watch                         waiting for saved files, for `stackc watch`
"""

from __future__ import annotations

import gc
import importlib
import keyword
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from stackc._version import __version__
from stackc.cli.plain_text import degrade_output
from stackc.cli.screen import ColourChoice, choose_colours, echo, has_colours
from stackc.core.diagnostics import SpecError, did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "init": "Turn a bare drawing into a spec to fill in, or write a template.",
    "import": "Import a Hugging Face model: its spec, its weights, its tokenizer.",
    "zoo": "Print the verified catalog of the specs that come with stackc.",
    "build": "Build a spec: check, lower, export, prove, measure, package.",
    "tune": "Build a spec in the format that is fastest here within a budget of error.",
    "train": "Train a spec as its `train:` says, on files of examples.",
    "evaluate": "Compute the losses and metrics of a model on a file of examples.",
    "attribute": "Attribute an output of a model to its inputs and components.",
    "check": "Check a spec and report its parameters and FLOPs.",
    "show": "Draw a spec: a tree on the screen; Mermaid, SVG, PNG or an HTML page in a file.",
    "watch": "Check and redraw a spec whenever it is saved.",
    "diff": "Compare two specs.",
    "plan": "Report parameters, FLOPs and memory by block, and what fits in a given memory.",
    "weights": "List the parameters of a spec, or compare them with a file of weights.",
    "run": "Run an artifact on inputs from an .npz file.",
    "generate": "Generate text with an artifact that decodes, token by token.",
    "bench": "Compare the speed of specs, artifacts and ONNX files.",
    "verify": "Verify an artifact: hashes, ONNX validity, recorded outputs.",
    "card": "Write a Hugging Face model card of an artifact.",
    "deploy": "Deploy an artifact: as a wheel, to OpenVINO, to Triton.",
    "reduce": "Reduce a spec that fails to the smallest one that still does.",
    "schema": "Print the JSON Schema of specs, for editors.",
    "ops": "List the components, or describe one: formula, ports, fields, an example.",
    "explain": "Explain a diagnostic code: meaning, example, what to write instead.",
    "help": "Explain how to write a spec, or what a command does.",
    "cache": "Show or clear the cache of compiled components.",
    "completion": "Print the completion script of a shell.",
    "doctor": "Diagnose this installation and suggest fixes.",
}
"""Every command and its line in the help; `stackc.cli.NAME` defines it as `command`, NAME_ if that is a keyword."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that steer a terminal or reverse a line."""


class LazyGroup(click.Group):
    """A group that imports a command only when it is needed."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line as click does; Ctrl-C ends with status 130, and with `--json` every failure is JSON.

        Raises SpecError, which `--json` prints as well, for its caller to print.
        """
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode, **extra)
        words = sys.argv[1:] if args is None else args

        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except SpecError:
            raise
        except Exception as error:
            _exit_failed(error, words)
        sys.exit(status if isinstance(status, int) else 0)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does. Arguments, which are printed as they are, may not steer the terminal."""
        for argument in args:
            if control := _CONTROL.search(argument):
                ctx.fail(f"the argument '{_CONTROL.sub('�', argument)}' contains the character U+{ord(control[0]):04X}")
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which one uses the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or return None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = importlib.import_module(f"stackc.cli.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands for `--help` without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the matching commands, without importing any of them, and the options."""
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(name, help=line) for name, line in COMMANDS.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command as click does; suggest the nearest name if there is no such command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"no command '{args[0]}'; {did_you_mean(args[0], COMMANDS) or 'see --help'}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stackc")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Print in colours. Default: on a terminal, and as NO_COLOR, FORCE_COLOR and TERM say.",
)
@click.pass_context
def cli(ctx: click.Context, color: ColourChoice) -> None:
    """Compile neural-network graphs: the drawing is the source, a proven ONNX model the result."""
    choose_colours(color)
    ctx.color = has_colours()


def main() -> None:
    """Run the command line. Exit status: 0 success, 1 the spec or the proof failed, 2 wrong usage, 130 Ctrl-C."""
    # Large specs, importing PyTorch, and exported graphs create millions of objects and hardly any cycles. Collecting
    # after every 700 of them takes a third of the time of a check, and half a second of a build.
    gc.set_threshold(1_000_000, 50, 50)
    degrade_output()

    try:
        cli()
    except SpecError as error:
        from stackc.cli.report import report_diagnostics

        report_diagnostics(error)
        _exit(1)
    except SystemExit as done:
        _exit(done.code)


def _exit_failed(error: Exception, words: Sequence[str]) -> NoReturn:
    """Print what has ended a command, and exit. Raises the error itself if it is one of stackc."""
    from stackc.cli.failures import INTERRUPTED, asks_for_json, print_failure

    as_json = asks_for_json(words)
    if as_json:
        print_failure(error)
    if isinstance(error, click.ClickException):
        if not as_json:
            error.show()
        sys.exit(error.exit_code)
    if isinstance(error, click.Abort):
        echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    raise error


def _exit(status: str | int | None) -> NoReturn:
    """End the process without cleaning up if it has loaded PyTorch, whose teardown takes a second.

    If PyTorch has compiled something, exit normally: it then has worker processes, which it ends at exit.
    """
    if "torch" in sys.modules and "torch._inductor.async_compile" not in sys.modules and not isinstance(status, str):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status or 0)
    sys.exit(status)
