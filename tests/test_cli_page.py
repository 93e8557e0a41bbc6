"""docs/cli.md says what `--help` says, and every command has an example."""

from __future__ import annotations

import re

from cli_page import PAGE, page

from evmlx.cli import COMMANDS


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/cli_page.py --write"


def test_every_command_has_an_example() -> None:
    found = dict(re.findall(r"## evmlx (\w[\w -]*)\n\n```text\n(.*?)\n```", page(), re.DOTALL))
    assert set(COMMANDS) <= set(found)
    for words, text in found.items():
        if f"Usage: evmlx {words} [OPTIONS] COMMAND" not in text:
            assert re.search(rf"Examples?:\n(?:    .*\n)*    evmlx {words}", text), words
