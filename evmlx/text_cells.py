"""What the words alone make of the emotions: cell sums of TF-IDF and of token embeddings.

They take the place of pooled residuals and go through the same estimator. scikit-learn is
imported inside the function, so that importing this module costs little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from evmlx.resampling import Cells
from evmlx.textcontrol import no_shared_words, tfidf_pipeline


@dataclass(frozen=True)
class WordCells:
    """Sums over the stories of each (emotion, topic) cell, or why there are none.

    Attributes
    ----------
    sums : ndarray (emotions, topics, width), or csr_array (emotions * topics, width), or None
    reason : str or None
    """

    sums: np.ndarray | csr_array | None
    reason: str | None


def tfidf_cells(texts: Sequence[str] | None, cells: Cells) -> WordCells:
    """Sum TF-IDF over cells, with the settings of the text control.

    Vocabulary and weights are those of all stories, and stay fixed when topics are resampled.

    Parameters
    ----------
    texts : sequence of str, length N, or None
        The stories.
    cells : Cells
        Of the same stories.

    Returns
    -------
    WordCells
    """
    if texts is None or len(texts) != len(cells.of_story):
        return WordCells(None, "no texts of the stories")
    try:
        weights = tfidf_pipeline()[0].fit_transform(list(texts))
    except ValueError as error:
        return WordCells(None, no_shared_words(error))
    told = np.flatnonzero(cells.of_story >= 0)
    belongs = csr_array(
        (np.ones(len(told)), (cells.of_story[told], told)),
        shape=(cells.counts.size, len(texts)),
    )
    return WordCells(csr_array(belongs @ weights), None)


def embedding_cells(
    arrays: Mapping[str, np.ndarray] | None, emotions: Sequence[str], cells: Cells
) -> WordCells:
    """Line up the token embeddings of a run with its cells.

    Parameters
    ----------
    arrays : mapping of str to ndarray, or None
        Contents of ``token_embeddings.npz``: `emotions`, `topics`, and `cells` (emotions,
        topics, hidden), sums over stories.
    emotions : sequence of str
        In the order of the vectors.
    cells : Cells
        Of the stories.

    Returns
    -------
    WordCells
    """
    if arrays is None:
        return WordCells(None, "the run has no token embeddings")
    if not {"emotions", "topics", "cells"} <= set(arrays):
        return WordCells(None, "token_embeddings.npz has no sums by emotion and topic")
    rows = {str(name): at for at, name in enumerate(arrays["emotions"])}
    columns = {str(name): at for at, name in enumerate(arrays["topics"])}
    if not (set(emotions) <= set(rows) and set(cells.topics) <= set(columns)):
        return WordCells(None, "token_embeddings.npz is of other emotions or topics")
    kept = np.ix_([rows[e] for e in emotions], [columns[t] for t in cells.topics])
    sums = arrays["cells"][kept].astype(np.float64)
    # what all tokens share is taken out first, which keeps rounding small and changes no cosine
    centre = sums.sum(axis=(0, 1)) / cells.counts.sum()
    return WordCells(sums - cells.counts[:, :, None] * centre, None)
