"""Both engines on real weights: against plain passes of transformers, and each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from evmlx.checkpoints import Checkpoint, load_tokenizer
from evmlx.corpus import load_corpus, subset
from evmlx.embedded import EMBEDDED
from evmlx.stimuli import token_batch, tokenize

torch = pytest.importorskip("torch")

LAYERS = (0, 5, 11, 17)


@pytest.mark.real
@pytest.mark.parametrize("key", list(EMBEDDED))
def test_residuals_are_those_of_a_plain_pass(
    key: str, real_model: Callable[[str], Checkpoint]
) -> None:
    from transformers import AutoModelForCausalLM

    from evmlx.backends.torch_backend import TorchBackend

    checkpoint = real_model(key)
    corpus = subset(load_corpus(), 20)
    stimuli = tokenize(corpus, load_tokenizer(checkpoint))
    few = [s for kind in ("stories", "dialogues", "scenarios") for s in _of(stimuli, kind)[:4]]
    pooled = TorchBackend(checkpoint.folder).pooled_residuals(token_batch(few), LAYERS)
    model = AutoModelForCausalLM.from_pretrained(checkpoint.folder, dtype=torch.float32).eval()
    for row, stimulus in enumerate(few):
        ids = torch.from_numpy(stimulus.ids.astype(np.int64))[None]
        with torch.no_grad():
            states = model(ids, output_hidden_states=True, use_cache=False).hidden_states
        for at, layer in enumerate(LAYERS):
            if layer + 1 == len(states) - 1:
                continue  # that one is after the final norm
            plain = states[layer + 1][0, stimulus.start : stimulus.stop].numpy().mean(axis=0)
            error = np.linalg.norm(pooled[row, at] - plain) / np.linalg.norm(plain)
            assert error < 1e-5, (stimulus.id, layer)


@pytest.mark.real
@pytest.mark.parametrize("key", list(EMBEDDED))
def test_both_engines_give_the_same_residuals(
    key: str, real_model: Callable[[str], Checkpoint]
) -> None:
    pytest.importorskip("mlx.core")
    pytest.importorskip("mlx_lm")
    from evmlx.backends.mlx_backend import MLXBackend
    from evmlx.backends.torch_backend import TorchBackend

    checkpoint = real_model(key)
    stimuli = tokenize(subset(load_corpus(), 20), load_tokenizer(checkpoint))
    batch = token_batch(sorted(_of(stimuli, "stories"), key=lambda s: len(s.ids))[:6])
    one, other = (
        engine(checkpoint.folder, dtype="float32").pooled_residuals(batch, LAYERS)
        for engine in (MLXBackend, TorchBackend)
    )
    errors = np.linalg.norm(one - other, axis=-1) / np.linalg.norm(other, axis=-1)
    assert (np.median(errors, axis=0) <= 1e-4).all() and errors.max() <= 1e-3


def _of(stimuli, kind: str):
    return [s for s in stimuli if s.kind == kind]
