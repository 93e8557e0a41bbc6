"""Rotary settings: in the form that mlx-lm reads, refused where it reads none, and yarn put right.

transformers 5 keeps all of them in ``rope_parameters``, perhaps one set for each kind of layer;
mlx-lm mostly reads the fields of transformers 4.
"""

from __future__ import annotations

from math import ceil, floor, log, pi
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError

LONGROPE = ("longrope", "su")
# Share of each head that mlx-lm rotates in a family, where no field of its class says it.
ROTATED = {"recurrent_gemma": 0.5}
# Families whose mlx-lm class has the field for scaled angles and does not use it.
UNSCALED = (
    "glm4_moe",
    "granitemoehybrid",
    "kimi_linear",
    "lfm2",
    "lfm2_moe",
    "mixtral",
    "olmo_hybrid",
    "qwen2_moe",
    "qwen3_moe",
    "solar_open",
)


def rotary(text: dict[str, Any], known: frozenset[str], folder: Path) -> dict[str, Any]:
    """Rotary settings of a config under the names of transformers 4, as mlx-lm reads them.

    Parameters
    ----------
    text : dict
        Config of the language model.
    known : frozenset of str
        Fields of mlx-lm's class; empty where it is not known.
    folder : Path
        Of the checkpoint, for messages.

    Raises
    ------
    EvmlxError
        If mlx-lm has no place for one of them.
    """
    parameters, local = _sets(text)
    share = parameters.get("partial_rotary_factor", text.get("partial_rotary_factor"))
    if share not in (None, ROTATED.get(text.get("model_type", ""), 1)) and not _any(
        known, "partial_rotary_factor", "rotary_pct", "rotary_dim", "rope_parameters"
    ):
        raise _refusal(
            text,
            folder,
            f"rotates only {share} of each head (partial_rotary_factor), which mlx-lm leaves out",
        )
    names = _flat(text, parameters) if parameters else {}
    if local is not None:
        base = local.get("rope_theta")
        names["rope_local_base_freq"] = names["swa_rope_theta"] = base
        if base != parameters.get("rope_theta") and not _any(
            known, "rope_parameters", "rope_local_base_freq", "swa_rope_theta"
        ):
            raise _refusal(
                text,
                folder,
                "has two rotary bases in rope_parameters, and mlx-lm one for all layers",
            )
    # transformers prefers rope_parameters to a top-level field, unless there is a rope_scaling.
    overrides = not text.get("rope_scaling")
    names = {
        name: value
        for name, value in names.items()
        if (value is not None and (overrides or name not in text))
        or (name == "rope_scaling" and name not in text)
    }
    return names | _scaling(
        names.get("rope_scaling", text.get("rope_scaling")), text, known, folder
    )


