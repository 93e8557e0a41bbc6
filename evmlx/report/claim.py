"""A question about a run, with its answer in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALPHA = 0.05
YES, PARTLY, NO, UNKNOWN = "Yes", "In part", "No", "Not computed"
AS_WORDS = "No more than words"


@dataclass(frozen=True)
class Claim:
    """A question, its answer and the figures behind it.

    The answer is `YES`, `PARTLY`, `NO` or `UNKNOWN`, or `AS_WORDS` where something is there and
    words alone have as much of it.
    """

    question: str
    answer: str
    text: str


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence: "a, b and c"."""
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
