"""Builds a dense transformers model from an MLX-quantized folder, for the torch engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from evmlx.backends.mlx_weights import dense_tensors
from evmlx.errors import EvmlxError


def load_dense(folder: Path, config: Any, options: dict[str, Any]) -> Any:
    """Load the very weights that MLX would compute with.

    Parameters
    ----------
    folder : Path
        MLX-quantized checkpoint folder.
    config : transformers config
        Of that folder.
    options : dict
        For ``from_pretrained``; ``dtype`` is the type to keep the dequantized weights in.

    Returns
    -------
    transformers.PreTrainedModel

    Raises
    ------
    EvmlxError
        If the family is not one whose weights can be read so, weights are missing, or they are
        to be quantized again.
    """
    import transformers

    if "quantization_config" in options:
        raise EvmlxError(
            f"{folder} is quantized already: leave out --quantize, or measure other precisions "
            "of it with `evmlx quantize-check`"
        )
    dtype = options["dtype"]
    state = {t.name: torch.from_numpy(t.read()).to(dtype) for t in dense_tensors(folder)}
    for field in ("quantization", "quantization_config"):
        if hasattr(config, field):
            delattr(config, field)
    model_class = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    model, report = model_class.from_pretrained(
        None, config=config, state_dict=state, output_loading_info=True, **options
    )
    lacking = sorted(report["missing_keys"])
    if lacking:
        raise EvmlxError(f"{folder} lacks the weights {lacking[0]}: fetch the model again")
    return model
