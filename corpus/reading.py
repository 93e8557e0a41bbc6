"""JSON and JSON lines with every complaint in one line: file, line, field, what to do.

Knows nothing about emotions or stories.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from evmlx.errors import EvmlxError


@dataclass(frozen=True)
class Record:
    """One JSON object, or one row of a table, and where it stands.

    `prefix` is the way to it inside a larger document, such as "topics[3].".
    """

    path: Path
    line: int
    fields: dict[str, Any]
    prefix: str = ""

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.path}:{self.line}"

    def fail(self, field: str, complaint: str) -> NoReturn:
        """Raise the error that names this place and field."""
        # Names that a user chose may hold line breaks; an error is one line.
        said = " ".join(f"field {self.prefix}{field}: {complaint}".splitlines())
        raise EvmlxError(f"{self.place}: {said}")

    def need(self, field: str) -> Any:
        """Return a field that must be there."""
        value = self.fields.get(field)
        if value is None:
            self.fail(field, "missing: add it")
        return value

    def text(self, field: str) -> str:
        """Return a field that must hold some text."""
        value = self.need(field)
        if not isinstance(value, str):
            self.fail(field, f"must be text, not {kind_of(value)}")
        if not value.strip():
            self.fail(field, "is empty: give it a text, or remove the whole entry")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            self.fail(field, "holds half of a surrogate pair: write the character itself")
        return value

    def optional_text(self, field: str) -> str | None:
        """Return a text field, None where it is missing or null."""
        return None if self.fields.get(field) is None else self.text(field)

    def index(self, field: str) -> int:
        """Return a field that must be a whole number, 0 or more."""
        value = self.need(field)
        if type(value) is not int or value < 0:
            shown = value if type(value) in (int, float) else kind_of(value)
            self.fail(field, f"must be a whole number, 0 or more, not {shown}")
        return int(value)

    def optional_index(self, field: str) -> int | None:
        """Return a whole number, None where the field is missing or null."""
        return None if self.fields.get(field) is None else self.index(field)

    def items(self, field: str) -> Sequence[Any]:
        """Return a field that must be a list with something in it."""
        value = self.need(field)
        if not isinstance(value, list):
            self.fail(field, f"must be a list, not {kind_of(value)}")
        if not value:
            self.fail(field, "is an empty list: fill it, or remove the field")
        return value

    def words(self, field: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self.items(field)
        for k, value in enumerate(values):
            Record(self.path, self.line, {f"{field}[{k}]": value}, self.prefix).text(
                f"{field}[{k}]"
            )
        return tuple(values)

    def choice(self, field: str, options: Sequence[str]) -> str:
        """Return a text field that must be one of `options`."""
        value = self.text(field)
        if value not in options:
            self.fail(field, unknown(value, options))
        return value


def kind_of(value: Any) -> str:
    """Name the type of a JSON value, for a reader who may not know Python."""
    names: dict[type, str] = {str: "text", int: "a number", float: "a number", bool: "true/false"}
    names |= {list: "a list", dict: "an object"}
    return names.get(type(value), "null")


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the option most like `word`, if any is like it at all."""
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None


def unknown(word: str, options: Sequence[str]) -> str:
    """Say that `word` is none of the options, and which one may be meant."""
    close = nearest(word, options)
    if close is not None:
        return f"unknown: {quoted(word)}; did you mean {quoted(close)}?"
    listed = ", ".join(options[:20]) + (", ..." if len(options) > 20 else "")
    return f"unknown: {quoted(word)}; known are {listed}"


def quoted(word: str) -> str:
    """Quote what a user wrote, cut to a length that leaves a message readable, on one line."""
    return json.dumps(word if len(word) <= 80 else f"{word[:77]}...", ensure_ascii=False)


def files(folder: Path, ending: str) -> list[Path]:
    """List the files with an ending, by name; hidden ones, such as macOS' "._*", are not data."""
    return sorted(path for path in folder.glob(f"*{ending}") if not path.name.startswith("."))


def is_plain(name: str) -> bool:
    """Say whether a name can be part of an id and of a file's member name."""
    return re.search(r"[/\\\x00-\x1f]|^\s|\s$", name) is None and name != ""


def line_of(text: str, value: Any) -> int:
    """Line on which `value` first stands in a JSON text; 1 where it is not found.

    Python's JSON reader keeps no positions, so the value is searched for.
    """
    spellings = (json.dumps(value, ensure_ascii=False), json.dumps(value))
    found = [position for s in spellings if (position := text.find(s)) >= 0]
    return text.count("\n", 0, min(found)) + 1 if found else 1


def decoded(path: Path) -> str:
    """Read a text file as UTF-8, with or without a byte order mark.

    Raises
    ------
    EvmlxError
        If it cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EvmlxError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # error.object, not data: the decoder counts from behind the byte order mark.
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise EvmlxError(
            f"{path}:{line}: not UTF-8 (byte 0x{byte:02x}): save the file as UTF-8"
        ) from None


def parsed(path: Path, text: str, first_line: int = 1) -> Any:
    """Parse JSON; `first_line` is the line of the file on which `text` begins."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise EvmlxError(
            f"{path}:{line}: not valid JSON at column {error.colno}: {error.msg}: correct that line"
        ) from None
    except (RecursionError, ValueError):
        raise EvmlxError(
            f"{path}:{first_line}: not valid JSON: nested too deeply, or a number too long"
        ) from None


def as_object(path: Path, line: int, value: Any, prefix: str = "") -> Record:
    """Take a JSON value that must be an object."""
    if not isinstance(value, dict):
        where = f"field {prefix.rstrip('.')}: " if prefix else ""
        raise EvmlxError(f"{path}:{line}: {where}must be an object {{...}}, not {kind_of(value)}")
    return Record(path, line, value, prefix)


def json_document(path: Path) -> tuple[Record, str]:
    """Read a file that holds one JSON object; its text is for `line_of`."""
    text = decoded(path)
    return as_object(path, 1, parsed(path, text)), text


def json_lines(path: Path) -> Iterator[Record]:
    """Read a file with one JSON object a line; blank lines are passed over."""
    # Split on "\n" alone: str.splitlines would also split inside texts, at U+2028.
    for number, line in enumerate(decoded(path).split("\n"), start=1):
        if line.strip():
            yield as_object(path, number, parsed(path, line, number))
