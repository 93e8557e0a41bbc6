"""The report: what it says follows from the figures, and nothing is missing silently."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_folders import LAYERS, PRIMARY, edit, make_run, reported_run
from scipy.stats import pearsonr

from evmlx.corpus import Corpus, load_corpus
from evmlx.errors import EvmlxError
from evmlx.report.format import literal, p_number, p_phrase, percent, plain, signed
from evmlx.report.metrics import LABELS, MetricRow, at_layer, fisher_interval, metrics
from evmlx.report.run_results import STAGES, read_results
from evmlx.report.sections import report_text
from evmlx.report.write import write_report


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture
def folder(tmp_path: Path, corpus: Corpus) -> Path:
    return make_run(tmp_path / "results" / "tiny", corpus)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    return reported_run(tmp_path_factory.getbasetemp())


def text_of(folder: Path, corpus: Corpus, plots: set[str] | None = None) -> str:
    return report_text(read_results(folder), metrics(folder), corpus, plots or set())


def headlines(text: str) -> dict[str, list[str]]:
    """Cells of the headline table by label."""
    table = text.split("## Headline figures")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {row[0]: [cell.strip() for cell in row[1:]] for row in rows if row[0] in NAMES}


NAMES = {label for label, _, _ in LABELS.values()}


def test_a_complete_report(reported: tuple[Path, list[Path]], corpus: Corpus) -> None:
    folder, written = reported
    names = {"REPORT.md", "report.html", "metrics.json", "layers.png", "layers.svg"}
    assert {path.name for path in written} >= names
    text = (folder / "REPORT.md").read_text(encoding="utf-8")
    assert set(headlines(text)) == NAMES - {LABELS["probe_macro_auc"][0]}
    # every picture and link leads to a file, and every plot is shown or linked
    linked = set(re.findall(r"\]\((plots/[^)]+)\)", text))
    assert linked == {str(p.relative_to(folder)) for p in written if p.suffix == ".png"}
    assert not re.search(r"\bnan\b|None", text)
    assert "someone/Tiny-1M" in text and corpus.digest in text and "512,345" in text
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    run["timings"]["report"] = 99.0  # its own time would change it
    again = replace(read_results(folder), run=run)
    names = {path.name for path in written}
    assert report_text(again, metrics(folder), corpus, names) == text


def test_tables_have_as_many_cells_as_heads(folder: Path, corpus: Corpus) -> None:
    count = 0
    for line in text_of(folder, corpus).splitlines():
        if not line.startswith("|"):
            count = 0
            continue
        count = count or line.count("|")
        assert line.count("|") == count, line


def test_the_table_says_what_metrics_json_says(reported: tuple[Path, list[Path]]) -> None:
    folder, _ = reported
    listed = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert {row["layer"] for row in listed["rows"]} == set(LAYERS)
    assert [MetricRow(**row) for row in listed["rows"]] == metrics(folder)
    rows = {r["metric"]: r for r in listed["rows"] if r["layer"] == PRIMARY}
    table = headlines((folder / "REPORT.md").read_text(encoding="utf-8"))
    assert len(rows) == len(table)
    for name, row in rows.items():
        label, digits, _ = LABELS[name]
        value, interval, control, p, n = table[label]
        half = 0.5 * 10**-digits + 1e-9
        assert _figures(value) == [pytest.approx(row["value"], abs=half)]
        assert _figures(interval) == [
            pytest.approx(row["low"], abs=half),
            pytest.approx(row["high"], abs=half),
        ]
        assert _figures(control)[0] == pytest.approx(row["control"], abs=half)
        assert row["control_name"] in control
        expected = [] if row["p"] is None else [pytest.approx(row["p"], rel=0.1)]
        assert _figures(p) == expected
        assert _figures(n) == [row["n"]]


def _figures(cell: str) -> list[float]:
    return [
        float(found.replace(",", "").replace("\N{MINUS SIGN}", "-"))
        for found in re.findall(r"[\N{MINUS SIGN}]?\d[\d,]*\.?\d*", cell.replace(", ", "; "))
    ]


def test_metrics_are_those_of_the_files(folder: Path) -> None:
    rows = at_layer(metrics(folder), PRIMARY)
    probe = rows["probe_accuracy"]
    assert (probe.value, probe.n) == (0.807, 3000)
    assert (probe.low, probe.high) == pytest.approx((0.787, 0.827))
    assert probe.control == 0.731
    assert rows["probe_gain"].value == 0.076
    cohesion = rows["cluster_cohesion"]
    assert (cohesion.value, cohesion.low, cohesion.high) == (0.234, 0.201, 0.262)
    assert (cohesion.control, cohesion.p, cohesion.draws) == (0.0012, 0.0001, 9999)
    corrected = rows["cluster_cohesion_corrected"]
    assert (corrected.value, corrected.low, corrected.high) == (0.245, 0.211, 0.274)
    assert (corrected.control, corrected.p) == (0.0012, None)
    assert rows["pc1_arousal_r"].p == pytest.approx(0.0016)  # the corrected one
    assert rows["implicit_message_top1"].value == 0.3625
    assert rows["implicit_message_top1"].control == 0.4
    assert rows["implicit_message_top1"].control_name == "TF-IDF means of the stories"
    assert rows["implicit_message_gain"].value == -0.0375


def test_fisher_interval_is_scipys() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=20)
    y = 0.5 * x + rng.normal(size=20)
    expected = pearsonr(x, y)
    found = fisher_interval(float(expected.statistic), 20)
    assert found == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert all(map(math.isnan, fisher_interval(0.5, 3)))
    assert all(map(math.isnan, fisher_interval(1.0, 20)))


@pytest.mark.parametrize(
    ("name", "path", "value", "said"),
    [
        ("probe_results.json", ("grouped",), {"accuracy": None, "reason": "why"}, "why"),
        ("validation_results.json", ("cosine", "diff"), None, "no clusters"),
        ("arousal_results.json", ("components",), [], "the corpus has no norms"),
        ("implicit_emotion_results.json", ("message",), None, ""),
        (
            "implicit_emotion_results.json",
            ("message_last",),
            {"n": 0, "centred": None, "z_scored": None, "published": None, "reason": "no prompt"},
            "no prompt",
        ),
    ],
)
def test_a_null_is_told_with_its_reason(
    folder: Path, corpus: Corpus, name: str, path: tuple[str, ...], value: object, said: str
) -> None:
    edit(folder, name, "layers", f"layer_{PRIMARY}", *path, value=value)
    if name == "validation_results.json":
        edit(folder, name, "layers", f"layer_{PRIMARY}", "cosine", "reason", value="no clusters")
    if name == "arousal_results.json":
        here = ("layers", f"layer_{PRIMARY}", "reason")
        edit(folder, name, *here, value="the corpus has no norms")
    text = text_of(folder, corpus)
    assert not re.search(r"\bnan\b|None", text)
    if said:
        assert f"not computed: {said}" in text


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_not_run_is_one_line(folder: Path, corpus: Corpus, stage: str) -> None:
    (folder / STAGES[stage][0]).unlink()
    text = text_of(folder, corpus)
    assert text.count("Not run yet") == 1
    assert f"`evmlx {stage} results/tiny`" in text
    prefixes = {
        "geometry": ("cluster", "rsa", "reliability"),
        "circumplex": ("pc", "norm_axis", "procrustes"),
        "probe": ("probe", "nearest"),
        "implicit": ("implicit",),
        "intensity": ("intensity",),
    }
    assert not any(row.metric.startswith(prefixes[stage]) for row in metrics(folder))
    assert metrics(folder)


def test_nothing_run_at_all(folder: Path, corpus: Corpus) -> None:
    for name, _ in STAGES.values():
        (folder / name).unlink()
    written = write_report(folder, corpus)
    assert [path.name for path in written] == ["metrics.json", "REPORT.md", "report.html"]
    text = (folder / "REPORT.md").read_text(encoding="utf-8")
    assert text.count("Not run yet") == len(STAGES) and "## How it was run" in text


def test_files_of_two_corpora_are_not_mixed(folder: Path) -> None:
    edit(folder, "probe_results.json", "corpus_digest", value="other")
    with pytest.raises(EvmlxError, match="probe_results.json: corpus_digest"):
        read_results(folder)


def test_a_trial_is_called_one(folder: Path, corpus: Corpus) -> None:
    assert "A trial" not in text_of(folder, corpus)
    edit(folder, "run.json", "corpus", "limit", value=400)
    assert "A trial" in text_of(folder, corpus)


def test_what_the_corpus_lacks_is_a_limit(folder: Path, corpus: Corpus) -> None:
    limits = text_of(folder, corpus).split("## Limits")[1]
    assert "no domains of topics" in limits
    assert "3 of 20 emotions are positive" in limits


def test_published_figures_stand_apart(folder: Path, corpus: Corpus) -> None:
    text = text_of(folder, corpus)
    before, rest = text.split("## By the published protocol")
    published, after = rest.split("\n## ", 1)
    assert "3.94" in published and "not comparable across models" in published
    assert "3.94" not in before + after and "0.821" not in before + after


def test_a_figure_outside_its_interval_is_marked(folder: Path, corpus: Corpus) -> None:
    assert "‡" not in text_of(folder, corpus)
    here = ("layers", f"layer_{PRIMARY}", "cosine", "bootstrap", "high")
    edit(folder, "validation_results.json", *here, value=0.21)
    assert "[0.201, 0.210] ‡" in text_of(folder, corpus)


def test_figures_without_outlier_dimensions_are_told(folder: Path, corpus: Corpus) -> None:
    assert "without dimension" not in text_of(folder, corpus)
    here = ("layers", f"layer_{PRIMARY}")
    without = {"cosine": {"diff": 0.177}}
    outlier = {"share": 0.4, "dimension": 12, "removed": [3, 12], "without": without}
    edit(folder, "validation_results.json", *here, "outlier", value=outlier)
    again = [{"pc": 1, "valence_r": 0.33, "arousal_r": -0.44}]
    edit(folder, "arousal_results.json", *here, "without_outliers", value=again)
    said = "without dimension 3, 12: cohesion +0.18, PC1 valence r +0.33, PC1 arousal r −0.44."
    assert f"Layer {PRIMARY} {said}" in text_of(folder, corpus)


def test_new_figures_of_the_files_are_rows(folder: Path) -> None:
    rows = at_layer(metrics(folder), PRIMARY)
    expected = {  # value, control, p, n
        "probe_within_scene": (0.843, 0.612, None, 3000),
        "probe_leave_one_domain_out": (0.788, 0.702, None, 3000),
        "nearest_vector": (0.655, 0.611, None, 3000),
        "probe_within_scene_gain": (0.231, 0.0, None, 3000),
        "probe_macro_auc_gain": (0.021, 0.0, None, 3000),
        "probe_selectivity": (0.739, 0.0, None, 3000),
        "probe_style_gain": (0.689, 0.0, None, 3000),
        "rsa_text": (0.64, 0.0, 0.0001, 190),
        "rsa_norms_partial": (0.19, 0.0, 0.043, 190),
        "norm_axis_valence_r": (0.66, -0.37, 0.0021, 20),
        "norm_axis_dominance_r": (0.11, -0.37, 0.19, 20),
        "procrustes_r2": (0.36, 0.14, 0.012, 20),
        "implicit_situation_macro_auc": (0.83, 0.83, None, 80),
        "implicit_message_last_z_top1": (0.0625, 0.4, None, 80),
        "intensity_difference": (0.71, 0.02, 0.001, 10),
    }
    found = {name: (r.value, r.control, r.p, r.n) for name, r in rows.items() if name in expected}
    assert found == expected
    assert rows["rsa_text"].ceiling == 0.973
    # Spearman and Brown, of each end of the halves' range
    assert rows["reliability"].value == 0.947
    assert rows["reliability"].low == pytest.approx(2 * 0.8 / 1.8)
    # a prompt's last token is far from the stories' mean: its own is the one to take out
    assert rows["implicit_message_last_top1"].value == 0.2125
    assert rows["implicit_message_last_top1"].basis == "own_centred"
    assert list(rows) == [name for name in LABELS if name in rows]


def test_results_of_an_older_evmlx_leave_rows_out(folder: Path, corpus: Corpus) -> None:
    here = ("layers", f"layer_{PRIMARY}")
    for name, keys in (
        ("validation_results.json", ("rsa", "reliability")),
        ("arousal_results.json", ("norm_axis", "procrustes")),
        ("probe_results.json", ("within_scene", "nearest", "selectivity", "gain_over_style")),
    ):
        for key in keys:
            edit(folder, name, *here, key, value=None)
    rows = at_layer(metrics(folder), PRIMARY)
    gone = ("rsa", "reliability", "norm_axis", "procrustes", "nearest", "probe_within")
    assert not any(name.startswith(gone) for name in rows) and "pc1_arousal_r" in rows
    text = text_of(folder, corpus)
    assert not re.search(r"\bnan\b|None", text)
    # without norm axes the verdict goes by the components, as it did
    assert "Are the two main directions human valence and arousal?" in text


def test_a_row_without_a_value_keeps_the_reason(folder: Path) -> None:
    axis = {"r": None, "low": None, "high": None, "p": None, "reason": "too few ratings"}
    here = ("layers", f"layer_{PRIMARY}", "norm_axis", "valence")
    edit(folder, "arousal_results.json", *here, value=axis)
    row = at_layer(metrics(folder), PRIMARY)["norm_axis_valence_r"]
    assert (row.value, row.reason) == (None, "too few ratings")


def test_a_name_is_no_markup(folder: Path, corpus: Corpus) -> None:
    edit(folder, "run.json", "model", "name", value="a|b_c<script>")
    edit(folder, "run.json", "corpus", "name", value="x|y")
    text = text_of(folder, corpus)
    assert text.startswith("# Emotion vectors in a\\|b\\_c\\<script\\>")
    row = next(line for line in text.splitlines() if line.startswith("| Corpus |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert literal("two\nlines | [a](b)") == "two lines \\| \\[a\\](b)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (plain(-0.004), "0.00"),
        (plain(-0.127), "−0.13"),
        (plain(None), "–"),
        (signed(0.127), "+0.13"),
        (signed(0.001), "0.00"),
        (signed(float("nan")), "–"),
        (percent(0.05), "5%"),
        (percent(0.004), "0.4%"),
        (percent(0.0), "0%"),
        (percent(0.325), f"{plain(0.325)[2:]}%"),
        (p_number(0.0123), "0.012"),
        (p_number(0.314), "0.31"),
        (p_number(0.0001), "0.0001"),
        (p_number(1.0), "1.00"),
        (p_phrase(0.012, 9999), "p = 0.012"),
        (p_phrase(0.0001, 9999), "p = 0.0001 (the smallest that 9,999 draws allow)"),
        (p_phrase(0.001, 999), "p = 0.0010 (the smallest that 999 draws allow)"),
    ],
)
def test_figures_as_printed(given: str, said: str) -> None:
    assert given == said
