"""The stimuli: texts that express, imply or lack an emotion, and human ratings of the words.

The shipped corpus lies beside this file; `load_corpus` reads it or a user's own. The gate,
`evmlx.corpus.gate`, is imported by itself, because it needs scikit-learn.
"""

from evmlx.corpus.loading import content_digest, load_corpus
from evmlx.corpus.ratings import norms_digest, with_norms
from evmlx.corpus.subsets import subset
from evmlx.corpus.types import (
    Corpus,
    IntensityTemplate,
    NeutralText,
    Norms,
    Scenario,
    Story,
    Topic,
)

__all__ = [
    "Corpus",
    "IntensityTemplate",
    "NeutralText",
    "Norms",
    "Scenario",
    "Story",
    "Topic",
    "content_digest",
    "load_corpus",
    "norms_digest",
    "subset",
    "with_norms",
]
