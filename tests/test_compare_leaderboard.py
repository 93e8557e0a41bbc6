from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from run_folders import edit, make_run
from scipy.stats import beta

from evmlx.cli import cli
from evmlx.comparison.leaderboard import parameters, write_leaderboard
from evmlx.corpus import Corpus

SHIPPED = Path(__file__).parents[1] / "results" / "published" / "emotion-vector-bench.json"


@pytest.fixture
def results(shipped: Corpus, tmp_path: Path) -> Path:
    root = tmp_path / "results"
    for name in ("zeta-8b", "alpha-135m"):
        make_run(root / name, shipped)
        (root / name / "REPORT.md").write_text("x")
    edit(root / "zeta-8b", "run.json", "model", "name", value="Zeta-8B-Instruct")
    edit(root / "zeta-8b", "probe_results.json", "layers", "layer_9", "gain_over_tfidf", "gain",
         value=0.5)  # fmt: skip
    (root / "published").mkdir()
    (root / "published" / SHIPPED.name).write_bytes(SHIPPED.read_bytes())
    return root


def rows(page: str, start: str) -> list[list[str]]:
    found = [line for line in page.splitlines() if line.startswith(f"| {start}")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in found]


def test_rows_stand_by_name_with_interval_and_control(results: Path) -> None:
    arguments = ["compare", *map(str, results.iterdir())]
    page = results / "README.md"
    done = CliRunner().invoke(cli, [*arguments, "--leaderboard", str(page)])
    assert done.exit_code == 0 and str(page) in done.stdout
    text = page.read_text()
    identity, figures = rows(text, "[alpha"), rows(text, "[zeta")
    assert text.index("[alpha-135m](alpha-135m/REPORT.md)") < text.index("[zeta-8b]")
    assert identity[0][1:] == ["Tiny-1M", "1M", "float32", "torch on cpu", "9 of 14"]
    assert figures[0][1:3] == ["Zeta-8B-Instruct", "8B"]
    assert figures[1][1] == "0.807<br>[0.787, 0.827]<br>*0.731*"
    assert figures[1][2].startswith("0.500<br>[0.055, 0.097]")
    assert figures[1][5].endswith("*\N{MINUS SIGN}0.37; words 0.21*")
    assert f"evmlx compare {results}/* --leaderboard {page}" in text.splitlines()[-1]
    assert "3.94" not in text, "raw units do not compare"


def test_figures_of_others_stand_apart_and_keep_their_marks(results: Path) -> None:
    write_leaderboard(results / "README.md", [results / "zeta-8b"])
    text = (results / "README.md").read_text()
    ours, theirs = text.split("## Published by others: emotion-vector-bench")
    assert "Qwen3-8B" not in ours and "**Not made with evmlx.**" in theirs
    (qwen,) = rows(theirs, "Qwen3-8B")
    # Clopper and Pearson: 2 of 10
    bounds = beta.ppf(0.025, 2, 9), beta.ppf(0.975, 3, 8)
    assert qwen[5] == f"2 of 10 [{bounds[0]:.2f}, {bounds[1]:.2f}] (28)"
    assert "29.19" in theirs and not any("29.19" in cell for cell in qwen)


def test_corpora_are_kept_in_tables_of_their_own(results: Path) -> None:
    names = ("validation", "arousal", "probe", "implicit_emotion", "intensity")
    for name in names:
        edit(results / "zeta-8b", f"{name}_results.json", "corpus_digest", value="f" * 64)
    edit(results / "zeta-8b", "run.json", "corpus", "digest", value="f" * 64)
    edit(results / "zeta-8b", "run.json", "corpus", "name", value="mine")
    edit(results / "zeta-8b", "run.json", "corpus", "limit", value=200)
    write_leaderboard(results / "README.md", [results / "zeta-8b", results / "alpha-135m"])
    text = (results / "README.md").read_text()
    mine = text[text.index("## On mine 1.0.0") :]
    assert "[zeta-8b](zeta-8b/REPORT.md) (trial)" in mine
    assert "alpha-135m" not in mine[: mine.index("## How to read it")]


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ({"name": "SmolLM2-135M-Instruct"}, "135M"),
        ({"name": "gemma-3-270m-it"}, "270M"),
        ({"name": "Qwen2.5-1.5B-Instruct"}, "1.5B"),
        ({"name": "Llama-3.1-8B-4bit"}, "8B"),
        ({"name": "phi-4"}, "\N{EN DASH}"),
        ({"name": "phi-4", "parameters": 14_659_507_200}, "14.7B"),
    ],
)
def test_parameters_by_record_or_name(model: dict[str, Any], shown: str) -> None:
    assert parameters({"model": model}) == shown


def test_a_file_of_others_that_lacks_a_field_is_named(results: Path) -> None:
    path = results / "published" / "broken.json"
    path.write_text(json.dumps({"name": "x", "models": [{"model": "y"}]}))
    arguments = ["compare", str(results / "zeta-8b"), "--leaderboard", str(results / "README.md")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1 and f"{path}: field 'implicit_top1' is missing" in done.output


def test_the_figures_cited_are_those_of_the_published_files(external: Path) -> None:
    cited = {m["model"].lower(): m for m in json.loads(SHIPPED.read_text())["models"]}
    for folder in sorted((external / "published").iterdir()):
        model = cited[folder.name]
        read = {p.stem: json.loads(p.read_text()) for p in folder.glob("*_results.json")}
        layer = f"layer_{model['layer']}"
        probe = read["probe_results"]["layers"][layer]
        assert model["probe"] == pytest.approx(probe["probe_accuracy_mean"], abs=5e-4)
        assert model["probe_sd"] == pytest.approx(probe["probe_accuracy_std"], abs=5e-4)
        cosine = read["validation_results"][layer]["cosine"]
        assert model["cohesion"] == pytest.approx(cosine["diff"], abs=5e-4)
        implicit = read["implicit_emotion_results"]
        assert model["implicit_top1"] == round(10 * implicit["top1_accuracy"])
        assert implicit["layer"] == f"layer_{model['implicit_layer']}"
    layers = re.findall(r"layer_(\d+)", " ".join(read["probe_results"]["layers"]))
    nearest = min(map(int, layers), key=lambda k: abs(3 * k - 2 * model["blocks"]))
    assert nearest == model["layer"]
