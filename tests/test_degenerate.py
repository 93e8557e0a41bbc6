"""Corpora that lack something, through every stage: what can be computed is, the rest is told."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from small_runs import EMOTIONS, only, save_run, whole_corpus

from evmlx.corpus import Corpus
from evmlx.pipeline import run_stages
from evmlx.report.metrics import metric_rows
from evmlx.report.run_results import read_results
from evmlx.report.sections import report_text
from evmlx.stages import RESULT_FILES, STAGE_NAMES

GEOMETRY, AFFECT, PROBE, IMPLICIT, INTENSITY = RESULT_FILES
WHOLE = whole_corpus()


def without_norms(*words: str) -> Corpus:
    norms = WHOLE.norms
    assert norms

    def left(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(
            math.nan if word in words else v for word, v in zip(EMOTIONS, values, strict=True)
        )

    rated = replace(
        norms,
        valence=left(norms.valence),
        arousal=left(norms.arousal),
        dominance=left(norms.dominance),
    )
    return replace(WHOLE, norms=rated)


def bare() -> Corpus:
    """Two stories and nothing else."""
    corpus = only(whole_corpus(topics=1, per_topic=1), ("glad", "sad"))
    return replace(
        corpus,
        clusters={},
        valence={},
        arousal={},
        topics=tuple(replace(topic, domain=None) for topic in corpus.topics),
        stories=tuple(replace(story, scene=None) for story in corpus.stories),
        dialogues=(),
        scenarios=(),
        intensity=(),
        norms=None,
    )


def unbalanced() -> Corpus:
    """One emotion in half of the topics only, another with half of its stories."""
    kept = tuple(
        s for s in WHOLE.stories
        if not (s.emotion == "sad" and s.topic_id in ("topic0", "topic1", "topic4"))
        and not (s.emotion == "glad" and s.story_index > 0)
    )  # fmt: skip
    return replace(WHOLE, stories=kept)


@dataclass(frozen=True)
class Case:
    """A corpus, figures that it still gives and figures that it cannot give.

    Figures are paths of keys in a result file; `L` stands for the primary layer.
    """

    corpus: Corpus
    given: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...] = ()
    constant: bool = False


COHESION = (GEOMETRY, "layers.L.cosine.diff")
INTERVAL = (GEOMETRY, "layers.L.cosine.bootstrap.low")
RELIABILITY = (GEOMETRY, "layers.L.reliability.spearman_brown")
TEXT_RSA = (GEOMETRY, "layers.L.rsa.text.r")
NORM_RSA = (GEOMETRY, "layers.L.rsa.norms.r")
VALENCE_AXIS = (AFFECT, "layers.L.norm_axis.valence.r")
PLANES = (AFFECT, "layers.L.procrustes.r2")
GROUPED = (PROBE, "layers.L.grouped.accuracy")
PUBLISHED = (PROBE, "layers.L.published.accuracy")
SITUATION = (IMPLICIT, "layers.L.situation.centred.top1")
AUC = (IMPLICIT, "layers.L.situation.centred.macro_auc")
LAST = (IMPLICIT, "layers.L.message_last.own_centred.top1")
GRADED = (INTENSITY, "layers.L.mean_difference")
GRADED_P = (INTENSITY, "layers.L.p")
TEXTS = (SITUATION, AUC, LAST, GRADED, GRADED_P)
ALL = (
    COHESION, INTERVAL, RELIABILITY, TEXT_RSA, NORM_RSA, VALENCE_AXIS, PLANES, GROUPED, PUBLISHED,
    *TEXTS,
)  # fmt: skip


def all_but(*missing: tuple[str, str]) -> dict[str, Any]:
    return {"given": tuple(one for one in ALL if one not in missing), "missing": missing}


CASES = {
    "nothing lacks": Case(WHOLE, ALL),
    "one topic": Case(
        whole_corpus(topics=1, per_topic=6), **all_but(INTERVAL, RELIABILITY, GROUPED)
    ),
    "two emotions": Case(
        only(WHOLE, ("glad", "sad")),
        (GROUPED, PUBLISHED, *TEXTS),
        (COHESION, TEXT_RSA, NORM_RSA, VALENCE_AXIS, PLANES),
    ),
    "no scenes": Case(
        replace(WHOLE, stories=tuple(replace(story, scene=None) for story in WHOLE.stories)), ALL
    ),
    "no neutral texts": Case(replace(WHOLE, dialogues=()), ALL),
    "a word without norms": Case(without_norms("calm"), ALL),
    "three words with norms": Case(
        without_norms("calm", "sad", "afraid"), **all_but(NORM_RSA, VALENCE_AXIS, PLANES)
    ),
    "no norms": Case(replace(WHOLE, norms=None), **all_but(NORM_RSA, VALENCE_AXIS, PLANES)),
    "no groups": Case(
        replace(WHOLE, clusters={}, valence={}, arousal={}), **all_but(COHESION, INTERVAL)
    ),
    "constant activations": Case(WHOLE, (), (*ALL,), constant=True),
    "unbalanced": Case(unbalanced(), ALL),
    "fewer topics than folds": Case(
        whole_corpus(topics=3, per_topic=1), **all_but(GROUPED, PUBLISHED)
    ),
    "no new texts": Case(replace(WHOLE, scenarios=(), intensity=()), **all_but(*TEXTS)),
    "one new text": Case(
        replace(WHOLE, scenarios=WHOLE.scenarios[:1], intensity=WHOLE.intensity[:1]),
        **all_but(AUC, LAST),
    ),
    "two stories and nothing else": Case(bare(), (), (*ALL,)),
}

QUICK = (
    "one topic",
    "two emotions",
    "no neutral texts",
    "three words with norms",
    "constant activations",
    "unbalanced",
    "fewer topics than folds",
    "two stories and nothing else",
)

EXPLAINED_ELSEWHERE = (
    ".without",  # figures without outlier dimensions, where `removed` beside them is empty
    ".without_outliers",
    ".fits_without_outliers",
    ".neutral.variance",  # `components` beside it is 0
    ".outlier.share",  # every vector is zero: `norms.relative` says so
    ".outlier.dimension",
    ".confusion",  # tables of the probe: `grouped` beside them has the reason
    ".cluster_accuracy",
    ".cluster_low",
    ".cluster_high",
    ".cluster_chance",
    "norms.source",  # the norms as the corpus has them
    "norms.valence.*",
    "norms.arousal.*",
    "norms.dominance.*",
)


def unexplained(found: Any, path: str = "", told: bool = False) -> Iterator[str]:
    """Nulls with no reason beside them or further out."""
    if isinstance(found, dict):
        told = told or any(value for key, value in found.items() if key.endswith("reason"))
        for key, value in found.items():
            if not key.endswith("reason"):
                yield from unexplained(value, f"{path}.{key}".lstrip("."), told)
    elif isinstance(found, list):
        for value in found:
            yield from unexplained(value, f"{path}.*", told)
    elif found is None and not told and not told_elsewhere(path):
        yield path


def told_elsewhere(path: str) -> bool:
    # an emotion that a draw of topics can miss has a recall and no interval
    return path.endswith(EXPLAINED_ELSEWHERE) or ".recall_interval." in path


def at(found: Any, path: str) -> tuple[Any, list[str]]:
    """Value at a path, None where it ends early, and the reasons on the way there."""
    reasons = []
    for key in path.replace("layers.L", "layers.layer_5").split("."):
        if not isinstance(found, dict):
            return None, reasons
        if found.get("reason"):
            reasons.append(found["reason"])
        found = found.get(key)
    return found, reasons


def check(case: Case, folder: Path, report: str) -> None:
    files = {name: json.loads((folder / name).read_text()) for name in RESULT_FILES}
    for file, path in case.given:
        value, _ = at(files[file], path)
        assert isinstance(value, int | float), f"{file}: {path} is {value}"
    for file, path in case.missing:
        value, reasons = at(files[file], path)
        assert value is None, f"{file}: {path} is {value}"
        assert reasons, f"{file}: {path} has no reason"
        assert any(reason.rstrip(".") in report for reason in reasons), f"{path}: {reasons}"
    for file, found in files.items():
        assert not set(unexplained(found)), file


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", QUICK)
def test_what_can_be_computed_is_and_the_report_says_why_the_rest_is_not(
    name: str, tmp_path: Path
) -> None:
    case = CASES[name]
    run = save_run(tmp_path / "tiny", case.corpus, constant=case.constant)
    run_stages(run, [name for name in STAGE_NAMES if name != "report"], announce=lambda _: None)
    results = read_results(run.folder)
    check(case, run.folder, report_text(results, metric_rows(results), case.corpus, set()))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_same_with_plots_metrics_and_page(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    run = save_run(tmp_path / "tiny", case.corpus, constant=case.constant)
    run_stages(run, STAGE_NAMES, announce=lambda _: None)
    report = (run.folder / "REPORT.md").read_text()
    check(case, run.folder, report)
    for row in json.loads((run.folder / "metrics.json").read_text())["rows"]:
        known = row["value"] is not None
        assert known or row["reason"], row["metric"]
        if not known and row["layer"] == 5:
            assert row["reason"].rstrip(".") in report, row["metric"]
    for shown in (report, (run.folder / "report.html").read_text()):
        assert not any(f">{odd}<" in shown or f" {odd} |" in shown for odd in ("nan", "None"))
