"""The generated blocks of the documentation: how they are written, and that they are up to date."""

import re
import typing

import pytest

import generate
import reference
from generate import BlockError, fill
from tfsdiff import params
from tfsdiff.cli import COMMANDS
from tfsdiff.methods import METHODS, method_class
from tfsdiff.metrics.registry import METRICS

BLOCKS = {"twice": lambda word: f"{word} {word}", "table": lambda: "| a |\n| --- |", "bad": [].pop}
ROOT = generate.ROOT


def block(call: str, body: str = "\n") -> str:
    return f"<!-- generated: {call} -->{body}<!-- /generated -->"


@pytest.mark.slow
def test_the_committed_pages_are_what_is_generated(capsys):
    assert generate.main(["--check"]) == 0, capsys.readouterr()


def test_blocks_of_lines_and_within_a_line_are_filled():
    text, changed = fill(f"# T\n\n{block('table')}\n\nIt is {block('twice x', '')}.\n", BLOCKS)
    inner = block("table", "\n| a |\n| --- |\n")
    assert text == f"# T\n\n{inner}\n\nIt is {block('twice x', 'x x')}.\n"
    assert [one.call for one in changed] == ["table", "twice x"]
    assert fill(text, BLOCKS) == (text, [])


def test_arguments_may_hold_spaces():
    text = "It: " + block('twice "a b"', "")
    assert fill(text, BLOCKS)[0].count("a b a b") == 1


@pytest.mark.parametrize(
    "text", [f"```md\n{block('none')}\n```\n", f"Write `{block('none', '')}`."]
)
def test_code_is_left_alone(text):
    assert fill(text, BLOCKS) == (text, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"\n{block('other')}", "2: block 'other': there are bad, table, twice"),
        ("<!-- generated: table -->\n", "1: block 'table' is not closed by <!-- /generated -->"),
        (f"<!-- generated: table -->\n{block('table')}", "1: block 'table' is not closed"),
        ("a\n<!-- /generated -->", "2: <!-- /generated --> closes no block"),
        (block("bad"), "1: block 'bad': IndexError: pop from empty list"),
        (block("table x"), "1: block 'table x': TypeError"),
        (block("twice 'x"), "No closing quotation"),
        (f"a {block('table', '')}", "within a line has several lines"),
        (block("twice x", ""), "1: block 'twice x' within a line must not begin the line"),
        (f"- {block('twice x', '')}", "must not begin the line"),
        (block("table", " here\n"), "has text behind its opening comment"),
    ],
)
def test_what_is_wrong_with_a_block_is_said_in_one_line(text, message):
    with pytest.raises(BlockError) as error:
        fill(text, BLOCKS)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_check_names_file_and_block_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "registry", lambda: BLOCKS)
    page, broken = tmp_path / "page.md", tmp_path / "broken.md"
    page.write_text(f"{block('table')}\n")
    broken.write_text(block("none"))
    assert generate.main(["--check", str(page), str(broken)]) == 1
    said = capsys.readouterr()
    assert "page.md:1: table is out of date" in said.out
    assert "broken.md:1: block 'none'" in said.err
    assert page.read_text() == f"{block('table')}\n"
    assert generate.main([str(page)]) == 0
    assert generate.main(["--check", str(page)]) == 0


SECTIONS = [
    *(getattr(params, name) for name in reference.SECTIONS.values()),
    *(getattr(params, name) for name in reference.SOURCES.values()),
    *(method_class(name).Settings for name in METHODS),
]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_parameter_has_a_meaning(section):
    kinds = typing.get_type_hints(section)
    for name, meaning in reference._fields(section).items():
        apart = reference._nested(kinds[name]) or len(list(reference._literals(kinds[name]))) == 1
        assert meaning or apart, f"no comment beside {section.__name__}.{name}"


@pytest.mark.slow  # composes all profiles
def test_every_section_of_the_parameters_is_on_the_page():
    shown = {*reference.SECTIONS, "data", "pairs", "methods", "truth", "variants"}
    for profile, values in reference.profiles().items():
        sections = {key for key, value in values.items() if isinstance(value, dict)}
        assert sections <= shown | {"ablated"}, profile  # `ablated` follows from the variants


@pytest.mark.parametrize("profile", ["harvard", "harvard-quick"])
def test_a_profile_asks_for_folders_of_those_it_starts_from(profile):
    assert reference._wanted(profile) == ["data.input=FOLDER", "pairs.input=FOLDER"]


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("metrics", METRICS),
        ("commands", [f"tfsdiff {name}" for name in COMMANDS]),
        ("parameters", METHODS),
    ],
)
def test_every_entry_has_a_heading(page, names):
    text = (ROOT / f"docs/reference/{page}.md").read_text()
    assert set(names) <= set(re.findall(r"^###? (.*)$", text, re.MULTILINE))


def test_readme_is_short():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) < 200
    assert [line for line in lines if len(line) > 120] == []
