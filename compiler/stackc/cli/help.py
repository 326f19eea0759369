"""stackc help [TOPIC]."""

from __future__ import annotations

import sys

import click

from stackc.cli import COMMANDS
from stackc.cli.options import completing
from stackc.cli.screen import rich_console

TOPICS = ("language", "agents")


@click.command("help")
@click.argument("topic", required=False, shell_complete=completing(lambda: [*TOPICS, *COMMANDS]))
@click.pass_context
def command(ctx: click.Context, topic: str | None) -> None:
    """Explain how to write a spec, `stackc help language`, or what a command does, `stackc help COMMAND`.

    `stackc help agents` prints a skill file for coding agents: how to write, check and build specs.
    """
    root = ctx.find_root()
    if topic is None:
        topics = "stackc help language: how to write a spec\nstackc help agents: a skill file for coding agents"
        click.echo(f"{root.get_help()}\n\n{topics}")
    elif topic == "language":
        _print_language()
    elif topic == "agents":
        _print_agents()
    elif (
        topic in COMMANDS
        and isinstance(root.command, click.Group)
        and (described := root.command.get_command(root, topic))
    ):
        with click.Context(described, info_name=topic, parent=root) as inner:
            click.echo(described.get_help(inner))
    else:
        from stackc.core.diagnostics import did_you_mean

        hint = did_you_mean(topic, [*TOPICS, *COMMANDS]) or "see `stackc help`"
        raise click.BadParameter(f"no help topic '{topic}'; {hint}")


def _print_agents() -> None:
    """Print the skill file as it is, to be redirected into a SKILL.md."""
    from stackc.authoring.reference.language import agents

    click.echo(agents(), nl=False)


def _print_language() -> None:
    """Print the language reference: rendered on a terminal, otherwise as Markdown."""
    from stackc.authoring.reference.language import language

    text = language()
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.markdown import Markdown

    console = rich_console()
    with console.pager(styles=True):
        console.print(Markdown(text))
