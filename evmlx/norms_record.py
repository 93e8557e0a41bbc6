"""Which human norms a run goes by: what run.json says of them, and how they are had again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evmlx.corpus import Corpus, norms_digest, with_norms
from evmlx.errors import EvmlxError


def norms_entry(corpus: Corpus, table: Path | None) -> dict[str, str | None]:
    """Return what run.json says of the norms.

    Parameters
    ----------
    corpus : Corpus
        With the norms that are used.
    table : Path or None
        Where they come from; None for the corpus' own.
    """
    return {
        "source": corpus.norms.source if corpus.norms is not None else None,
        "path": str(table) if table is not None else None,
        "digest": norms_digest(corpus.norms),
    }


def rated(corpus: Corpus, record: dict[str, Any], table: Path | None) -> Corpus:
    """Give a corpus the norms that are asked for, or else those that the run has had.

    Parameters
    ----------
    corpus : Corpus
        With its own norms.
    record : dict
        Contents of run.json; says from now on which norms are used.
    table : Path or None
        Norms that are asked for.

    Raises
    ------
    EvmlxError
        If the table cannot be read, or is not what it was when the run was made.
    """
    if table is not None:
        corpus = with_norms(corpus, table)
        record["norms"] = norms_entry(corpus, table)
        return corpus
    known = (record.get("norms") or {}).get("path")
    corpus = with_norms(corpus, Path(known) if known else None)
    if known and norms_entry(corpus, Path(known)) != record["norms"]:
        raise EvmlxError(
            f"the norms in {known} have changed since this run: give the table again with "
            "`evmlx circumplex RUN --norms FILE`"
        )
    return corpus
