"""Every profile composes, is valid in every section and invents no key."""

import importlib

import pytest
import torch
import yaml

import released_layout as layout
from tfsdiff import methods, params
from tfsdiff.compose import CHOSEN, compose
from tfsdiff.methods.conditional import released
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.report.labels import LABELS

PROFILES = ["demo", "ci", "harvard", "paper", "official"]
STAGES = [
    "acquire", "split", "leakage", "prepare", "pairs", "truth", "degrade", "train", "train_fuser",
    "enlarge", "fuse", "sample", "evaluate", "table", "figure", "quality", "uncertainty",
    "curves", "variants", "cost",
]  # fmt: skip


def values_of(root, profile):
    return compose([f"profile={profile}"], root / "workflow/conf")


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
        methods.build(name, settings, 2)


def test_members_play_parts_that_exist(values):
    played = {settings.get("method", name) for name, settings in values["zoo"].items()}
    assert played == set(methods.METHODS)
    for part in ("networks", "enlargers", "fusers", "joint", "ablations"):
        assert set(values[part]) <= set(values["zoo"])
    assert {*values["enlargers"], *values["joint"]} == set(values["networks"])


def test_variants_are_settings_of_their_fusers(values):
    for fuser, changes in values["variants"]["changes"].items():
        for name, change in changes.items():
            default, changed = (
                methods.build(fuser, values["zoo"][fuser] | one, None).settings
                for one in ({}, change)
            )
            assert default != changed, f"{fuser}: {name}"


def test_ablations_differ_in_one_choice_and_are_shown(values):
    full = values["zoo"]["tfsdiff"]
    for name in values["ablations"]:
        settings = methods.build(name, values["zoo"][name], 2).settings.model_dump()
        assert settings != full or values["diffusion"]["prediction"] == "residual"
        assert name in values["report"]["table2"]
        assert name in LABELS


def test_profiles_have_the_same_keys(root):
    def keys(mapping):
        return {
            (top, sub)
            for top, value in mapping.items()
            for sub in (value if isinstance(value, dict) else [None])
            if top not in ("data", "pairs", "variants")
        }

    expected = keys(values_of(root, "demo"))
    for profile in PROFILES:
        assert keys(values_of(root, profile)) == expected, profile


def test_official_is_what_import_weights_takes(root):
    """Imported weights get the settings and, where the shapes are those, the network of it."""
    values = values_of(root, "official")
    unet = params.UNet(**values["unet"])
    for method in layout.METHODS:
        family = layout.family(method)
        assert values["zoo"][method] == family.settings
        with torch.device("meta"):
            network = ConditionalUNet(family.condition_channels, unet, *family.gate)
        shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        assert released.recognise(shapes, family) == unet
    diffusion = values["diffusion"]
    assert (diffusion["beta_start"], diffusion["beta_end"]) == (1e-6, 1e-2)
    assert (diffusion["noise_levels"], diffusion["schedule"], diffusion["prediction"]) == (
        4000, "linear", "eps",
    )  # fmt: skip


def test_committed_params_are_the_composed_choice(root):
    committed = yaml.safe_load((root / "params.yaml").read_text())
    assert committed == compose([], root / "workflow/conf", CHOSEN), (
        "params.yaml differs from workflow/conf: run `python -m tfsdiff.compose`"
    )
