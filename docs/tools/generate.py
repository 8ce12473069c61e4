"""Fill the generated blocks of README.md and the documentation, or check that they are up to date.

A block stands between two comments. What lies between them is replaced by what the function NAME
returns for the arguments:

    <!-- generated: NAME ARGUMENT ... -->
    ...
    <!-- /generated -->

The comments stand on lines of their own, or both within a line that does not begin with them.
Fenced code and code spans are left alone. The functions are the entries of `BLOCKS` in the modules
named by `REGISTRIES`; each takes and returns strings.
"""

import argparse
import importlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REGISTRIES = ("reference", "results", "methods", "weights")
CLOSE = "<!-- /generated -->"
TOKENS = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*\n(?:.*?\n)?[ \t]*(?P=fence)[`~]*[ \t]*$"
    r"|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
    r"|<!--\s*generated:(?P<call>[^>]*?)-->"
    r"|(?P<close><!--\s*/generated\s*-->)",
    re.MULTILINE | re.DOTALL,
)

Blocks = dict[str, Callable[..., str]]


class BlockError(Exception):
    """A block that cannot be filled."""


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        call: name and arguments.
        start: where the text between the comments begins.
        end: where it ends.
        line: of the opening comment, from 1.
        inline: whether both comments stand within one line.
    """

    call: str
    start: int
    end: int
    line: int
    inline: bool


def registry() -> Blocks:
    """All functions by name, of every module named by `REGISTRIES`."""
    blocks: Blocks = {}
    for module in REGISTRIES:
        entries = importlib.import_module(module).BLOCKS
        double = blocks.keys() & entries.keys()
        if double:
            raise BlockError(f"docs/tools/{module}.py: block {min(double)!r} is defined twice")
        blocks |= entries
    return blocks


def find(text: str) -> Iterator[Block]:
    """The blocks of a page, in their order.

    Raises:
        BlockError: a comment lacks its other half, or stands where Markdown would not allow it.
    """
    opened = None
    for token in TOKENS.finditer(text):
        line = text.count("\n", 0, token.start()) + 1
        if token["call"] is not None:
            if opened:
                raise _unclosed(*opened)
            opened = (token, line)
        elif token["close"]:
            if opened is None:
                raise BlockError(f"{line}: {CLOSE} closes no block")
            yield _block(text, *opened, token.start())
            opened = None
    if opened:
        raise _unclosed(*opened)


def _unclosed(token: re.Match[str], line: int) -> BlockError:
    return BlockError(f"{line}: block {token['call'].strip()!r} is not closed by {CLOSE}")


def _block(text: str, token: re.Match[str], line: int, end: int) -> Block:
    call, start = token["call"].strip(), token.end()
    inline = "\n" not in text[start:end]
    before = text[text.rfind("\n", 0, token.start()) + 1 : token.start()]
    if inline and not before.strip(" \t>-*+"):
        # Markdown takes a line that begins with a comment for HTML, and formats nothing in it.
        raise BlockError(f"{line}: block {call!r} within a line must not begin the line")
    if not inline and text[start] != "\n":
        raise BlockError(f"{line}: block {call!r} has text behind its opening comment")
    return Block(call, start, end, line, inline)


def content(block: Block, blocks: Blocks) -> str:
    """What belongs between the comments of `block`.

    Raises:
        BlockError: no function has its name, the function fails, or the text does not fit.
    """
    try:
        name, *arguments = shlex.split(block.call)
    except ValueError as error:
        raise BlockError(f"{block.line}: block {block.call!r}: {error}") from None
    if name not in blocks:
        known = ", ".join(sorted(blocks))
        raise BlockError(f"{block.line}: block {block.call!r}: there are {known}")
    try:
        text = blocks[name](*arguments)
    except Exception as error:  # whatever a function meets belongs to one block of one page
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BlockError(f"{block.line}: block {block.call!r}: {reason}") from error
    text = text.strip("\n")
    if not block.inline:
        return f"\n{text}\n"
    if "\n" in text:
        raise BlockError(f"{block.line}: block {block.call!r} within a line has several lines")
    return text


def fill(text: str, blocks: Blocks) -> tuple[str, list[Block]]:
    """The page with every block filled, and the blocks that changed by it.

    Raises:
        BlockError: a block cannot be filled.
    """
    parts, changed, done = [], [], 0
    for block in find(text):
        new = content(block, blocks)
        parts += [text[done : block.start], new]
        done = block.end
        if new != text[block.start : block.end]:
            changed.append(block)
    return "".join([*parts, text[done:]]), changed


def pages(root: Path = ROOT) -> list[Path]:
    """README.md and all pages of the documentation."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description="Fill the generated blocks of the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if any differs")
    parser.add_argument("pages", nargs="*", type=Path, help="pages (default: all)")
    options = parser.parse_args(arguments)
    failed = False
    try:
        blocks = registry()
    except BlockError as error:
        print(error, file=sys.stderr)
        return 1
    for page in [path.resolve() for path in options.pages] or pages():
        name = page.relative_to(ROOT) if page.is_relative_to(ROOT) else page
        old = page.read_text(encoding="utf-8")
        try:
            new, changed = fill(old, blocks)
        except BlockError as error:
            print(f"{name}:{error}", file=sys.stderr)
            failed = True
            continue
        for block in changed:
            state = "is out of date: run python docs/tools/generate.py"
            print(f"{name}:{block.line}: {block.call} {state if options.check else 'written'}")
        if options.check:
            failed = failed or bool(changed)
        elif new != old:
            page.write_text(new, encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
