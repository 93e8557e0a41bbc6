from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from measured_runs import directions, make_measured
from small_corpus import save_small_corpus

from evmlx.cli import cli
from evmlx.comparison.compare import PairComparison
from evmlx.comparison.geometry import make_design
from evmlx.comparison.paired import Difference
from evmlx.comparison.read import Stories, read_entries, read_stories
from evmlx.comparison.rsa import ModelRsa
from evmlx.corpus import Corpus, load_corpus
from evmlx.errors import EvmlxError
from evmlx.parity.recheck import recheck
from evmlx.quantization.check import quantize_check
from evmlx.quantization.fidelity import (
    LABELS,
    EmotionCosine,
    VectorFidelity,
    matched_cosines,
    residual_error,
    vector_fidelity,
    verdict,
)
from evmlx.run import Settings
from evmlx.store import Activations
from evmlx.vectors import emotion_vectors


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return load_corpus(save_small_corpus(tmp_path_factory.mktemp("corpus")))


def stories_of(folder: Path, small: Corpus, noise: float, seed: int) -> Stories:
    make_measured(folder, small, directions(small, 0), noise=noise, seed=seed)
    (entry,) = read_entries([folder])
    return read_stories(entry)


def rounded(stories: Stories, error: float, seed: int) -> Stories:
    """The same residuals with an error of its own in every text, dialogues included."""
    rng = np.random.default_rng(seed)
    pooled, dialogues = (
        (x + error * rng.normal(size=x.shape)).astype(np.float32)
        for x in (stories.pooled, stories.dialogues)
    )
    return replace(stories, pooled=pooled, dialogues=dialogues)


def test_cosines_under_weights_are_those_of_vectors_made_anew() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 4, size=(5, 6))
    a, b = rng.normal(size=(2, 5, 6, 7))
    weights = rng.integers(0, 3, size=(4, 6)) + np.eye(6)[:4]
    found = matched_cosines(a, b, counts, weights)
    for draw, w in enumerate(weights):
        means = [np.einsum("t,eth->eh", w, s) / (counts @ w)[:, None] for s in (a, b)]
        first, second = (m - m.mean(axis=0) for m in means)
        for e in range(5):
            lengths = np.linalg.norm(first[e]) * np.linalg.norm(second[e])
            assert found[draw, e] == pytest.approx(first[e] @ second[e] / lengths)


def test_fidelity_is_that_of_the_vectors_of_the_runs(small: Corpus, tmp_path: Path) -> None:
    reference = stories_of(tmp_path / "a", small, 0.4, 1)
    other = rounded(reference, 0.3, 2)
    found = vector_fidelity(reference, other, make_design(reference, small.emotions, 0, 500))

    def vectors(s: Stories) -> np.ndarray:
        parts = [
            Activations(s.ids, np.zeros(0), (9,), s.pooled[:, None]),
            Activations(("d",) * len(s.dialogues), np.zeros(0), (9,), s.dialogues[:, None]),
        ]
        made = emotion_vectors(parts[0], s.emotions, small.emotions, parts[1]).denoised[0]
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    expected = (vectors(reference) * vectors(other)).sum(axis=1)
    np.testing.assert_allclose([e.cosine for e in found.emotions.values()], expected, atol=1e-5)
    assert found.smallest == pytest.approx(expected.min(), abs=1e-5)
    assert found.median == pytest.approx(np.median(expected), abs=1e-5)
    assert found.worst_emotion == small.emotions[int(expected.argmin())]
    assert found.smallest_low < found.smallest < found.smallest_high <= 1
    same = vector_fidelity(reference, reference, make_design(reference, small.emotions, 0, 50))
    assert same.smallest == pytest.approx(1) and same.smallest_low > 0.9999


def test_more_error_lowers_cosines_and_shows_in_residuals(small: Corpus, tmp_path: Path) -> None:
    reference = stories_of(tmp_path / "a", small, 0.4, 1)
    design = make_design(reference, small.emotions, 0, 50)
    errors = (0.05, 0.5, 3.0)
    others = [rounded(reference, error, 3) for error in errors]
    cosines = [vector_fidelity(reference, other, design).smallest for other in others]
    assert cosines == sorted(cosines, reverse=True) and cosines[0] > 0.99 > 0.9 > cosines[2]
    for error, other in zip(errors, others, strict=True):
        found = residual_error(reference.pooled, other.pooled)
        # ||error|| is about error * sqrt(hidden); the residuals lie at 50 in each dimension
        assert found.median == pytest.approx(error / 50, rel=0.15)
        assert found.centred_median > 10 * found.median and found.worst >= found.p95


NAN = float("nan")


