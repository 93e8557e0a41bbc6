"""How the report prints figures: digits, signs, intervals, probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

MINUS = "\N{MINUS SIGN}"
ABSENT = "\N{EN DASH}"


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a figure: neither None nor nan."""
    return value is not None and math.isfinite(value)


def plain(value: float | None, digits: int = 2) -> str:
    """Figure with a fixed number of decimals; a true minus sign, never a negative zero."""
    if not known(value):
        return ABSENT
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def signed(value: float | None, digits: int = 2) -> str:
    """Like `plain`, with a plus sign on positive figures."""
    text = plain(value, digits)
    return f"+{text}" if known(value) and float(f"{value:.{digits}f}") > 0 else text


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """Interval in brackets, or a dash where there is none."""
    if not (known(low) and known(high)):
        return ABSENT
    return f"[{plain(low, digits)}, {plain(high, digits)}]"


def percent(value: float | None) -> str:
    """Share as whole per cent, rounded as `plain` rounds it; with one decimal below one."""
    if not known(value):
        return ABSENT
    hundredths = float(f"{value:.2f}")
    if hundredths or value == 0:
        return f"{100 * hundredths:.0f}%".replace("-", MINUS)
    return f"{100 * value:.1f}%".replace("-", MINUS)


def p_number(p: float | None) -> str:
    """Probability in two significant digits, one below 0.001: 0.31, 0.012, 0.0001, <0.0001."""
    if not known(p):
        return ABSENT
    if p < 0.00005:
        return "<0.0001"
    if p >= 0.995:
        return "1.00"
    digits = max(2, 1 - math.floor(math.log10(max(p, 1e-12))))
    return f"{p:.{digits}f}" if p >= 0.001 else f"{p:.{digits - 1}f}"


def at_floor(p: float | None, draws: int | None) -> bool:
    """Whether p is the smallest that this many draws allow, 1 / (draws + 1)."""
    return known(p) and draws is not None and p <= (1 + 1e-6) / (draws + 1)


def p_phrase(p: float | None, draws: int | None = None) -> str:
    """Return "p = 0.012"; where p can be no smaller, say so and with how many draws."""
    if not known(p):
        return "p not computed"
    floor = f" (the smallest that {draws:,} draws allow)" if at_floor(p, draws) else ""
    number = p_number(p)
    sign = "<" if number.startswith("<") else "="
    return f"p {sign} {number.removeprefix('<')}{floor}"


def table(head: list[str], body: list[list[str]]) -> list[str]:
    """Markdown table: the first column to the left, the others to the right."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *body)]


def picture(name: str, alt: str, caption: str) -> list[str]:
    """Plot of the run folder with its caption under it."""
    return [f"![{alt}](plots/{name})", "", f"*{caption}*", ""]


def dagger(body: Sequence[Sequence[str]], draws: Any) -> str:
    """Footnote on the smallest p, where a cell of the table has its mark."""
    marked = any(cell.endswith("†") for cells in body for cell in cells)
    return f" † the smallest p that {draws:,} draws allow." if marked and draws else ""


def literal(text: object) -> str:
    """Words of the user's or of a corpus, so that Markdown and its tables leave them as they are.

    A name such as ``my_model|<b>`` would otherwise end a table's cell or become markup.
    """
    return "".join(f"\\{c}" if c in "\\`*_|<>[]" else c for c in " ".join(str(text).split()))


def code(text: object) -> str:
    """Words as code, in which only a backtick and a table's bar have a meaning."""
    return f"`{' '.join(str(text).split()).replace('`', chr(39)).replace('|', '/')}`"
