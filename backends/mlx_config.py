"""What mlx-lm would misread in a checkpoint's config.json, and how to say it so that it does not.

mlx-lm builds a model from the fields that it knows, ignores the rest without a word and fills
what is absent with defaults of its own. Knows nothing about weights.
"""

from __future__ import annotations

import copy
import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from evmlx.backends.mlx_families import (
    SUPPLIED,
    UNSUITABLE,
    family_fields,
    reference,
    refuse_ignored,
    refuse_miscomputed,
)
from evmlx.backends.mlx_rotary import LONGROPE, rotary
from evmlx.errors import EvmlxError

# Every how many layers one attends in full, as mlx-lm's classes call it.
INTERVALS = ("sliding_window_pattern", "full_attention_interval")
WIDTHS = ("hidden_size", "n_embd", "d_model", "dim", "n_embed")
# Fields under another name since transformers 5, by the name that mlx-lm reads.
ALIASES = {"n_ctx": "n_positions", "num_experts": "num_local_experts", "block_dim": "hidden_size"}


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json as mlx-lm does, and refuse what the engine cannot measure.

    Raises
    ------
    EvmlxError
        If the architecture has no plain residual stream that its blocks write to.
    """
    from mlx_lm.utils import load_config

    try:
        config: dict[str, Any] = load_config(folder)
    except (OSError, ValueError) as error:
        raise EvmlxError(f"cannot read {folder / 'config.json'}: {error}") from error
    if config.get("is_encoder_decoder"):
        raise EvmlxError(
            f"{folder}: {config.get('model_type')} is an encoder-decoder; "
            "evmlx measures causal language models"
        )
    if text_config(config).get("use_bidirectional_attention"):
        raise EvmlxError(
            f"{folder}: its positions see the text after them (use_bidirectional_attention), "
            "which mlx-lm leaves out; evmlx measures causal language models"
        )
    for kind in (config.get("model_type"), text_config(config).get("model_type")):
        if kind in UNSUITABLE:
            raise EvmlxError(
                f"{folder}: {kind} {UNSUITABLE[kind]}, so that 'the residual after a block' has "
                "no one meaning: evmlx does not measure it"
            )
    refuse_miscomputed(text_config(config), folder)
    return config


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """Part of a config that describes the language model: ``text_config``, or all of it."""
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def width_of(config: dict[str, Any]) -> int:
    """Width of the residual stream.

    Raises
    ------
    EvmlxError
        If no field of the config says it.
    """
    text = text_config(config)
    for name in WIDTHS:
        if isinstance(text.get(name), int):
            return int(text[name])
    raise EvmlxError(f"config.json has no field {WIDTHS[0]}: is this a causal language model?")


def changes(config: dict[str, Any], own: type | None, folder: Path) -> dict[str, Any]:
    """Fields of the language model to hand to mlx-lm beside config.json.

    Empty where mlx-lm reads the config right as it is.

    Parameters
    ----------
    config : dict
        As `read_config` returns it.
    own : type or None
        As `arguments_class` returns it.
    folder : Path
        Of the checkpoint, for messages.

    Raises
    ------
    EvmlxError
        If mlx-lm cannot compute what the config asks for.
    """
    text = text_config(config)
    known = fields(own)
    refuse_ignored(text, known, folder)
    wanted = {
        name: value
        for name, value in _mlx_names(text, known, folder).items()
        if own is None or name in known
    }
    if not wanted or (own is not None and _same_arguments(own, text, wanted)):
        return {}
    return wanted


def model_config(config: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Put what `changes` returned in the place where mlx-lm's `load_model` looks for it."""
    text = text_config(config)
    return wanted if text is config or not wanted else {"text_config": {**text, **wanted}}


def fields(own: type | None) -> frozenset[str]:
    """Names of the fields that mlx-lm's class takes."""
    return frozenset() if own is None else frozenset(inspect.signature(own).parameters)


