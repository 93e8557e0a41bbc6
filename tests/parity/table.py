"""Prints the table of families for docs/backends.md: `python tests/parity/table.py`.

With `--write` it puts the table into the file, between its two marks.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from test_tiny_families import (  # noqa: E402
    APART,
    CASES,
    MEDIAN,
    MIXED,
    QUANTIZED,
    UNKNOWN,
    WORST,
    both,
    errors,
    quantize,
    repeating,
)
from tiny_models import tiny_model  # noqa: E402

from evmlx.errors import EvmlxError  # noqa: E402

DOCUMENT = Path(__file__).parents[2] / "docs" / "backends.md"
# Refused by the MLX engine, which says so by name, or unknown to mlx-lm.
REFUSED = {"mistral, window of 8": ("mistral", {}), "gemma2, window of 8": ("gemma2", {})}


def row(name: str, folder: Path) -> str:
    """One line of the table."""
    try:
        apart = errors(*both(folder))
    except EvmlxError as error:
        said = str(error).split(": use --backend")[0].removeprefix(f"{folder}: ")
        said = re.sub(r"^text \S+ has \d+ tokens, but ", "", said.replace(f" {folder}", ""))
        return f"| {name} | | | refused: {said} |"
    median, worst = np.median(apart, axis=0).max(), apart.max()
    passed = median <= MEDIAN and worst <= WORST
    return f"| {name} | {median:.0e} | {worst:.0e} | {'pass' if passed else 'apart'} |"


def table() -> str:
    """Every case of `test_tiny_families`, full precision and quantized."""
    cases = {**CASES, **{family: (family, changes) for family, changes in APART.items()}}
    cases |= {**REFUSED, **{family: (family, {}) for family in UNKNOWN}}
    rows = []
    for name, (family, changes) in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            tiny_model(family, **changes).save_pretrained(folder)
            rows.append(row(name, Path(folder)))
    for family in QUANTIZED:
        with tempfile.TemporaryDirectory() as folder:
            full, mixed = Path(folder) / "full", Path(folder) / "mixed"
            quantize(family, full, mixed, repeating(*MIXED))
            rows.append(row(f"{family}, MLX-quantized", mixed))
    head = ["| family | median error | worst error | verdict |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def main() -> None:
    """Print the table, or write it into the document."""
    shown = table()
    if "--write" not in sys.argv:
        print(shown)
        return
    begin, end = "<!-- table: python tests/parity/table.py --write -->", "<!-- end of table -->"
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    DOCUMENT.write_text(f"{before}{begin}\n{shown}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
