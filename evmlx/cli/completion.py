"""`evmlx completion`: the script that makes a shell complete evmlx's words."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Shell completion for bash, zsh and fish.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options, runs, models and emotions.

    \b
    Examples:
      evmlx completion bash >> ~/.bashrc
      evmlx completion zsh >> ~/.zshrc
      evmlx completion fish > ~/.config/fish/completions/evmlx.fish
    """
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    if complete is None:
        raise click.UsageError(f"no completion for {shell}")
    script = complete(ctx.find_root().command, {}, "evmlx", "_EVMLX_COMPLETE")
    # click's own source() first asks bash for its version, which need not be on this machine.
    click.echo(script.source_template % script.source_vars())
