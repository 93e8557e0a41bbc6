"""The torch engine: transformers checkpoints on CUDA or CPU.

Loads a checkpoint and splits batches over a CPU's cores; the pass itself, with its hooks, is in
`evmlx.backends.torch_recording`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evmlx.backends import ModelInfo, OutOfMemory, TokenBatch
from evmlx.backends.mlx_weights import is_mlx_quantized
from evmlx.backends.torch_device import DTYPES, device_name
from evmlx.backends.torch_mlx import load_dense
from evmlx.backends.torch_recording import PooledPass
from evmlx.errors import EvmlxError
from evmlx.stimuli import plan_batches

# A pass of so many tokens keeps a block's intermediate values in a core's cache.
CHUNK_TOKENS = 640
BATCH_TOKENS = {"cpu": 8 * CHUNK_TOKENS * torch.get_num_threads(), "mps": 4096, "cuda": 16384}


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
            device=device_name(device),
        )
        self.forward = PooledPass(
            self.decoder, self.blocks, self.info.architecture, self.info.hidden_size
        )
        self.workers: ThreadPoolExecutor | None = None
        if device == "cpu":
            # One pass a core, each in one thread, wait for nothing: two threads in one pass
            # meet after every operation.
            self.workers = ThreadPoolExecutor(
                torch.get_num_threads(), "pass", torch.set_num_threads, (1,)
            )
        elif device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(device)
        self._require_causal()

    def pooled_residuals(self, batch: TokenBatch, layers: Sequence[int]) -> np.ndarray:
        """See `evmlx.backends.Backend`."""
        parts = [list(range(len(batch.names)))]
        if self.workers is not None:
            parts = plan_batches(batch.lengths.tolist(), CHUNK_TOKENS)
        pooled = np.empty((len(batch.names), len(layers), self.info.hidden_size), np.float32)

        def fill(rows: Sequence[int]) -> None:
            pooled[list(rows)] = self.forward(_part(batch, rows), layers, self.device)

        try:
            with self.forward.recording(layers):
                if self.workers is None or len(parts) == 1:
                    fill(parts[0])
                else:
                    _together([self.workers.submit(fill, part) for part in parts])
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfMemory(_first_line(error)) from error
        except RuntimeError as error:
            if "can't allocate memory" in str(error) or "not enough memory" in str(error):
                raise OutOfMemory(_first_line(error)) from error
            raise
        return pooled

    def _require_causal(self) -> None:
        """Refuse a model in which a position sees what follows it: padding would be seen too."""
        ids = np.arange(1, 17, dtype=np.int64)[None].repeat(2, axis=0)
        ids[1, 8:] = 17 - ids[1, 8:]
        weights = np.zeros(ids.shape, np.float32)
        weights[:, :8] = 1 / 8
        last = self.info.layers - 1
        batch = TokenBatch(ids, np.array([16, 16]), weights, ("one tail", "another tail"))
        (one,), (other,) = self.pooled_residuals(batch, [last])
        if np.linalg.norm(one - other) > 0.05 * np.linalg.norm(one):
            raise EvmlxError(
                f"{self.info.architecture}: a position sees the text after it; "
                "evmlx measures causal language models"
            )

    def peak_memory(self) -> int | None:
        """Peak bytes allocated on the CUDA device; None on others."""
        if not self.device.startswith("cuda"):
            return None
        return int(torch.cuda.max_memory_allocated(self.device))


def _together(passes: Sequence[Future[None]]) -> None:
    """Wait for all; when one fails, or the user interrupts, those not begun are not begun."""
    try:
        for one in passes:
            one.result()
    finally:
        for one in passes:
            one.cancel()


def _part(batch: TokenBatch, rows: Sequence[int]) -> TokenBatch:
    """Some texts of a batch, padded to the longest of them."""
    rows = list(rows)
    longest = int(batch.lengths[rows].max())
    return TokenBatch(
        ids=batch.ids[rows, :longest],
        lengths=batch.lengths[rows],
        weights=batch.weights[rows, :longest],
        names=tuple(batch.names[row] for row in rows),
    )


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
        options: dict[str, Any] = {"dtype": DTYPES[dtype]}
        if device.startswith("cuda"):
            options["device_map"] = {"": device}
        if quantize:
            options["quantization_config"] = _bitsandbytes(quantize, dtype)
        if is_mlx_quantized(config.to_dict()):
            model = load_dense(folder, config, options)
        else:
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError) as error:
        raise EvmlxError(f"cannot load {folder} with transformers: {_first_line(error)}") from error
    except torch.OutOfMemoryError as error:
        raise EvmlxError(
            f"the weights in {folder} do not fit into memory ({_first_line(error)}): take a "
            "smaller model, or --quantize 4bit"
        ) from error
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


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
