"""Both engines on real weights: against plain passes of transformers, and each other."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from gguf_files import loaded

from evmlx.corpus import load_corpus, subset
from evmlx.models.checkpoints import Checkpoint, load_tokenizer
from evmlx.models.embedded import DEFAULT, EMBEDDED
from evmlx.models.requantize import requantized
from evmlx.stimuli import token_batch, tokenize

torch = pytest.importorskip("torch")

LAYERS = (0, 5, 11, 17)


@pytest.mark.real
@pytest.mark.parametrize("key", list(EMBEDDED))
def test_residuals_are_those_of_a_plain_pass(
    key: str, real_model: Callable[[str], Checkpoint]
) -> None:
    from evmlx.backends.torch_backend import TorchBackend

    checkpoint = real_model(key)
    corpus = subset(load_corpus(), 20)
    stimuli = tokenize(corpus, load_tokenizer(checkpoint))
    few = [s for kind in ("stories", "dialogues", "scenarios") for s in _of(stimuli, kind)[:4]]
    pooled = TorchBackend(checkpoint.folder).pooled_residuals(token_batch(few), LAYERS)
    model = loaded(checkpoint.folder)
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


# Bits (None: dense) and layers. MLX is slow without a fast BLAS: few blocks where another precision
# is all that is new.
PRECISIONS = {"as converted": (None, LAYERS), "dense": (None, (0, 5)), "4 bits anew": (4, (0, 5))}


@pytest.mark.real
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("key", list(EMBEDDED))
def test_both_engines_give_the_same_residuals(
    key: str,
    precision: str,
    real_model: Callable[[str], Checkpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("mlx.core")
    pytest.importorskip("mlx_lm")
    from evmlx.backends.mlx_backend import MLXBackend
    from evmlx.backends.torch_backend import TorchBackend

    checkpoint = real_model(key)
    bits, layers = PRECISIONS[precision]
    stimuli = tokenize(subset(load_corpus(), 20), load_tokenizer(checkpoint))
    batch = token_batch(sorted(_of(stimuli, "stories"), key=lambda s: len(s.ids))[:6])
    with TemporaryDirectory() as cache:  # gigabytes: not left behind
        monkeypatch.setenv("EVMLX_CACHE", cache)
        if precision != "as converted":
            checkpoint = requantized(checkpoint, bits, 64, lambda _: None)
        on_mlx = MLXBackend(checkpoint.folder)
        assert on_mlx.info.dtype == "float32"
        assert (on_mlx.info.quantization is None) == (precision == "dense")
        one = on_mlx.pooled_residuals(batch, layers)
        other = TorchBackend(checkpoint.folder).pooled_residuals(batch, layers)
    errors = np.linalg.norm(one - other, axis=-1) / np.linalg.norm(other, axis=-1)
    assert (np.median(errors, axis=0) <= 1e-4).all() and errors.max() <= 1e-3


@pytest.mark.real
def test_full_precision_is_what_the_quantized_weights_stand_for(
    real_model: Callable[[str], Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evmlx.backends.torch_backend import TorchBackend

    checkpoint = real_model(DEFAULT)
    stimuli = tokenize(subset(load_corpus(), 20), load_tokenizer(checkpoint))
    batch = token_batch(_of(stimuli, "stories")[:6])
    packed = TorchBackend(checkpoint.folder).pooled_residuals(batch, LAYERS)
    with TemporaryDirectory() as cache:
        monkeypatch.setenv("EVMLX_CACHE", cache)
        dense, anew = (
            TorchBackend(requantized(checkpoint, bits, 64, lambda _: None).folder).pooled_residuals(
                batch, LAYERS
            )
            for bits in (None, 4)
        )
    np.testing.assert_array_equal(dense, packed)
    moved = np.linalg.norm(anew - packed, axis=-1) / np.linalg.norm(packed, axis=-1)
    assert 1e-3 < np.median(moved) < 0.5  # rounded a second time, in groups of twice the size


def _of(stimuli, kind: str):
    return [s for s in stimuli if s.kind == kind]
