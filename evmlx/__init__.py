"""evmlx measures the geometry of emotion concepts in open-weight language models."""

__version__ = "0.1.0"
