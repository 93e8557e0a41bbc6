from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from evmlx.results import to_json


@dataclass(frozen=True)
class Inner:
    share: float
    names: tuple[str, ...]


@dataclass(frozen=True)
class Outer:
    matrix: np.ndarray
    parts: dict[str, Inner]
    count: np.int64
    passed: bool
    reason: str | None


def test_dataclasses_become_plain_values() -> None:
    value = to_json(
        Outer(
            np.array([[0.1, np.nan], [2, 3]]),
            {"a": Inner(float("nan"), ("x", "y"))},
            np.int64(7),
            True,
            None,
        )
    )
    assert value == {
        "matrix": [[0.1, None], [2.0, 3.0]],
        "parts": {"a": {"share": None, "names": ["x", "y"]}},
        "count": 7,
        "passed": True,
        "reason": None,
    }
    assert value["passed"] is True and type(value["count"]) is int
    json.dumps(value, allow_nan=False)


def test_floats_keep_every_digit() -> None:
    third = 1 / 3
    assert json.loads(json.dumps(to_json(np.array([third]))))[0] == third
    assert to_json(np.float32(0.1)) == float(np.float32(0.1))


@pytest.mark.parametrize("value", [{1: 2}, {("a", "b"): 1}, object(), {1, 2}])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        to_json(value)
