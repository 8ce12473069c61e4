"""The profile `ci` from nothing by `make repro`, then by DVC alone: a table, and the same bytes."""

import csv

import pytest


@pytest.fixture(scope="module")
def project(ci_project):
    return ci_project()


@pytest.mark.slow
def test_both_tools_make_the_same_bytes(project):
    """Snakemake made everything on all cores; DVC makes it again, one stage after another."""
    before = (project.folder / "dvc.lock").read_text()
    project.run("dvc", "repro", "--force", "--quiet")
    assert (project.folder / "dvc.lock").read_text() == before


@pytest.mark.slow
def test_git_sees_nothing_of_what_was_made(project):
    command = ["git", "status", "--porcelain", "--untracked-files=all", "data", "results"]
    assert project.run(*command) == ""
    assert project.run("git", "ls-files", "data").split() == ["data/README.md"]


@pytest.mark.slow
def test_table_1_has_a_number_for_every_method(project):
    with (project.folder / "results/report/table1.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["row"] for row in rows} >= {"tfsdiff", "bitonicx-sr3", "bitonicx-bicubic"}
    for row in rows:
        for metric in ("AG", "MSE", "VIF", "SSIM", "PSNR", "MAE", "RMSE"):
            assert row[metric] != "", row
    # The ceiling is the ground truth itself, up to nothing.
    ceiling = next(r for r in rows if r["row"] == "bitonicx-full" and r["against"] == "truth")
    assert float(ceiling["MSE"]) == 0


@pytest.mark.slow
def test_a_changed_parameter_reruns_only_what_depends_on_it(project):
    project.python("tfsdiff.compose", "profile=ci", "sampling.evaluations=3")
    stale = {
        line.rstrip(":") for line in project.run("dvc", "status").splitlines() if line[:1].strip()
    }
    project.python("tfsdiff.compose", "profile=ci")
    assert {"enlarge_learned@sr3-2", "sample@tfsdiff-2"} <= stale
    assert not any(name.startswith(("acquire", "split", "truth", "train")) for name in stale)


@pytest.mark.slow
def test_a_wrong_folder_ends_with_one_line_and_leaves_the_old_data(project):
    before = sorted((project.folder / "data/raw/images").iterdir())
    project.python("tfsdiff.compose", "profile=ci", "data=directory", "data.input=/nowhere")
    command = ["tfsdiff.stages.acquire", "--input", "/nowhere", "--out", "data/raw"]
    output = project.python(*command, code=1)
    project.python("tfsdiff.compose", "profile=ci")
    assert output.count("\n") == 1
    assert "data.input" in output
    assert sorted((project.folder / "data/raw/images").iterdir()) == before
