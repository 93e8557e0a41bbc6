"""`evmlx quantize-check` as a function: one model at several precisions, and what each costs.

Every precision is an ordinary run folder, so that whatever was measured is kept and goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evmlx.comparison.compare import PairComparison, compare
from evmlx.comparison.geometry import Design, make_design
from evmlx.comparison.read import Entry, Stories, read_entries, read_stories
from evmlx.comparison.warnings import precision as precision_of
from evmlx.errors import EvmlxError
from evmlx.progress import say
from evmlx.quantization.fidelity import (
    INTERCHANGEABLE,
    USABLE,
    residual_error,
    vector_fidelity,
    verdict,
)
from evmlx.quantization.results import Precision, QuantizationCheck
from evmlx.report.run_results import get
from evmlx.results import to_json
from evmlx.run import Settings, measure
from evmlx.stages import STAGE_NAMES
from evmlx.store import read_json, replacing, write_json

if TYPE_CHECKING:
    from evmlx.models.checkpoints import Checkpoint

BITS = (8, 6, 4, 3)
GROUPS = (64,)
OFFERED_BITS, OFFERED_GROUPS = (2, 3, 4, 5, 6, 8), (32, 64, 128)
REFERENCE = "reference"
# The probe is trained anew when runs are compared.
LEFT_OUT = ("probe", "report")


def quantize_check(
    settings: Settings,
    bits: Sequence[int] = BITS,
    groups: Sequence[int] = GROUPS,
    *,
    reports: bool = False,
    command: str = "",
) -> tuple[Path, QuantizationCheck]:
    """Run a model as shipped and at each precision, and say what each precision costs.

    Parameters
    ----------
    settings : Settings
        As for a run. `layers` None takes the primary layer alone, or with `reports` those of a
        run; `name` names the folder that the runs lie in, by default the model's with
        ``-quantization``.
    bits, groups : sequence of int
        Every combination is measured.
    reports : bool
        Whether each precision gets what `evmlx run` gives, its own report included.
    command : str
        Recorded in each run.json, so that a reader can repeat it.

    Returns
    -------
    folder : Path
        With a run folder for each precision, ``quantization.json``, ``QUANTIZATION.md`` and the
        figure.
    QuantizationCheck

    Raises
    ------
    EvmlxError
        As `evmlx.run.measure`; what was measured is kept, and the same call goes on.
    """
    _check_asked(bits, groups)
    if settings.quantize:
        raise EvmlxError("--quantize: quantize-check quantizes by itself; give --bits instead")
    checkpoint, layers = _settled(settings, alone=not reports)
    folder = settings.out / (settings.name or f"{checkpoint.run_name}-quantization")
    given = replace(settings, revision=None, layers=layers, out=folder)
    stages = [stage for stage in STAGE_NAMES if reports or stage not in LEFT_OUT]
    wanted = [(b, g) for g in sorted(set(groups)) for b in sorted(set(bits), reverse=True)]
    say(f"1 of {len(wanted) + 1}: the reference, weights as shipped")
    sizes = {REFERENCE: _measure(given, checkpoint, REFERENCE, stages, command)}
    # one computing type for all, also where an engine would take the checkpoint's own
    given = replace(given, dtype=read_json(folder / REFERENCE / "run.json")["dtype"])
    for number, (b, g) in enumerate(wanted, 2):
        say(f"{number} of {len(wanted) + 1}: {b} bits in groups of {g}")
        smaller = _requantized(checkpoint, b, g)
        sizes[_name(b, g)] = _measure(given, smaller, _name(b, g), stages, command)
    check = _compared(folder, checkpoint, wanted, sizes, settings.seed)
    _write(folder, check)
    return folder, check


def _check_asked(bits: Sequence[int], groups: Sequence[int]) -> None:
    for option, given, offered in (
        ("--bits", bits, OFFERED_BITS),
        ("--group", groups, OFFERED_GROUPS),
    ):
        wrong = [value for value in given if value not in offered]
        if wrong or not given:
            listed = ", ".join(map(str, offered))
            raise EvmlxError(f"{option} {','.join(map(str, given))}: choose from {listed}")


def _settled(settings: Settings, *, alone: bool) -> tuple[Checkpoint, str]:
    """Find the model and the layers to sample: those of a run, or the primary one `alone`."""
    from evmlx.estimate import read_shape
    from evmlx.stimuli import primary_layer, sampled_layers
    from evmlx.subject import find_model

    checkpoint = find_model(settings.model, settings.revision)
    blocks = read_shape(checkpoint.folder).layers
    layers = sampled_layers(settings.layers, blocks)
    if settings.layers is None and alone:
        layers = (primary_layer(layers, blocks),)
    return checkpoint, ",".join(map(str, layers))


def _requantized(checkpoint: Checkpoint, bits: int, group: int) -> Checkpoint:
    from evmlx.models.requantize import requantized

    return requantized(checkpoint, bits, group, say)


def _name(bits: int, group: int) -> str:
    return f"{bits}bit-g{group}"


def _measure(
    given: Settings, subject: Checkpoint, name: str, stages: Sequence[str], command: str
) -> int:
    """Run one precision to the end; return the size of its weight files in bytes."""
    measure(replace(given, model=subject, name=name), stages=stages, command=command)
    return sum(path.stat().st_size for path in subject.folder.glob("*.safetensors"))


def _compared(
    folder: Path,
    checkpoint: Checkpoint,
    wanted: Sequence[tuple[int, int]],
    sizes: dict[str, int],
    seed: int,
) -> QuantizationCheck:
    runs = [folder / name for name in sizes]
    entries = {entry.results.folder.name: entry for entry in read_entries(runs)}
    compared = compare(runs, against=entries[REFERENCE].name, seed=seed, progress=say)
    pairs = {pair.b: pair for pair in compared.pairs}
    shipped = read_stories(entries[REFERENCE])
    present = set(shipped.emotions)
    emotions = tuple(e for e in shipped.corpus.emotions if e in present)
    design = make_design(shipped, emotions, seed)
    precisions = []
    for bits, group in wanted:
        entry = entries[_name(bits, group)]
        pair = pairs[entry.name]
        size = sizes[_name(bits, group)]
        precisions.append(_precision(bits, group, size, shipped, entry, pair, design))
    return _check(entries[REFERENCE], checkpoint, sizes[REFERENCE], shipped, precisions, seed)


def _precision(
    bits: int,
    group: int,
    size: int,
    shipped: Stories,
    entry: Entry,
    pair: PairComparison,
    design: Design,
) -> Precision:
    stories = read_stories(entry)
    vectors = vector_fidelity(shipped, stories, design)
    errors = residual_error(shipped.pooled, stories.pooled)
    judged = verdict(vectors, pair)
    return Precision(bits, group, _name(bits, group), size, vectors, errors, pair, judged)


def _check(
    reference: Entry,
    checkpoint: Checkpoint,
    size: int,
    shipped: Stories,
    precisions: Sequence[Precision],
    seed: int,
) -> QuantizationCheck:
    record = reference.record
    return QuantizationCheck(
        model=checkpoint.name,
        revision=checkpoint.revision,
        reference=precision_of(reference),
        reference_bytes=size,
        backend=str(get(record, "backend")),
        device=str(get(record, "device")),
        layer=reference.layer,
        blocks=int(record["model"]["layers"]),
        corpus_digest=str(reference.digest),
        stories=len(shipped.ids),
        topics=len(set(shipped.topic_ids)),
        limit=get(record, "corpus", "limit"),
        seed=seed,
        interchangeable=INTERCHANGEABLE,
        usable=USABLE,
        precisions=tuple(precisions),
    )


def _write(folder: Path, check: QuantizationCheck) -> None:
    from evmlx.plots.quantize import plot_quantization
    from evmlx.quantization.page import page

    write_json(folder / "quantization.json", {"schema": 1, **to_json(check)})
    plot_quantization(folder, check)
    with replacing(folder / "QUANTIZATION.md") as file:
        file.write(("\n".join(page(check)) + "\n").encode())
