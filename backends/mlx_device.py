"""Where MLX can compute, in which types, with how much memory, and how fast.

Knows nothing about models. Builds differ in what they can be asked: nothing is called that is not
there.
"""

from __future__ import annotations

import os
from time import perf_counter
from typing import Any

import mlx.core as mx

from evmlx.errors import EvmlxError

DTYPES = {"float32": mx.float32, "bfloat16": mx.bfloat16, "float16": mx.float16}
BATCH_TOKENS = {"cpu": 1024, "gpu": 4096}


def choose_device(wanted: str) -> str:
    """Return ``gpu`` or ``cpu`` for ``auto``, ``gpu`` or ``cpu``.

    Raises
    ------
    EvmlxError
        If that device is not there.
    """
    if wanted == "auto":
        return "gpu" if mx.default_device() == mx.Device(mx.gpu) else "cpu"
    if wanted not in BATCH_TOKENS:
        raise EvmlxError(
            f"--device {wanted}: the mlx engine has auto, gpu and cpu; "
            "cuda and mps are for --backend torch"
        )
    if wanted == "gpu" and not mx.is_available(mx.gpu):
        raise EvmlxError("--device gpu: MLX sees no GPU here; use --device cpu")
    return wanted


def choose_dtype(wanted: str) -> str:
    """Return the computing type; ``auto`` stays, until the checkpoint is known.

    Raises
    ------
    EvmlxError
        If it is none of auto, float32, bfloat16 and float16.
    """
    if wanted != "auto" and wanted not in DTYPES:
        raise EvmlxError(f"--dtype {wanted}: choose auto, {', '.join(DTYPES)}")
    return wanted


def device_name(device: str) -> str:
    """Return the device as run.json names it, e.g. ``gpu (Apple M4 Max)``."""
    name = device_info().get("device_name")
    return f"{device} ({name})" if name else device


def device_info() -> dict[str, Any]:
    """Ask MLX about its default device; empty where it cannot tell."""
    info = getattr(mx, "device_info", None) or getattr(mx.metal, "device_info", None)
    try:
        return dict(info()) if info is not None else {}
    except RuntimeError:  # older builds without Metal
        return {}


def device_memory(device: str) -> int | None:
    """Bytes that a device has for a run: what MLX recommends for a GPU, the machine's for a CPU.

    None where neither can be told.
    """
    if device == "gpu":
        info = device_info()
        size = info.get("max_recommended_working_set_size") or info.get("memory_size")
        if size:
            return int(size)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not on every system
        return None


def call_if_there(name: str) -> Any:
    """Call a function of ``mx`` that not every build has."""
    call = getattr(mx, name, None)
    return call() if call is not None else None


def matmul_rate(dtype: str, device: str, seconds: float = 0.5) -> float:
    """Multiply-adds per second that MLX reaches here on (2000, 576) x (576, 1536).

    Parameters
    ----------
    dtype : str
        A key of `DTYPES`.
    device : str
        As `choose_device` returns it.
    seconds : float
        How long to measure, at least.
    """
    mx.set_default_device(mx.gpu if device == "gpu" else mx.cpu)
    a = mx.random.normal((2000, 576)).astype(DTYPES[dtype])
    b = mx.random.normal((576, 1536)).astype(DTYPES[dtype])
    mx.eval(a, b, a @ b)
    start, count = perf_counter(), 0
    while perf_counter() - start < seconds:
        mx.eval(a @ b)
        count += 1
    return count * 2000 * 576 * 1536 / (perf_counter() - start)
