"""Links from the page's prose to the list that explains its words.

Knows nothing about which words these are: it reads them off the list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from evmlx.report.html_text import slug

_ENTRY = re.compile(r"<li><strong>([^<]*):</strong>")
_TAG = re.compile(r"(<[^>]*>)")
PROSE = {"p", "li", "figcaption"}
CLOSED = {"a", "code", "button", "script", "svg", "label"}  # nothing in these, or in a legend


def explained(html: str) -> tuple[str, dict[str, str]]:
    """Give every entry of a list of words an id.

    Parameters
    ----------
    html : str
        A list whose entries open with a word, or several parted by commas, in bold.

    Returns
    -------
    html : str
        The same with ids.
    words : dict of str to str
        Id of the entry that explains a word.
    """
    words: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        """Entry with its id."""
        name = f"word-{slug(found[1])}"
        words.update({word.strip(): name for word in found[1].split(",")})
        return f'<li id="{name}"><strong>{found[1]}:</strong>'

    return _ENTRY.sub(named, html), words


def linked(html: str, words: Mapping[str, str]) -> str:
    """Link, in a section's prose, the first of the words that an entry explains to that entry.

    Parameters
    ----------
    html : str
        A section.
    words : mapping of str to str
        Id of the entry for each word. One that is a capital and small letters counts in small
        letters too, and of several words in the plural; a single one does not, whose plural is
        often another word: blocks of a matrix, scenes as such.

    Returns
    -------
    str
        The section; its text is unchanged.
    """
    if not words:
        return html
    pattern = re.compile("|".join(_form(word) for word in sorted(words, key=len, reverse=True)))
    ids = {word.lower(): name for word, name in words.items()}
    used: set[str] = set()

    def link(found: re.Match[str]) -> str:
        """Link a word the first time."""
        word = found[0].lower()
        name = ids.get(word) or ids[word.removesuffix("s")]
        if name in used:
            return found[0]
        used.add(name)
        return f'<a class="word" href="#{name}">{found[0]}</a>'

    parts: list[str] = []
    within: list[tuple[str, bool]] = []  # open tags that matter, and whether they are prose
    for part in _TAG.split(html):
        if part.startswith("</"):
            if within and within[-1][0] == part[2:-1]:
                within.pop()
        elif part.startswith("<"):
            name = re.split(r"[\s>]", part[1:], maxsplit=1)[0]
            if name in PROSE | CLOSED or 'class="legend' in part:
                within.append((name, name in PROSE))
        elif within and all(prose for _, prose in within):
            part = pattern.sub(link, part)
        parts.append(part)
    return "".join(parts)


def _form(word: str) -> str:
    """Pattern of a word by itself; p has no capital."""
    first = word[0]
    if len(word) > 1 and word[1:] == word[1:].lower() and first.isalpha():
        plural = "s?" if " " in word else ""
        body = f"[{first.upper()}{first.lower()}]{re.escape(word[1:])}{plural}"
    else:
        body = re.escape(word)
    return rf"(?<![\w&#-]){body}(?![\w-])"
