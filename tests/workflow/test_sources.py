"""The code that jobs depend on is what they can import: links in workflow/code."""

import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

import sources  # noqa: E402
from tfsdiff.methods import METHODS  # noqa: E402

ENTRIES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(scope="module")
def project():
    return sources.Sources(ROOT)


@pytest.fixture(scope="module")
def files(project):
    """Files that each folder of links depends on."""
    return {folder: project.of(folder) for folder in project.folders}


def test_links_are_up_to_date():
    assert sources.main(["--check"]) == 0


@pytest.mark.parametrize("name", ENTRIES)
def test_every_stage_names_the_links_of_its_module_and_method(name):
    """Where a method is chosen by the cell, the links are those of that method."""
    entry = ENTRIES[name]
    (folder,) = (dep for dep in entry["deps"] if dep.startswith(f"{sources.CODE}/"))
    stage, _, method = folder.removeprefix(f"{sources.CODE}/").partition("/")
    assert stage == re.search(r"tfsdiff\.stages\.(\w+)", entry["cmd"])[1]
    axes = {"network", "enlarger", "fuser"} & set(entry.get("matrix", {}))
    # The variants of Table 2 are all of one method.
    assert method in ({f"${{item.{axis}}}" for axis in axes} | {"tfsdiff"} if axes else {""})


def test_every_method_has_links(project):
    named = {folder.partition("/")[2] for folder in project.folders}
    assert named == {*METHODS, ""}


def test_inert_modules_exist_and_have_a_reason(project):
    assert set(sources.INERT) <= project.graph.modules
    assert all(sources.INERT.values())


def test_inference_depends_on_nothing_that_trains(files):
    for folder, paths in files.items():
        if not folder.startswith("train"):
            assert not [path for path in paths if path.parts[2] == "training"], folder
            assert not [path for path in paths if path.name == "training.py"], folder


def test_a_method_brings_no_other_method(files):
    """But a guided one brings what it is made of."""
    parts = {"tfsdiff_guided", "tfsdiff", "sr3", "least_squares", "bitonicx"}
    for folder, paths in files.items():
        method = folder.partition("/")[2]
        if method:
            others = {path.parts[3] for path in paths if path.parts[2] == "methods"}
            guided = method == "tfsdiff_guided" or folder.startswith("guide/")
            assert (others & set(METHODS)) <= (parts if guided else {method}), folder


def test_metrics_are_found_behind_their_registry(files):
    names = {path.name for path in files["evaluate"] if path.parts[2] == "metrics"}
    assert {"vif.py", "gradient.py", "ssim.py", "error.py", "lpips.py", "registry.py"} <= names


def test_links_are_made_and_compared(tmp_path):
    links = {Path("one/a.b.py"): Path("src/a/b.py"), Path("two/x/c.py"): Path("src/c.py")}
    for file in links.values():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    (tmp_path / sources.CODE / "old").mkdir(parents=True)
    (tmp_path / sources.CODE / "old/d.py").symlink_to(tmp_path / "src/c.py")
    sources.write(tmp_path, links)
    assert sources.found(tmp_path) == links
    # A system without links checks out their text.
    (tmp_path / sources.CODE / "one/a.b.py").unlink()
    (tmp_path / sources.CODE / "one/a.b.py").write_text("../../../src/a/b.py")
    assert sources.found(tmp_path) != links
