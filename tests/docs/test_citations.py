"""Comments cite pages of the documentation, and entries of those pages by letter and number."""

import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfsdiff.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs/methods"
FOLDERS = ("src", "tests", "benchmarks", "workflow/conf")
PAGE = re.compile(r"docs/[\w/-]+\.md\b(?:#([\w-]+))?")
# The first letter of the entries on each page, and the folders of code whose comments cite them.
LETTERS = {
    "tfsdiff": ("F", ("tfsdiff", "conditional")),
    "sr3": ("S", ("sr3", "conditional")),
    "cddfuse": ("C", ("cddfuse",)),
    "tgfuse": ("T", ("tgfuse",)),
    "ddfm": ("D", ("ddfm",)),
    "ctsr": ("R", ("ctsr",)),
    "bitonicx": ("B", ("bitonicx",)),
}


def sources() -> Iterator[Path]:
    """What may cite a page."""
    yield ROOT / "dvc.yaml"
    for folder in FOLDERS:
        for suffix in ("py", "yaml"):
            yield from (ROOT / folder).rglob(f"*.{suffix}")


def comments(path: Path) -> str:
    """Comments and strings of a Python file."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return "\n".join(
        token.string for token in tokens if token.type in (tokenize.COMMENT, tokenize.STRING)
    )


def entries(page: str) -> list[str]:
    """Names of the anchors on the page of a method that stand for entries, e.g. C6."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return [name.upper() for name in re.findall(r'<a id="([a-z]\d+)"></a>', text)]


def test_cited_pages_exist() -> None:
    dead = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in sources()
        for found in PAGE.finditer(path.read_text(encoding="utf-8"))
        if not (ROOT / found[0].partition("#")[0]).is_file()
    ]
    assert dead == []


@pytest.mark.parametrize("page", LETTERS)
def test_cited_entries_exist(page: str) -> None:
    letter, folders = LETTERS[page]
    cited = re.compile(rf"(?<![-\w]){letter}\d{{1,2}}(?![-\w])")
    files = [
        path
        for folder in folders
        for kind in ("src/tfsdiff/methods", "tests/methods")
        for path in (ROOT / kind / folder).rglob("*.py")
    ]
    found = {name for path in files for name in cited.findall(comments(path))}
    assert found <= set(entries(page))


@pytest.mark.parametrize("page", LETTERS)
def test_entries_are_numbered_from_one(page: str) -> None:
    letter, _ = LETTERS[page]
    names = [name for name in entries(page) if name.startswith(letter)]
    assert names == [f"{letter}{number}" for number in range(1, len(names) + 1)]
    assert not [name for name, count in Counter(entries(page)).items() if count > 1]


def test_every_method_is_listed_with_its_page() -> None:
    index = (PAGES / "index.md").read_text(encoding="utf-8")
    pages = {name: name if (PAGES / f"{name}.md").is_file() else "controls" for name in METHODS}
    for name, page in pages.items():
        (row,) = [
            line for line in index.splitlines() if line.startswith("| [") and f"`{name}`" in line
        ]
        assert f"({page}.md)" in row
