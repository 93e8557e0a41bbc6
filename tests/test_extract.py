"""Extraction: right values, resumed after any death, nothing lost."""

from __future__ import annotations

import errno
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from counting_backend import LAYERS, CountingBackend, expected, some_stimuli

from evmlx import extract as extraction
from evmlx import store
from evmlx.errors import EvmlxError
from evmlx.extract import extract, load_activations

PROGRAM = str(Path(__file__).parent / "counting_backend.py")


def run(folder: Path, backend: CountingBackend | None = None, budget: int = 400) -> CountingBackend:
    backend = backend or CountingBackend()
    extract(folder, some_stimuli(), lambda: backend, LAYERS, budget)
    return backend


def check_values(path: Path) -> None:
    stimuli = some_stimuli()
    for kind in ("stories", "dialogues", "passages"):
        wanted = [s for s in stimuli if s.kind == kind]
        found = load_activations(path, kind)
        assert found is not None
        assert found.ids == tuple(s.id for s in wanted)
        assert found.tokens.tolist() == [len(s.ids) for s in wanted]
        assert found.layers == LAYERS
        values = np.stack([[expected(s, k) for k in LAYERS] for s in wanted])
        np.testing.assert_allclose(found.pooled, values, atol=1e-6)


def test_values_come_back_in_the_order_of_the_corpus(tmp_path: Path) -> None:
    run(tmp_path)
    check_values(tmp_path / "activations.npz")
    assert load_activations(tmp_path / "activations.npz", "scenarios") is None
    assert not (tmp_path / "activations").exists()


def test_killed_ten_times_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path / "undisturbed")
    folder = tmp_path / "disturbed"
    command = [sys.executable, PROGRAM, str(folder), "0.03"]
    random.seed(5)
    for _ in range(10):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        before = len(list(folder.glob("activations/*.shard")))
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:  # let it do something
            if len(list(folder.glob("activations/*.shard"))) > before:
                break
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.06))
        process.kill()
        process.wait()
    left = run(folder)
    assert 0 < sum(map(len, left.batches)) < 300  # something was kept, something was left
    assert (folder / "activations.npz").read_bytes() == (
        tmp_path / "undisturbed" / "activations.npz"
    ).read_bytes()


def interrupted(folder: Path, after: int) -> None:
    class Dying(CountingBackend):
        def pooled_residuals(self, batch, layers):
            if len(self.batches) == after:
                raise KeyboardInterrupt
            return super().pooled_residuals(batch, layers)

    with pytest.raises(KeyboardInterrupt):
        run(folder, Dying())


@pytest.mark.parametrize("damage", ["truncate", "flip", "header"])
def test_a_damaged_shard_is_done_again(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(tmp_path, after=6)
    shard = max(tmp_path.glob("activations/*.shard"), key=lambda p: p.stat().st_mtime_ns)
    content = bytearray(shard.read_bytes())
    if damage == "truncate":
        content = content[:-9]
    elif damage == "flip":
        content[-5] ^= 1
    else:
        content[0:1] = b"x"
    shard.write_bytes(content)
    again = run(tmp_path)
    assert shard.name + " is damaged" in capsys.readouterr().err
    assert len(again.batches) == len(run(tmp_path / "whole").batches) - 5
    check_values(tmp_path / "activations.npz")


def test_another_batch_size_goes_on_with_what_is_there(tmp_path: Path) -> None:
    interrupted(tmp_path, after=6)
    again = run(tmp_path, budget=130)
    assert sum(map(len, again.batches)) < 300
    check_values(tmp_path / "activations.npz")


def test_finished_shards_need_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(extraction, "assemble", lambda *_: 1 / 0)  # dies just after the last text
        with pytest.raises(ZeroDivisionError):
            run(tmp_path)
    assert extract(tmp_path, some_stimuli(), lambda: pytest.fail("loaded"), LAYERS, 400) is None
    check_values(tmp_path / "activations.npz")


def test_out_of_memory_halves_the_batch_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = run(tmp_path, CountingBackend(most_texts=3))
    assert max(map(len, backend.batches)) <= 3
    assert "out of memory with 6 texts" in capsys.readouterr().err
    check_values(tmp_path / "activations.npz")


def test_a_text_that_does_not_fit_alone_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvmlxError, match=r"text text-\d+ \(\d+ tokens\) does not fit"):
        run(tmp_path, CountingBackend(most_texts=0))


def test_a_residual_that_is_not_finite_names_text_layer_and_type(tmp_path: Path) -> None:
    with pytest.raises(EvmlxError, match="text text-7 are not finite at layer 4 in float16"):
        run(tmp_path, CountingBackend(overflow="text-7"))
    assert list(tmp_path.glob("activations/*.shard"))  # what came before is kept
    run(tmp_path)
    check_values(tmp_path / "activations.npz")


def test_what_is_finite_alone_is_not_blamed_for_its_company(tmp_path: Path) -> None:
    run(tmp_path, CountingBackend(overflow="text-7", overflow_in_company=True))
    check_values(tmp_path / "activations.npz")


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = 6
    real, calls = store.os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > kept:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(EvmlxError, match="No space left on device; make room"):
        run(tmp_path)
    monkeypatch.undo()
    assert len(list(tmp_path.glob("activations/*"))) == kept
    again = run(tmp_path)
    assert len(again.batches) == len(run(tmp_path / "whole").batches) - kept
    check_values(tmp_path / "activations.npz")


def test_missing_activations_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(EvmlxError, match="run `evmlx extract` first"):
        load_activations(tmp_path / "activations.npz", "stories")
    (tmp_path / "activations.npz").write_bytes(b"PK not an archive")
    with pytest.raises(EvmlxError, match="is damaged"):
        load_activations(tmp_path / "activations.npz", "stories")
