"""Markdown of the report's own sections as HTML.

Knows the few forms that `evmlx.report.write` writes: headings, paragraphs, lists, quotes, tables
and pictures; code, bold, italics, links and escaped characters. Everything else is text, and is
escaped. Links to files beside the report become their names, since the page stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape

_INLINE = re.compile(
    r"\\(?P<plain>.)"
    r"|`(?P<code>[^`]*)`"
    r"|\*\*(?P<bold>(?:\\.|[^\\])+?)\*\*"
    r"|\*(?P<italic>(?:\\.|[^\\*])+)\*"
    r"|\[(?P<name>[^\]]*)\]\((?P<link>[^)]*)\)"
)
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(plots/(?P<name>[^)]*)\)")

Figure = Callable[[str, str, str], str]
"""Takes a plot's name, its alternative text and its caption as HTML; returns a figure."""


def slug(heading: str) -> str:
    """Heading as an id: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def inline(text: str) -> str:
    """Turn a line's Markdown into HTML."""
    parts, end = [], 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[end : found.start()]))
        parts.append(_marked(found))
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def _marked(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    inner = found[kind]
    if kind == "plain":
        return escape(inner)
    if kind == "code":
        return f"<code>{escape(inner)}</code>"
    if kind in ("bold", "italic"):
        tag = "strong" if kind == "bold" else "em"
        return f"<{tag}>{inline(inner)}</{tag}>"
    return f"<code>{escape(found['name'])}</code>"


def to_html(lines: Sequence[str], figure: Figure) -> str:
    """Turn Markdown lines into HTML blocks.

    Parameters
    ----------
    lines : sequence of str
        One section of the report.
    figure : callable
        Makes the figure of a picture.

    Returns
    -------
    str
        HTML.
    """
    html, heading = [], ""
    blocks = list(_blocks(lines))
    for at, block in enumerate(blocks):
        first = block[0]
        picture = _PICTURE.fullmatch(first)
        if picture:
            after = blocks[at + 1] if at + 1 < len(blocks) else [""]
            html.append(figure(picture["name"], picture["alt"], _caption(after)))
        elif at and _PICTURE.fullmatch(blocks[at - 1][0]) and _caption(block):
            continue  # stands in the figure
        elif first.startswith("#"):
            level = len(first) - len(first.lstrip("#"))
            heading = first[level:].strip()
            name = f' id="{slug(heading)}"'
            html.append(f"<h{level}{name}>{inline(heading)}</h{level}>")
        elif first.startswith("|"):
            html.append(_table(block, heading))
        elif first.startswith("- "):
            html.append(_list(block))
        elif first.startswith("> "):
            quoted = " ".join(line.removeprefix("> ") for line in block)
            html.append(f'<p class="notice">{inline(quoted)}</p>')
        else:
            html.append(f"<p>{inline(' '.join(block))}</p>")
    return "\n".join(html)


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Runs of lines that belong together: parted by empty lines, or by a change of kind."""
    block: list[str] = []
    for line in [*lines, ""]:
        starts = line.startswith(("#", "![")) or (
            bool(block) and line.startswith("|") != block[0].startswith("|")
        )
        if block and (not line.strip() or starts or block[0].startswith("#")):
            yield block
            block = []
        if line.strip():
            block.append(line)


def _caption(block: Sequence[str]) -> str:
    text = " ".join(block)
    whole = text.startswith("*") and not text.startswith("**") and text.endswith("*")
    return inline(text[1:-1]) if whole else ""


def _list(block: Sequence[str]) -> str:
    html, deep = ["<ul>"], False
    for line in block:
        nested = line.startswith("  - ")
        if nested and not deep:
            html[-1] = html[-1].removesuffix("</li>")
            html.append("<ul>")
        elif deep and not nested:
            html.append("</ul></li>")
        deep = nested
        html.append(f"<li>{inline(line.strip()[2:])}</li>")
    return "".join([*html, "</ul></li>" if deep else "", "</ul>"])


def _table(block: Sequence[str], heading: str) -> str:
    head, _, *body = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in block
    ]
    cells = [[inline(cell) for cell in row] for row in body]
    if not any(head):  # names and values, nothing to sort
        rows = "".join(f'<tr><th scope="row">{r[0]}</th><td>{r[1]}</td></tr>' for r in cells)
        return scrolled(f'<table class="record"><tbody>{rows}</tbody></table>', heading)
    return sortable_table([inline(cell) for cell in head], cells, heading)


def sortable_table(
    head: Sequence[str], body: Sequence[Sequence[str]], name: str, cards: bool = False
) -> str:
    """Table whose columns a script can sort; cells are HTML, the first of a row its heading.

    With ``cards`` every cell says what it is, and the style sheet makes each row a block of its
    own where the page is narrow.
    """
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    rows = []
    for row in body:
        told = row[1:]
        wide = len(told) > 1 and "not computed" in told[0]
        cells = (
            f'<td class="absent" colspan="{len(told)}">{told[0]}</td>'
            if wide
            else "".join(
                f"<td{_named(column) if cards else ''}>{_stacked(cell)}</td>"
                for column, cell in zip(head[1:], told, strict=False)
            )
        )
        rows.append(f'<tr><th scope="row">{row[0]}</th>{cells}</tr>')
    classes = "sortable cards" if cards else "sortable"
    table = f'<table class="{classes}"><thead><tr>{top}</tr></thead><tbody>'
    return scrolled(f"{table}{''.join(rows)}</tbody></table>", name)


def _named(column: str) -> str:
    return f' data-label="{escape(column, quote=True)}"'


def _stacked(cell: str) -> str:
    """Put the interval of a cell that has a figure and its interval on a line of its own."""
    stacked = r'\1<small class="range">\2</small>'
    return re.sub(r"^([^\s\[]+) (\[[^\]]*\])$", stacked, cell)


def scrolled(inner: str, name: str) -> str:
    """Region that scrolls by itself where it is wider than the page."""
    label = escape(re.sub(r"[`*\\]", "", name), quote=True)
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">{inner}</div>'
