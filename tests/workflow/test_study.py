"""Studies: the pipeline at several points of its parameters."""

import sys
from pathlib import Path

import pytest
import yaml

from tfsdiff.common.errors import InputError
from tfsdiff.compose import check, compose

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import study

FOLDERS = ["data.input=slices", "pairs.input=pairs"]
STUDIES = """
few:
  overrides: [profile=ci, "enlargers=[bicubic]", "joint=[]", "ablations=[]", "quality.networks=[]"]
  points:
    one: ["fusers=[mean]"]
    other: ["fusers=[copy]"]
"""


def studies(root):
    return yaml.safe_load((root / "workflow/studies.yaml").read_text())


@pytest.mark.parametrize("name", ["folds", "seeds", "computed-groups", "training-time"])
def test_points_are_composed_and_differ(name, root):
    found = studies(root)[name]
    composed = {
        point: compose([*found["overrides"], *own, *FOLDERS], root / "workflow/conf")
        for point, own in found["points"].items()
    }
    for values in composed.values():
        check(values)
        assert values["joint"] == ["tfsdiff", "tfsdiff_guided"]
    assert len({str(values) for values in composed.values()}) == len(composed)


def test_each_study_is_tested(root):
    assert set(studies(root)) == {"folds", "seeds", "computed-groups", "training-time"}


def test_an_unknown_study_is_refused(root):
    with pytest.raises(InputError, match="no study 'fold'; there are folds, seeds"):
        study.study(root, "fold", [], "1")


@pytest.mark.slow
def test_scores_of_all_points_are_kept_and_not_made_again(new_project):
    project = new_project()
    (project.folder / "workflow/studies.yaml").write_text(STUDIES)
    before = (project.folder / "params.yaml").read_text()
    command = (sys.executable, "workflow/study.py", "few", "--cores", "2")
    assert "one: snakemake runs" in project.run(*command)
    out = project.folder / "results/studies/few"
    for point, fuser in (("one", "mean"), ("other", "copy")):
        rows = (out / f"{point}.csv").read_text().splitlines()
        assert rows[0].startswith("scale,row,group,metric")
        assert any(f"{fuser}-bicubic" in row for row in rows)
        record = yaml.safe_load((out / f"{point}.yaml").read_text())
        assert record["params"]["fusers"] == [fuser]
    assert (project.folder / "params.yaml").read_text() == before
    again = project.run(*command)
    assert "one: there already" in again
    assert "other: there already" in again
    assert "snakemake runs" not in project.run(*command)
