"""The analysis stages as commands of their own, each on a run folder."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))


def _again(folder: Path, stage: str) -> None:
    from evmlx.pipeline import rerun

    finished = rerun(folder, [stage])
    for name in finished.record["stages"][stage]["writes"]:
        click.echo(folder / name)


@click.command(short_help="Emotion vectors, raw and denoised.")
@FOLDER
def vectors(run_folder: Path) -> None:
    """Compute emotion vectors from a run's activations.

    \b
    Example:
      evmlx vectors results/smollm2-135m-instruct-q4_1
    """
    _again(run_folder, "vectors")


@click.command(short_help="Cosines, cohesion of clusters, PCA, stability over layers.")
@FOLDER
def geometry(run_folder: Path) -> None:
    """Measure the geometry of a run's emotion vectors.

    \b
    Example:
      evmlx geometry results/smollm2-135m-instruct-q4_1
    """
    _again(run_folder, "geometry")


@click.command(short_help="The affective circumplex against human norms.")
@FOLDER
def circumplex(run_folder: Path) -> None:
    """Lay a run's principal components beside human valence, arousal and dominance.

    \b
    Example:
      evmlx circumplex results/smollm2-135m-instruct-q4_1
    """
    _again(run_folder, "circumplex")


@click.command(short_help="Linear probes, with text controls.")
@FOLDER
def probe(run_folder: Path) -> None:
    """Train probes for the emotion of a story, on held-out topics.

    \b
    Example:
      evmlx probe results/smollm2-135m-instruct-q4_1
    """
    _again(run_folder, "probe")


@click.command(short_help="Emotions of scenarios that do not name them.")
@FOLDER
def implicit(run_folder: Path) -> None:
    """Score the implicit scenarios with a run's emotion vectors.

    \b
    Example:
      evmlx implicit results/smollm2-135m-instruct-q4_1
    """
    _again(run_folder, "implicit")


@click.command(short_help="REPORT.md, metrics.json and the plots.")
@FOLDER
def report(run_folder: Path) -> None:
    """Write the report of a run from its result files.

    \b
    Example:
      evmlx report results/smollm2-135m-instruct-q4_1
    """
    _again(run_folder, "report")