def _sets(text: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """``rope_parameters`` of layers that attend in full, and of those with a window if apart."""
    parameters = text.get("rope_parameters")
    if not isinstance(parameters, dict) or not parameters:
        return {}, None
    if not all(isinstance(value, dict) for value in parameters.values()):
        return parameters, None
    local = parameters.get("sliding_attention")
    return parameters.get("full_attention") or local or {}, local


def _flat(text: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    theta, share = parameters.get("rope_theta"), parameters.get("partial_rotary_factor")
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    scaling = {k: v for k, v in parameters.items() if k not in ("rope_theta", "rope_type")}
    width = text.get("head_dim")
    return {
        "rope_theta": theta,
        "rotary_emb_base": theta,
        "partial_rotary_factor": share,
        "rotary_pct": share,
        "rotary_dim": int(width * (share or 1)) if width else None,
        "rope_scaling": None if kind == "default" else {**scaling, "type": kind},
        "original_max_position_embeddings": parameters.get("original_max_position_embeddings"),
    }


def _scaling(
    scaling: Any, text: dict[str, Any], known: frozenset[str], folder: Path
) -> dict[str, Any]:
    """Scaled angles so that mlx-lm's classes compute what transformers does."""
    kind = _kind(scaling)
    if kind == "default":
        return {}
    if text.get("model_type") in UNSCALED or not _any(known, "rope_scaling", "rope_parameters"):
        raise _refusal(text, folder, f"scales its rotary angles ({kind}), which mlx-lm leaves out")
    if kind in LONGROPE:
        # mlx-lm takes the long factors at any length; the texts are of the short kind.
        right = {**scaling, "long_factor": scaling["short_factor"]}
    elif kind == "yarn":
        right = _yarn_factors(scaling, text)
    else:
        return {}
    inner = text.get("rope_parameters")
    if "rope_parameters" in known and isinstance(inner, dict) and "rope_type" in inner:
        return {"rope_scaling": right, "rope_parameters": {**inner, **right}}
    return {"rope_scaling": right}


def _kind(scaling: Any) -> str:
    if not isinstance(scaling, dict):
        return "default"
    return str(scaling.get("type") or scaling.get("rope_type") or "default")


def _yarn_factors(scaling: dict[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    """Say yarn's attention factor by ``mscale``, the only way in which mlx-lm takes it."""
    right = dict(scaling)
    if not right.get("factor"):
        trained = scaling["original_max_position_embeddings"]
        right["factor"] = text["max_position_embeddings"] / trained
    wanted = right.pop("attention_factor", None)
    if wanted is not None and right["factor"] > 1:
        # mlx-lm scales by 0.1 * mscale * ln(factor) + 1.
        right["mscale"] = (wanted - 1) / (0.1 * log(right["factor"]))
        right["mscale_all_dim"] = 0
    elif right.get("mscale") and not right.get("mscale_all_dim"):
        right["mscale"] = 1  # transformers takes mscale only where both are there
    return right


def correct_yarn(model: Any, text: dict[str, Any]) -> None:
    """Give yarn layers the frequencies of a config that has ``truncate: false``.

    mlx-lm rounds the bounds between kept and interpolated frequencies to whole dimensions in any
    case; GPT-OSS does not.

    Parameters
    ----------
    model : mlx.nn.Module
        As mlx-lm loads it; changed.
    text : dict
        Config of the language model, with what mlx-lm was given besides.
    """
    import mlx.core as mx

    parameters = text.get("rope_scaling") or _sets(text)[0]
    if _kind(parameters) != "yarn" or parameters.get("truncate", True):
        return
    base = float(text.get("rope_theta") or _sets(text)[0].get("rope_theta") or 10000)
    for _, module in model.named_modules():
        if type(module).__name__ == "YarnRoPE":
            module._freqs = mx.array(yarn_periods(parameters, base, module.dims))


def yarn_periods(parameters: dict[str, Any], base: float, dims: int) -> np.ndarray:
    """Positions per radian of each pair of dimensions under yarn (Peng et al. 2023, section 3.2).

    Parameters
    ----------
    parameters : dict
        ``factor``, ``original_max_position_embeddings``, and perhaps ``beta_fast``,
        ``beta_slow`` and ``truncate``.
    base : float
        Rotary base.
    dims : int
        Rotated dimensions of a head.

    Returns
    -------
    ndarray of float32, shape (dims / 2,)
    """
    trained = parameters["original_max_position_embeddings"]

    def dimension(rotations: float) -> float:
        return dims * log(trained / (rotations * 2 * pi)) / (2 * log(base))

    low = dimension(parameters.get("beta_fast") or 32)
    high = dimension(parameters.get("beta_slow") or 1)
    if parameters.get("truncate", True):
        low, high = floor(low), ceil(high)
    low, high = max(low, 0), min(high, dims - 1)
    ramp = np.clip((np.arange(dims // 2) - low) / (max(high - low, 0.001)), 0, 1)
    kept = base ** -(np.arange(0, dims, 2) / dims)  # radians a position
    mixed = kept * (1 - ramp) + kept / parameters["factor"] * ramp
    return np.asarray(1 / mixed, dtype=np.float32)


def _any(known: frozenset[str], *names: str) -> bool:
    """Whether mlx-lm's class takes one of `names`; also where the class is not known."""
    return not known or any(name in known for name in names)


def _refusal(text: dict[str, Any], folder: Path, what: str) -> EvmlxError:
    family = text.get("model_type")
    return EvmlxError(f"{folder / 'config.json'}: {family} {what}: use --backend torch")
