"""Reads human norms of the emotion words: the corpus' own, the shipped ones, or any table.

Knows nothing about stories or vectors.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evmlx.corpus.reading import Record, decoded, files, quoted
from evmlx.corpus.types import Corpus, Norms
from evmlx.errors import EvmlxError

SHIPPED = Path(__file__).parent
GLASGOW = "Glasgow Norms (Scott et al. 2019, CC BY 4.0)"
GLASGOW_FILE = SHIPPED / "norms" / "glasgow.csv"
COLUMNS = {  # other names of a column, lower case: of the NRC VAD lexicon, of Warriner et al. 2013
    "word": ("term",),
    "valence": ("v.mean.sum",),
    "arousal": ("a.mean.sum",),
    "dominance": ("d.mean.sum",),
}
NOT_RATED = ("", "na", "nan")


def read_norms(folder: Path, emotions: Sequence[str]) -> tuple[Norms | None, str | None]:
    """Read the norms of a corpus, or the shipped ones where it has none.

    Returns
    -------
    norms : Norms or None
        None where no emotion is found.
    lack : str or None
        What is missing, in words.
    """
    own = files(folder / "norms", ".csv")
    if len(own) > 1:
        raise EvmlxError(
            f"{folder / 'norms'}: {len(own)} tables ({own[0].name}, {own[1].name}): keep one"
        )
    path = own[0] if own else GLASGOW_FILE
    is_glasgow = path.name == GLASGOW_FILE.name
    norms = _norms(path, emotions, GLASGOW if is_glasgow else f"norms/{path.name}")
    rated = sum(not math.isnan(v) for v in norms.valence)
    if not rated:
        where = f"norms/{path.name}" if own else "the shipped Glasgow Norms"
        return None, (
            f"no norms: {where} rate none of the emotions, so correlations with human ratings "
            "are left out"
        )
    if not own:
        return norms, (
            f"no norms of its own: the shipped Glasgow Norms are used, "
            f"which rate {rated} of {len(emotions)} emotions"
        )
    return norms, _lack(norms)


def with_norms(corpus: Corpus, path: Path | None) -> Corpus:
    """Put the norms of a user's table in the place of a corpus' own.

    Where the table lacks an emotion, the word that the shipped norms take for it stands in, if
    the table has that: "grief" for "grief-stricken".

    Parameters
    ----------
    corpus : Corpus
        Its digest stays what it is: the texts are the same.
    path : Path or None
        Comma-, semicolon- or tab-separated; columns word, valence, arousal and dominance,
        whatever their case, or those of Warriner et al. (2013) or of the NRC VAD lexicon. Any
        scale will do. None leaves the corpus as it is.

    Returns
    -------
    Corpus

    Raises
    ------
    EvmlxError
        If the table cannot be read, or rates none of the emotions.
    """
    if path is None:
        return corpus
    norms = _norms(path, corpus.emotions, path.name, _stand_ins())
    if all(map(math.isnan, norms.valence)):
        raise EvmlxError(
            f"{path}: rates none of the emotions ({', '.join(corpus.emotions[:3])}, ...): "
            "give a table with their words in the column word"
        )
    lacks = [line for line in corpus.lacks if not line.startswith("no norms")]
    lack = _lack(norms)
    return replace(corpus, norms=norms, lacks=(*lacks, *([lack] if lack else [])))


def norms_digest(norms: Norms | None) -> str | None:
    """SHA-256 of the ratings that are used; None where there are none."""
    if norms is None:
        return None
    columns = (norms.valence, norms.arousal, norms.dominance)
    ratings = [[None if math.isnan(v) else v for v in column] for column in columns]
    text = json.dumps([norms.words, ratings], ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _lack(norms: Norms) -> str | None:
    missing = [w for w, v in zip(norms.words, norms.valence, strict=True) if math.isnan(v)]
    if not missing:
        return None
    return f"no norms for {', '.join(missing)}: left out where ratings are needed"


def _stand_ins() -> dict[str, str]:
    """Return the words that the shipped norms take for words that they do not have."""
    return {
        record.fields["word"]: record.fields["lemma"]
        for record in _rows(GLASGOW_FILE)
        if record.fields["exact"] == "0"
    }


def _norms(
    path: Path, emotions: Sequence[str], source: str, stand_ins: Mapping[str, str] | None = None
) -> Norms:
    """Read ratings of the emotions; the column "exact" is optional."""
    wanted = {word: (word, (stand_ins or {}).get(word, word)) for word in emotions}
    names = {name.lower() for pair in wanted.values() for name in pair}
    rows: dict[str, Record] = {}
    for record in _rows(path):
        word = (record.fields["word"] or "").strip().lower()
        if word in rows:
            first = rows[word].line
            record.fail("word", f"{quoted(word)} is rated on line {first} already: keep one")
        if word in names:
            rows[word] = record
    found = {
        word: next((rows[name.lower()] for name in pair if name.lower() in rows), None)
        for word, pair in wanted.items()
    }

    def column(name: str) -> tuple[float, ...]:
        return tuple(_rating(found[word], name) for word in emotions)

    return Norms(
        words=tuple(emotions),
        valence=column("valence"),
        arousal=column("arousal"),
        dominance=column("dominance"),
        exact=tuple(word.lower() in rows and _is_exact(rows[word.lower()]) for word in emotions),
        source=source,
    )


def _rows(path: Path) -> Iterator[Record]:
    """Read the rows of a table, with columns under the names of `COLUMNS`."""
    text = decoded(path)
    first = text.partition("\n")[0]
    separator = next((mark for mark in "\t;" if mark in first), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    for column, others in COLUMNS.items():
        if column in header:
            continue
        if not any(other in header for other in others):
            listed = ", ".join(header[:6]) + (", ..." if len(header) > 6 else "")
            raise EvmlxError(
                f"{path}:1: field {column}: no such column: add it to the first line, "
                f"which has {quoted(listed)}"
            )
        header[next(header.index(other) for other in others if other in header)] = column
    reader.fieldnames = header
    try:
        for row in reader:
            row.pop(None, None)
            yield Record(path, reader.line_num, row)
    except csv.Error as error:
        raise EvmlxError(f"{path}:{reader.line_num}: not a table: {error}") from error


def _is_exact(record: Record) -> bool:
    return (record.fields.get("exact") or "1").strip() == "1"


def _rating(record: Record | None, name: str) -> float:
    """Return one rating; nan where the word or the cell is missing."""
    cell = "" if record is None else (record.fields[name] or "").strip()
    if record is None or cell.lower() in NOT_RATED:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        record.fail(name, f"{quoted(cell)} is not a number: correct it, or leave the cell empty")
    return value
