"""stackc completion SHELL."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options, files, components and codes.

    For bash: `stackc completion bash > ~/.local/share/bash-completion/completions/stackc`, or in ~/.bashrc
    `source <(stackc completion bash)`; zsh alike in ~/.zshrc. For fish:
    `stackc completion fish > ~/.config/fish/completions/stackc.fish`.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None, "click knows the shells that Choice lets through"
    click.echo(made(ctx.find_root().command, {}, "stackc", "_STACKC_COMPLETE").source())
