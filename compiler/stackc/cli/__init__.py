"""The command line: a lazy click group. A command's module is imported when the command is run, not before."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from stackc._version import __version__
from stackc.core.diagnostics import SpecError, did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "init": "Turn a bare drawing into a spec to fill in; or write a template.",
    "build": "Build a spec: check, lower, export, prove, measure, package.",
    "check": "Check a spec, and tell its parameters and FLOPs.",
    "show": "Draw a spec: a tree on the screen, Mermaid, SVG, PNG or a page in a file.",
    "watch": "Check a spec again at every save, and draw it again.",
    "diff": "Tell what differs between two specs.",
    "plan": "Tell parameters, FLOPs and memory by block, and what fits in a memory.",
    "run": "Run an artifact on inputs from an .npz file.",
    "bench": "Time specs, artifacts and ONNX files against each other.",
    "verify": "Hold an artifact to its hashes, its checker and its recorded outputs.",
    "schema": "Print the JSON Schema of specs, for editors.",
    "ops": "List the components; tell one: formula, ports, fields, an example.",
    "explain": "Explain the code of a message: meaning, example, what to write instead.",
    "help": "Tell how to write a spec, or what a command does.",
    "cache": "Tell where compiled components are kept, and how many; remove them.",
    "completion": "Print what makes a shell complete commands.",
    "doctor": "Tell what of this installation works, and how to mend the rest.",
}
"""Every command with its line in the help; `stackc.cli.NAME` holds it as `command`."""


class LazyGroup(click.Group):
    """A group that knows its commands by name alone until one is asked for, and turns diagnostics into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"stackc.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands for `--help`, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin so, without importing any, and the options."""
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(name, help=line) for name, line in COMMANDS.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name where there is no such command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"no command '{args[0]}'; {did_you_mean(args[0], COMMANDS) or 'see --help'}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stackc")
def cli() -> None:
    """A compiler for neural-network graphs: the drawing is the source, a proven ONNX model the result."""


def main() -> None:
    """The entry point. Exit status 0 done, 1 the spec or the proof failed, 2 wrong usage."""
    # Large specs, PyTorch as it is imported and graphs that are exported are millions of objects and hardly a cycle: to
    # look for some after every 700 takes a third of the time of a check, and half a second of a build.
    gc.set_threshold(1_000_000, 50, 50)
    try:
        cli()
    except SpecError as error:
        from stackc.cli.report import report_diagnostics

        report_diagnostics(error)
        _leave(1)
    except SystemExit as done:
        _leave(done.code)


def _leave(status: str | int | None) -> NoReturn:
    """End the process at once where PyTorch is in it: taking that apart piece by piece costs a second.

    Not where it has compiled something, since it has processes of its own then, which it ends at exit.
    """
    if "torch" in sys.modules and "torch._inductor.async_compile" not in sys.modules and not isinstance(status, str):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status or 0)
    sys.exit(status)
