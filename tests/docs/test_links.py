"""Links between the pages, as a forge that shows plain Markdown resolves them."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from generate import ROOT, pages

FENCED = r"^[ \t]*(?P<fence>`{3,}|~{3,}).*?^[ \t]*(?P=fence)[ \t]*$"
FENCES = re.compile(FENCED, re.MULTILINE | re.DOTALL)
CODE = re.compile(rf"{FENCED}|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)", FENCES.flags)
LINK = re.compile(
    r"\]\(\s*<?(?P<target>[^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)"
    r"|^[ ]{0,3}\[[^\]]+\]:\s+(?P<definition>\S+)"
    r"|<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"(?P<attribute>[^\"]+)\"",
    re.MULTILINE,
)
HEADING = re.compile(r"^(#{1,6})[ \t]+(?P<text>.+?)[ \t]*#*$", re.MULTILINE)
WRITTEN = [*pages(), *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md"))]
WRITTEN = [page for page in WRITTEN if page.exists()]


def without_code(text: str) -> str:
    """`text` with its code blanked, lines kept."""
    return CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)


def links(text: str) -> list[str]:
    """Links of a page that name no host."""
    found = [next(filter(None, match.groups())) for match in LINK.finditer(without_code(text))]
    return [target for target in found if not urlsplit(target).scheme]


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a forge calls the headings of `page`, and the anchors written in HTML."""
    text = page.read_text(encoding="utf-8")
    found: list[str] = []
    for heading in HEADING.finditer(FENCES.sub("", text)):
        name = slug(heading["text"])
        again = sum(1 for one in found if re.fullmatch(rf"{re.escape(name)}(-\d+)?", one))
        found.append(f"{name}-{again}" if again else name)
    return frozenset(found) | frozenset(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def slug(heading: str) -> str:
    text = re.sub(r"<[^>]*>", "", heading)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"[^\w\- ]", "", text.strip().lower().replace("*", ""))
    return text.replace(" ", "-")


def faults(page: Path, text: str) -> list[str]:
    """Links in the `text` of `page` that lead nowhere."""
    wrong = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists():
            wrong.append(f"{link}: no such file")
        elif anchor and target.suffix == ".md" and unquote(anchor) not in anchors(target):
            wrong.append(f"{link}: no such heading")
    return wrong


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    assert faults(page, page.read_text(encoding="utf-8")) == []


def test_most_links_are_found():
    assert sum(len(links(page.read_text(encoding="utf-8"))) for page in WRITTEN) > 100


def test_a_link_that_leads_nowhere_is_found():
    page = ROOT / "docs/index.md"
    text = """
[a](reference/metrics.md#two-references) [b](no.md) `[c](no.md)` <img src="no.svg">
[e](reference/metrics.md#references) [f](../Makefile) [g](../../elsewhere) [h](https://host)

```sh
[d](no.md)
```
"""
    assert faults(page, text) == [
        "no.md: no such file",
        "no.svg: no such file",
        "reference/metrics.md#references: no such heading",
        "../../elsewhere: no such file",
    ]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("L_PSF: a loss", "l_psf-a-loss"),
        ("`tfsdiff fuse` & more", "tfsdiff-fuse--more"),
        ("What [x](y.md) is", "what-x-is"),
        ("Paper, code, here", "paper-code-here"),
    ],
)
def test_anchors_are_named_as_a_forge_names_them(heading, expected):
    assert slug(heading) == expected
