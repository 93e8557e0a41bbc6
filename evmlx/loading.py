"""A finished run as arrays and results, for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.extract import load_activations
from evmlx.stimuli import KINDS
from evmlx.store import Activations, read_json
from evmlx.vectors import EmotionVectors, load_vectors


@dataclass(frozen=True)
class LoadedRun:
    """A run folder, read.

    Attributes
    ----------
    folder : Path
        The run folder.
    record : mapping
        ``run.json``: what was run, on what, with which versions.
    results : mapping of str to mapping
        Each ``*_results.json`` that is there, by its stem less ``_results``: ``validation``,
        ``arousal``, ``probe``, ``implicit_emotion``, ``intensity``.
    metrics : tuple of mapping
        Rows of ``metrics.json``: metric, value, low, high, n, control, control_name, p, layer.
    vectors : EmotionVectors
        Emotion vectors, raw and denoised.
    """

    folder: Path
    record: Mapping[str, Any]
    results: Mapping[str, Mapping[str, Any]]
    metrics: tuple[Mapping[str, Any], ...]
    vectors: EmotionVectors

    @property
    def layers(self) -> tuple[int, ...]:
        """Sampled layers, ascending."""
        return self.vectors.layers

    @property
    def primary_layer(self) -> int:
        """Layer of the headline figures, fixed before anything was measured."""
        return int(self.record["primary_layer"])

    def vector(self, emotion: str, layer: int | None = None, *, raw: bool = False) -> np.ndarray:
        """Return one emotion vector, denoised unless asked otherwise.

        Parameters
        ----------
        emotion : str
            One of ``vectors.emotions``.
        layer : int or None
            A sampled layer; None for the primary one.
        raw : bool
            The vector before neutral components are projected out.

        Returns
        -------
        ndarray of float32, shape (hidden,)
            In the units of the residual stream.

        Raises
        ------
        EvmlxError
            If the run has no such emotion or layer; the message names the nearest.
        """
        row = position(emotion, self.vectors.emotions, f"{self.folder}: emotion")
        wanted = self.primary_layer if layer is None else layer
        if wanted not in self.layers:
            raise EvmlxError(
                f"{self.folder}: layer {wanted} was not sampled: choose one of "
                f"{', '.join(map(str, self.layers))}"
            )
        values = self.vectors.raw if raw else self.vectors.denoised
        found: np.ndarray = values[self.layers.index(wanted), row]
        return found

    def metric(self, name: str, layer: int | None = None) -> Mapping[str, Any]:
        """Return a row of ``metrics.json``, of the primary layer unless another is named.

        Raises
        ------
        EvmlxError
            If there is no such row; the message names the nearest metric.
        """
        wanted = self.primary_layer if layer is None else layer
        rows = {row["metric"]: row for row in self.metrics if row["layer"] == wanted}
        names = tuple(rows)
        return rows[names[position(name, names, f"{self.folder}: metric at layer {wanted}:")]]

    def activations(self, kind: str = "stories") -> Activations | None:
        """Return the pooled residuals of one kind of texts; None where the run has none of it.

        Raises
        ------
        EvmlxError
            If there is no such kind, or the run has no activations (published runs do not).
        """
        name = KINDS[position(kind, KINDS, "kind of texts")]
        return load_activations(self.folder / "activations.npz", name)


def position(name: str, known: tuple[str, ...], what: str) -> int:
    """Place of a name among those known.

    Raises
    ------
    EvmlxError
        If it is none of them; the message names the nearest.
    """
    import difflib

    if name in known:
        return known.index(name)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
    raise EvmlxError(f"{what} {name!r} is not there: {hint}")


def load_run(folder: str | Path) -> LoadedRun:
    """Read a finished run.

    Parameters
    ----------
    folder : str or Path
        Run folder, such as ``results/smollm2-135m-instruct-q4_1``. Activations are read only
        when asked for.

    Returns
    -------
    LoadedRun

    Raises
    ------
    EvmlxError
        If it is no run folder, or a file in it is missing or damaged.

    Examples
    --------
    >>> run = evmlx.load_run("results/smollm2-135m-instruct-q4_1")  # doctest: +SKIP
    >>> run.metric("probe_accuracy")["value"]  # doctest: +SKIP
    """
    from evmlx.pipeline import check_run_folder

    path = Path(folder)
    check_run_folder(path)
    results = {
        file.name.removesuffix("_results.json"): read_json(file)
        for file in sorted(path.glob("*_results.json"))
    }
    metrics = path / "metrics.json"
    rows = tuple(read_json(metrics)["rows"]) if metrics.exists() else ()
    return LoadedRun(path, read_json(path / "run.json"), results, rows, load_vectors(path))
