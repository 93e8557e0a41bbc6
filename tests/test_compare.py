from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from measured_runs import HIDDEN, directions, make_measured, set_ranks
from run_folders import PRIMARY, edit, make_run
from small_corpus import save_small_corpus

from evmlx.cli import cli
from evmlx.comparison.compare import Comparison, PairComparison, compare
from evmlx.comparison.paired import Difference
from evmlx.corpus import Corpus, load_corpus
from evmlx.errors import EvmlxError
from evmlx.plots.compare import plot_comparison
from evmlx.report.metrics import at_layer, metrics


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return load_corpus(save_small_corpus(tmp_path_factory.mktemp("corpus")))


@pytest.fixture(scope="module")
def runs(small: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twins apart by a rotation and a scale, a noisy run, and one of other directions."""
    root = tmp_path_factory.mktemp("results")
    where = directions(small, 0)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(HIDDEN, HIDDEN)))[0]
    make_measured(root / "plain", small, where, noise=0.4, seed=2)
    make_measured(root / "turned", small, where, noise=0.4, seed=3, turn=turn, scale=40.0)
    make_measured(root / "noisy", small, where, noise=3.0, seed=4)
    make_measured(root / "other", small, directions(small, 9), noise=0.4, seed=5)
    set_ranks(root / "plain", {"situation": [1] * 30 + [4] * 10})
    set_ranks(root / "turned", {"situation": [1] * 29 + [4] * 11})
    set_ranks(root / "noisy", {"situation": [1] * 10 + [5] * 30})
    return root


@pytest.fixture(scope="module")
def found(runs: Path) -> Comparison:
    return compare([runs / name for name in ("plain", "turned", "noisy", "other")])


def pair(comparison: Comparison, a: str, b: str) -> PairComparison:
    return next(p for p in comparison.pairs if (p.a, p.b) == (a, b))


def difference(comparison: Comparison, a: str, b: str, metric: str) -> Difference:
    return next(d for d in pair(comparison, a, b).differences if d.metric == metric)


def test_headlines_are_those_of_the_report(found: Comparison, runs: Path) -> None:
    assert [run.name for run in found.runs] == ["plain", "turned", "noisy", "other"]
    expected = at_layer(metrics(runs / "plain"), PRIMARY)
    assert {row.metric: row for row in found.runs[0].headlines} == expected
    assert len(found.pairs) == 6 and not found.warnings


def test_a_rotated_and_rescaled_twin_is_the_same_model(found: Comparison) -> None:
    twins = pair(found, "plain", "turned")
    assert twins.rsa is not None and twins.cka is not None
    assert twins.rsa.r > 0.95 and twins.rsa.low <= twins.rsa.r <= twins.rsa.high <= 1
    assert twins.rsa.share_of_ceiling == pytest.approx(1, abs=0.03)
    assert twins.cka.value > 0.9 and twins.cka.p < 0.01
    probe = difference(found, "plain", "turned", "probe_accuracy")
    assert probe.p > 0.05 and probe.low <= 0 <= probe.high
    cohesion = difference(found, "plain", "turned", "cluster_cohesion")
    assert cohesion.low <= 0 <= cohesion.high and math.isnan(cohesion.p)


def test_noise_costs_accuracy_and_lowers_the_ceiling_not_the_share(found: Comparison) -> None:
    probe = difference(found, "plain", "noisy", "probe_accuracy")
    assert probe.difference < -0.2 and probe.high < 0
    # six topics: 2 of the 64 ways to turn signs reach the observed sum
    assert probe.p == pytest.approx(2 / 64, abs=0.01) and probe.n == 6
    noisy, twins = pair(found, "plain", "noisy").rsa, pair(found, "plain", "turned").rsa
    assert noisy is not None and twins is not None
    assert noisy.ceiling < twins.ceiling - 0.1 and noisy.r < twins.r
    assert noisy.share_of_ceiling > 0.8
    assert noisy.reliability[0] > noisy.reliability[1]


def test_other_directions_are_told_apart_from_noise(found: Comparison) -> None:
    other = pair(found, "plain", "other")
    assert other.rsa is not None and other.cka is not None
    # clusters are shared by construction, the emotions within them are not
    assert other.rsa.share_of_ceiling < 0.8 and other.rsa.ceiling > 0.9
    twins = pair(found, "plain", "turned")
    assert twins.cka is not None and other.cka.value < twins.cka.value - 0.1


def test_new_texts_are_paired(found: Comparison) -> None:
    top = difference(found, "plain", "noisy", "implicit_situation_top1")
    assert (top.a, top.b) == (0.75, 0.25) and top.p == pytest.approx(2 / 2**20)
    assert top.low < -0.5 < top.high and top.p_holm > top.p
    rank = difference(found, "plain", "noisy", "implicit_situation_mean_rank")
    assert rank.difference == pytest.approx((20 * 4 + 10 * 1) / 40)
    missing = difference(found, "plain", "other", "implicit_situation_top1")
    assert missing.reason == "other has no ranks of these texts" and math.isnan(missing.p)


def test_p_is_corrected_over_pairs_figure_by_figure(found: Comparison) -> None:
    for p in found.pairs:
        for d in p.differences:
            assert math.isnan(d.p) == math.isnan(d.p_holm)
            assert math.isnan(d.p) or d.p <= d.p_holm <= 1


def test_against_one_run_only(runs: Path) -> None:
    folders = [runs / name for name in ("plain", "turned", "noisy")]
    result = compare(folders, against="turned", stories=False)
    assert [(p.a, p.b) for p in result.pairs] == [("turned", "plain"), ("turned", "noisy")]
    assert result.runs[0].reason == "activations were not to be read"
    with pytest.raises(EvmlxError, match="--against tuned: none of the runs; choose one of plain"):
        compare(folders, against="tuned", stories=False)


def test_published_runs_are_compared_as_far_as_their_files_allow(
    small: Corpus, runs: Path, tmp_path: Path
) -> None:
    make_run(tmp_path / "bare", small)
    set_ranks(tmp_path / "bare", {"situation": [1] * 20 + [2] * 20})
    result = compare([runs / "plain", tmp_path / "bare"])
    assert result.runs[0].reason is None
    assert "no activations.npz" in (result.runs[1].reason or "")
    probe = difference(result, "plain", "bare", "probe_accuracy")
    assert "no activations.npz" in (probe.reason or "") and math.isnan(probe.difference)
    assert difference(result, "plain", "bare", "implicit_situation_top1").n == 40
    rsa = pair(result, "plain", "bare").rsa
    # both result files hold the same made-up matrix
    assert rsa is not None and rsa.r == pytest.approx(1) and math.isnan(rsa.low)
    assert rsa.reliability == (0.947, 0.947) and "no activations.npz" in (rsa.reason or "")


def test_runs_on_different_corpora_share_headlines_only(
    shipped: Corpus, runs: Path, tmp_path: Path
) -> None:
    make_run(tmp_path / "elsewhere", shipped)
    result = compare([runs / "plain", tmp_path / "elsewhere"], stories=False)
    (only,) = result.pairs
    assert only.differences == () and only.rsa is None
    assert only.reason == "they were made on different corpora"
    assert result.warnings[0].startswith("corpus differs, so figures do not compare:")


@pytest.mark.parametrize(
    ("path", "value", "warned"),
    [
        (("pooling",), "last token", "pooling differs: mean (a); last token (b)"),
        (("dtype",), "bfloat16", "precision differs: float32 (a); bfloat16 (b)"),
        (("quantize",), "4bit", "precision differs: float32 (a); 4bit weights in float32 (b)"),
        (
            ("model", "layers"),
            30,
            "primary layers lie at different relative depths: a 0.71, b 0.33",
        ),
        (("corpus", "limit"), 200, "trials on part of the stories (--limit): b"),
        (("seed",), 5, "seed (folds and draws) differs: 0 (a); 5 (b)"),
    ],
)
def test_what_makes_figures_hard_to_compare_is_said(
    small: Corpus, tmp_path: Path, path: tuple[str, ...], value: Any, warned: str
) -> None:
    make_run(tmp_path / "a", small)
    make_run(tmp_path / "b", small)
    edit(tmp_path / "b", "run.json", *path, value=value)
    assert compare([tmp_path / "a", tmp_path / "b"], stories=False).warnings == (warned,)


def test_a_missing_chat_template_is_said(small: Corpus, tmp_path: Path) -> None:
    make_run(tmp_path / "a", small)
    make_run(tmp_path / "b", small)
    layer = ("layers", f"layer_{PRIMARY}", "message_last", "n")
    edit(tmp_path / "b", "implicit_emotion_results.json", *layer, value=0)
    (warning,) = compare([tmp_path / "a", tmp_path / "b"], stories=False).warnings
    assert warning == "chat template differs: used (a); none (messages read as plain text) (b)"


def test_the_nearest_run_is_named(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmlx.comparison.read.RESULTS", runs)
    with pytest.raises(EvmlxError, match=r"plan is no run folder .* did you mean .*/plain\?"):
        compare([runs / "plan"])
    assert compare([Path("plain")], stories=False).runs[0].name == "plain"
    with pytest.raises(EvmlxError, match="no run folder among"):
        compare([runs])


def test_files_and_doubles_among_the_folders_are_passed_over(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "README.md").write_text("x")
    given = [runs / "README.md", runs / "plain", runs / "plain", runs / "other"]
    assert len(compare(given, stories=False).runs) == 2
    told = capsys.readouterr().err
    assert "README.md is no run folder" in told and "named twice" in told


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["compare", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_terminal_shows_every_figure_with_interval_and_control(runs: Path) -> None:
    lines = invoke(str(runs / "plain"), str(runs / "noisy")).splitlines()
    at = lines.index("Probe accuracy, unseen topics")
    shown = "0.807  [0.787, 0.827]    TF-IDF, same folds 0.731"
    assert lines[at + 1].split(maxsplit=1) == ["plain", shown]
    assert "noisy minus plain" in lines
    (probe,) = [line for line in lines[lines.index("noisy minus plain") :] if "Probe" in line]
    assert "p = 0.03" in probe and "over 6 topics" in probe
    assert not any("3.94" in line for line in lines), "raw units do not compare"


def test_markdown_json_and_csv_hold_the_same_figures(runs: Path, tmp_path: Path) -> None:
    arguments = [str(runs / "plain"), str(runs / "turned"), "--headlines-only"]
    page = invoke(*arguments, "--format", "markdown")
    assert "| Probe accuracy, unseen topics | `plain` | 0.807 | [0.787, 0.827] |" in page
    held = json.loads(invoke(*arguments, "--format", "json"))
    assert held["schema"] == 1 and held["runs"][0]["headlines"][0]["value"] == 0.807
    assert held["pairs"][0]["cka"] is None
    out = tmp_path / "table.csv"
    assert invoke(*arguments, "--format", "csv", "--out", str(out)).strip() == str(out)
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    (accuracy,) = [r for r in rows if r["run"] == "plain" and r["metric"] == "probe_accuracy"]
    assert (accuracy["value"], accuracy["low"], accuracy["control"]) == ("0.807", "0.787", "0.731")
    (top,) = [r for r in rows if r["metric"] == "implicit_situation_top1" and r["other_run"]]
    assert float(top["value"]) == pytest.approx(-1 / 40) and top["unit"] == "texts"


def test_the_figure_has_the_same_bytes_twice(runs: Path, tmp_path: Path) -> None:
    given = compare([runs / "plain", runs / "noisy"], stories=False)
    for name in ("a.png", "a.svg", "b.svg"):
        plot_comparison(tmp_path / name, given)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "a.svg").read_bytes()
    assert drawn == (tmp_path / "b.svg").read_bytes() and drawn.count(b"<g") > 50
    refused = CliRunner().invoke(cli, ["compare", str(runs / "plain"), "--figure", "figure.gif"])
    assert refused.exit_code == 1 and "ends in .png or .svg" in refused.output
