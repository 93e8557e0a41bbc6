"""The example notebook runs from top to bottom on the published run."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "reading-a-run.ipynb"


def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat")
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()
    printed = {
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    }
    assert any("probe_accuracy" in text for text in printed)
    assert any("terrified" in text for text in printed)
