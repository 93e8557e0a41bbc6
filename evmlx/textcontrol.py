"""What the text alone gives away: classifiers that know words or style, and no model.

Every figure that a probe reaches on activations stands beside these, on the same folds.
scikit-learn is imported inside the functions, so that importing this module costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evmlx.style import function_word_features, style_features, style_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.pipeline import Pipeline

    from evmlx.folds import Fit

TERM_WORDS = (1, 2)  # words in a term
FEWEST_TEXTS = 2  # in which a term stands
TFIDF_C = 10.0


def tfidf_pipeline() -> Pipeline:
    """Build an untrained bag-of-words classifier; it takes the texts themselves.

    TF-IDF (Salton and Buckley 1988) of words and word pairs that stand in two or more texts of
    the training fold, with 1 + log(count) for the count, then multinomial logistic regression.
    C is 10, because rows have length one and C = 1 would hold the weights down: a control that
    is weaker than need be would flatter the probe beside it.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=TERM_WORDS, min_df=FEWEST_TEXTS, sublinear_tf=True)
    return make_pipeline(words, LogisticRegression(C=TFIDF_C, max_iter=2000))


def term_counts(texts: Sequence[str]) -> csr_array:
    """Count every word and word pair of every text, (N, terms), to be cut down fold by fold.

    Raises
    ------
    ValueError
        If no text has a word, see `no_shared_words`.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    counts = CountVectorizer(ngram_range=TERM_WORDS)
    return csr_array(counts.fit_transform(texts))


def tfidf_rows(counts: csr_array, training: np.ndarray) -> csr_array:
    """TF-IDF of all texts, with terms and weights of the training texts alone.

    The same as fitting the vectorizer of `tfidf_pipeline` to the training texts, without
    reading texts anew in every fold.

    Parameters
    ----------
    counts : csr_array, shape (N, terms)
    training : ndarray of int
        Rows to learn terms and their weights from.

    Returns
    -------
    csr_array of float64, shape (N, terms kept)

    Raises
    ------
    ValueError
        If no term stands in two training texts, see `no_shared_words`.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfTransformer

    known = counts[training]
    texts_with = np.bincount(known.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(texts_with >= FEWEST_TEXTS)
    if kept.size == 0:
        raise ValueError("no terms remain")
    weights = TfidfTransformer(sublinear_tf=True).fit(known[:, kept])
    return csr_array(weights.transform(counts[:, kept]))


def tfidf_logistic(counts: csr_array, labels: np.ndarray) -> Fit:
    """Return `tfidf_pipeline` as a fit for `evmlx.folds.scores_out_of_fold`.

    Parameters
    ----------
    counts : csr_array, shape (N, terms)
        From `term_counts`.
    labels : ndarray of int, shape (N,)
    """

    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        rows = tfidf_rows(counts, training)
        return text_logistic(rows[training], labels[training], rows[test], int(labels.max()) + 1)

    return fit


def text_logistic(
    known: np.ndarray | csr_array, labels: np.ndarray, others: np.ndarray | csr_array, classes: int
) -> tuple[np.ndarray, bool]:
    """Train the classifier of `tfidf_pipeline` and score other rows.

    Returns
    -------
    scores : ndarray of float64, shape (rows of `others`, classes)
        Log probabilities; -inf for a class that `labels` lacks.
    converged : bool
    """
    from sklearn.linear_model import LogisticRegression

    from evmlx.folds import spread

    model = LogisticRegression(C=TFIDF_C, max_iter=2000).fit(known, labels)
    scores = spread(model.predict_log_proba(others), model.classes_, classes)
    return scores, bool((model.n_iter_ < model.max_iter).all())


@dataclass(frozen=True)
class TextAccuracy:
    """How well emotions are told apart from the text alone, topics held out.

    Attributes
    ----------
    features : str
        "style", "function words", "all style" (both together) or "TF-IDF".
    accuracy, low, high : float or None
        Out-of-fold accuracy with its 95% bootstrap interval over topics (nan where there are too
        few topics); None where there are no folds.
    chance : float
        Share of the most frequent label.
    folds : int
        Number of folds; a topic lies in one fold.
    n : int
        Number of texts.
    reason : str or None
        Why there is no accuracy.
    """

    features: str
    accuracy: float | None
    low: float | None
    high: float | None
    chance: float
    folds: int
    n: int
    reason: str | None = None


def no_shared_words(error: ValueError) -> str:
    """Return why TF-IDF has nothing to work on; an error with another cause is raised again."""
    if "terms remain" not in str(error) and "empty vocabulary" not in str(error):
        raise error
    return "no word stands in two texts: is the text written without spaces?"


def text_accuracies(
    texts: Sequence[str],
    labels: Sequence[str],
    topic_ids: Sequence[str],
    rng: np.random.Generator,
) -> tuple[TextAccuracy, ...]:
    """Measure what style, function words and TF-IDF give away of the labels.

    Parameters
    ----------
    texts, labels, topic_ids : sequence of str, N of each
    rng : numpy.random.Generator
        For the bootstrap over topics (2,000 draws).

    Returns
    -------
    tuple of TextAccuracy
        Style, function words, both, TF-IDF; on the same folds, 5 by topic or one for each topic
        where there are fewer.
    """
    from evmlx.folds import out_of_fold, standardised_logistic
    from evmlx.intervals import TopicBootstrap

    names, y = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    chance = float(np.bincount(y).max() / len(y))
    fold_of, reason = _topic_folds(y, names, topic_ids)
    variants: tuple[tuple[str, Callable[[], Fit]], ...] = (
        ("style", lambda: standardised_logistic(style_features(texts), y)),
        ("function words", lambda: standardised_logistic(function_word_features(texts), y)),
        ("all style", lambda: standardised_logistic(style_rows(texts), y)),
        ("TF-IDF", lambda: tfidf_logistic(term_counts(texts), y)),
    )
    bootstrap = TopicBootstrap(topic_ids, 2000, rng)
    results = []
    for name, fit in variants:
        why = reason
        if why is None:
            try:
                predicted, _ = out_of_fold(fold_of, fit(), parallel=True)
            except ValueError as error:
                why = no_shared_words(error)
        if why is not None:
            results.append(TextAccuracy(name, None, None, None, chance, 0, len(y), why))
            continue
        correct = (predicted == y).astype(np.float64)
        accuracy, (low, high) = float(correct.mean()), bootstrap.interval(correct)
        folds = int(fold_of.max()) + 1
        results.append(TextAccuracy(name, accuracy, low, high, chance, folds, len(y)))
    return tuple(results)


def _topic_folds(
    y: np.ndarray, names: np.ndarray, topic_ids: Sequence[str]
) -> tuple[np.ndarray, str | None]:
    """Deal topics to folds; also why that cannot be done, if so."""
    from sklearn.model_selection import GroupKFold

    from evmlx.folds import missing_in_training

    fold_of = np.zeros(len(y), np.int64)
    folds = min(5, len(set(topic_ids)))
    if folds < 2:
        return fold_of, "needs two topics: one to learn from, one to be tested on"
    for fold, (_, held_out) in enumerate(GroupKFold(folds).split(y, groups=topic_ids)):
        fold_of[held_out] = fold
    missing = missing_in_training(y, fold_of)
    if missing is not None:
        return fold_of, f'all topics of "{names[missing[1]]}" are in one fold: none to learn from'
    return fold_of, None
