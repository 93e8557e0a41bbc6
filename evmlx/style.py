"""Style of a text without its content: lengths, punctuation and function words.

The corpus gate and the probe's text control both take it from here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

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


def style_rows(texts: Sequence[str]) -> np.ndarray:
    """Put `style_features` and `function_word_features` side by side: all that style is.

    Neither depends on other texts, so that computing them outside the folds leaks nothing.

    Returns
    -------
    ndarray of float64, shape (N, 9 + punctuation marks + function words)
    """
    return np.hstack([style_features(texts), function_word_features(texts)])
