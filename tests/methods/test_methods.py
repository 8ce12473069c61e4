"""One contract for every method: it is built, stored, loaded, and does the same again."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from inputs import generators
from tfsdiff.common.errors import InputError
from tfsdiff.compose import compose
from tfsdiff.core.backend import CPU
from tfsdiff.methods import (
    METHODS,
    build,
    is_learned,
    load_method,
    method_class,
    save_method,
    store,
    training_module,
)
from tfsdiff.methods.base import Enlarger, Examples, JointMethod, Method
from tfsdiff.methods.tfsdiff_guided.guide import Guide
from tfsdiff.params import Sampling
from tfsdiff.training.log import NullLog, Recipe

CONF = Path(__file__).resolve().parents[2] / "workflow/conf"
# What the profile ci has, so that a new method is tested as soon as it is in workflow/conf.
SETTINGS: dict[str, dict[str, Any]] = compose(["profile=ci"], CONF)["methods"] | {
    "sr3": tiny.SR3,
    "tfsdiff": tiny.TFSDIFF,
    "tfsdiff_guided": tiny.TFSDIFF | {"guide": "least_squares", "steps": None},
}


def fitted(
    name: str, examples: Callable[..., Examples], brief: Recipe, sampling: Sampling
) -> Method:
    method = build(name, SETTINGS[name], 2, sampling)
    parts = [examples(2), examples(2, seed=1)]
    if name == "tfsdiff_guided":
        guide = fitted("least_squares", examples, brief, sampling)
        method.guide_by(guide)
        parts = [replace(x, guided=Guide.of(guide)(x.low, generators(4))) for x in parts]
    if method.learned:
        tiny.fit(method, *parts, brief, CPU, NullLog())
    return method


def result(method: Method, data: Examples) -> Tensor:
    """What the method makes of the sources at its size, with fixed noise."""
    noise = [torch.Generator().manual_seed(i) for i in range(len(data.low))]
    if isinstance(method, Enlarger):
        return method.enlarge(data.low.sources[:, 0], noise)
    return method.fuse(data.low if isinstance(method, JointMethod) else data.high, noise)


def test_there_are_settings_for_every_method() -> None:
    assert set(METHODS) <= set(SETTINGS)


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_learns_is_restored(name: str) -> None:
    kind = method_class(name)
    assert kind.name == name
    assert kind.learned == is_learned(name, {}) == (kind.state is not Method.state)
    assert kind.learned == is_learned("variant", {"method": name})
    assert kind.learned == (kind.restore is not Method.restore)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_importable_is_declared(name: str) -> None:
    kind = method_class(name)
    reads = kind.import_released.__func__ is not Method.import_released.__func__
    assert kind.importable == reads


@pytest.mark.parametrize("name", [name for name in METHODS if method_class(name).learned])
def test_what_is_learned_has_a_module_that_trains_it(name: str) -> None:
    module = training_module(build(name, SETTINGS[name], 2))
    names = list(inspect.signature(module.fit).parameters)
    assert names == ["method", "train", "validation", "recipe", "backend", "log"]


def test_what_learns_nothing_is_not_trained() -> None:
    with pytest.raises(InputError, match="mean learns nothing"):
        training_module(build("mean", {}, None))


def test_other_sampling_leaves_a_method_as_it_is(sampling: Sampling) -> None:
    method = build("tfsdiff", tiny.TFSDIFF, 2, sampling)
    other = sampling.model_copy(update={"evaluations": 1})
    changed = method.with_sampling(other)
    assert (type(changed), changed.sampling) == (type(method), other)
    assert method.sampling == sampling


@pytest.mark.parametrize("name", METHODS)
def test_method_is_stored_and_loaded(
    name: str,
    examples: Callable[..., Examples],
    brief: Recipe,
    sampling: Sampling,
    tmp_path: Path,
) -> None:
    method, data = fitted(name, examples, brief, sampling), examples(2, seed=2)
    expected = result(method, data)
    assert torch.all((expected >= 0) & (expected <= 1))
    save_method(tmp_path / "a", name, method)
    loaded = load_method(tmp_path / "a", CPU, sampling)
    assert (type(loaded), loaded.settings, loaded.scale) == (method_class(name), method.settings, 2)
    assert torch.equal(result(loaded, data), expected)
    save_method(tmp_path / "b", name, loaded)
    for file in (store.WEIGHTS, store.PARAMS):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_two_trainings_write_the_same_bytes(
    examples: Callable[..., Examples], brief: Recipe, sampling: Sampling, tmp_path: Path
) -> None:
    for name in "ab":
        one = replace(brief, checkpoints=tmp_path / f"checkpoints-{name}")
        save_method(tmp_path / name, "tfsdiff", fitted("tfsdiff", examples, one, sampling))
    for file in (store.WEIGHTS, store.PARAMS):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_stored_parameters_are_readable(
    examples: Callable[..., Examples], brief: Recipe, sampling: Sampling, tmp_path: Path
) -> None:
    save_method(tmp_path / "a", "tfsdiff", fitted("tfsdiff", examples, brief, sampling))
    _, values = store.read(tmp_path / "a")
    assert list(values) == [
        "name",
        "scale",
        "settings",
        "unet",
        "diffusion",
        "train",
        "seed",
        "residual",
    ]
    assert values["settings"] == {"method": "tfsdiff"} | tiny.TFSDIFF
    assert values["unet"]["multipliers"] == [1, 2]


def test_variant_is_stored_with_its_method(
    examples: Callable[..., Examples], brief: Recipe, sampling: Sampling, tmp_path: Path
) -> None:
    settings = {"method": "tfsdiff"} | tiny.TFSDIFF | {"tmfa": "none"}
    variant, data = build("tfsdiff_bare", settings, 2, sampling), examples(2)
    tiny.fit(variant, data, data, brief, CPU, NullLog())
    save_method(tmp_path / "a", "tfsdiff_bare", variant)
    loaded = load_method(tmp_path / "a", CPU, sampling)
    assert loaded.settings.tmfa == "none"
    assert torch.equal(result(loaded, data), result(variant, data))


def test_unknown_name_is_refused() -> None:
    with pytest.raises(InputError, match="no method is called 'sr4'; there are bicubic, bitonicx"):
        build("sr4", {}, 2)


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(InputError, match=r"methods\.mean: width: Extra inputs"):
        build("mean", {"width": 3}, None)


def damage(folder: Path, how: str) -> None:
    weights, params = folder / store.WEIGHTS, folder / store.PARAMS
    text = params.read_text()
    if how == "no weights":
        weights.unlink()
    elif how == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-9])
    elif how == "no params":
        params.unlink()
    elif how == "no name":
        params.write_text(text.replace("name:", "nom:"))
    elif how == "other width":
        params.write_text(text.replace("width: 8", "width: 12"))
    elif how == "no unet":
        params.write_text(text.replace("unet:", "net:"))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no weights", "has no weights"),
        ("cut weights", "cannot be read"),
        ("no params", "has no params"),
        ("no name", "lacks 'name'"),
        ("other width", "weights do not fit"),
        ("no unet", "unet"),
    ],
)
def test_damaged_folder_is_refused(
    how: str,
    message: str,
    examples: Callable[..., Examples],
    brief: Recipe,
    sampling: Sampling,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a"
    save_method(folder, "sr3", fitted("sr3", examples, brief, sampling))
    damage(folder, how)
    with pytest.raises(InputError, match=message) as error:
        load_method(folder, CPU, sampling)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)
