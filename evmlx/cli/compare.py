"""`evmlx compare`: finished runs beside each other, and the leaderboard."""

from __future__ import annotations

from pathlib import Path

import click

from evmlx.cli.completing import complete_run


@click.command(short_help="Put finished runs beside each other.")
@click.argument(
    "runs",
    nargs=-1,
    required=True,
    metavar="RUN...",
    type=click.Path(path_type=Path),
    shell_complete=complete_run,
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["terminal", "markdown", "json", "csv"]),
    default="terminal",
    help="What to print. Default: terminal",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it to a file.")
@click.option(
    "--figure",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the headlines too: a .png or .svg file.",
)
@click.option(
    "--against", metavar="RUN", help="Only differences from this run, not of every two runs."
)
@click.option(
    "--headlines-only", is_flag=True, help="Read no activations: headlines and new texts only."
)
@click.option(
    "--leaderboard",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the table of all runs, such as results/README.md, and compare nothing.",
)
@click.option("--seed", type=int, default=0, help="Of folds and draws. Default: 0")
def compare(
    runs: tuple[Path, ...],
    kind: str,
    out: Path | None,
    figure: Path | None,
    against: str | None,
    headlines_only: bool,
    leaderboard: Path | None,
    seed: int,
) -> None:
    """Compare the headlines of finished runs, each with its interval and control.

    RUN is a run folder, or its name under results/. For runs on one corpus whose activations are
    there, also paired differences over topics, RSA and CKA; for published runs without
    activations, what their result files allow. What makes figures hard to compare is said first.

    \b
    Examples:
      evmlx compare smollm2-135m-instruct-q4_1 gemma-3-270m-it
      evmlx compare results/* --format markdown --out comparison.md --figure comparison.svg
      evmlx compare results/* --leaderboard results/README.md
    """
    if leaderboard is not None:
        from evmlx.comparison.leaderboard import write_leaderboard

        click.echo(write_leaderboard(leaderboard, runs))
        return
    from evmlx.comparison.compare import compare as compare_runs
    from evmlx.comparison.tables import comparison_csv, comparison_json, markdown, terminal
    from evmlx.progress import say
    from evmlx.store import replacing

    found = compare_runs(runs, against=against, stories=not headlines_only, seed=seed, progress=say)
    if kind == "json":
        text = comparison_json(found)
    elif kind == "csv":
        text = comparison_csv(found)
    else:
        text = "\n".join(markdown(found) if kind == "markdown" else terminal(found))
    text = text.rstrip("\n")
    if out is None:
        click.echo(text)
    else:
        with replacing(out) as file:
            file.write(f"{text}\n".encode())
        click.echo(out)
    if figure is not None:
        from evmlx.plots.compare import plot_comparison

        click.echo(plot_comparison(figure, found), err=out is None)
