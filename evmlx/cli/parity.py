"""`evmlx parity`: whether both engines, or two finished runs, measured the same."""

from __future__ import annotations

from pathlib import Path

import click

from evmlx.cli.completing import complete_model, complete_run


@click.command(short_help="Compare the two engines, two finished runs, or a run with this machine.")
@click.argument(
    "runs",
    nargs=-1,
    metavar="[RUN [RUN]]",
    type=click.Path(path_type=Path),
    shell_complete=complete_run,
)
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=complete_model,
    help="Run this model on both engines (default: the embedded one). With one RUN: where its "
    "model lies on this machine.",
)
@click.option("--revision", metavar="REV", help="Branch, tag or commit of a hub model.")
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Your own corpus instead of the shipped one.",
)
@click.option("--stories", type=int, default=24, metavar="N", help="Stories to run. Default: 24")
@click.option(
    "--layers", metavar="L,L,...", help="Blocks to compare, or `all`. Default: those of a run."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    help="Type that both compute in. Default: float32; the others have wider bounds.",
)
@click.option("--device", default="auto", metavar="DEVICE", help="Of the torch engine.")
@click.option(
    "--backend",
    type=click.Choice(["auto", "torch", "mlx"]),
    default="auto",
    help="With one RUN: the engine to check it with.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def parity(
    runs: tuple[Path, ...],
    model: str | None,
    revision: str | None,
    corpus: Path | None,
    stories: int,
    layers: str | None,
    dtype: str,
    device: str,
    backend: str,
    as_json: bool,
) -> None:
    """Run both engines on the same token ids, or compare two finished runs of one model.

    With one RUN, its fingerprint is checked: three short texts are measured again with the
    engine of this machine. Two runs of which one has no activations are compared by their
    fingerprints too.

    Prints, layer by layer, the relative error of pooled residuals and the smallest cosine
    between emotion vectors. Exit status 1 where they do not agree.

    \b
    Examples:
      evmlx parity
      evmlx parity --model mlx-community/Qwen3-0.6B-4bit --stories 40
      evmlx parity results/qwen3-mlx results/qwen3-torch
      evmlx parity results/smollm2-135m-instruct-q4_1 --backend mlx
    """
    from evmlx.parity.compare import compare_runs, lines
    from evmlx.parity.engines import Asked, compare_engines
    from evmlx.parity.recheck import compare_published, recheck

    if len(runs) > 2 or (len(runs) == 2 and model):
        raise click.UsageError("give two run folders, one, or none and --model")
    if len(runs) == 1:
        result = recheck(runs[0], model=model, backend=backend, device=device)
    elif runs and not all((run / "activations.npz").exists() for run in runs):
        result = compare_published(*runs)
    elif runs:
        result = compare_runs(*runs)
    else:
        result = compare_engines(Asked(model, revision, corpus, stories, layers, dtype, device))
    if as_json:
        import json

        from evmlx.results import to_json

        click.echo(json.dumps(to_json(result), indent=1))
    else:
        for line in lines(result):
            click.echo(line)
    if not result.passed:
        click.get_current_context().exit(1)
