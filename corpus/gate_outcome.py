"""What a check of the gate comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SHOWN = 10  # findings of one check that are written out


@dataclass(frozen=True)
class Check:
    """Outcome of one check; `passed` is None where it was not made, or only reports a figure."""

    name: str
    passed: bool | None
    summary: str
    findings: tuple[str, ...] = ()
    figures: Mapping[str, float | None] = field(default_factory=dict)


def judged(
    name: str, summary: str, findings: Iterable[str], figures: Mapping[str, float | None]
) -> Check:
    """Make a check that passes where nothing was found; long lists are cut."""
    lines = list(findings)
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"and {len(lines) - SHOWN} more"]
    return Check(name, not lines, summary, tuple(lines), figures)
