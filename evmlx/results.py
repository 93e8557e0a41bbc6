"""Result dataclasses as plain JSON values.

Knows nothing about files or about what the numbers mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """Turn a result into what `json.dumps` takes, floats at full precision.

    Parameters
    ----------
    value : object
        A dataclass, mapping with string keys, sequence, array, number, string or None, nested
        as deep as needed.

    Returns
    -------
    object
        Dataclasses and mappings become dicts, sequences and arrays lists, NaN (a number that
        cannot be had) becomes None.

    Raises
    ------
    TypeError
        If something else is met, or a mapping's key is not a string.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"JSON keys are strings, not {list(value)!r}")
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, np.generic):
        return to_json(value.item())
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")
