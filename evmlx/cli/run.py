"""`evmlx run` and `evmlx extract`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from evmlx.cli.completing import complete_model

OPTIONS = (
    click.option(
        "--model",
        metavar="MODEL",
        shell_complete=complete_model,
        help="Hub id, local folder, .gguf file or embedded name (see `evmlx models`). "
        "Default: the embedded SmolLM2-135M-Instruct.",
    ),
    click.option("--revision", metavar="REV", help="Branch, tag or commit of a hub model."),
    click.option(
        "--corpus",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Your own corpus instead of the shipped one (format: docs/corpus.md).",
    ),
    click.option(
        "--backend",
        type=click.Choice(["auto", "torch", "mlx"]),
        default="auto",
        help="Engine; auto is mlx on Apple Silicon, else torch.",
    ),
    click.option(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="auto, cpu, and with torch cuda, cuda:N or mps, with mlx gpu.",
    ),
    click.option(
        "--dtype",
        default="auto",
        metavar="TYPE",
        help="auto, float32, bfloat16 or float16; auto is bfloat16 on CUDA, the checkpoint's own "
        "with mlx, else float32.",
    ),
    click.option(
        "--quantize",
        type=click.Choice(["none", "8bit", "6bit", "4bit", "3bit"]),
        default="none",
        help="Quantize the weights on load (mlx: any; torch: 8bit or 4bit, by bitsandbytes "
        "on CUDA).",
    ),
    click.option(
        "--layers",
        metavar="L,L,...",
        help="Blocks to sample, counted from 0, or `all`. "
        "Default: at 0.28, 0.50, 0.64 and 0.80 of the depth.",
    ),
    click.option(
        "--batch-tokens",
        type=int,
        metavar="N",
        help="Padded tokens in a batch. Default: what suits the device.",
    ),
    click.option(
        "--limit", type=int, metavar="N", help="Only N stories, balanced over emotions and topics."
    ),
    click.option("--name", metavar="NAME", help="Name of the run folder. Default: the model's."),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=Path("results"),
        metavar="FOLDER",
        help="Where run folders lie. Default: results",
    ),
    click.option("--seed", type=int, default=0, help="Of every random generator. Default: 0"),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Only say how many tokens and batches, how much memory and time.",
    ),
)
NORMS = click.option(
    "--norms",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own human norms instead of the corpus's: a table with the columns word, valence, "
    "arousal and dominance (Warriner and NRC VAD are read as they come).",
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command(short_help="Measure a model: extraction, analysis and report.")
@_with_options
@NORMS
@click.option("--skip-extraction", is_flag=True, help="Analyse the activations that are there.")
def run(dry_run: bool, skip_extraction: bool, **options: Any) -> None:
    """Run a model through the corpus, analyse its residuals and write a report.

    Interrupted at any moment, the same command goes on where it was.

    \b
    Examples:
      evmlx run
      evmlx run --model Qwen/Qwen3-8B --backend torch --dtype bfloat16
      evmlx run --limit 200 --name trial
      evmlx run --model ./my-model --layers all --dry-run
    """
    from evmlx.stages import STAGE_NAMES

    finished = _measure(options, STAGE_NAMES, dry_run, skip_extraction)
    if finished is not None:
        from evmlx.report.headlines import headline_lines

        for line in headline_lines(finished.folder):
            click.echo(line)
        for name in ("REPORT.md", "report.html"):
            click.echo(finished.folder / name)


@click.command(short_help="Only extraction: from texts to activations.npz.")
@_with_options
def extract(dry_run: bool, **options: Any) -> None:
    """Run a model through the corpus and keep its pooled residuals; analyse nothing.

    \b
    Example:
      evmlx extract --model Qwen/Qwen3-0.6B --name qwen && evmlx vectors results/qwen
    """
    finished = _measure(options, (), dry_run, False)
    if finished is not None:
        click.echo(finished.folder / "activations.npz")


def _measure(
    options: dict[str, Any], stages: tuple[str, ...], dry: bool, skip_extraction: bool
) -> Any:
    from evmlx.run import Settings, dry_run, measure

    quantize = options.pop("quantize")
    settings = Settings(**options, quantize=None if quantize == "none" else quantize)
    if dry:
        for line in dry_run(settings).lines():
            click.echo(line)
        return None
    command = shlex.join(["evmlx", *sys.argv[1:]])
    return measure(settings, stages=stages, skip_extraction=skip_extraction, command=command)
