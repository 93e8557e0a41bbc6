"""What is measured and with what: a model and a corpus, settled before an engine is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evmlx.estimate import ModelShape, read_shape
from evmlx.progress import say
from evmlx.stimuli import Stimulus, sampled_layers, tokenize

if TYPE_CHECKING:
    from evmlx.corpus import Corpus
    from evmlx.models.checkpoints import Checkpoint


@dataclass(frozen=True)
class Subject:
    """A model and the texts that it will be given.

    Attributes
    ----------
    checkpoint : Checkpoint
        What is measured.
    shape : ModelShape
        Its size.
    corpus : Corpus
        What it is measured with.
    stimuli : tuple of Stimulus
        The corpus as token ids.
    layers : tuple of int
        Layers to sample, ascending.
    """

    checkpoint: Checkpoint
    shape: ModelShape
    corpus: Corpus
    stimuli: tuple[Stimulus, ...]
    layers: tuple[int, ...]


def find_model(model: str | Checkpoint | None, revision: str | None) -> Checkpoint:
    """Find a model by what a user calls it; one that is found already is taken as it is.

    Raises
    ------
    EvmlxError
        As `evmlx.models.checkpoints.resolve`.
    """
    from evmlx.models.checkpoints import resolve

    if model is None or isinstance(model, str):
        return resolve(model, revision=revision, say=say)
    return model


def settle(
    model: str | Checkpoint | None,
    revision: str | None,
    corpus: Path | None,
    limit: int | None,
    layers: str | None,
) -> Subject:
    """Find the model and the corpus, and tokenize.

    Parameters
    ----------
    model, revision : str, Checkpoint or None
        See `find_model`.
    corpus : Path or None
        Folder of a corpus; None for the shipped one.
    limit : int or None
        Stories to take, balanced over emotions; None for all.
    layers : str or None
        See `evmlx.stimuli.sampled_layers`.

    Raises
    ------
    EvmlxError
        If something is missing or wrong.
    """
    from evmlx.corpus import load_corpus, subset
    from evmlx.models.checkpoints import load_tokenizer

    texts = load_corpus(corpus)
    if limit is not None:
        texts = subset(texts, limit)
    checkpoint = find_model(model, revision)
    shape = read_shape(checkpoint.folder)
    sampled = sampled_layers(layers, shape.layers)
    stimuli = tokenize(texts, load_tokenizer(checkpoint), shape.context)
    return Subject(checkpoint, shape, texts, stimuli, sampled)
