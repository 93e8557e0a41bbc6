"""Progress on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

import click

LINE_EVERY_SECONDS = 30.0


def say(message: str) -> None:
    """Print one line to stderr."""
    click.echo(message, err=True)


class Progress:
    """Counts texts and tokens of a long pass.

    Parameters
    ----------
    texts, tokens : int
        How many there are in all.
    """

    def __init__(self, texts: int, tokens: int) -> None:
        self.texts, self.tokens = texts, tokens
        self.texts_done = self.tokens_done = 0
        self.start = self.last_line = time.monotonic()

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        self.bar = tqdm(
            total=self.tokens,
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
            bar_format="{percentage:3.0f}%|{bar}| {postfix}, {remaining} left",
            dynamic_ncols=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()

    def advance(self, texts: int, tokens: int) -> None:
        """Record that so many more texts and tokens are done."""
        self.texts_done += texts
        self.tokens_done += tokens
        now = time.monotonic()
        seconds = max(now - self.start, 1e-9)
        rates = (
            f"{self.texts_done / seconds:.1f} texts/s, {self.tokens_done / seconds:.0f} tokens/s"
        )
        if not self.bar.disable:
            self.bar.set_postfix_str(f"{self.texts_done}/{self.texts} texts, {rates}", False)
            self.bar.update(tokens)
        elif now - self.last_line >= LINE_EVERY_SECONDS and self.texts_done < self.texts:
            self.last_line = now
            left = seconds * (self.tokens - self.tokens_done) / self.tokens_done
            say(f"  {self.texts_done}/{self.texts} texts, {rates}, {clock(left)} left")


def clock(seconds: float) -> str:
    """Seconds as a person writes them: ``47 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
