"""A question about a run, with its answer in words."""

from __future__ import annotations

from dataclasses import dataclass

ALPHA = 0.05
YES, PARTLY, NO, UNKNOWN = "Yes", "In part", "No", "Not computed"


@dataclass(frozen=True)
class Claim:
    """A question, its answer (`YES`, `PARTLY`, `NO` or `UNKNOWN`) and the figures behind it."""

    question: str
    answer: str
    text: str
