"""Choices are kept: composing again, and DVC's experiments, start from them."""

import shutil

import pytest
import yaml

from tfsdiff.compose import CHOSEN, choice, compose, main

STAGE = {
    "stages": {
        "show": {"cmd": "cp params.yaml seen.yaml", "params": ["train"], "outs": ["seen.yaml"]}
    }
}
CHOICES = [
    [],
    ["data=directory", "data.input=in", "pairs=directory", "pairs.input='a, b'", "data.pixels=128"],
    ["+variants.changes.ctsr.wide={window_pixels: 7}", "compute.deterministic=false"],
]  # fmt: skip
MORE = [
    ["profile=paper"],
    ["scales=[2,4]", "train.learning_rate=1e-5", "report.controls=[]", "unet.attention_level=null"],
    ["seed=7", "profile=ci"],
    ["profile=ci", "data=directory", "data.input=../slices of mine"],
]
MORE = [pytest.param(overrides, marks=pytest.mark.slow) for overrides in MORE]


@pytest.fixture
def project(root, tmp_path, monkeypatch):
    shutil.copytree(root / "workflow/conf", tmp_path / "workflow/conf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_committed_choice_is_none(root):
    conf = root / "workflow/conf"
    assert (conf / f"{CHOSEN}.yaml").read_text() == choice([], conf)


@pytest.mark.parametrize("overrides", [*CHOICES, *MORE], ids=" ".join)
def test_a_choice_composes_to_what_was_composed_when_it_was_made(project, overrides):
    conf = project / "workflow/conf"
    assert main(overrides) == 0
    composed = yaml.safe_load((project / "params.yaml").read_text())
    assert composed == compose(overrides, conf) == compose([], conf, CHOSEN)


@pytest.mark.slow
def test_a_later_choice_replaces_the_one_before(project):
    assert main(["profile=ci", "seed=7"]) == main(["profile=paper"]) == 0
    assert compose([], project / "workflow/conf", CHOSEN)["seed"] == 2024


def test_an_experiment_may_choose_another_group(project):
    main(["profile=ci", "data=directory", "data.input=in"])
    composed = compose(["profile=paper"], project / "workflow/conf", CHOSEN)
    assert composed["profile"] == "paper"
    assert (composed["data"]["source"], composed["data"]["input"]) == ("directory", "in")


def test_any_folder_of_the_project_will_do(project, monkeypatch):
    monkeypatch.chdir(project / "workflow/conf/data")
    assert main(["profile=ci"]) == 0
    assert compose([], project / "workflow/conf", CHOSEN)["profile"] == "ci"
    assert yaml.safe_load((project / "params.yaml").read_text())["profile"] == "ci"


def test_elsewhere_one_line_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "inside the project" in error


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("profile=nothing", "profile/nothing"),
        ("data=directory", "add data.input=FOLDER, or choose data=atlas"),
        ("profile=harvard", "data.input=FOLDER pairs.input=FOLDER, or choose"),
        pytest.param("profil=ci", "profil", marks=pytest.mark.slow),
        ("~cost", "cannot be deleted"),
        ("train.steps=-1", "train.steps: Input should be greater than or equal to 1 (got -1)"),
        ("fusers=[nobody]", "fusers: 'nobody' is none of bicubic, "),
    ],
)
def test_what_cannot_be_composed_is_one_line_and_changes_no_file(project, capsys, override, named):
    main(["seed=3"])
    files = [project / "params.yaml", project / f"workflow/conf/{CHOSEN}.yaml"]
    before = [path.read_bytes() for path in files]
    assert main([override]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert named in error
    assert [path.read_bytes() for path in files] == before


@pytest.mark.slow
def test_experiments_start_from_the_choice(new_project, root):
    made = new_project()
    (made.folder / "dvc.yaml").write_text(yaml.safe_dump(STAGE))
    made.python("tfsdiff.compose", "profile=ci", "data=directory", "data.input=some/slices")
    made.commit("It")
    seen = made.folder / "seen.yaml"

    made.run("dvc", "exp", "run", "-S", "train.learning_rate=0.004")
    values = yaml.safe_load(seen.read_text())
    expected = ["profile=ci", "data=directory", "data.input=some/slices"]
    conf = made.folder / "workflow/conf"
    assert values == compose([*expected, "train.learning_rate=0.004"], conf)

    # As the queue does, in a copy of the project: what is chosen but not committed counts too.
    made.python("tfsdiff.compose", "profile=ci", "train.steps=9")
    made.run("dvc", "exp", "run", "--temp", "-n", "apart", "-S", "profile=demo")
    references = made.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    (apart,) = [name for name in references if name.endswith("/apart")]
    values = yaml.safe_load(made.run("git", "show", f"{apart}:params.yaml"))
    assert values == compose(["train.steps=9"], conf)
