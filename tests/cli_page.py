"""docs/cli.md from the commands' own help; `python tests/cli_page.py --write` writes it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from evmlx.cli import cli

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# Commands

Generated from `--help` by `python tests/cli_page.py --write`; a test keeps it so.
"""


def sections(command: click.Command, words: str, above: click.Context | None) -> list[str]:
    """The help of a command and of all below it."""
    context = click.Context(
        command,
        info_name=words.split()[-1],
        parent=above,
        terminal_width=88,
        **command.context_settings,
    )
    found = [f"## {words}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += sections(below, f"{words} {name}", context)
    return found


def page() -> str:
    return "\n".join([HEAD, *sections(cli, "evmlx", None)])


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
