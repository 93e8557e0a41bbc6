"""What makes the figures of several runs hard to compare, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evmlx.comparison.read import Entry
from evmlx.report.run_results import get, number

DEPTH_APART = 0.05


def warnings(entries: Sequence[Entry]) -> list[str]:
    """Name what differs between runs apart from the model.

    Parameters
    ----------
    entries : sequence of Entry
        The runs compared.

    Returns
    -------
    list of str
        Empty where nothing stands in the way.
    """
    lines = []
    corpora = _grouped(entries, [_corpus(entry) for entry in entries])
    if len(corpora) > 1:
        lines.append(f"corpus differs, so figures do not compare: {_listed(corpora)}")
    told = {
        "pooling": [str(get(entry.record, "pooling")) for entry in entries],
        "precision": [precision(entry) for entry in entries],
        "chat template": [_template(entry) for entry in entries],
        "seed (folds and draws)": [str(get(entry.record, "seed")) for entry in entries],
    }
    for what, values in told.items():
        groups = _grouped(entries, values)
        if len(groups) > 1:
            lines.append(f"{what} differs: {_listed(groups)}")
    depths = [depth(entry) for entry in entries]
    known = [d for d in depths if d is not None]
    if len(known) > 1 and max(known) - min(known) > DEPTH_APART:
        shown = [f"{entry.name} {d:.2f}" for entry, d in zip(entries, depths, strict=True) if d]
        lines.append(f"primary layers lie at different relative depths: {', '.join(shown)}")
    trials = [e.name for e in entries if get(e.record, "corpus", "limit")]
    if trials:
        lines.append(f"trials on part of the stories (--limit): {', '.join(trials)}")
    return lines


def depth(entry: Entry) -> float | None:
    """Primary layer as a share of the depth, None where the record has no number of blocks."""
    blocks = number(entry.record, "model", "layers")
    return (entry.layer + 1) / blocks if blocks > 0 else None


def precision(entry: Entry) -> str:
    """Weights and computing type, as a reader wants them."""
    record = entry.record
    dtype = get(record, "dtype") or get(record, "model", "dtype") or "unknown precision"
    kind = get(record, "quantize") or get(record, "model", "quantization")
    return f"{kind} weights in {dtype}" if kind else str(dtype)


def _corpus(entry: Entry) -> str:
    return f"{corpus_name(entry)} {(entry.digest or 'unknown')[:12]}"


def corpus_name(entry: Entry) -> str:
    """Name of a run's corpus; of one's own, that of the folder as it was given."""
    path = get(entry.record, "corpus", "path")
    return Path(path).name if path else str(get(entry.record, "corpus", "name") or "corpus")


def _template(entry: Entry) -> str:
    """Whether messages went through a chat template: only then is there a last prompt token."""
    found = get(entry.results.layer("implicit", entry.layer), "message_last", "n")
    if found is None:
        return "not known"
    return "used" if found else "none (messages read as plain text)"


def _grouped(entries: Sequence[Entry], values: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for entry, value in zip(entries, values, strict=True):
        groups.setdefault(value, []).append(entry.name)
    return groups


def _listed(groups: dict[str, list[str]]) -> str:
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in groups.items())
