"""Programs on the explaining pages print what the pages say they print."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "docs/explanation"
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(*found.groups(), id=f"{path.stem}-{number}")
    for path in sorted(PAGES.glob("*.md"))
    for number, found in enumerate(EXAMPLE.finditer(path.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("program", "output"), EXAMPLES)
def test_program_prints_what_stands_below_it(program: str, output: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(program, {})
    assert printed.getvalue() == output
