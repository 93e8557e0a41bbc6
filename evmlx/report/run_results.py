"""The result files of a run folder, read once for the plots, the metrics and the report.

Knows their names, the commands that write them and how a figure that is not there is told;
nothing about what the figures mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evmlx.errors import EvmlxError
from evmlx.store import read_json

STAGES = {  # stage: (file, command)
    "geometry": ("validation_results.json", "evmlx geometry RUN"),
    "circumplex": ("arousal_results.json", "evmlx circumplex RUN"),
    "probe": ("probe_results.json", "evmlx probe RUN"),
    "implicit": ("implicit_emotion_results.json", "evmlx implicit RUN"),
    "intensity": ("intensity_results.json", "evmlx intensity RUN"),
}


@dataclass(frozen=True)
class RunResults:
    """What a run folder holds so far.

    Attributes
    ----------
    folder : Path
        The run folder.
    run : mapping
        ``run.json``.
    stages : mapping of str to mapping
        Contents of each result file that exists, by stage.
    layers : tuple of int
        Sampled layers, ascending.
    primary : int
        The layer of the headline figures.
    """

    folder: Path
    run: Mapping[str, Any]
    stages: Mapping[str, Mapping[str, Any]]
    layers: tuple[int, ...]
    primary: int

    def layer(self, stage: str, layer: int) -> Mapping[str, Any]:
        """Return a stage's figures of one layer, empty where the stage or the layer is missing."""
        found = self.stages.get(stage, {}).get("layers", {}).get(f"layer_{layer}")
        return found if isinstance(found, Mapping) else {}

    def command(self, stage: str) -> str:
        """Return the command that makes a stage's file."""
        return STAGES[stage][1].replace("RUN", "/".join(self.folder.parts[-2:]))


def read_results(folder: Path) -> RunResults:
    """Read ``run.json`` and every result file that is there.

    Raises
    ------
    EvmlxError
        If ``run.json`` is missing or damaged, if a file is not JSON, or if a result file was
        made on another corpus than ``run.json`` names.
    """
    run = read_json(folder / "run.json")
    stages = {
        stage: read_json(folder / name)
        for stage, (name, _) in STAGES.items()
        if (folder / name).exists()
    }
    digest = get(run, "corpus", "digest")
    for stage, found in stages.items():
        if digest and found.get("corpus_digest") not in (None, digest):
            raise EvmlxError(
                f"{folder / STAGES[stage][0]}: corpus_digest is not that of run.json; "
                f"delete the file and run its stage again"
            )
    try:
        layers = tuple(sorted(int(layer) for layer in run["layers"]))
        primary = int(run["primary_layer"])
    except (KeyError, TypeError, ValueError):
        raise EvmlxError(
            f"{folder / 'run.json'}: fields layers and primary_layer are missing or not whole "
            "numbers; run the extraction again"
        ) from None
    return RunResults(folder, run, stages, layers, primary)


def get(found: Any, *path: str) -> Any:
    """Value at a path of keys, None where any of them is missing."""
    for key in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def number(found: Any, *path: str) -> float:
    """Figure at a path of keys, nan where it is missing or null."""
    value = get(found, *path) if path else found
    return float(value) if isinstance(value, int | float) else math.nan


def reason(found: Any) -> str | None:
    """Why a figure is null, as its stage told it."""
    why = get(found, "reason")
    return str(why) if why else None
