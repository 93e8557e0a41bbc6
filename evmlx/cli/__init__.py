"""The command line: parses, calls the library, prints. Commands load when they are used."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from evmlx import __version__
from evmlx.errors import EvmlxError

COMMANDS = {  # command: module that defines it, in the order of the help page
    "run": "evmlx.cli.run",
    "extract": "evmlx.cli.run",
    "vectors": "evmlx.cli.stages",
    "geometry": "evmlx.cli.stages",
    "circumplex": "evmlx.cli.stages",
    "probe": "evmlx.cli.stages",
    "implicit": "evmlx.cli.stages",
    "intensity": "evmlx.cli.stages",
    "report": "evmlx.cli.stages",
    "compare": "evmlx.cli.compare",
    "quantize-check": "evmlx.cli.quantize",
    "parity": "evmlx.cli.parity",
    "corpus": "evmlx.cli.corpus",
    "models": "evmlx.cli.models",
    "export": "evmlx.cli.export",
    "completion": "evmlx.cli.completion",
}


class Commands(click.Group):
    """Loads a command's module on its first use, and shows evmlx's own errors as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module and take the command from it."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_")
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where one is mistyped."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"No such command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an EvmlxError becomes one line on stderr and exit status 1."""
        try:
            return super().invoke(ctx)
        except EvmlxError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            _interrupted()


def _interrupted() -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    click.echo(
        "\ninterrupted: what was computed is kept; the same command goes on from there", err=True
    )
    sys.stdout.flush()
    # Passes that still run in other threads are not waited for: they write nothing themselves.
    os._exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="evmlx")
def cli() -> None:
    """Measure the geometry of emotion concepts in open-weight language models.

    \b
    Example:
      evmlx run                                           # embedded SmolLM2-135M
      evmlx run --model Qwen/Qwen3-8B --backend torch     # any model from the hub
    """


def main() -> None:
    """Run the command line, as the `evmlx` script does."""
    # A closed pipe (`evmlx models | head`) is the reader's wish, not an error.
    try:
        cli(prog_name="evmlx")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
