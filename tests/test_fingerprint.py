"""Fingerprints: what they estimate, what they refuse, and a run checked by its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_corpus import save_small_corpus
from tiny_models import save_tiny

from evmlx.cli import cli
from evmlx.errors import EvmlxError
from evmlx.parity import fingerprint
from evmlx.run import Settings, measure
from evmlx.store import Activations


def probes(pooled: np.ndarray) -> Activations:
    count = len(fingerprint.TEXTS)
    return Activations(tuple(fingerprint.TEXTS), np.full(count, 9, np.int32), (3, 7), pooled)


@pytest.mark.parametrize("error", [1e-6, 1e-3, 0.1])
def test_sketches_estimate_the_relative_error(error: float) -> None:
    rng = np.random.default_rng(1)
    pooled = rng.normal(size=(3, 2, 512))
    pooled[..., 5] *= 300  # a massive dimension, as real residuals have
    noise = rng.normal(size=pooled.shape)
    noise /= np.linalg.norm(noise, axis=-1, keepdims=True)
    noise *= error * np.linalg.norm(pooled, axis=-1, keepdims=True)
    a, b = (fingerprint.fingerprint(probes(x)) for x in (pooled + noise, pooled))
    found = fingerprint.distances(a, json.loads(json.dumps(b)))
    assert sorted(found) == [3, 7]
    for errors in found.values():
        for value in errors.values():
            assert 0.5 * error < value < 2 * error


def test_sketches_keep_norms_on_average() -> None:
    residuals = np.random.default_rng(2).normal(size=(2000, 64))
    ratio = (fingerprint.sketch(residuals) ** 2).sum(axis=1) / (residuals**2).sum(axis=1)
    assert abs(ratio.mean() - 1) < 0.02
    assert abs(ratio.std() - (2 / fingerprint.SKETCH) ** 0.5) < 0.03


def test_other_tokens_are_refused() -> None:
    pooled = np.random.default_rng(3).normal(size=(3, 2, 16))
    a, b = (fingerprint.fingerprint(probes(pooled)) for _ in range(2))
    a["layers"]["layer_3"]["harbour"]["tokens"] += 1
    with pytest.raises(EvmlxError, match="special tokens"):
        fingerprint.distances(a, b)
    with pytest.raises(EvmlxError, match="no layer in common"):
        fingerprint.distances({"layers": {}}, b)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("recheck")
    model = save_tiny(root / "tiny", "llama", max_position_embeddings=2048)
    corpus = save_small_corpus(root / "corpus")
    settings = Settings(
        model=str(model), corpus=corpus, backend="torch", out=root / "results", name="tiny"
    )
    return measure(settings, stages=()).folder


def test_a_run_is_checked_by_its_fingerprint(finished: Path) -> None:
    for backend in ("torch", "mlx"):
        result = CliRunner().invoke(cli, ["parity", str(finished), "--backend", backend])
        assert result.exit_code == 0, result.output
        assert "pass" in result.output


def test_published_runs_are_compared_without_activations(finished: Path, tmp_path: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text(json.dumps(record))
    result = CliRunner().invoke(cli, ["parity", str(finished), str(other)])
    assert result.exit_code == 0, result.output
    layer = next(iter(record["fingerprint"]["layers"].values()))
    layer["figures"]["sketch"][0] += 0.5 * layer["figures"]["norm"]
    (other / "run.json").write_text(json.dumps(record))
    result = CliRunner().invoke(cli, ["parity", str(finished), str(other)])
    assert result.exit_code == 1
    assert "figures" in result.output


def test_a_run_of_another_model_is_refused(finished: Path, tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "other", "llama", seed=7)
    result = CliRunner().invoke(cli, ["parity", str(finished), "--model", str(other)])
    assert result.exit_code == 1
    assert "give the same model" in result.output
