"""Files of a run folder: written whole or not at all, read without pickle.

Knows nothing about what the arrays mean.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from evmlx.errors import EvmlxError


@dataclass(frozen=True)
class Activations:
    """Pooled residuals of one kind of stimuli.

    Attributes
    ----------
    ids : tuple of str
        Stimulus ids, N of them.
    tokens : ndarray of int32, shape (N,)
        Real tokens of each text.
    layers : tuple of int
        Sampled layers, ascending.
    pooled : ndarray of float32, shape (N, layers, hidden)
        Pooled residuals.
    """

    ids: tuple[str, ...]
    tokens: np.ndarray
    layers: tuple[int, ...]
    pooled: np.ndarray


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` once it is complete.

    Raises
    ------
    EvmlxError
        If the disk is full or the folder cannot be written; `path` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EvmlxError(
            f"cannot write {path}: {reason}; make room or choose another folder with --out, "
            "then run the same command again: what was written before is kept"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Delete what killed processes left half-written in a folder that this process holds."""
    for leftover in folder.rglob(".*.part"):
        leftover.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN is refused."""
    with replacing(path) as file:
        file.write(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode())
        file.write(b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder.

    Raises
    ------
    EvmlxError
        If it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EvmlxError(f"{path} is missing: run the stage that writes it first") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EvmlxError(f"{path} is not valid JSON ({error}): delete it and run again") from error


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an uncompressed npz, atomically; equal arrays give equal bytes."""
    with replacing(path) as file:
        write_npz_members(file, ((name, a.dtype, a.shape, [a]) for name, a in arrays.items()))


def write_npz_members(
    file: IO[bytes],
    members: Iterable[tuple[str, np.dtype[Any], tuple[int, ...], Iterable[np.ndarray]]],
) -> None:
    """Write an npz of which no array need be in memory whole.

    Parameters
    ----------
    file : binary file
        Where to write.
    members : iterable of (name, dtype, shape, pieces)
        The pieces, concatenated along the first axis, have the given dtype and shape.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, dtype, shape, pieces in members:
            entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: bytes depend on contents alone
            with archive.open(entry, "w", force_zip64=True) as member:
                header = {
                    "descr": np.lib.format.dtype_to_descr(dtype),
                    "fortran_order": False,
                    "shape": shape,
                }
                np.lib.format.write_array_header_1_0(member, header)
                for piece in pieces:
                    member.write(np.ascontiguousarray(piece).tobytes())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read every array of an npz file.

    Raises
    ------
    EvmlxError
        If it is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise EvmlxError(f"{path} is missing: run the stage that writes it first") from None
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise EvmlxError(f"{path} is damaged ({error}): delete it and run again") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for this process; the lock goes with the process, however it ends.

    Raises
    ------
    EvmlxError
        If another process holds it.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise EvmlxError(
                f"{folder} is in use by another evmlx process (pid {holder}): "
                "wait for it, or choose another folder with --name"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
