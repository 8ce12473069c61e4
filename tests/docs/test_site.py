"""The built site: complete, strict, and asking no host for anything."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import markdown
import pytest
import yaml

import hooks
from generate import ROOT

OUTSIDE = re.compile(r"(?:https?:)?//[\w.-]+", re.IGNORECASE)
LOADING = {  # attributes whose address a browser asks for without being told to
    "src", "srcset", "poster", "data", "background", "imagesrcset",
}  # fmt: skip


class Page(HTMLParser):
    """Collects what a page loads by itself, and the classes for which the theme loads more."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.classes: set[str] = set()
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.loaded += [value for name, value in given.items() if name in LOADING]
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(given.get("href", ""))
        if tag == "form":
            self.loaded.append(given.get("action", ""))
        self.loaded += addresses_of_style(given.get("style", ""))
        self.classes |= set(given.get("class", "").split()) | {given.get("data-md-component", "")}
        self._inside = tag if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.loaded += addresses_of_style(data)
        elif self._inside == "script":
            self.loaded += re.findall(r"""["'`]((?:https?:)?//[^"'`]+)""", data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def addresses_of_style(text: str) -> list[str]:
    """What a style sheet loads: by url() and by @import."""
    found = re.findall(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", text)
    return [one or other for one, other in found]


def outside(page: Path) -> list[str]:
    """Addresses of hosts that a file of the site asks by itself."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".css":
        loaded = addresses_of_style(text)
    else:
        parser = Page()
        parser.feed(text)
        loaded = parser.loaded
        # The theme's script asks hosts for diagrams and for facts of a repository.
        loaded += [f"https://{one}" for one in ("mermaid", "source") if one in parser.classes]
    return [address for address in loaded if OUTSIDE.match(address.strip())]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_the_site_asks_no_host(site):
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css", ".svg")]
    assert len(files) > 10
    assert {str(path.relative_to(site)): outside(path) for path in files if outside(path)} == {}


@pytest.mark.slow
def test_own_scripts_ask_no_host(site):
    for script in (site / "javascripts").rglob("*.js"):
        assert not OUTSIDE.search(re.sub(r"^\s*//.*$", "", script.read_text(), flags=re.MULTILINE))


@pytest.mark.slow
def test_the_site_shows_all_pages_and_formulas(site):
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    for page in pages:
        html = (site / page).with_suffix(".html").read_text()
        assert "arithmatex" not in html, page
    assert not (site / "tools").exists()
    assert "<math" in (site / "reference/metrics.html").read_text()


def broken(site: Path) -> list[str]:
    """Addresses within the site, written in Markdown or in HTML, that lead nowhere."""
    texts = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    names = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in texts.items()}
    wrong = []
    for page, text in texts.items():
        found = set(re.findall(r'\s(?:href|src|srcset)="([^"]+)"', text))
        for address in map(urlsplit, sorted(found) if page.name != "404.html" else ()):
            target = page.parent / unquote(address.path) if address.path else page
            target = target.resolve()
            if address.scheme or address.netloc:
                continue
            if not target.exists() or address.fragment not in {"", *names.get(target, ())}:
                wrong.append(f"{page.relative_to(site)}: {address.geturl()}")
    return wrong


@pytest.mark.slow
def test_links_of_the_site_lead_somewhere(site):
    assert broken(site.resolve()) == []


def test_a_broken_link_of_the_site_is_found(tmp_path):
    picture = '<source srcset="none.svg"><img src="page.html">'
    links = '<a id="here" href="#here"></a><a href="page.html#gone"></a><a href="https://host/x">'
    (tmp_path / "page.html").write_text(picture + links)
    assert broken(tmp_path) == ["page.html: none.svg", "page.html: page.html#gone"]


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://host/x.js"></script>',
        '<link rel="stylesheet" href="//host/x.css">',
        '<img srcset="https://host/x.png">',
        "<style>@import 'https://host/x.css';</style>",
        '<p style="background: url(https://host/x.png)">',
        "<script>fetch('https://host/x')</script>",
        '<pre class="mermaid">graph</pre>',
    ],
)
def test_a_request_is_found(tmp_path, text):
    page = tmp_path / "page.html"
    page.write_text(f'<html><a href="https://host/read">may be followed</a>{text}</html>')
    assert len(outside(page)) == 1


def test_the_navigation_names_every_page():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    named = sorted(page for section in nav for pages in section.values() for page in pages)
    written = sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))
    assert named == written


@pytest.mark.parametrize(("tex", "signs"), [("[-1, 1]", 1), ("a = -b", 1), ("a - b", 0)])
def test_a_minus_is_a_sign_or_a_difference(tex, signs):
    assert hooks.mathml(tex, False, "page").count('form="prefix"') == signs


def test_a_formula_that_is_not_understood_is_told(caplog):
    hooks.mathml(r"\unheard x", False, "page.md")
    assert [record.getMessage() for record in caplog.records] == [
        r"page.md: formula \unheard x: \unheard is not understood"
    ]
    assert caplog.records[0].levelname == "WARNING"  # with which a strict build fails


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (None, '<span class="repository-file" title="src/tfsdiff/params.py in the repository">'),
        ("https://host/x", '<a href="https://host/x/blob/main/src/tfsdiff/params.py">'),
    ],
)
def test_a_link_to_the_code_names_the_file_or_leads_there(address, expected):
    links = hooks.Links(ROOT / "docs", address)
    links.page = "reference/metrics.md"
    text = "[`params.py`](../../src/tfsdiff/params.py) [page](parameters.md)"
    html = markdown.markdown(text, extensions=[links])
    assert expected in html
    assert '<a href="parameters.md">page</a>' in html


def test_a_link_to_no_file_is_told(caplog):
    links = hooks.Links(ROOT / "docs", None)
    links.page = "index.md"
    markdown.markdown("[it](../src/none.py)", extensions=[links])
    assert "../src/none.py is no file of the repository" in caplog.text
