"""Plots: all there, the same bytes each time, one look for a cluster, labels apart."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from run_folders import LAYERS, PRIMARY, edit, make_run, reported_run

from evmlx.corpus import Corpus, load_corpus
from evmlx.plots.draw import plot_confusion, plot_cosine, write_plots
from evmlx.plots.labels import arrange
from evmlx.plots.planes import ellipse
from evmlx.plots.style import (
    COLOURS,
    MARKERS,
    UNCLUSTERED,
    figure,
    looks,
    place_labels,
    scatter,
    styled,
)
from evmlx.plots.texts import grown, target_ranks
from evmlx.report.run_results import read_results


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported_run(tmp_path_factory.getbasetemp())[0]


def test_every_plot_is_there_as_png_and_svg(drawn: Path) -> None:
    names = [f"{kind}_layer_{n}" for kind in ("cosine", "pca", "circumplex") for n in LAYERS]
    names += ["layers", "confusion", "implicit", "intensity", "ranks"]
    expected = {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert {path.name for path in (drawn / "plots").iterdir()} == expected
    for path in (drawn / "plots").glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag.endswith("svg") and len(list(root.iter())) > 100
    for path in (drawn / "plots").glob("*.png"):
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
        one_layer = replace(read_results(folder), layers=(PRIMARY,))
        written = write_plots(one_layer, corpus)
        assert mpl.rcParams["font.size"] == 30  # the caller's settings are given back
    for path in written:
        again = path.read_bytes()
        if path.stem != "layers":  # the only one that shows the other layer
            assert again == (drawn / "plots" / path.name).read_bytes(), path.name
        for stamp in (b"Software", b"tIME", b"<dc:date>", b"Matplotlib"):
            assert stamp not in again


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
    box = arrange(np.array([[100.0, 100.0]]), np.array([[40.0, 10.0]]), (0, 0, 500, 500), 1.0)[0]
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
        png, svg = plot_cosine(tmp_path, 3, {"emotions": emotions, "matrix": matrix}, shown)
    assert png.stat().st_size > 5_000
    # one cell a pair of the three emotions that are left, above and below the diagonal
    assert len(re.findall('<g id="text_', svg.read_text())) >= 6


def test_confusions_keep_their_emotions(
    tmp_path: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are sorted by cluster; a probe's own order of emotions must survive that."""
    import evmlx.plots.draw

    seen = {}

    def look_on(fig: object, path: Path) -> list[Path]:
        seen["axes"] = fig.axes[0]  # type: ignore[attr-defined]
        return [path]

    monkeypatch.setattr(evmlx.plots.draw, "save", look_on)
    emotions = ["proud", "lonely", "joyful"]
    values = [[0.9, 0.1, 0.0], [0.0, 0.7, 0.3], [0.2, 0.0, 0.8]]
    plot_confusion(tmp_path, 3, values, emotions, looks(corpus.emotions, corpus.clusters))
    axes = seen["axes"]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["lonely", "proud", "joyful"]
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn[names.index("proud"), names.index("lonely")] == 0.1
    assert drawn[names.index("lonely"), names.index("joyful")] == 0.3


def test_an_ellipse_holds_the_share_of_a_normal_cloud() -> None:
    rng = np.random.default_rng(3)
    covariance = np.array([[0.5, 0.35], [0.35, 0.4]])
    width, height, angle = ellipse(covariance)
    points = rng.multivariate_normal([0, 0], covariance, size=40_000)
    turn = np.radians(angle)
    along = points @ [np.cos(turn), np.sin(turn)]
    across = points @ [-np.sin(turn), np.cos(turn)]
    inside = (2 * along / width) ** 2 + (2 * across / height) ** 2 < 1
    assert inside.mean() == pytest.approx(0.95, abs=0.005)
    # the long axis is that of the larger variance
    assert along.std() == pytest.approx(width / 2 / np.sqrt(5.991), rel=0.02)


def test_labels_keep_off_other_points() -> None:
    anchors, sizes = np.array([[100.0, 100.0]]), np.array([[40.0, 10.0]])
    frame = (0.0, 0.0, 500.0, 500.0)
    free = arrange(anchors, sizes, frame, 1.0)[0]
    middle = (free[:2] + free[2:]) / 2
    moved = arrange(anchors, sizes, frame, 1.0, middle[None])[0]
    assert not ((moved[:2] < middle) & (middle < moved[2:])).all()


def test_runs_without_a_fit_show_the_planes_side_by_side(tmp_path: Path, corpus: Corpus) -> None:
    folder = make_run(tmp_path / "run", corpus)
    here = ("layers", f"layer_{PRIMARY}")
    edit(folder, "arousal_results.json", *here, "procrustes", value=None)
    stages = {"circumplex": read_results(folder).stages["circumplex"]}
    results = replace(read_results(folder), layers=(PRIMARY,), stages=stages)
    names = {path.name for path in write_plots(results, corpus)}
    assert names == {f"{n}.{k}" for n in ("circumplex_layer_9", "layers") for k in ("png", "svg")}


def test_a_score_is_drawn_so_that_feeling_grows() -> None:
    scores = [0.5, 0.3, 0.1]
    one = {"values": [1, 2, 3], "scores": scores, "control_scores": [0.0, 0.0, 0.3]}
    values, drawn, control = grown({**one, "direction": "down"})
    assert values == [3, 2, 1] and drawn == pytest.approx([-0.2, 0, 0.2])
    assert control == pytest.approx([0.2, -0.1, -0.1])
    assert grown({**one, "direction": "up"})[1] == pytest.approx([0.2, 0, -0.2])


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
    nothing = {"r2": None, "model": None, "reason": "no norms"}
    edit(folder, "arousal_results.json", *here, "procrustes", value=nothing)
    edit(folder, "intensity_results.json", *here, "templates", value=[])
    one_layer = replace(read_results(folder), layers=(PRIMARY,))
    written = {path.name for path in write_plots(one_layer, corpus)}
    missing = {"confusion.png", "implicit.png", "ranks.png", "intensity.png"}
    missing |= {"circumplex_layer_9.png"}
    assert not missing & written
    assert "layers.png" in written


def test_ranks_stand_by_emotion_beside_those_of_the_words(tmp_path: Path, corpus: Corpus) -> None:
    folder = make_run(tmp_path / "run", corpus)
    here = ("layers", "layer_9")
    told = [("a", "weary", 9), ("b", "weary", 2), ("c", "joyful", 1)]
    texts = [{"id": i, "target": target, "rank": rank} for i, target, rank in told]
    words = {"situation": {"ids": ["b", "a", "c"], "rank": [1, 4, 3]}}
    edit(folder, "implicit_emotion_results.json", *here, "situation", "scenarios", value=texts)
    edit(folder, "implicit_emotion_results.json", *here, "message_last", "scenarios", value=[])
    edit(folder, "implicit_emotion_results.json", *here, "message", "scenarios", value=texts[:2])
    edit(folder, "implicit_emotion_results.json", "text_control", value=words)
    (situations, messages), emotions = target_ranks(read_results(folder))
    assert emotions == ["joyful", "weary"], "the best found first"
    assert situations.model == {"weary": [9, 2], "joyful": [1]}
    assert situations.words == {"weary": [4, 1], "joyful": [3]}, "by the texts' ids"
    assert messages.model == {"weary": [9, 2]} and not messages.words


def test_the_command_line_starts_without_matplotlib() -> None:
    code = "import sys, evmlx.cli, evmlx.report.write; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
