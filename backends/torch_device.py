"""Where torch can compute, in which types, and how fast.

Knows nothing about models.
"""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter

import torch

from evmlx.errors import EvmlxError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
QUANTIZE = ("8bit", "4bit")


DEVICES = ("cpu", "mps", "cuda")


def choose_device(wanted: str) -> str:
    """Return the torch device for ``auto``, ``cuda``, ``cuda:N``, ``cpu`` or ``mps``.

    Raises
    ------
    EvmlxError
        If that device is not there.
    """
    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    kind, _, number = wanted.partition(":")
    if kind not in DEVICES or (number and (kind != "cuda" or not number.isdecimal())):
        raise EvmlxError(f"--device {wanted}: choose auto, cuda, cuda:N, cpu or mps")
    if kind == "cuda":
        index = int(number or 0)
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if index >= count:
            raise EvmlxError(
                f"--device {wanted}: torch {torch.__version__} sees {count} CUDA device(s); "
                "use --device cpu, or install a CUDA build of torch"
            )
        return f"cuda:{index}"
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise EvmlxError("--device mps: no Apple GPU that torch can use; use --device cpu")
        warnings.warn("torch on mps has given wrong results elsewhere: check a few", stacklevel=2)
    return kind


def choose_dtype(wanted: str, device: str) -> str:
    """Return the computing type: bfloat16 on CUDA and float32 elsewhere unless one is asked for.

    Raises
    ------
    EvmlxError
        If it is none of float32, bfloat16 and float16.
    """
    if wanted == "auto":
        return "bfloat16" if device.startswith("cuda") else "float32"
    if wanted not in DTYPES:
        raise EvmlxError(f"--dtype {wanted}: choose auto, {', '.join(DTYPES)}")
    return wanted


def check_quantize(quantize: str | None, device: str) -> None:
    """Refuse a quantization on load that cannot be had on `device`.

    Raises
    ------
    EvmlxError
        If it is neither 8bit nor 4bit, or bitsandbytes or an NVIDIA GPU is missing.
    """
    if quantize is None:
        return
    if quantize not in QUANTIZE:
        raise EvmlxError(f"--quantize {quantize}: the torch engine has {', '.join(QUANTIZE)}")
    if not device.startswith("cuda"):
        raise EvmlxError(
            f"--quantize {quantize} needs an NVIDIA GPU with the torch engine (the device is "
            f"{device}): leave it out"
        )
    try:
        version("bitsandbytes")
    except PackageNotFoundError:
        raise EvmlxError(
            f"--quantize {quantize} needs bitsandbytes: pip install bitsandbytes"
        ) from None


def packages(device: str, quantize: str | None) -> tuple[str, ...]:
    """Packages beside torch that load a checkpoint there, and whose versions are recorded."""
    names = ("accelerate", "bitsandbytes") if quantize else ("accelerate",)
    return names if device.startswith("cuda") else ()


def free_memory(device: str) -> int | None:
    """Bytes that are free on a CUDA device; None on others, where batches are small anyway."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.startswith("cuda") else None


def device_name(device: str) -> str:
    """Return the device as run.json names it, e.g. ``cpu (2 threads)``."""
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device == "cpu" else device


def matmul_rate(device: str, dtype: str, seconds: float = 0.5) -> float:
    """Multiply-adds per second that torch reaches here on (2000, 576) x (576, 1536).

    Parameters
    ----------
    device, dtype : str
        As `choose_device` and `choose_dtype` return them.
    seconds : float
        How long to measure.
    """
    a = torch.randn(2000, 576, device=device, dtype=DTYPES[dtype])
    b = torch.randn(576, 1536, device=device, dtype=DTYPES[dtype])

    def settle() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    a @ b
    settle()
    start, count = perf_counter(), 0
    while perf_counter() - start < seconds:
        for _ in range(10):
            a @ b
        settle()
        count += 10
    return count * 2000 * 576 * 1536 / (perf_counter() - start)
