"""evmlx measures the geometry of emotion concepts in open-weight language models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evmlx.loading import LoadedRun as LoadedRun
    from evmlx.loading import load_run as load_run

__version__ = "0.1.0"
__all__ = ["LoadedRun", "__version__", "load_run"]


def __getattr__(name: str) -> Any:
    # numpy and the rest load when a run is read, not when the command line starts.
    if name in ("LoadedRun", "load_run"):
        from evmlx import loading

        return getattr(loading, name)
    raise AttributeError(f"module 'evmlx' has no attribute {name!r}")
