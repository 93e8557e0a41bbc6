"""The user's cache folder, and folders in it that are built once: whole or not at all.

Knows nothing about models.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evmlx.errors import EvmlxError


def cache_folder() -> Path:
    """Folder for what evmlx fetches and converts; $EVMLX_CACHE names another one."""
    named = os.environ.get("EVMLX_CACHE")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("evmlx")


def build_once(target: Path, build: Callable[[Path], None], say: Callable[[str], None]) -> Path:
    """Fill a folder that does not exist yet, or leave nothing of it.

    Parameters
    ----------
    target : Path
        The folder. Where it exists it is complete, and nothing is done.
    build : callable
        Fills the empty folder that it is given; that folder takes the name `target` afterwards.
    say : callable
        Told that another process is building the same folder, which is then waited for.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    EvmlxError
        If the disk is full or the cache cannot be written.
    """
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(target.with_name(f".{target.name}.lock"), say):
            if target.is_dir():
                return target
            for stale in target.parent.glob(f".{target.name}.*.part"):
                shutil.rmtree(stale, ignore_errors=True)  # of a process that was killed
            _build(target, build)
    except OSError as error:
        raise EvmlxError(
            f"cannot write {error.filename or target}: {error.strerror or error}; make room, or "
            "set EVMLX_CACHE to a folder with enough of it, then run the same command again"
        ) from error
    return target


def _build(target: Path, build: Callable[[Path], None]) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        build(temporary)
        temporary.chmod(0o777 & ~_umask())  # mkdtemp's folders are private
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextmanager
def _held(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold `lock` for this process; it goes with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows: the final rename alone keeps the folder whole
        yield
        return
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another evmlx process that prepares {lock.name[1:-5]}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
