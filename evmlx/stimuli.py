"""From texts to token ids and pooling weights, and from those to batches.

Knows nothing about engines: both are given the same ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evmlx.backends import TokenBatch
from evmlx.errors import EvmlxError
from evmlx.parity import fingerprint
from evmlx.progress import say

if TYPE_CHECKING:
    from evmlx.corpus import Corpus, NeutralText, Scenario, Story

KINDS = (
    "stories",
    "dialogues",
    "passages",
    "scenarios",
    "scenarios_last",
    "intensity",
    "intensity_control",
    "fingerprint",
)
SKIPPED_TOKENS = 50


@dataclass(frozen=True)
class Stimulus:
    """One text as an engine sees it.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    id : str
        Id of the text within its kind.
    ids : ndarray of int32, shape (tokens,)
        Token ids, with the special tokens that the tokenizer adds by default.
    start, stop : int
        Positions start <= t < stop are averaged into the pooled residual.
    """

    kind: str
    id: str
    ids: np.ndarray
    start: int
    stop: int


def first_pooled(tokens: int) -> int:
    """First position that is averaged in a text of so many tokens: min(50, tokens // 2).

    Sofroniew et al. (2026) average "from the 50th token"; short texts keep their second half.
    """
    return min(SKIPPED_TOKENS, tokens // 2)


def tokenize(corpus: Corpus, tokenizer: Any, context: int | None = None) -> tuple[Stimulus, ...]:
    """Every text of a corpus as a stimulus, kind by kind in the order of the corpus.

    Parameters
    ----------
    corpus : Corpus
        What to tokenize.
    tokenizer : transformers tokenizer
        The checkpoint's own. Its padding side is not used.
    context : int or None
        Positions that the model can hold.

    Returns
    -------
    tuple of Stimulus

    Raises
    ------
    EvmlxError
        If a text has fewer than two tokens, or more than `context`.
    """
    messages = [s for s in corpus.scenarios if s.battery == "message"]
    chat = _chat_prompts([s.text for s in messages], tokenizer)
    in_chat = {s.id for s in messages} if chat else set()
    plain: dict[str, Sequence[Story | NeutralText | Scenario]] = {
        "stories": corpus.stories,
        "dialogues": corpus.dialogues,
        "passages": corpus.passages,
        "scenarios": tuple(s for s in corpus.scenarios if s.id not in in_chat),
    }
    stimuli = [
        Stimulus(kind, item.id, ids, first_pooled(len(ids)), len(ids))
        for kind, items in plain.items()
        for item, ids in zip(items, _encode(tokenizer, [i.text for i in items]), strict=True)
    ]
    for scenario, (ids, start, stop) in zip(messages, chat, strict=bool(chat)):
        stimuli.append(Stimulus("scenarios", scenario.id, ids, start, stop))
    for scenario, (ids, _, _) in zip(messages, chat, strict=bool(chat)):
        stimuli.append(Stimulus("scenarios_last", scenario.id, ids, len(ids) - 1, len(ids)))
    stimuli.extend(_graded(corpus, tokenizer))
    stimuli.extend(fixed_texts(tokenizer))
    for stimulus in stimuli:
        _check_length(stimulus, corpus, context)
    return tuple(stimuli)


def _graded(corpus: Corpus, tokenizer: Any) -> list[Stimulus]:
    """Each intensity template at each of its values, and each control text at the same values."""
    names = [f"{t.id}/{value:g}" for t in corpus.intensity for value in t.values]
    texts = {
        "intensity": [t.at(value) for t in corpus.intensity for value in t.values],
        "intensity_control": [t.control_at(v) for t in corpus.intensity for v in t.values],
    }
    return [
        Stimulus(kind, name, ids, first_pooled(len(ids)), len(ids))
        for kind, written in texts.items()
        for name, ids in zip(names, _encode(tokenizer, written), strict=True)
    ]


def fixed_texts(tokenizer: Any) -> list[Stimulus]:
    """Return the texts of `evmlx.parity.fingerprint` as stimuli: the same in every run."""
    encoded = _encode(tokenizer, list(fingerprint.TEXTS.values()))
    return [
        Stimulus(fingerprint.KIND, name, ids, first_pooled(len(ids)), len(ids))
        for name, ids in zip(fingerprint.TEXTS, encoded, strict=True)
    ]


def _encode(tokenizer: Any, texts: Sequence[str]) -> list[np.ndarray]:
    if not texts:
        return []
    encoded = tokenizer(list(texts), padding=False, truncation=False)
    return [np.asarray(ids, dtype=np.int32) for ids in encoded["input_ids"]]


def _chat_prompts(texts: Sequence[str], tokenizer: Any) -> list[tuple[np.ndarray, int, int]]:
    """Messages in the chat template: ids and the span of the user's tokens.

    Empty where the tokenizer has no chat template, or one that fails on these messages.
    """
    from jinja2 import TemplateError

    if not getattr(tokenizer, "chat_template", None):
        return []
    try:
        return [_chat_prompt(text.strip(), tokenizer) for text in texts]
    except (TemplateError, ValueError) as error:
        say(f"note: the chat template fails ({error}): messages are read as plain texts")
        return []


def _chat_prompt(text: str, tokenizer: Any) -> tuple[np.ndarray, int, int]:
    turns = [{"role": "user", "content": text}]
    prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    begin = prompt.rindex(text)
    end = begin + len(text)
    # The template writes the special tokens itself.
    encoded = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True)
    inside = [a < end and b > begin for a, b in encoded["offset_mapping"]]
    start = inside.index(True)
    return np.asarray(encoded["input_ids"], dtype=np.int32), start, start + sum(inside)


def _check_length(stimulus: Stimulus, corpus: Corpus, context: int | None) -> None:
    tokens = len(stimulus.ids)
    if tokens < 2:
        raise EvmlxError(
            f"{_where(stimulus, corpus)}: field 'text' has {tokens} token(s) in this model's "
            f"vocabulary; at least two are needed (text {stimulus.id})"
        )
    if context is not None and tokens > context:
        raise EvmlxError(
            f"{_where(stimulus, corpus)}: field 'text' has {tokens} tokens, but the model holds "
            f"{context} positions; shorten it (text {stimulus.id})"
        )


def _where(stimulus: Stimulus, corpus: Corpus) -> str:
    """File and line of a text, found by looking for it: this runs only on the way to an error."""
    if stimulus.kind == fingerprint.KIND:
        return "the fixed probe texts"
    if stimulus.kind.startswith("intensity"):
        return str(corpus.root / "intensity_templates.json")
    items: tuple[Story | NeutralText | Scenario, ...] = (
        *corpus.stories,
        *corpus.dialogues,
        *corpus.passages,
        *corpus.scenarios,
    )
    text = next(i.text for i in items if i.id == stimulus.id)
    for path in sorted(corpus.root.rglob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip() and json.loads(line).get("text") == text:
                return f"{path}:{number}"
    return str(corpus.root)


def stimuli_digest(stimuli: Sequence[Stimulus]) -> str:
    """SHA-256 over kinds, ids, tokens and pooling: equal where the engines see the same."""
    digest = hashlib.sha256()
    for s in stimuli:
        digest.update(f"{s.kind}\0{s.id}\0{s.start}\0{s.stop}\0".encode())
        digest.update(s.ids.astype("<i4").tobytes())
    return digest.hexdigest()


def plan_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts of similar length, the longest first, within a budget of padded tokens.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each text.
    budget : int
        Most positions in a batch, padding included; a longer text gets a batch of its own.

    Returns
    -------
    list of list of int
        Indices into `lengths`; each index once.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def token_batch(stimuli: Sequence[Stimulus]) -> TokenBatch:
    """Pad stimuli on the right and lay out their pooling weights."""
    lengths = np.array([len(s.ids) for s in stimuli], dtype=np.int64)
    ids = np.zeros((len(stimuli), int(lengths.max())), dtype=np.int64)
    weights = np.zeros(ids.shape, dtype=np.float32)
    for row, s in enumerate(stimuli):
        ids[row, : len(s.ids)] = s.ids
        weights[row, s.start : s.stop] = 1.0 / (s.stop - s.start)
    return TokenBatch(ids, lengths, weights, tuple(s.id for s in stimuli))


def sampled_layers(wanted: str | None, blocks: int) -> tuple[int, ...]:
    """Layers to sample, ascending.

    Parameters
    ----------
    wanted : str or None
        Comma-separated block numbers counted from 0, ``all``, or None for
        floor(blocks * f) at f = 0.28, 0.50, 0.64, 0.80.
    blocks : int
        Decoder blocks of the model.

    Raises
    ------
    EvmlxError
        If a number is not a block of this model.
    """
    if wanted is None:
        return tuple(sorted({blocks * percent // 100 for percent in (28, 50, 64, 80)}))
    if wanted.strip() == "all":
        return tuple(range(blocks))
    try:
        layers = sorted({int(part) for part in wanted.split(",")})
    except ValueError:
        raise EvmlxError(
            f"--layers {wanted}: give block numbers such as 8,15,19, or 'all'"
        ) from None
    outside = [layer for layer in layers if not 0 <= layer < blocks]
    if outside:
        raise EvmlxError(
            f"--layers {wanted}: this model has blocks 0 to {blocks - 1}, not {outside[0]}"
        )
    return tuple(layers)


def primary_layer(layers: Sequence[int], blocks: int) -> int:
    """Return the sampled layer nearest to two thirds of the depth, the lower of two equally near.

    Fixed before anything is measured (Sofroniew et al. 2026 use two thirds).
    """
    return min(layers, key=lambda layer: (abs(3 * layer - 2 * blocks), layer))
