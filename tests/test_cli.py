"""The command line, as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_corpus import save_small_corpus
from tiny_models import save_tiny

from evmlx import __version__
from evmlx.cli import COMMANDS, cli
from evmlx.store import read_json

pytest.importorskip("torch")

FILES = {
    "run.json",
    "activations.npz",
    "raw_vectors.npz",
    "denoised_vectors.npz",
    "validation_results.json",
    "probe_results.json",
    "arousal_results.json",
    "implicit_emotion_results.json",
    "intensity_results.json",
    "metrics.json",
    "REPORT.md",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_corpus(tmp_path_factory.mktemp("corpus") / "small")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "Tiny-Llama"
    return save_tiny(folder, "llama", max_position_embeddings=4096)


@pytest.fixture(scope="module")
def finished(corpus: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of a tiny model."""
    out = tmp_path_factory.mktemp("results")
    result = invoke("run", "--model", model, "--corpus", corpus, "--out", out, "--backend", "torch")
    assert result.exit_code == 0, result.output
    return out / "tiny-llama"


def invoke(*words: object):
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_a_run_writes_every_file(finished: Path) -> None:
    found = {p.name for p in finished.iterdir()}
    assert found >= FILES
    assert not (finished / "activations").exists()
    record = read_json(finished / "run.json")
    assert record["layers"] == [1, 2, 3, 4] and record["primary_layer"] == 3
    assert record["corpus"]["stories"] == 120 and record["dtype"] == "float32"
    assert any("norms" in lack or "passages" in lack for lack in record["corpus"]["lacks"])
    for layer in record["layers"]:
        for plot in ("cosine", "pca", "circumplex"):
            assert (finished / "plots" / f"{plot}_layer_{layer}.png").stat().st_size > 5000


def test_a_second_run_does_nothing_again(finished: Path, corpus: Path, model: Path) -> None:
    before = {
        p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.name not in ("run.json", "lock")
    }
    result = invoke(
        "run", "--model", model, "--corpus", corpus, "--out", finished.parent, "--backend", "torch"
    )
    assert result.exit_code == 0
    assert result.stderr.count("up to date") == 8
    assert str(finished / "REPORT.md") in result.stdout
    after = {p: p.stat().st_mtime_ns for p in before}
    assert {p.name for p in before if before[p] != after[p] and p.is_file()} == set()


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("--layers", "0,3", "layers"),
        ("--dtype", "bfloat16", "dtype"),
        ("--limit", "40", "corpus.digest"),
    ],
)
def test_another_run_in_the_same_folder_is_refused(
    finished: Path, corpus: Path, model: Path, option: str, value: str, name: str
) -> None:
    result = invoke(
        "run", "--model", model, "--corpus", corpus, "--out", finished.parent, option, value
    )
    assert result.exit_code == 1
    assert f"holds a run whose {name} is" in result.stderr
    assert "--name" in result.stderr and result.stderr.count("error:") == 1


def test_another_model_in_the_same_folder_is_refused(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    other = save_tiny(tmp_path / "tiny-llama", "llama", seed=1, max_position_embeddings=4096)
    result = invoke("run", "--model", other, "--corpus", corpus, "--out", finished.parent)
    assert result.exit_code == 1 and "model.revision is" in result.stderr


def test_a_run_that_differs_from_a_published_one_goes_beside_it(
    finished: Path, corpus: Path, model: Path, tmp_path: Path
) -> None:
    published = tmp_path / "tiny-llama"
    published.mkdir()
    for name in ("run.json", "REPORT.md"):
        (published / name).write_bytes((finished / name).read_bytes())
    words = ("extract", "--model", model, "--corpus", corpus, "--out", tmp_path)
    result = invoke(*words, "--dtype", "bfloat16")
    assert result.exit_code == 0, result.stderr
    beside = tmp_path / "tiny-llama-torch-bfloat16"
    assert f"this one goes to {beside}" in result.stderr
    assert (beside / "activations.npz").exists()
    assert (published / "run.json").read_bytes() == (finished / "run.json").read_bytes()
    assert invoke(*words).exit_code == 0 and (published / "activations.npz").exists()


@pytest.mark.parametrize(
    "stage", ["vectors", "geometry", "circumplex", "probe", "implicit", "intensity", "report"]
)
def test_each_stage_writes_the_same_again(finished: Path, stage: str) -> None:
    written = read_json(finished / "run.json")["stages"][stage]["writes"]
    result = invoke(stage, finished)
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [str(finished / name) for name in written]
    assert read_json(finished / "run.json")["stages"][stage]["writes"] == written


def test_the_corpus_of_emotion_vector_bench_runs_as_it_is(
    external: Path, model: Path, tmp_path: Path
) -> None:
    result = invoke(
        "run", "--model", model, "--corpus", external / "corpus", "--out", tmp_path,
        "--limit", "100",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    record = read_json(tmp_path / "tiny-llama" / "run.json")
    assert record["corpus"]["stories"] == 100 and record["corpus"]["scenarios"] == 10
    assert result.stderr.count("note: ") == len(record["corpus"]["lacks"]) > 2
    report = (tmp_path / "tiny-llama" / "REPORT.md").read_text()
    assert all(lack.rstrip(".") in report for lack in record["corpus"]["lacks"])


def test_skip_extraction_without_activations_says_what_to_run(
    corpus: Path, model: Path, tmp_path: Path
) -> None:
    result = invoke(
        "run", "--skip-extraction", "--model", model, "--corpus", corpus, "--out", tmp_path
    )
    assert result.exit_code == 1 and "run `evmlx extract` first" in result.stderr


def test_dry_run_says_what_it_takes_and_writes_nothing(
    corpus: Path, model: Path, tmp_path: Path
) -> None:
    result = invoke("run", "--dry-run", "--model", model, "--corpus", corpus, "--out", tmp_path)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "texts", "tokens", "batches", "memory", "time",
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--model", "./nowhere"), "nowhere"),
        (("run", "--device", "cuda:7"), "--device cuda:7"),
        (("run", "--dtype", "int4"), "--dtype int4"),
        (("run", "--corpus", "nowhere"), "nowhere"),
        (("run", "--quantize", "4bit"), "--quantize 4bit"),
        (("probe", "nowhere"), "is no run folder"),
    ],
)
def test_what_is_wrong_is_one_line(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*words)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr


def test_a_mistyped_command_names_the_nearest() -> None:
    result = invoke("geometri", "x")
    assert result.exit_code == 2 and "Did you mean 'geometry'?" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    result = invoke(command, "--help")
    assert result.exit_code == 0 and f"  evmlx {command}" in result.stdout


def test_version_and_module() -> None:
    words = [sys.executable, "-m", "evmlx", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"evmlx, version {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from evmlx.cli import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'matplotlib', 'transformers', 'torch', 'mlx'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_core_imports_no_engine() -> None:
    code = (
        "import sys, importlib, pkgutil, evmlx\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'mlx', 'mlx_lm'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "for m in pkgutil.walk_packages(evmlx.__path__, 'evmlx.'):\n"
        "    if not m.name.startswith('evmlx.backends.') and m.name != 'evmlx.__main__':\n"
        "        importlib.import_module(m.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_missing_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "torch" else real(n, *a)
    )
    result = invoke("run", "--backend", "torch")
    assert result.exit_code == 1
    assert "the torch engine is not installed: pip install" in result.stderr
