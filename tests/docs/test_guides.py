"""Every block of code of the guides does what the page says, in a project with the profile `ci`."""

import sys
from pathlib import Path

import pytest

import pages
from pages import ROOT, Block, blocks

FOLDERS = ("guides", "contributing")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / "docs" / folder).glob("*.md"))
REASON = 10  # characters, at least: a reason is a phrase


def name(page: Path) -> str:
    return page.relative_to(ROOT / "docs").with_suffix("").as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_works_as_written(page, ci_project, tmp_path):
    for done in pages.run_page(page, ci_project(), tmp_path / "state"):
        sys.stdout.write(f"{done.block}: {done.seconds:.1f} s\n")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_something_on_a_page_is_executed(page):
    assert any(block.executed for block in blocks(page))


def test_what_is_not_run_has_a_reason():
    skipped = [block for page in PAGES for block in blocks(page) if block.reason]
    sys.stdout.write("".join(f"not run: {block}: {block.reason}\n" for block in skipped))
    assert all(len(block.reason) >= REASON for block in skipped)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_comment_about_running_belongs_to_a_block(page):
    marked = sum(line.startswith("<!-- not run") for line in page.read_text().splitlines())
    assert marked == sum(bool(block.reason) for block in blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_changes_is_there_to_change(page, tmp_path):
    """What fails first after an edit of a file that a page quotes."""
    for block in blocks(page):
        if block.executed and block.title:
            path = tmp_path / block.title
            if (ROOT / block.title).is_file() and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes((ROOT / block.title).read_bytes())
            pages.write(block, tmp_path)


def diff(text: str) -> Block:
    return Block("page", 1, "diff", "file", "", False, text)


def test_a_diff_changes_what_it_finds():
    block = diff(" one\n-two\n+2\n+2.5\n three\n")
    changed = pages.changed(block, "zero\none\ntwo\nthree\n")
    assert changed == "zero\none\n2\n2.5\nthree\n"
    assert pages.changed(block, changed) == changed


@pytest.mark.parametrize("text", ["one\nthree\n", "one\ntwo\none\ntwo\n", "someone\ntwo\n"])
def test_a_diff_is_found_once(text):
    with pytest.raises(AssertionError, match=r"page:1: found [02] times in file"):
        pages.changed(diff(" one\n-two\n"), text)


def test_shown_output_may_differ_in_numbers_alone():
    block = Block("page", 1, "text", "", "", True, "PSNR   21.5  higher\n...\ndone\n")
    assert pages.differs(block, "began\nPSNR 3 higher\nother\ndone\n") == ""
    assert pages.differs(block, "PSNR 3 lower\ndone\n") == "PSNR   21.5  higher"
    assert pages.differs(block, "done\nPSNR 3 higher\n") == "done"
