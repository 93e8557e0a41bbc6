"""Which engine a run uses, and with which device and type. Imports an engine only when asked."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from evmlx.backends import Backend
from evmlx.errors import EvmlxError

ENGINES = ("torch", "mlx")
MLX = "mlx" if sys.platform == "darwin" else '"mlx[cpu]"'
INSTALL = {"torch": "pip install torch accelerate", "mlx": f"pip install {MLX} mlx-lm"}
QUANTIZE = {"torch": ("8bit", "4bit"), "mlx": ("8bit", "6bit", "4bit", "3bit")}


@dataclass(frozen=True)
class Engine:
    """An engine that is installed, with everything settled but the checkpoint.

    Attributes
    ----------
    name : str
        ``torch`` or ``mlx``.
    device, dtype : str
        Where and in which type the blocks compute; ``auto`` where the checkpoint decides the
        type (see `settled`).
    batch_tokens : int
        Padded tokens in a batch that suit the device; after `settled`, that fit it too.
    load : callable
        From a checkpoint folder to a `Backend`.
    rate : callable
        Measures the multiply-adds per second of a matmul here.
    packages : tuple of str
        Packages whose versions say what computed.
    memory : callable
        Bytes that the device has for a run; None where batches need not be cut for it.
    packed : bool
        Whether weights that MLX quantized stay so in memory.
    bits : int or None
        Bits of a weight where the engine quantizes on load.
    """

    name: str
    device: str
    dtype: str
    batch_tokens: int
    load: Callable[[Path], Backend]
    rate: Callable[[], float]
    packages: tuple[str, ...]
    memory: Callable[[], int | None]
    packed: bool = False
    bits: int | None = None


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
    name = choose_backend(backend)
    if quantize is not None and quantize not in QUANTIZE[name]:
        offers = "; ".join(f"the {e} engine has {', '.join(QUANTIZE[e])}" for e in ENGINES)
        raise EvmlxError(f"--quantize {quantize} is not for the {name} engine: {offers}")
    return (_torch if name == "torch" else _mlx)(device, dtype, quantize)


def _torch(device: str, dtype: str, quantize: str | None) -> Engine:
    from evmlx.backends import torch_backend, torch_device

    device = torch_device.choose_device(device)
    dtype = torch_device.choose_dtype(dtype, device)
    torch_device.check_quantize(quantize, device)
    return Engine(
        name="torch",
        device=device,
        dtype=dtype,
        batch_tokens=torch_backend.BATCH_TOKENS[device.partition(":")[0]],
        load=lambda folder: torch_backend.TorchBackend(folder, device, dtype, quantize),
        rate=lambda: torch_device.matmul_rate(device, dtype),
        packages=("torch", *torch_device.packages(device, quantize)),
        memory=lambda: torch_device.free_memory(device),
        bits=_bits(quantize),
    )


def _mlx(device: str, dtype: str, quantize: str | None) -> Engine:
    try:
        from evmlx.backends import mlx_backend, mlx_device
    except ImportError as error:  # mlx without its libraries for this machine
        reason = str(error).splitlines()[0]
        raise EvmlxError(f"the mlx engine does not start ({reason}): {INSTALL['mlx']}") from error

    device = mlx_device.choose_device(device)
    dtype = mlx_device.choose_dtype(dtype)
    return Engine(
        name="mlx",
        device=device,
        dtype=dtype,
        batch_tokens=mlx_device.BATCH_TOKENS[device],
        load=lambda folder: mlx_backend.MLXBackend(folder, dtype, quantize, device),
        rate=lambda: mlx_device.matmul_rate("float32" if dtype == "auto" else dtype, device),
        packages=("mlx", "mlx-lm"),
        memory=lambda: mlx_device.device_memory(device),
        packed=device != "cpu",
        bits=_bits(quantize) if device != "cpu" else None,
    )


def _bits(quantize: str | None) -> int | None:
    return None if quantize is None else int(quantize.removesuffix("bit"))


def settled(engine: Engine, folder: Path) -> Engine:
    """Return the engine with what the checkpoint in `folder` decides.

    That is the type, where the mlx engine keeps a checkpoint's own, and how many tokens of a
    batch fit into the device's memory beside the weights.
    """
    from evmlx.estimate import model_needs
    from evmlx.memory import tokens_that_fit

    if engine.dtype == "auto":
        from evmlx.backends import mlx_device
        from evmlx.backends.mlx_weights import checkpoint_dtype

        dtype = checkpoint_dtype(folder)
        rate = partial(mlx_device.matmul_rate, dtype, engine.device)
        engine = replace(engine, dtype=dtype, rate=rate)
    room = engine.memory()
    if room is None:
        return engine
    need = model_needs(folder, engine.dtype, engine.packed, engine.bits)
    return replace(engine, batch_tokens=tokens_that_fit(need, room, engine.batch_tokens))
