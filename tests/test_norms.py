"""Norms tables of other makers, and runs that go by them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from evmlx.circumplex import circumplex
from evmlx.cli import cli
from evmlx.corpus import Corpus, norms_digest, with_norms
from evmlx.errors import EvmlxError
from evmlx.norms_record import norms_entry
from evmlx.pipeline import run_stages
from evmlx.stages import Run
from evmlx.store import read_json, write_json
from evmlx.vectors import EmotionVectors, save_vectors

ROWS = {  # word: valence, arousal, dominance
    "joyful": (0.99, 0.82, 0.7),
    "weary": (0.2, 0.3, 0.25),
    "grief": (0.07, 0.64, 0.47),
    "furious": (0.1, 0.95, 0.6),
    "lonely": (0.15, 0.28, 0.2),
    "proud": (0.9, 0.6, 0.85),
    "zebra": (0.5, 0.5, 0.5),
}


def table(head: str, mark: str, row: Callable[[str, tuple[float, ...]], str]) -> str:
    return "\n".join([head, *(row(word, given) for word, given in ROWS.items())]).replace("|", mark)


def plain(word: str, given: tuple[float, ...]) -> str:
    return "|".join([word, *map(str, given)])


TABLES = {
    "own": table("word|valence|arousal|dominance", ",", plain),
    "capitals": table("Word| VALENCE |Arousal|Dominance", ",", lambda w, g: plain(w.upper(), g)),
    "nrc": table("term|valence|arousal|dominance", "\t", plain),
    "semicolons": table("word|valence|arousal|dominance", ";", plain),
    "another order": table(
        "dominance|word|arousal|valence", ",", lambda w, g: f"{g[2]}|{w}|{g[1]}|{g[0]}"
    ),
    "warriner": table(
        "|Word|V.Mean.Sum|V.SD.Sum|A.Mean.Sum|A.SD.Sum|D.Mean.Sum|D.SD.Sum|V.Mean.M",
        ",",
        lambda w, g: f"7|{w}|{g[0]}|1.5|{g[1]}|1.5|{g[2]}|1.5|0.01",
    ),
}


def saved(tmp_path: Path, text: str, name: str = "norms.csv") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize("maker", TABLES)
def test_tables_are_read_as_they_come(shipped: Corpus, tmp_path: Path, maker: str) -> None:
    corpus = with_norms(shipped, saved(tmp_path, TABLES[maker]))
    norms = corpus.norms
    assert norms is not None and norms.source == "norms.csv"
    assert norms.words == shipped.emotions
    for k, word in enumerate(norms.words):
        given = ROWS.get({"grief-stricken": "grief"}.get(word, word), (math.nan,) * 3)
        found = (norms.valence[k], norms.arousal[k], norms.dominance[k])
        np.testing.assert_equal(found, given)
        assert norms.exact[k] == (word in ROWS)  # "grief" only stands in
    assert corpus.digest == shipped.digest and corpus.stories is shipped.stories
    assert [line for line in corpus.lacks if line.startswith("no norms for desperate, ashamed")]


def test_missing_ratings_are_nan(shipped: Corpus, tmp_path: Path) -> None:
    text = "word,valence,arousal,dominance\njoyful,NA,5,\nweary,2,3,4\n"
    norms = with_norms(shipped, saved(tmp_path, text)).norms
    assert norms is not None
    k = norms.words.index("joyful")
    assert math.isnan(norms.valence[k]) and math.isnan(norms.dominance[k])
    assert norms.arousal[k] == 5


BAD = {
    "word,valence,arousal\njoyful,8,5\n": (":1: field dominance: no such column", "valence"),
    "joyful,8,5,5\n": (":1: field word: no such column",),
    "word,valence,arousal,dominance\njoyful,8,5,high\n": (':2: field dominance: "high"',),
    "word,valence,arousal,dominance\njoyful,8,5,inf\n": (':2: field dominance: "inf"',),
    "word,valence,arousal,dominance\njoyful,8,5,5\nJoyful,7,5,5\n": (":3:", "line 2"),
    "word,valence,arousal,dominance\nzebra,8,5,5\n": ("rates none of the emotions",),
    "": (":1: field word: no such column",),
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_with_a_table_is_said_in_one_line(
    shipped: Corpus, tmp_path: Path, text: str
) -> None:
    with pytest.raises(EvmlxError) as raised:
        with_norms(shipped, saved(tmp_path, text))
    message = str(raised.value)
    assert "\n" not in message and message.startswith(str(tmp_path / "norms.csv"))
    assert all(part in message for part in BAD[text])
    with pytest.raises(EvmlxError, match="cannot be read: No such file"):
        with_norms(shipped, tmp_path / "none.csv")


def test_digest_is_of_the_ratings_alone(shipped: Corpus, tmp_path: Path) -> None:
    digests = {
        norms_digest(with_norms(shipped, saved(tmp_path, text)).norms) for text in TABLES.values()
    }
    assert len(digests) == 1
    other = TABLES["own"].replace("0.99", "0.98")
    assert norms_digest(with_norms(shipped, saved(tmp_path, other)).norms) not in digests
    assert norms_digest(None) is None


def some_vectors(emotions: tuple[str, ...]) -> EmotionVectors:
    denoised = np.random.default_rng(0).normal(size=(1, len(emotions), 30)).astype(np.float32)
    return EmotionVectors(
        emotions=emotions,
        layers=(3,),
        raw=denoised,
        denoised=denoised,
        neutral_basis=(np.zeros((0, 30), np.float32),),
        neutral_variance=(float("nan"),),
        story_mean=np.zeros((1, 30), np.float32),
        residual_norm=np.full(1, 10.0),
        stories=(5,) * len(emotions),
    )


def test_scale_of_a_table_does_not_matter(shipped: Corpus, tmp_path: Path) -> None:
    def moved(word: str, given: tuple[float, ...]) -> str:
        return plain(word, tuple(2 * v - 1 for v in given))

    vectors = some_vectors(shipped.emotions)
    texts = (TABLES["own"], table("word|valence|arousal|dominance", ",", moved))
    found = [circumplex(vectors, with_norms(shipped, saved(tmp_path, t)), 0, 99) for t in texts]
    first, second = (one.layers["layer_3"] for one in found)
    assert first.norm_axis["valence"].n == 6
    assert second.norm_axis["valence"].r == pytest.approx(first.norm_axis["valence"].r)
    assert second.procrustes.r2 == pytest.approx(first.procrustes.r2)
    assert second.components[1]["arousal_r"] == pytest.approx(first.components[1]["arousal_r"])


@pytest.fixture
def run(shipped: Corpus, tmp_path: Path) -> Run:
    """A run folder with vectors and no activations, as published ones are."""
    folder = tmp_path / "run"
    folder.mkdir()
    save_vectors(folder, some_vectors(shipped.emotions))
    record = {
        "model": {"name": "Tiny"},
        "corpus": {"path": None, "limit": None, "digest": shipped.digest},
        "norms": norms_entry(shipped, None),
        "seed": 0,
        "primary_layer": 3,
    }
    write_json(folder / "run.json", record)
    return Run(folder, shipped, record)


def command(run: Run, *words: object) -> Result:
    return CliRunner().invoke(cli, ["circumplex", str(run.folder), *map(str, words)])


def source(run: Run) -> str:
    return str(read_json(run.folder / "arousal_results.json")["norms"]["source"])


def test_a_run_remembers_the_norms_that_it_was_given(run: Run, tmp_path: Path) -> None:
    assert command(run).exit_code == 0 and "Glasgow" in source(run)
    path = saved(tmp_path, TABLES["warriner"], "mine.csv")
    assert command(run, "--norms", path).exit_code == 0 and source(run) == "mine.csv"
    entry = read_json(run.folder / "run.json")["norms"]
    assert (
        entry["source"] == "mine.csv" and entry["path"] == str(path) and len(entry["digest"]) == 64
    )
    (run.folder / "arousal_results.json").unlink()
    assert command(run).exit_code == 0 and source(run) == "mine.csv"
    saved(tmp_path, TABLES["warriner"].replace("0.99", "0.9"), "mine.csv")
    changed = command(run)
    assert changed.exit_code == 1 and "have changed since this run" in changed.stderr
    assert command(run, "--norms", path).exit_code == 0
    missing = command(run, "--norms", tmp_path / "none.csv")
    assert missing.exit_code == 1 and missing.stderr.count("\n") == 1


def test_a_stage_runs_again_when_the_norms_change(run: Run, tmp_path: Path) -> None:
    said: list[str] = []

    def again(corpus: Corpus) -> str:
        run.record["norms"] = norms_entry(corpus, None)
        run_stages(replace(run, corpus=corpus), ["circumplex"], announce=said.append)
        return said[-1]

    assert "up to date" not in again(run.corpus)
    assert "up to date" in again(run.corpus)
    other = with_norms(run.corpus, saved(tmp_path, TABLES["own"]))
    assert "up to date" not in again(other) and source(run) == "norms.csv"
    assert "up to date" in again(other)
    assert json.loads((run.folder / "run.json").read_text())["norms"]["source"] == "norms.csv"
