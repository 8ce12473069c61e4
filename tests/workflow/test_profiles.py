"""Every profile composes, is valid in every section and invents no key."""

import functools
import importlib

import pytest
import torch
import yaml

import released_layout as layout
from tfsdiff import methods, params
from tfsdiff.compose import CHOSEN, compose
from tfsdiff.methods.conditional import released
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.stages.support import settings

PROFILES = ["demo", "ci", "showcase", "harvard", "harvard-quick", "paper", "official"]
NAMED = ["data.input=slices", "pairs.input=pairs"]  # by the user
FOLDERS = {"harvard": NAMED, "harvard-quick": NAMED}
STAGES = [
    "acquire", "split", "leakage", "prepare", "pairs", "truth", "degrade", "train",
    "train_guided", "train_fuser", "fit_enlarger", "guide", "synthesise", "enlarge",
    "enlarge_learned", "fuse", "fuse_learned", "sample", "evaluate", "table", "figure",
    "quality", "uncertainty", "curves", "variants", "cost",
]  # fmt: skip


@functools.cache
def values_of(root, profile):
    """Composed values; not to be changed, as all tests share them."""
    return compose([f"profile={profile}", *FOLDERS.get(profile, [])], root / "workflow/conf")


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


def settings_of(values, name):
    variants = {k: params.Variant(**v) for k, v in values["variants"].items()}
    return settings.settings_of(name, values["methods"], variants)


def test_settings_are_accepted_by_the_methods(values):
    for name in (*values["methods"], *values["variants"]):
        methods.build(name, settings_of(values, name), 2)


def test_methods_play_parts_that_exist(values):
    assert set(values["methods"]) == set(methods.METHODS)
    for part in ("enlargers", "fusers", "joint"):
        assert set(values[part]) <= set(values["methods"])
    # Stages that train ablations depend on the code of this method.
    assert all(values["variants"][name]["method"] == "tfsdiff" for name in values["ablations"])


def test_lists_that_follow_from_others(values):
    assert values["networks"] == ["sr3", "tfsdiff"]
    assert values["fitted_enlargers"] == ["least_squares"]
    assert values["guided"] == ["tfsdiff_guided"]
    assert values["guides"] == [values["methods"]["tfsdiff_guided"]["guide"]]
    for kind, names in (("enlargers", values["enlargers"]), ("fusers", values["fusers"])):
        plain, learned = values[f"plain_{kind}"], values[f"learned_{kind}"]
        assert sorted([*plain, *learned]) == sorted(names)
        assert all(methods.is_learned(name, {}) for name in learned)
        assert not any(methods.is_learned(name, {}) for name in plain)
    assert values["evaluated_scales"] == [1, *values["scales"]]


def value_at(values, key):
    section, name = key.split(".")
    return values[section][name]


def test_variants_differ_from_their_methods(values):
    """Those of the prediction may be what the section diffusion says anyway."""
    labels = set()
    for name, variant in values["variants"].items():
        full = methods.build(variant["method"], values["methods"][variant["method"]], 2).settings
        changed = methods.build(name, settings_of(values, name), 2).settings
        shown = variant["method"] != "tfsdiff" or name in values["ablations"]
        other = {key: x for key, x in variant["changes"].items() if "." in key}
        assert all(value_at(values, key) != x for key, x in other.items()) or not shown, name
        assert changed != full or other or not shown, name
        labels.add((variant["method"], variant["label"]))
    assert len(labels) == len(values["variants"])


def test_profiles_have_the_same_keys(root):
    def keys(mapping):
        return {
            (top, sub)
            for top, value in mapping.items()
            for sub in (value if isinstance(value, dict) else [None])
            if top not in ("ablated", "data", "pairs", "variants")
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
        assert values["methods"][method] == family.settings
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
