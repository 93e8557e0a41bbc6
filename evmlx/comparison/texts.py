"""Two models on the same new texts: implicit batteries and graded intensity, paired text by text.

Everything needed stands in the result files, so that published runs can be compared as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evmlx.comparison.paired import Difference, absent, mean_difference, share_difference
from evmlx.comparison.read import Entry
from evmlx.report.run_results import get, number

BATTERIES = ("situation", "message", "message_last")


def battery_differences(a: Entry, b: Entry, rng: np.random.Generator) -> list[Difference]:
    """Differences in how often, and at what rank, the right emotion is found, battery by battery.

    Ranks are those of centred scores, which is how the headline is computed.

    Parameters
    ----------
    a, b : Entry
        Two runs on one corpus.
    rng : numpy.random.Generator
        Of the bootstrap and the sign flips.
    """
    found = []
    for battery in BATTERIES:
        first, second = _ranks(a, battery), _ranks(b, battery)
        shared = [name for name in first if name in second]
        top1, rank = f"implicit_{battery}_top1", f"implicit_{battery}_mean_rank"
        if not shared:
            lacking = a.name if not first else b.name
            why = f"{lacking} has no ranks of these texts"
            found += [absent(top1, "texts", why), absent(rank, "texts", why)]
            continue
        one, other = (np.array([ranks[name] for name in shared]) for ranks in (first, second))
        found.append(share_difference(top1, one == 1, other == 1))
        found.append(mean_difference(rank, one, other, "texts", rng))
    return found


def _ranks(entry: Entry, battery: str) -> dict[str, float]:
    """Rank of each text's target at the primary layer, by id of the text."""
    listed = get(entry.results.layer("implicit", entry.layer), battery, "scenarios") or ()
    return {str(text["id"]): float(text["rank"]) for text in listed}


def intensity_difference(a: Entry, b: Entry, rng: np.random.Generator) -> Difference:
    """Difference of graded intensity beyond the controls, paired over templates."""
    metric = "intensity_difference"
    first, second = _templates(a), _templates(b)
    shared = [name for name in first if name in second]
    if not shared:
        lacking = a.name if not first else b.name
        return absent(metric, "templates", f"{lacking} has no graded templates")
    one, other = (np.array([values[name] for name in shared]) for values in (first, second))
    return mean_difference(metric, one, other, "templates", rng)


def _templates(entry: Entry) -> dict[str, float]:
    listed: Any = get(entry.results.layer("intensity", entry.layer), "templates") or ()
    found = {str(one["id"]): number(one, "difference") for one in listed}
    return {name: value for name, value in found.items() if np.isfinite(value)}
