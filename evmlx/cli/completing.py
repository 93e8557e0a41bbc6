"""What the shell offers after a TAB: run folders, models, emotions. Imports nothing heavy."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.shell_completion import CompletionItem


def complete_run(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """Offer run folders under what is typed, or under ``results/``; else any folder."""
    typed = Path(incomplete)
    parents = {typed if incomplete.endswith("/") else typed.parent, Path("results")}
    runs = sorted({str(p.parent) for parent in parents for p in parent.glob("*/run.json")})
    found = [run for run in runs if run.startswith(incomplete.removeprefix("./"))]
    return [CompletionItem(run) for run in found] or [CompletionItem(incomplete, type="dir")]


def complete_model(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """Offer the models that `evmlx models` lists, and files."""
    from evmlx.models.catalogue import list_models

    found = [row.model for row in list_models() if row.model.startswith(incomplete)]
    return [CompletionItem(model) for model in found] or [CompletionItem(incomplete, type="file")]


def complete_emotion(
    ctx: click.Context,
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """Offer the emotions of the run that the command names, else those of the shipped corpus."""
    run = ctx.params.get("run_folder")
    results = Path(run) / "validation_results.json" if run else None
    if results is not None and results.exists():
        layers = json.loads(results.read_text(encoding="utf-8"))["layers"]
        known = next(iter(layers.values()))["cosine"]["emotions"]
    else:
        shipped = Path(__file__).parents[1] / "corpus" / "emotions.json"
        known = json.loads(shipped.read_text(encoding="utf-8"))["flat"]
    return [CompletionItem(emotion) for emotion in known if emotion.startswith(incomplete)]
