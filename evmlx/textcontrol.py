"""What the text alone gives away: classifiers that know words or style, and no model.

Every figure that a probe reaches on activations stands beside these, on the same folds.
scikit-learn is imported inside the functions, so that importing this module costs little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from evmlx.folds import Fit

PUNCTUATION = (".", ",", ";", ":", "?", "!", "-", "\u2013", "\u2014", "(", ")", "'", '"', "\u2026")

# Closed-class words of English: articles, pronouns, prepositions, conjunctions, auxiliaries,
# particles and a few adverbs without content, after the list of Mosteller and Wallace (1964).
FUNCTION_WORDS = tuple(
    """
    a an the this that these those each every either neither some any no none all both half many
    much more most few fewer less least several enough other another such same
    i me my mine myself you your yours yourself yourselves he him his himself she her hers herself
    it its itself we us our ours ourselves they them their theirs themselves one oneself
    who whom whose which what someone somebody something anyone anybody anything
    everyone everybody everything nobody nothing
    about above across after against along among around as at before behind below beneath beside
    besides between beyond by down during except for from in inside into like near of off on onto
    out outside over past per since through throughout till to toward towards under until up upon
    with within without
    and but or nor so yet if because although though unless while whereas whether than
    when whenever where wherever why how
    am is are was were be been being have has had having do does did doing done
    can could may might must shall should will would ought
    not never ever always often still just only even also too very quite rather almost already
    again once then now here there thus hence perhaps maybe else instead
    don't doesn't didn't won't wouldn't can't couldn't shouldn't isn't aren't wasn't weren't
    haven't hasn't hadn't i'm i'd i'll i've you're you'd you'll you've he's he'd he'll she's she'd
    she'll it's we're we'd we'll we've they're they'd they'll they've that's there's what's
    """.split()
)

# What one counts as a word by eye: "don't" and "half-past" are one each.
WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])[\"'\u2019\u201d)]*\s+|\n+")


def style_features(texts: Sequence[str]) -> np.ndarray:
    """Measure sentence lengths, word lengths and punctuation.

    Parameters
    ----------
    texts : sequence of str, N of them

    Returns
    -------
    ndarray of float64, shape (N, 9 + punctuation marks)
        Words; sentences; mean, standard deviation, least and most words a sentence; mean and
        standard deviation of letters a word; share of words of seven letters or more; then the
        count of each mark of `PUNCTUATION` in the text.
    """
    rows = []
    for text in texts:
        words = WORD.findall(text)
        letters = np.array([len(word) for word in words] or [0], dtype=float)
        counts = [len(WORD.findall(sentence)) for sentence in _SENTENCE_END.split(text)]
        lengths = np.array([n for n in counts if n] or [0], dtype=float)
        rows.append(
            [
                float(len(words)),
                float(len(lengths)),
                lengths.mean(),
                lengths.std(),
                lengths.min(),
                lengths.max(),
                letters.mean(),
                letters.std(),
                (letters >= 7).mean(),
                *(float(text.count(mark)) for mark in PUNCTUATION),
            ]
        )
    return np.array(rows, dtype=float).reshape(len(texts), 9 + len(PUNCTUATION))


def function_word_features(texts: Sequence[str]) -> np.ndarray:
    """Count function words, per hundred words of the text.

    Returns
    -------
    ndarray of float64, shape (N, len(FUNCTION_WORDS))
        In the order of `FUNCTION_WORDS`.
    """
    column = {word: k for k, word in enumerate(FUNCTION_WORDS)}
    counts = np.zeros((len(texts), len(column)))
    for row, text in enumerate(texts):
        words = [word.lower().replace("\u2019", "'") for word in WORD.findall(text)]
        for word in words:
            if word in column:
                counts[row, column[word]] += 1
        counts[row] *= 100 / max(len(words), 1)
    return counts


def style_pipeline() -> Pipeline:
    """Build an untrained classifier for `style_features` and `function_word_features`.

    Standardising, then multinomial logistic regression with C = 1, as the probe on activations.
    It takes feature matrices, which may be stacked: both features do not depend on other texts,
    so computing them once, outside the folds, leaks nothing.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000))


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

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    return make_pipeline(words, LogisticRegression(C=10.0, max_iter=2000))


@dataclass(frozen=True)
class TextAccuracy:
    """How well emotions are told apart from the text alone, topics held out.

    Attributes
    ----------
    features : str
        "style", "function words" or "TF-IDF".
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
        Style, function words, TF-IDF; on the same folds, 5 by topic or one for each topic where
        there are fewer.
    """
    from evmlx.folds import out_of_fold
    from evmlx.intervals import TopicBootstrap

    names, y = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    chance = float(np.bincount(y).max() / len(y))
    fold_of, reason = _topic_folds(y, names, topic_ids)
    variants: tuple[tuple[str, Callable[[], Pipeline], np.ndarray], ...] = (
        ("style", style_pipeline, style_features(texts)),
        ("function words", style_pipeline, function_word_features(texts)),
        ("TF-IDF", tfidf_pipeline, np.array(texts, dtype=object)),
    )
    bootstrap = TopicBootstrap(topic_ids, 2000, rng)
    results = []
    for name, pipeline, features in variants:
        why = reason
        if why is None:
            try:
                predicted, _ = out_of_fold(fold_of, _fit(pipeline, features, y), parallel=True)
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


def _fit(pipeline: Callable[[], Pipeline], features: np.ndarray, y: np.ndarray) -> Fit:
    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        model = pipeline().fit(features[training], y[training])
        return np.asarray(model.predict(features[test])), True

    return fit
