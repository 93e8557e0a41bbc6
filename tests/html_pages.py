"""What tests of report.html share: a page as its parts, made from a run, and seen by a browser."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

from run_folders import PRIMARY

from evmlx.corpus import Corpus
from evmlx.report.html_page import report_page
from evmlx.report.metrics import metrics
from evmlx.report.run_results import read_results

VOID = {"meta", "input", "br", "link", "img", "hr", "path", "rect", "circle"}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Page(HTMLParser):
    """What a page consists of; fails where a tag is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tips: list[str] = []
        self.headings: list[str] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in {tag}"
        if "id" in given:
            self.ids.append(str(given["id"]))
        self.links += [str(given[name]) for name in ("href", "src", "action") if name in given]
        if "data-tip" in given:
            self.tips.append(str(given["data-tip"]))
        if tag == "svg":
            assert given.get("aria-label") or given.get("aria-hidden") == "true"
        if tag in ("select", "input"):
            assert given.get("aria-label") or "label" in self.open
        if tag not in VOID or tag in ("path", "rect", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}>"

    def handle_data(self, data: str) -> None:
        where = self.open[-1] if self.open else ""
        if where == "script":
            self.scripts.append(data)
        elif where != "style":
            self.text.append(data)
        if where in ("h1", "h2", "h3"):
            self.headings.append(data)


def made_page(folder: Path, corpus: Corpus, told: object = "none were made") -> str:
    names = {f"{kind}_layer_{PRIMARY}.png" for kind in ("circumplex", "cosine", "pca")}
    names |= {"confusion.png", "implicit.png", "intensity.png", "layers.png", "ranks.png"}
    return report_page(read_results(folder), metrics(folder), corpus, names, told)  # type: ignore


def rendered(address: str, profile: Path) -> str:
    """What a browser makes of a page, its scripts run."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", f"--user-data-dir={profile}", "--dump-dom", address,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