def judged(
    cosine: float = 0.99,
    rsa: tuple[float, float] = (0.995, 0.99),
    probe: tuple[float, float] = (-0.01, 0.01),
    rank: tuple[float, float] = (-0.1, 0.2),
    reliability: float = 0.97,
) -> tuple[str, tuple[str, ...]]:
    """Verdict on intervals: of the smallest cosine, RSA (r, low), probe and mean ranks."""
    emotions = {"weary": EmotionCosine(cosine, cosine, 1.0)}
    vectors = VectorFidelity(1, 1, 1, cosine, cosine, 1, "weary", emotions, None)
    both = (reliability, 0.9)
    found = ModelRsa(rsa[0], rsa[1], 1, (NAN, NAN), NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, both,
                     190, None)  # fmt: skip

    def change(metric: str, bounds: tuple[float, float]) -> Difference:
        return Difference(metric, 0, 0, 0, *bounds, 0.5, None, "texts", 80, None)

    differences = (
        change("probe_accuracy", probe),
        change("cluster_cohesion", (-9, 9)),
        change("implicit_situation_mean_rank", rank),
        change("implicit_message_mean_rank", (0, 0)),
        change("implicit_message_last_mean_rank", (-9, 9)),
    )
    result = verdict(vectors, PairComparison("reference", "4bit", differences, found, None, None))
    return result.label, result.because


def test_verdicts_follow_the_stated_thresholds() -> None:
    assert judged() == (LABELS[0], ())
    label, because = judged(cosine=0.95)
    assert label == LABELS[1]
    assert because == ("smallest cosine of a vector may be 0.950, below 0.98",)
    assert judged(cosine=0.89)[0] == LABELS[2]
    assert judged(rsa=(0.96, 0.95))[0] == LABELS[1]
    assert judged(rsa=(0.95, 0.85))[0] == LABELS[2]
    assert judged(probe=(-0.05, -0.02))[0] == judged(probe=(0.01, 0.05))[0] == LABELS[1]
    assert judged(probe=(-0.15, -0.02))[0] == LABELS[2]
    assert judged(probe=(0.01, 0.25))[0] == LABELS[1], "a gain is a change, but no loss"
    label, because = judged(rank=(0.2, 0.9))
    assert label == LABELS[1]
    assert because == ("change of mean rank, situations may be +0.90, beyond +0.5",)
    assert judged(rank=(0.2, 2.5))[0] == LABELS[2]


def test_a_reference_more_reliable_than_rsa_is_not_interchangeable() -> None:
    label, because = judged(rsa=(0.99, 0.985), reliability=0.995)
    assert label == LABELS[1]
    assert because == ("RSA 0.990 is below the reference's own reliability 0.995",)


def test_without_intervals_nothing_is_certified() -> None:
    label, because = judged(probe=(NAN, NAN))
    assert label == LABELS[3] and because == ("change of probe accuracy: no interval",)
    assert judged(cosine=0.5, probe=(NAN, NAN))[0] == LABELS[2], "bad is bad without it"
    assert judged(cosine=0.95, probe=(NAN, NAN))[0] == LABELS[3]


# End to end on a tiny model.


def shortened(small: Corpus, folder: Path) -> Path:
    """The small corpus with the first words of each text only: there is nothing to understand."""
    shutil.copytree(small.root, folder)
    for path in folder.rglob("*.jsonl"):
        items = [json.loads(line) for line in path.read_text().splitlines()]
        cut = [{**item, "text": f"{item['text'][:50]} {k}"} for k, item in enumerate(items)]
        path.write_text("".join(json.dumps(item) + "\n" for item in cut))
    return folder


