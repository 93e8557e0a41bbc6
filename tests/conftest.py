"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def external() -> Path:
    """Folder with what others published; tests that need it skip where it is missing."""
    folder = os.environ.get("EVMLX_EXTERNAL")
    path = Path(folder) if folder else Path(__file__).parents[2] / "shared" / "external"
    if not path.is_dir():
        pytest.skip(f"no external data at {path}; EVMLX_EXTERNAL names another folder")
    return path / "emotion-vector-bench"
