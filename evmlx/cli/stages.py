"""The analysis stages as commands of their own, each on a run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from evmlx.cli.completing import complete_run
from evmlx.cli.run import NORMS


def _stage(
    name: str, brief: str, text: str, options: Sequence[Callable[..., Any]] = ()
) -> click.Command:
    @click.command(
        name,
        short_help=brief,
        help=f"{text}\n\n\b\nExample:\n  evmlx {name} results/smollm2-135m-instruct-q4_1",
    )
    @click.argument(
        "run_folder", metavar="RUN", type=click.Path(path_type=Path), shell_complete=complete_run
    )
    def command(run_folder: Path, **given: Any) -> None:
        from evmlx.pipeline import rerun

        finished = rerun(run_folder, [name], **given)
        for written in finished.record["stages"][name]["writes"]:
            click.echo(run_folder / written)

    for option in options:
        command = option(command)
    return command


vectors = _stage(
    "vectors",
    "Emotion vectors, raw and denoised.",
    "Compute emotion vectors from a run's activations.",
)
geometry = _stage(
    "geometry",
    "Cosines, cohesion of clusters, PCA, stability over layers.",
    "Measure the geometry of a run's emotion vectors.",
)
circumplex = _stage(
    "circumplex",
    "The affective circumplex against human norms.",
    "Hold a run's emotion vectors against human valence, arousal and dominance.\n\n"
    "With --norms, run geometry and report as well, which go by the norms, too.",
    (NORMS,),
)
probe = _stage(
    "probe",
    "Linear probes, with text controls.",
    "Train probes for the emotion of a story, on held-out topics.",
)
implicit = _stage(
    "implicit",
    "Emotions of scenarios that do not name them.",
    "Score the implicit scenarios with a run's emotion vectors.",
)
intensity = _stage(
    "intensity",
    "Whether scores follow a number that grades the emotion.",
    "Correlate the scores of graded texts with the numbers in them, beside control texts.",
)
report = _stage(
    "report",
    "REPORT.md, report.html, metrics.json and the plots.",
    "Write the report of a run from its result files.",
    (
        click.option(
            "--no-texts",
            is_flag=True,
            help="Leave the corpus's texts out, such as those that are not yours to pass on: no "
            "examples, no story browser.",
        ),
    ),
)
