"""stackc completion SHELL."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options, files, components and codes.

    For bash: `stackc completion bash > ~/.local/share/bash-completion/completions/stackc`, or in ~/.bashrc
    `source <(stackc completion bash)`; the same for zsh in ~/.zshrc. For fish:
    `stackc completion fish > ~/.config/fish/completions/stackc.fish`.
    """
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    assert completion is not None, "click knows all shells of the Choice above"
    click.echo(completion(ctx.find_root().command, {}, "stackc", "_STACKC_COMPLETE").source())
