"""Lengths, punctuation and function words, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from evmlx.style import (
    FUNCTION_WORDS,
    PUNCTUATION,
    function_word_features,
    style_features,
    style_rows,
)


def test_style_features_by_hand() -> None:
    row = style_features(['"Don\'t go," she said. Half-past nine! Yes?'])[0]
    # Don't go she said | Half-past nine | Yes
    assert row[0] == 7
    assert row[1] == 3
    lengths, letters = [4, 2, 1], [5, 2, 3, 4, 9, 4, 3]
    assert row[2:6] == pytest.approx([np.mean(lengths), np.std(lengths), 1, 4])
    assert row[6:9] == pytest.approx([np.mean(letters), np.std(letters), 1 / 7])
    marks = dict(zip(PUNCTUATION, row[9:], strict=True))
    expected = {".": 1, ",": 1, "!": 1, "?": 1, "'": 1, '"': 2, "-": 1}
    assert marks == {mark: expected.get(mark, 0) for mark in PUNCTUATION}


def test_function_words_are_counted_per_hundred_words() -> None:
    row = function_word_features(["The dog and THE cat don\u2019t sit"])[0]
    found = {w: v for w, v in zip(FUNCTION_WORDS, row, strict=True) if v}
    assert found == pytest.approx({"the": 200 / 7, "and": 100 / 7, "don't": 100 / 7})
    assert len(set(FUNCTION_WORDS)) == len(FUNCTION_WORDS)


def test_features_take_no_texts_and_no_words() -> None:
    assert style_features([]).shape == (0, 9 + len(PUNCTUATION))
    assert function_word_features([]).shape == (0, len(FUNCTION_WORDS))
    assert np.isfinite(style_features(["...", ""])).all()
    assert np.isfinite(function_word_features(["...", ""])).all()


def test_style_is_both_side_by_side_and_does_not_see_other_words() -> None:
    texts = ["The dog sat.", "A hen, and a fox, ran!"]
    rows = style_rows(texts)
    assert (rows == np.hstack([style_features(texts), function_word_features(texts)])).all()
    assert (style_rows([text.replace("dog", "cat") for text in texts]) == rows).all()