def _mlx_names(text: dict[str, Any], known: frozenset[str], folder: Path) -> dict[str, Any]:
    """Values that are in the config, under the names and in the form that mlx-lm reads."""
    names = rotary(text, known, folder)
    for name, alias in ALIASES.items():
        if name not in text and alias in text:
            names[name] = text[alias]
    for name, value in SUPPLIED.get(text.get("model_type", ""), {}).items():
        names.setdefault(name, text.get(name, value))
    if text.get("head_dim") is None and text.get("num_attention_heads") and "hidden_size" in text:
        names["head_dim"] = text["hidden_size"] // text["num_attention_heads"]
    names |= family_fields(text, known)
    kinds = list(text.get("layer_types") or ())
    for name in set(INTERVALS) & known - {*text, *names}:
        if "layer_types" not in known and set(kinds) - {"full_attention"}:
            names[name] = _interval(kinds, text, folder)
    return {**_defaults(reference(text), known - {*text, *names}), **names}


def _defaults(whole: Any, absent: frozenset[str]) -> dict[str, Any]:
    """Values that transformers takes for fields which the config leaves out."""
    values = {name: getattr(whole, name, None) for name in sorted(absent)}
    return {name: v for name, v in values.items() if isinstance(v, bool | int | float | str)}


def _interval(kinds: list[str], text: dict[str, Any], folder: Path) -> int:
    """Every how many layers one attends in full."""
    if "full_attention" not in kinds:
        return len(kinds) + 1
    interval = kinds.index("full_attention") + 1
    for layer, kind in enumerate(kinds):
        if (kind == "full_attention") != ((layer + 1) % interval == 0):
            raise EvmlxError(
                f"{folder / 'config.json'}: mlx-lm cannot alternate layer_types as "
                f"{text.get('model_type')} has them here: use --backend torch"
            )
    return interval


def arguments_class(config: dict[str, Any], folder: Path) -> type | None:
    """mlx-lm's class for the fields of the language model; None where it cannot be found.

    Raises
    ------
    EvmlxError
        If mlx-lm does not know the architecture.
    """
    from mlx_lm.utils import MODEL_REMAPPING, _get_classes

    try:
        model, own = _get_classes(config)
    except (ValueError, KeyError) as error:
        raise EvmlxError(
            f"{folder}: mlx-lm does not know the architecture {config.get('model_type')}: "
            "use --backend torch"
        ) from error
    except SystemExit as error:  # a model file that asks for a package of its own
        raise EvmlxError(
            f"{folder}: mlx-lm needs a package of its own for {config.get('model_type')}: "
            "use --backend torch"
        ) from error
    if text_config(config) is config:
        return own  # type: ignore[no-any-return]
    # A wrapper of a text model imports the text model's file, or holds it itself.
    module = importlib.import_module(model.__module__)
    inner = {
        name: value.ModelArgs
        for name, value in vars(module).items()
        if isinstance(value, ModuleType) and hasattr(value, "ModelArgs")
    }
    kind = text_config(config).get("model_type")
    kind = MODEL_REMAPPING.get(kind, kind)
    if kind in inner:
        return inner[kind]  # type: ignore[no-any-return]
    return next(iter(inner.values())) if len(inner) == 1 else None


def _same_arguments(own: Any, text: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether mlx-lm ends with the same arguments with `wanted` as without."""
    try:
        # Copies: some classes change the dictionaries that they are given.
        before = own.from_dict(copy.deepcopy(text))
        after = own.from_dict(copy.deepcopy({**text, **wanted}))
    except Exception:  # without `wanted` a field may be missing; the load says what else is wrong
        return False
    return bool(before == after)


def longest_text(config: dict[str, Any], own: type | None) -> tuple[int, str] | None:
    """Tokens up to which mlx-lm computes what the config asks for, and why no further.

    Parameters
    ----------
    config : dict
        As `read_config` returns it.
    own : type or None
        As `arguments_class` returns it.

    Returns
    -------
    (int, str) or None
        None where there is no such bound.
    """
    text, known = text_config(config), fields(own)
    kinds = text.get("layer_types")
    slides = (
        text.get("sliding_window")
        and text.get("use_sliding_window") is not False
        and (kinds is None or "sliding_attention" in kinds)
    )
    # A llama slides in the layers that layer_types names; all of them it cannot.
    applied = "sliding_window" in known and not ("layer_types" in known and kinds is None)
    if slides and not applied:
        return int(text["sliding_window"]), "leaves out the sliding window"
    scaling = text.get("rope_parameters") or text.get("rope_scaling") or {}
    if scaling.get("rope_type", scaling.get("type")) in LONGROPE:
        name = "original_max_position_embeddings"
        short = text.get(name) or scaling.get(name)
        if short:
            return int(short), "does not switch between the short and long rotary factors"
    return None
