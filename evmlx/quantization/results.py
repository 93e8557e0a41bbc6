"""What `evmlx quantize-check` found, as `quantization.json` holds it."""

from __future__ import annotations

from dataclasses import dataclass

from evmlx.comparison.compare import PairComparison
from evmlx.quantization.fidelity import ResidualError, Thresholds, VectorFidelity, Verdict


@dataclass(frozen=True)
class Precision:
    """One precision against the reference.

    Attributes
    ----------
    bits, group : int
        Bits of a weight, and weights that share a scale.
    run : str
        Folder of its run, beside quantization.json.
    weight_bytes : int
        Size of the weight files.
    vectors : VectorFidelity
        Cosines of emotion vectors with the reference's.
    residuals : ResidualError
        Of the stories.
    comparison : PairComparison
        Paired differences, RSA and CKA, the reference first.
    verdict : Verdict
        By fixed thresholds.
    """

    bits: int
    group: int
    run: str
    weight_bytes: int
    vectors: VectorFidelity
    residuals: ResidualError
    comparison: PairComparison
    verdict: Verdict


@dataclass(frozen=True)
class QuantizationCheck:
    """What `quantization.json` holds.

    Attributes
    ----------
    model, revision : str
        What was measured.
    reference : str
        Precision of the reference: as shipped.
    reference_bytes : int
        Size of its weight files.
    backend, device : str
        Where it ran.
    layer, blocks : int
        Layer compared, and blocks of the model.
    corpus_digest : str
        Of what it was measured on.
    stories, topics : int
        How many.
    limit : int or None
        Where it was a trial.
    seed : int
        Of folds and draws.
    interchangeable, usable : Thresholds
        What the verdicts ask for.
    precisions : tuple of Precision
        By group size, most bits first.
    """

    model: str
    revision: str
    reference: str
    reference_bytes: int
    backend: str
    device: str
    layer: int
    blocks: int
    corpus_digest: str
    stories: int
    topics: int
    limit: int | None
    seed: int
    interchangeable: Thresholds
    usable: Thresholds
    precisions: tuple[Precision, ...]
