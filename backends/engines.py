"""Which engine a run uses, and with which device and type. Imports an engine only when asked."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evmlx.backends import Backend
from evmlx.errors import EvmlxError

ENGINES = ("torch", "mlx")
INSTALL = {"torch": 'pip install "evmlx[torch]"', "mlx": 'pip install "evmlx[mlx]"'}


@dataclass(frozen=True)
class Engine:
    """An engine that is installed, with everything settled but the checkpoint.

    Attributes
    ----------
    name : str
        ``torch`` or ``mlx``.
    device, dtype : str
        Where and in which type the blocks compute.
    batch_tokens : int
        Padded tokens in a batch that suit the device.
    load : callable
        From a checkpoint folder to a `Backend`.
    rate : callable
        Measures the multiply-adds per second of a matmul here.
    """

    name: str
    device: str
    dtype: str
    batch_tokens: int
    load: Callable[[Path], Backend]
    rate: Callable[[], float]


def choose_backend(wanted: str) -> str:
    """Return the engine for ``auto``, ``torch`` or ``mlx``: auto is mlx on Apple Silicon.

    Raises
    ------
    EvmlxError
        If it is not installed.
    """
    if wanted not in ("auto", *ENGINES):
        raise EvmlxError(f"--backend {wanted}: choose auto, {', '.join(ENGINES)}")
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    name = wanted if wanted != "auto" else ("mlx" if apple else "torch")
    if importlib.util.find_spec("torch" if name == "torch" else "mlx_lm") is None:
        raise EvmlxError(f"the {name} engine is not installed: {INSTALL[name]}")
    if importlib.util.find_spec(f"evmlx.backends.{name}_backend") is None:
        raise EvmlxError(f"this version of evmlx has no {name} engine yet: use --backend torch")
    return name


def choose_engine(backend: str, device: str, dtype: str, quantize: str | None) -> Engine:
    """Settle engine, device and type.

    Parameters
    ----------
    backend, device, dtype : str
        As the command line has them, ``auto`` included.
    quantize : str or None
        Quantize the weights on load, e.g. ``4bit``.

    Raises
    ------
    EvmlxError
        If something of it is not to be had on this machine.
    """
    choose_backend(backend)
    from evmlx.backends import torch_backend as torch

    device = torch.choose_device(device)
    dtype = torch.choose_dtype(dtype, device)
    torch.check_quantize(quantize, device)
    return Engine(
        name="torch",
        device=device,
        dtype=dtype,
        batch_tokens=torch.BATCH_TOKENS[device.partition(":")[0]],
        load=lambda folder: torch.TorchBackend(folder, device, dtype, quantize),
        rate=lambda: torch.matmul_rate(device, dtype),
    )
