"""Pages of the documentation as programs: their blocks of code, executed in a project.

What the blocks mean stands in docs/contributing/tests.md. `python tests/support/pages.py PAGE
PROJECT` runs a page in a copy of a project, and shows what each block prints and how long it takes.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from project import ROOT, Project

RUN, WRITTEN, SHOWN = ("sh", "python"), ("python", "yaml", "markdown"), "text"
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)(?: +title=\"(?P<title>[^\"]+)\")?\s*$")
NOT_RUN = re.compile(r"^ *<!-- not run: (?P<reason>.*\S) *-->$")
# A block begins with the variables that the block before it left, and leaves its own.
SHELL = """\
set -euo pipefail -a
test ! -e {state} || source {state}
trap 'export -p | grep -vE "^declare -x (PWD|OLDPWD|SHLVL)" > {state}' EXIT
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: path of the page below the root.
        line: of the page, where it begins.
        language: sh, python, yaml, diff, text ...
        title: file that it is written to, or changes; empty: it is run.
        reason: why it is not run; empty: it is.
        follows: whether it stands directly below another block: output below a command.
        text: its lines.
    """

    page: str
    line: int
    language: str
    title: str
    reason: str
    follows: bool
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def executed(self) -> bool:
        """Whether it is run, or changes a file."""
        return not self.reason and self.language != SHOWN


def blocks(page: Path) -> list[Block]:
    """All blocks of a page."""
    return list(_blocks(page.relative_to(ROOT).as_posix(), page.read_text().splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    reason, follows, numbered = "", False, enumerate(lines, start=1)
    for number, line in numbered:
        fence, comment = FENCE.match(line), NOT_RUN.match(line)
        if fence:
            indent, content = len(fence["indent"]), []
            for _, inside in numbered:
                if inside.strip() == "```":
                    break
                content.append(inside[indent:])
            text = "\n".join(content) + "\n"
            title = fence["title"] or ""
            yield Block(page, number, fence["language"], title, reason, follows, text)
        else:
            assert not line.lstrip().startswith("```"), f"{page}:{number}: unknown fence {line}"
        reason = comment["reason"] if comment else ""
        follows = bool(fence) or (follows and not line.strip())


def execute(block: Block, project: Project, state: Path) -> str:
    """Execute a block in a project; returns what it printed.

    Raises:
        AssertionError: it failed; the message has block and output.
    """
    if not block.title:
        return _run(block, project, state)
    write(block, project.folder)
    return ""


def write(block: Block, folder: Path) -> None:
    """Write or change the file below `folder` that a block names."""
    path = folder / block.title
    if block.language == "diff":
        assert path.is_file(), f"{block}: there is no {block.title} to change"
        path.write_text(changed(block, path.read_text()))
    else:
        assert block.language in WRITTEN, f"{block}: {block.language} is not written to files"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)


def _run(block: Block, project: Project, state: Path) -> str:
    assert block.language in RUN, f"{block}: {block.language or 'no language'} is not run"
    if block.language == "sh":
        command = ["bash", "-c", SHELL.format(state=state) + block.text]
    else:
        command = [sys.executable, "-c", block.text]
    done = subprocess.run(
        command, cwd=project.folder, env=project.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    shown = f"{block}: exit code {done.returncode}\n{block.text}\n{done.stdout[-5000:]}"
    assert done.returncode == 0, shown
    return done.stdout


def changed(block: Block, text: str) -> str:
    """`text` after the change that a diff block describes: its lines are found once.

    Where the change has been made already, as by a reader who tries the page, `text` stays.
    """
    marked = [line or " " for line in block.text.splitlines()]
    assert all(line[0] in " +-" for line in marked), f"{block}: a line begins with none of ' +-'"
    before, after = ([line[1:] for line in marked if line[0] != sign] for sign in "+-")
    lines = text.splitlines()
    places = _places(lines, before)
    adds = any(line[0] == "+" for line in marked)
    if adds and not places and len(_places(lines, after)) == 1:
        return text
    shown = "\n".join(before)
    found = f"found {len(places)} times in {block.title}, so the page needs an update"
    assert len(places) == 1, f"{block}: {found}:\n{shown}"
    lines[places[0] : places[0] + len(before)] = after
    return "".join(f"{line}\n" for line in lines)


def _places(lines: list[str], part: list[str]) -> list[int]:
    return [i for i in range(len(lines)) if lines[i : i + len(part)] == part]


def differs(block: Block, output: str) -> str:
    """The first line of a `text` block that `output` lacks, or nothing; numbers count as equal.

    Lines that consist of dots stand for what is left out.
    """
    there = [_plain(line) for line in output.splitlines()]
    for line in block.text.splitlines():
        wanted = _plain(line)
        if not wanted.strip(".…"):
            continue
        if wanted not in there:
            return line
        there = there[there.index(wanted) + 1 :]
    return ""


def _plain(line: str) -> str:
    """`line` without what may differ from machine to machine: numbers, spaces and rules."""
    words = re.sub(r"\b(?=[a-f]*[0-9])[0-9a-f]{7}\b", "N", line)  # commits
    words = re.sub(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|∞", "N", words).replace("*", "")
    words = re.sub(r"</?u>|-{2,}:?", "", words)
    return " ".join(words.split())


class Done(NamedTuple):
    """An executed block.

    Attributes:
        block: what was executed.
        seconds: of one core, that its processes took.
        output: what it printed.
    """

    block: Block
    seconds: float
    output: str


def run_page(page: Path, project: Project, state: Path) -> Iterator[Done]:
    """Execute all blocks of a page; `text` below a command must be what the command printed.

    Yields:
        Each executed block.
    """
    output = ""
    for block in blocks(page):
        if block.reason:
            output = ""
        elif block.language == SHOWN:
            if not block.follows:
                continue
            missing = differs(block, output)
            assert not missing, f"{block}: was not printed: {missing}\nprinted was:\n{output}"
        else:
            began = _used()
            output = execute(block, project, state)
            yield Done(block, _used() - began, output)


def _used() -> float:
    ended = os.times()
    return ended.children_user + ended.children_system


def main() -> None:
    page, project = (Path(argument).resolve() for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        copy = Project(project).copy(Path(folder) / "project")
        for done in run_page(page, copy, Path(folder) / "state"):
            sys.stdout.write(f"{done.output}{done.block}: {done.seconds:.1f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
