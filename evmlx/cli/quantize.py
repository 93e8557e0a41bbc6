"""`evmlx quantize-check`: how far a run at few bits can be trusted."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from evmlx.cli.completing import complete_model


def _numbers(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:  # noqa: ARG001
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value}: give numbers such as 8,4") from None


@click.command("quantize-check", short_help="How far a model at fewer bits can be trusted.")
@click.option(
    "--model",
    metavar="MODEL",
    help="Hub id, local folder, .gguf file or embedded name. Default: the embedded one.",
    shell_complete=complete_model,
)
@click.option("--revision", metavar="REV", help="Branch, tag or commit of a hub model.")
@click.option(
    "--bits",
    default="8,6,4,3",
    metavar="B,B,...",
    callback=_numbers,
    help="Precisions: of 2, 3, 4, 5, 6, 8. Default: 8,6,4,3",
)
@click.option(
    "--group",
    "groups",
    default="64",
    metavar="G,G",
    callback=_numbers,
    help="Weights that share a scale: of 32, 64, 128. Default: 64",
)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Your own corpus instead of the shipped one.",
)
@click.option("--limit", type=int, metavar="N", help="Only N stories, for a trial.")
@click.option(
    "--backend",
    type=click.Choice(["auto", "torch", "mlx"]),
    default="auto",
    help="Engine; auto is mlx on Apple Silicon, else torch.",
)
@click.option("--device", default="auto", metavar="DEVICE", help="As of `evmlx run`.")
@click.option("--dtype", default="auto", metavar="TYPE", help="As of `evmlx run`.")
@click.option(
    "--layers", metavar="L,L,...", help="Blocks to sample, or `all`. Default: the primary one."
)
@click.option("--batch-tokens", type=int, metavar="N", help="Padded tokens in a batch.")
@click.option(
    "--name", metavar="NAME", help="Name of the folder. Default: the model's, -quantization"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results"),
    metavar="FOLDER",
    help="Where that folder lies. Default: results",
)
@click.option(
    "--reports",
    is_flag=True,
    help="Also sample, analyse and report each precision as `evmlx run` does, for `evmlx compare`.",
)
@click.option("--seed", type=int, default=0, help="Of folds and draws. Default: 0")
def quantize_check(
    bits: tuple[int, ...], groups: tuple[int, ...], reports: bool, **options: Any
) -> None:
    """Run a model as shipped and quantized, and say what each precision costs.

    Each precision is a run folder of its own, compared with the reference on the same texts:
    cosines of the vectors, geometry, probe, new texts, each with its interval, and a verdict by
    fixed thresholds. Interrupted, the same command goes on where it was.

    \b
    Examples:
      evmlx quantize-check
      evmlx quantize-check --model google/gemma-3-270m-it --bits 8,4 --group 32,64
      evmlx quantize-check --limit 400 --name trial
      evmlx quantize-check --bits 8,4 --reports
    """
    from evmlx.quantization.check import quantize_check as check_precisions
    from evmlx.quantization.page import lines
    from evmlx.run import Settings

    command = shlex.join(["evmlx", *sys.argv[1:]])
    folder, check = check_precisions(
        Settings(**options), bits, groups, reports=reports, command=command
    )
    for line in lines(check):
        click.echo(line)
    click.echo(folder / "QUANTIZATION.md")
