"""`evmlx export`: emotion vectors for llama.cpp, repeng and others."""

from __future__ import annotations

from pathlib import Path

import click

from evmlx.cli.completing import complete_emotion, complete_run


@click.command(short_help="Emotion vectors as GGUF control vectors or safetensors.")
@click.argument(
    "run_folder", metavar="RUN", type=click.Path(path_type=Path), shell_complete=complete_run
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["gguf", "safetensors"]),
    default="gguf",
    help="gguf: one control vector an emotion, for llama.cpp and repeng. Default: gguf",
)
@click.option(
    "--emotion",
    "emotions",
    multiple=True,
    metavar="E",
    shell_complete=complete_emotion,
    help="Only this one; may be given several times. Default: all",
)
@click.option("--layers", metavar="L,L,...", help="Only these layers. Default: all sampled ones.")
@click.option("--unit", is_flag=True, help="Scale each vector to length 1.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("."),
    metavar="FOLDER",
    help="Where to write. Default: here",
)
def export(
    run_folder: Path,
    file_format: str,
    emotions: tuple[str, ...],
    layers: str | None,
    unit: bool,
    out: Path,
) -> None:
    """Write a run's denoised emotion vectors in the formats of other tools.

    A vector is in the units of the residual stream: added once to the output of its block, it
    moves the average story to the average story of its emotion.

    \b
    Examples:
      evmlx export results/smollm2-135m-instruct-q4_1 --emotion joyful --out vectors
      evmlx export results/smollm2-135m-instruct-q4_1 --format safetensors --layers 19
    \b
    Then, with llama.cpp:
      llama-cli -m model.gguf --control-vector-scaled vectors/...joyful.gguf:2
    """
    from evmlx.errors import EvmlxError
    from evmlx.export import export as write
    from evmlx.loading import load_run

    try:
        wanted = [int(part) for part in layers.split(",")] if layers else []
    except ValueError:
        raise EvmlxError(f"--layers {layers}: give block numbers such as 15,19") from None
    for path in write(
        load_run(run_folder), out, format=file_format, emotions=emotions, layers=wanted, unit=unit
    ):
        click.echo(path)