@pytest.fixture(scope="module")
def checked(small: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Folder of a check of two precisions on a tiny model, and its arguments."""
    pytest.importorskip("torch", reason="the torch engine is not installed")
    from tiny_models import save_tiny

    root = tmp_path_factory.mktemp("quantized")
    model = save_tiny(root / "tiny", "llama", max_position_embeddings=4096, num_hidden_layers=3)
    corpus = shortened(small, root / "corpus")
    arguments = ["quantize-check", "--model", str(model), "--corpus", str(corpus)]
    arguments += ["--bits", "8,2", "--group", "32", "--backend", "torch", "--device", "cpu"]
    arguments += ["--out", str(root / "results")]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EVMLX_CACHE", str(root / "cache"))
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].endswith("QUANTIZATION.md")
    return root / "results" / "tiny-quantization", arguments


def test_every_precision_is_an_ordinary_run(checked: tuple[Path, list[str]]) -> None:
    folder, _ = checked
    runs = sorted(path.parent.name for path in folder.glob("*/run.json"))
    assert runs == ["2bit-g32", "8bit-g32", "reference"]
    records = [json.loads((folder / run / "run.json").read_text()) for run in runs]
    # of 3 blocks sampled at 0, 1, 2, number 2 is nearest to two thirds
    assert all(record["layers"] == [2] for record in records)
    assert len({record["stimuli"] for record in records}) == 1
    shown = CliRunner().invoke(
        cli, ["compare", *(str(folder / run) for run in runs), "--headlines-only"]
    )
    assert shown.exit_code == 0 and "Cohesion of clusters" in shown.stdout


def test_fewer_bits_cost_more_and_the_page_says_so(checked: tuple[Path, list[str]]) -> None:
    folder, _ = checked
    held = json.loads((folder / "quantization.json").read_text())
    eight, two = held["precisions"]
    assert (eight["bits"], two["bits"], eight["group"]) == (8, 2, 32)
    assert eight["vectors"]["smallest"] > 0.99 > two["vectors"]["smallest"]
    assert eight["residuals"]["centred_median"] < two["residuals"]["centred_median"] / 5
    assert eight["comparison"]["rsa"]["r"] > two["comparison"]["rsa"]["r"]
    assert eight["comparison"]["a"] == "reference" and two["comparison"]["b"] == "2bit-g32"
    assert two["verdict"]["label"] == LABELS[2]
    assert held["topics"] == 6 and held["stories"] == 120 and held["layer"] == 2
    page = (folder / "QUANTIZATION.md").read_text()
    assert f"**2 bits, groups of 32**: {LABELS[2]}" in page
    assert "smallest cosine at least 0.98" in page and "quantization.png" in page
    assert (folder / "quantization.png").stat().st_size > 10_000
    assert (folder / "quantization.svg").read_bytes().count(b"<g") > 50


def test_the_same_command_goes_on_from_what_is_there(
    checked: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, arguments = checked
    before = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    monkeypatch.setenv("EVMLX_CACHE", str(folder.parents[1] / "cache"))
    monkeypatch.setattr("evmlx.run.extract", None)  # nothing is to be extracted
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0 and done.stderr.count("extract: up to date") == 3
    assert "3 of 3: 2 bits in groups of 32" in done.stderr
    assert {p: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before


def test_with_reports_each_precision_is_a_row_of_its_own(
    checked: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, arguments = checked
    root = folder.parents[1]
    monkeypatch.setenv("EVMLX_CACHE", str(root / "cache"))
    asked = [*arguments, "--bits", "8", "--reports", "--name", "whole"]
    done = CliRunner().invoke(cli, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    eight = root / "results" / "whole" / "8bit-g32"
    record = json.loads((eight / "run.json").read_text())
    assert record["layers"] == [0, 1, 2], "those of a run"
    assert record["model"]["reference"] == str(root / "tiny"), "no folder of the cache"
    assert record["model"]["rounded"] == {"bits": 8, "group": 32}
    assert "8bit-g32" in (eight / "REPORT.md").read_text()

    page = root / "leaderboard.md"
    arguments = ["compare", str(root / "results" / "whole"), "--leaderboard", str(page)]
    assert CliRunner().invoke(cli, arguments, catch_exceptions=False).exit_code == 0
    assert "| [whole/8bit-g32](results/whole/8bit-g32/REPORT.md) | tiny |" in page.read_text()
    # a check without reports has nothing to show beside runs
    refused = CliRunner().invoke(cli, ["compare", str(folder)])
    assert refused.exit_code == 1 and "no run folder among" in refused.output

    held = recheck(eight, backend="torch", device="cpu")
    assert held.passed, "its weights are rounded anew from the model that run.json names"

    texts = load_corpus(root / "corpus")
    told = [one.text[:40] for one in (*texts.scenarios, *texts.stories)]

    def shown() -> int:
        pages = [(eight / name).read_text() for name in ("REPORT.md", "report.html")]
        return sum(text in page for text in told for page in pages)

    assert shown() > len(texts.stories)
    arguments = ["report", str(eight), "--no-texts"]
    assert CliRunner().invoke(cli, arguments, catch_exceptions=False).exit_code == 0
    assert shown() == 0


@pytest.mark.parametrize(
    ("bits", "groups", "message"),
    [
        ((7,), (64,), "--bits 7: choose from 2, 3, 4, 5, 6, 8"),
        ((4,), (16,), "--group 16: choose from 32, 64, 128"),
        ((), (64,), "--bits : choose from"),
    ],
)
def test_what_is_not_offered_is_refused(
    bits: tuple[int, ...], groups: tuple[int, ...], message: str
) -> None:
    with pytest.raises(EvmlxError, match=message):
        quantize_check(Settings(), bits, groups)
    with pytest.raises(EvmlxError, match="give --bits instead"):
        quantize_check(Settings(quantize="4bit"))
    refused = CliRunner().invoke(cli, ["quantize-check", "--bits", "four"])
    assert refused.exit_code == 2 and "give numbers such as 8,4" in refused.output
