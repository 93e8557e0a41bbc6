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

from families import APART, CASES, MIXED, QUANTIZED, REFUSED  # noqa: E402
from test_tiny_families import (  # noqa: E402
    MEDIAN,
    WORST,
    both,
    errors,
    quantize,
    repeating,
    save,
)

from evmlx.errors import EvmlxError  # noqa: E402

DOCUMENT = Path(__file__).parents[2] / "docs" / "backends.md"


def row(name: str, folder: Path) -> str:
    """One line of the table."""
    try:
        apart = errors(*both(folder))
    except EvmlxError as error:
        said = str(error).split(": use --backend")[0].rstrip(",")
        for place in (folder / "config.json", folder):
            said = said.removeprefix(f"{place}: ")
        said = re.sub(r"^text \S+ has \d+ tokens, but ", "", said.replace(f" {folder}", ""))
        return f"| {name} | | | refused: {said} |"
    median, worst = np.median(apart, axis=0).max(), apart.max()
    passed = median <= MEDIAN and worst <= WORST
    return f"| {name} | {median:.0e} | {worst:.0e} | {'pass' if passed else 'apart'} |"


def table() -> str:
    """Every case of `test_tiny_families`, full precision and quantized."""
    cases = {**CASES, **{family: (family, changes) for family, changes in APART.items()}}
    cases |= {name: (family, changes) for name, (family, changes, _) in REFUSED.items()}
    rows = []
    for name, (family, changes) in sorted(cases.items()):
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder), family, changes)
            rows.append(row(name, Path(folder)))
    for family in QUANTIZED:
        with tempfile.TemporaryDirectory() as folder:
            full, mixed = Path(folder) / "full", Path(folder) / "mixed"
            quantize(family, full, mixed, repeating(*MIXED))
            rows.append(row(f"{family}, MLX-quantized", mixed))
    families = {shown.strip("| ").partition(" ")[0].rstrip(","): False for shown in rows}
    passing = [shown for shown in rows if shown.endswith("| pass |")]
    families |= {shown.strip("| ").partition(" ")[0].rstrip(","): True for shown in passing}
    count = (
        f"{sum(families.values())} of {len(families)} families pass, {len(passing)} of "
        f"{len(rows)} cases.\n"
    )
    head = [count, "| family | median error | worst error | verdict |", "|---|---|---|---|"]
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
