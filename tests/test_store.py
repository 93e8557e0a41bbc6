"""Files of a run folder: whole or not at all, equal bytes, one process at a time."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evmlx.errors import EvmlxError
from evmlx.store import (
    locked,
    read_json,
    read_npz,
    remove_unfinished,
    replacing,
    write_json,
    write_npz,
)


def test_npz_comes_back_with_equal_bytes_each_time(tmp_path: Path) -> None:
    arrays = {"a": np.arange(12.0).reshape(3, 4), "b": np.array(["x", "yz"])}
    write_npz(tmp_path / "1.npz", arrays)
    write_npz(tmp_path / "2.npz", arrays)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    back = read_npz(tmp_path / "1.npz")
    assert list(back) == ["a", "b"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"kept": True})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"bad": float("nan")})
    with pytest.raises(EvmlxError, match=r"cannot write .*x\.json: No space left"):
        with replacing(path) as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert read_json(path) == {"kept": True}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_missing_and_damaged_files_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    for read, name, message in (
        (read_json, "none.json", "is missing"),
        (read_json, "bad.json", "not valid JSON"),
        (read_npz, "none.npz", "is missing"),
        (read_npz, "bad.npz", "is damaged"),
    ):
        with pytest.raises(EvmlxError, match=message) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(EvmlxError, match="is damaged"):
        read_npz(tmp_path / "p.npz")


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    code = "import sys\nfrom pathlib import Path\nfrom evmlx.store import locked\n"
    code += "with locked(Path(sys.argv[1])): pass"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode != 0 and "in use by another evmlx process (pid" in second.stderr
    assert subprocess.run(command).returncode == 0


def test_half_written_files_of_killed_processes_go(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    for name in (".run.json.77.part", "plots/.pca.png.78.part", "plots/pca.png"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["pca.png"]
