"""Clusters of a corpus, lined up with the emotions that were measured.

Knows nothing about vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evmlx.errors import EvmlxError


@dataclass(frozen=True)
class Clusters:
    """Clusters of the measured emotions.

    Attributes
    ----------
    names : tuple of str
        C clusters, each with at least one measured emotion.
    members : tuple of tuple of int
        Rows of each cluster's emotions.
    rows : tuple of int
        Rows of all emotions that have a cluster, R of them.
    membership : ndarray of float64, shape (R, C)
        1 where the emotion of that row is in the cluster.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    rows: tuple[int, ...]
    membership: np.ndarray


def cluster_membership(emotions: Sequence[str], clusters: Mapping[str, Sequence[str]]) -> Clusters:
    """Line clusters up with the measured emotions.

    Parameters
    ----------
    emotions : sequence of str
        Measured emotions.
    clusters : mapping of str to sequence of str
        Emotions of each cluster; emotions that were not measured are passed over.

    Returns
    -------
    Clusters

    Raises
    ------
    EvmlxError
        If an emotion lies in two clusters.
    """
    row_of = {emotion: row for row, emotion in enumerate(emotions)}
    members = {
        name: tuple(row_of[emotion] for emotion in given if emotion in row_of)
        for name, given in clusters.items()
    }
    members = {name: rows for name, rows in members.items() if rows}
    rows = sorted(row for found in members.values() for row in found)
    for row, following in zip(rows, rows[1:], strict=False):
        if row == following:
            raise EvmlxError(
                f"emotion {emotions[row]!r} lies in two clusters: leave it in one of them in "
                "emotions.json"
            )
    membership = np.zeros((len(rows), len(members)))
    for column, found in enumerate(members.values()):
        membership[np.searchsorted(rows, found), column] = 1.0
    return Clusters(tuple(members), tuple(members.values()), tuple(rows), membership)
