"""The torch engine: transformers checkpoints on CUDA or CPU.

Pools inside forward hooks, on the device, and stops after the last wanted block, so that
neither later blocks nor the vocabulary projection are computed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from evmlx.backends import ModelInfo, OutOfMemory, TokenBatch
from evmlx.errors import EvmlxError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
QUANTIZE = ("8bit", "4bit")

# Small batches keep a block's intermediate values in a CPU's cache; a GPU wants large ones.
BATCH_TOKENS = {"cpu": 1024, "mps": 4096, "cuda": 16384}


class _LastBlockDone(Exception):
    """Ends a forward pass once everything wanted is recorded."""


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
    if kind not in BATCH_TOKENS or (number and (kind != "cuda" or not number.isdecimal())):
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


def decoder_blocks(decoder: torch.nn.Module, config: Any) -> torch.nn.ModuleList:
    """Find the list of decoder blocks: the outermost ModuleList of ``num_hidden_layers``.

    Raises
    ------
    EvmlxError
        If there is none, or if blocks share weights, so that "layer l" has no one meaning.
    """
    count = config.get_text_config().num_hidden_layers
    for module in decoder.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            parameters = [next(block.parameters(), None) for block in module]
            distinct = {id(p) for p in parameters if p is not None}
            if len(distinct) < count:
                raise EvmlxError(
                    f"{type(decoder).__name__} shares weights between its blocks: "
                    "its layers cannot be told apart, evmlx does not measure it"
                )
            return module
    raise EvmlxError(
        f"{type(decoder).__name__} has no list of {count} decoder blocks: "
        "evmlx does not know this architecture"
    )


class TorchBackend:
    """A transformers checkpoint, loaded for measuring.

    Parameters
    ----------
    folder : Path
        Local checkpoint folder.
    device, dtype : str
        As `choose_device` and `choose_dtype` return them.
    quantize : str or None
        ``8bit`` or ``4bit``: bitsandbytes on CUDA.

    Raises
    ------
    EvmlxError
        If the checkpoint cannot be read, is no causal decoder, or cannot be quantized here.
    """

    def __init__(
        self, folder: Path, device: str = "cpu", dtype: str = "float32", quantize: str | None = None
    ) -> None:
        model, config = _load(folder, device, dtype, quantize)
        # Only the decoder is kept: an untied vocabulary projection is freed here.
        self.decoder = model.get_decoder()
        self.blocks = decoder_blocks(self.decoder, config)
        self.device = device
        text = config.get_text_config()
        self.info = ModelInfo(
            architecture=type(model).__name__,
            layers=len(self.blocks),
            hidden_size=text.hidden_size,
            dtype=dtype,
            quantization=f"bitsandbytes {quantize}" if quantize else None,
            device=_device_name(device),
            versions=_versions("torch", "transformers", *(["bitsandbytes"] if quantize else [])),
        )
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(device)

    def pooled_residuals(self, batch: TokenBatch, layers: Sequence[int]) -> np.ndarray:
        """See `evmlx.backends.Backend`."""
        try:
            with torch.inference_mode():
                return self._forward(batch, layers)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfMemory(_first_line(error)) from error
        except RuntimeError as error:
            if "can't allocate memory" in str(error) or "not enough memory" in str(error):
                raise OutOfMemory(_first_line(error)) from error
            raise

    def _forward(self, batch: TokenBatch, layers: Sequence[int]) -> np.ndarray:
        ids = torch.from_numpy(batch.ids).to(self.device)
        lengths = torch.from_numpy(batch.lengths).to(self.device)
        weights = torch.from_numpy(batch.weights).to(self.device)[:, None, :]  # (B, 1, T)
        mask = (torch.arange(ids.shape[1], device=self.device) < lengths[:, None]).long()
        pooled: dict[int, torch.Tensor] = {}

        def record(layer: int, output: Any) -> None:
            h = output[0] if isinstance(output, tuple) else output
            if h.shape != (*ids.shape, self.info.hidden_size) or layer in pooled:
                raise EvmlxError(self._unexpected(layer, tuple(h.shape), layer in pooled))
            # Pooled at once: the model may change h in place afterwards.
            pooled[layer] = torch.bmm(weights, h.float())[:, 0]  # (B, D)
            if layer == layers[-1]:
                raise _LastBlockDone

        with recording(self.blocks, layers, record):
            try:
                self.decoder(input_ids=ids, attention_mask=mask, use_cache=False)
            except _LastBlockDone:
                pass
        missing = [layer for layer in layers if layer not in pooled]
        if missing:
            raise EvmlxError(self._unexpected(missing[0], None, False))
        stacked: np.ndarray = torch.stack([pooled[layer] for layer in layers], dim=1).cpu().numpy()
        return stacked

    def _unexpected(self, layer: int, shape: tuple[int, ...] | None, again: bool) -> str:
        what = "was not called" if shape is None else f"gave shape {shape}"
        if again:
            what = "was called twice"
        return (
            f"{self.info.architecture}: block {layer} {what}, where one output of shape "
            f"(batch, positions, {self.info.hidden_size}) was expected: its layers are not "
            "plain residual blocks, evmlx does not measure it"
        )

    def peak_memory(self) -> int | None:
        """Peak bytes allocated on the CUDA device; None on others."""
        if not self.device.startswith("cuda"):
            return None
        return int(torch.cuda.max_memory_allocated(self.device))


@contextmanager
def recording(
    blocks: torch.nn.ModuleList, layers: Sequence[int], record: Callable[[int, Any], None]
) -> Iterator[None]:
    """Call ``record(layer, output)`` after each wanted block; the hooks go in any case."""

    def hook(layer: int) -> Callable[..., None]:
        return lambda _module, _inputs, output: record(layer, output)

    handles = [blocks[layer].register_forward_hook(hook(layer)) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _load(folder: Path, device: str, dtype: str, quantize: str | None) -> tuple[Any, Any]:
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(folder)
        if getattr(config, "is_encoder_decoder", False):
            raise EvmlxError(
                f"{folder}: {config.model_type} is an encoder-decoder; "
                "evmlx measures causal language models"
            )
        if getattr(config, "quantization", None) is not None:
            raise EvmlxError(
                f"{folder} holds MLX-quantized weights, which the torch engine cannot read: "
                "use --backend mlx, or the checkpoint it was made from"
            )
        options: dict[str, Any] = {"dtype": DTYPES[dtype]}
        if device.startswith("cuda"):
            options["device_map"] = {"": device}
        if quantize:
            options["quantization_config"] = _bitsandbytes(quantize, dtype)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError) as error:
        raise EvmlxError(f"cannot load {folder} with transformers: {_first_line(error)}") from error
    if not device.startswith("cuda"):
        model = model.to(device)
    return model.eval(), config


def _bitsandbytes(quantize: str, dtype: str) -> Any:
    import transformers

    if quantize == "8bit":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_compute_dtype=DTYPES[dtype], bnb_4bit_quant_type="nf4"
    )


def _versions(*packages: str) -> dict[str, str]:
    return {package: version(package) for package in packages}


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device == "cpu" else device


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


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
