"""Plots: all there, the same bytes each time, one look for a cluster, labels apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from run_folders import LAYERS, edit, make_run

from evmlx.corpus import Corpus, load_corpus
from evmlx.plot_style import (
    COLOURS,
    MARKERS,
    UNCLUSTERED,
    _arrange,
    figure,
    looks,
    place_labels,
    scatter,
    styled,
)
from evmlx.plots import plot_confusion, plot_cosine, write_plots
from evmlx.run_results import read_results


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> Path:
    folder = make_run(tmp_path_factory.mktemp("runs") / "tiny", corpus)
    write_plots(read_results(folder), corpus)
    return folder


def test_every_plot_is_there_and_a_png(drawn: Path) -> None:
    kinds = [f"{kind}_layer_{n}" for kind in ("cosine", "pca", "circumplex") for n in LAYERS]
    expected = {f"{name}.png" for name in (*kinds, "layers", "confusion", "implicit")}
    assert {path.name for path in (drawn / "plots").iterdir()} == expected
    for path in (drawn / "plots").iterdir():
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 10_000
        width = int.from_bytes(content[16:20], "big")
        assert width == 1200  # 8 inches: fonts of 9 points stay legible at 800 pixels


def test_bytes_do_not_depend_on_time_or_settings(
    drawn: Path, tmp_path: Path, corpus: Corpus
) -> None:
    import matplotlib as mpl

    folder = make_run(tmp_path / "again", corpus)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        write_plots(read_results(folder), corpus)
        assert mpl.rcParams["font.size"] == 30  # the caller's settings are given back
    for path in sorted((drawn / "plots").iterdir()):
        again = (folder / "plots" / path.name).read_bytes()
        assert again == path.read_bytes(), path.name
        assert b"Software" not in again and b"tIME" not in again


def test_a_cluster_has_one_look_of_its_own(corpus: Corpus) -> None:
    every = looks(corpus.emotions, corpus.clusters)
    for members in corpus.clusters.values():
        assert len({every[e] for e in members}) == 1
    kinds = {every[members[0]] for members in corpus.clusters.values()}
    assert len({k.colour for k in kinds}) == len({k.marker for k in kinds}) == len(kinds)
    # neither the emotions plotted nor their order changes a look
    few = looks(corpus.emotions[::-3], corpus.clusters)
    assert all(few[e] == every[e] for e in few)


def test_looks_of_many_clusters_and_of_none() -> None:
    clusters = {f"c{i}": (f"e{i}",) for i in range(11)}
    found = looks([*(f"e{i}" for i in range(11)), "stray"], clusters)
    assert found["stray"].cluster == UNCLUSTERED
    assert found["e0"].colour == found["e8"].colour == COLOURS[0]
    assert len(COLOURS) == len(set(COLOURS)) == len(MARKERS) == len(set(MARKERS))


def test_the_looks_are_those_drawn(corpus: Corpus) -> None:
    from matplotlib.colors import to_hex

    shown = looks(corpus.emotions, corpus.clusters)
    fig = figure(4, 4)
    axes = fig.add_subplot()
    points = np.random.default_rng(0).normal(size=(len(shown), 2))
    scatter(axes, points, corpus.emotions, shown)
    for line, emotion in zip(axes.lines, corpus.emotions, strict=True):
        assert to_hex(line.get_color()).lower() == shown[emotion].colour.lower()
        assert line.get_marker() == shown[emotion].marker


@pytest.mark.parametrize("seed", range(4))
def test_labels_do_not_cover_each_other(corpus: Corpus, seed: int) -> None:
    shown = looks(corpus.emotions, corpus.clusters)
    points = np.random.default_rng(seed).normal(size=(20, 2))
    points[:5] = points[0] + np.linspace(0, 0.05, 5)[:, None]  # five in one place
    with styled():
        fig = figure(8, 6.4)
        axes = fig.add_subplot()
        scatter(axes, points, corpus.emotions, shown)
        place_labels(axes, points, corpus.emotions, shown)
        renderer = fig.canvas.get_renderer()  # type: ignore[attr-defined]
        boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == list(corpus.emotions)
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_a_lone_label_stands_beside_its_marker() -> None:
    box = _arrange(np.array([[100.0, 100.0]]), np.array([[40.0, 10.0]]), (0, 0, 500, 500), 1.0)[0]
    assert box[1] < 100 < box[3]  # level with it
    assert 0 < box[0] - 100 < 15  # to its right


def test_cosines_of_a_zero_vector_are_left_out(tmp_path: Path, corpus: Corpus) -> None:
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(4, 6))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    matrix = (unit @ unit.T).tolist()
    for row in range(4):
        matrix[row][2] = matrix[2][row] = None
    emotions = list(corpus.emotions[:4])
    shown = looks(corpus.emotions, corpus.clusters)
    with styled():
        path = plot_cosine(tmp_path, 3, {"emotions": emotions, "matrix": matrix}, shown)
    assert path.stat().st_size > 5_000


def test_confusions_keep_their_emotions(
    tmp_path: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are sorted by cluster; a probe's own order of emotions must survive that."""
    import evmlx.plots

    seen = {}

    def look_on(fig: object, path: Path) -> Path:
        seen["axes"] = fig.axes[0]  # type: ignore[attr-defined]
        return path

    monkeypatch.setattr(evmlx.plots, "save", look_on)
    emotions = ["proud", "lonely", "joyful"]
    values = [[0.9, 0.1, 0.0], [0.0, 0.7, 0.3], [0.2, 0.0, 0.8]]
    plot_confusion(tmp_path, 3, values, emotions, looks(corpus.emotions, corpus.clusters))
    axes = seen["axes"]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["lonely", "proud", "joyful"]
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn[names.index("proud"), names.index("lonely")] == 0.1
    assert drawn[names.index("lonely"), names.index("joyful")] == 0.3


def test_what_is_null_is_not_drawn(tmp_path: Path, corpus: Corpus) -> None:
    folder = make_run(tmp_path / "run", corpus)
    here = ("layers", "layer_9")
    edit(folder, "probe_results.json", *here, "confusion", value=None)
    for battery in ("situation", "message", "message_last"):
        empty = {"n": 0, "centred": None, "z_scored": None, "published": None, "reason": "no text"}
        edit(folder, "implicit_emotion_results.json", *here, battery, value=empty)
    edit(folder, "validation_results.json", *here, "cosine", "diff", value=None)
    edit(folder, "arousal_results.json", *here, "components", value=[])
    edit(folder, "arousal_results.json", *here, "coordinates", value=[[] for _ in range(20)])
    edit(folder, "arousal_results.json", "norms", "arousal", value=[None] * 20)
    written = {path.name for path in write_plots(read_results(folder), corpus)}
    assert not {"confusion.png", "implicit.png", "circumplex_layer_9.png"} & written
    assert "layers.png" in written


def test_the_command_line_starts_without_matplotlib() -> None:
    code = "import sys, evmlx.cli, evmlx.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
