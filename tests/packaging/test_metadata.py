"""What surrounds the code: version, citation, links of the front matter."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import tfsdiff
from tfsdiff import compose
from tfsdiff.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_commands_print_the_version(capsys):
    assert main(["--version"]) == 0
    with pytest.raises(SystemExit, match="0"):
        compose.main(["--version"])
    assert capsys.readouterr().out == f"{tfsdiff.__version__}\n" * 2


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == tfsdiff.__version__
    assert citation["license"] == "MIT"
    titles = " ".join(reference["notes"] for reference in citation["references"])
    for method in ("TFS-Diff", "SR3", "CDDFuse", "TGFuse", "DDFM", "CTSR", "BitonicX", "LPIPS"):
        assert method in titles


def test_the_changelog_has_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(tfsdiff.__version__)}\] - \d{{4}}-\d\d-\d\d$", text, re.M)


def test_pythons_are_the_same_everywhere():
    """In the metadata, the Makefile's check, and continuous integration."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: "
    pythons = [
        line.removeprefix(prefix) for line in project["classifiers"] if line.startswith(prefix)
    ]
    first, last = (int(text.partition(".")[2]) for text in (pythons[0], pythons[-1]))
    assert project["requires-python"] == f">=3.{first},<3.{last + 1}"
    assert f"(3, {first}) <= v <= (3, {last})" in (ROOT / "Makefile").read_text()
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == pythons


def test_the_package_says_that_it_has_types():
    assert Path(tfsdiff.__file__).with_name("py.typed").is_file()


@pytest.mark.parametrize("folder", ["data", "results"])
def test_folders_of_the_pipeline_say_what_will_lie_there(folder):
    """Each path that a stage writes has a line."""
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    written = yaml.safe_dump(stages).split()
    paths = {re.match(r"\w+/(\w+)", word)[1] for word in written if word.startswith(f"{folder}/")}
    assert {path for path in paths if f"`{path}/" not in text} == set()
