"""Every profile composes, is valid in every section and invents no key."""

import importlib

import pytest
import yaml

from tfsdiff import fusers, params
from tfsdiff.compose import compose, main

PROFILES = ["demo", "ci", "harvard", "paper"]
EXTRA = {"paper": ["data.input=somewhere"]}
STAGES = [
    "acquire", "split", "prepare", "truth", "degrade", "train",
    "enlarge", "fuse", "sample", "evaluate", "table", "figure",
]  # fmt: skip


def values_of(root, profile):
    return compose([f"profile={profile}", *EXTRA.get(profile, [])], root / "workflow/conf")


@pytest.fixture(params=PROFILES)
def values(request, root):
    return values_of(root, request.param)


def test_profiles_are_all_listed_here(root):
    found = {path.stem for path in (root / "workflow/conf/profile").glob("*.yaml")}
    assert found == set(PROFILES)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_accepts_the_profile(values, stage):
    section = importlib.import_module(f"tfsdiff.stages.{stage}").Params
    known = {key: value for key, value in values.items() if key in section.model_fields}
    params.validate(known, section, "profile")


def test_every_zoo_entry_is_accepted_by_its_member(values):
    for name, settings in values["zoo"].items():
        fusers.build(name, settings, 2)


def test_members_play_parts_that_exist(values):
    assert set(values["zoo"]) == set(fusers.ZOO)
    for part in ("networks", "enlargers", "fusers", "joint", "ablations"):
        assert set(values[part]) <= set(fusers.ZOO)
    assert {*values["enlargers"], *values["joint"], *values["ablations"]} <= set(values["networks"])


def test_profiles_have_the_same_keys(root):
    def keys(mapping):
        return {
            (top, sub)
            for top, value in mapping.items()
            for sub in (value if isinstance(value, dict) else [None])
            if top != "data"
        }

    expected = keys(values_of(root, "demo"))
    for profile in PROFILES:
        assert keys(values_of(root, profile)) == expected, profile


def test_committed_params_are_the_composed_default(root):
    committed = yaml.safe_load((root / "params.yaml").read_text())
    assert committed == compose([], root / "workflow/conf"), (
        "params.yaml differs from workflow/conf: run `python -m tfsdiff.compose`"
    )


def test_unknown_group_is_one_line_and_code_1(root, capsys, tmp_path):
    out = tmp_path / "params.yaml"
    code = main(["profile=nothing", "--conf", str(root / "workflow/conf"), "--out", str(out)])
    error = capsys.readouterr().err
    assert code == 1
    assert not out.exists()
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "profile/nothing" in error


def test_missing_folder_is_named(root, capsys, tmp_path):
    out = tmp_path / "params.yaml"
    arguments = ["data=directory", "--conf", str(root / "workflow/conf"), "--out", str(out)]
    assert main(arguments) == 1
    assert "data.input" in capsys.readouterr().err
