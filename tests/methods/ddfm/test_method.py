from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

import tiny
from inputs import generators, smooth_sources
from tfsdiff.common.errors import InputError
from tfsdiff.compose import compose
from tfsdiff.core.backend import CPU
from tfsdiff.core.tensors import Batch, Pairs, luminance
from tfsdiff.methods import build, load_method, save_method, take_weights, write_method
from tfsdiff.methods.base import Examples
from tfsdiff.methods.ddfm import em
from tfsdiff.methods.ddfm.method import DDFM
from tfsdiff.methods.ddfm.network import Architecture, GuidedUNet, network_without_weights
from tfsdiff.methods.ddfm.prior import SCHEDULE, estimator, evenly_spaced
from tfsdiff.methods.ddfm.training import images_of
from tfsdiff.methods.pairwise import slots
from tfsdiff.training.log import NullLog, Recipe

CONF = Path(__file__).resolve().parents[3] / "workflow/conf"
NETWORK = {
    "width": 8,
    "multipliers": [1, 2, 2],
    "blocks": 1,
    "attention_levels": [2],
    "head_channels": 8,
    "groups": 4,
    "learned_variance": False,
}
SETTINGS: dict[str, Any] = {
    "first": "anatomical",
    "swapped": False,
    "network": NETWORK,
    "mode": "paper",
    "sampler": "ddim",
    "evaluations": 3,
    "tv_weight": 0.5,
    "tv_coupling": 0.001,
    "stretch": "none",
    "train": tiny.TRAIN.model_dump(mode="json"),
}
# As released: heads of 64 channels, 32 groups.
LIKE_RELEASED = NETWORK | {
    "width": 32,
    "attention_levels": [1, 2],
    "head_channels": 64,
    "groups": 32,
    "learned_variance": True,
}


def network(**changes: Any) -> GuidedUNet:
    """A network whose last convolutions are no longer zero."""
    torch.manual_seed(0)
    made = GuidedUNet(Architecture(**(NETWORK | changes))).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.add_(0.03 * torch.randn_like(parameter))
    return made


def make(sizes: dict[str, Any] | None = None, **changes: Any) -> DDFM:
    made = build("ddfm", SETTINGS | {"network": NETWORK | (sizes or {})} | changes, None)
    made.restore(network(**(sizes or {})).state_dict(), {"prior": "own"}, CPU)
    return made


def batch(count: int = 2, pixels: tuple[int, int] = (16, 16)) -> Batch:
    sources = smooth_sources(count, *pixels, seed=0)
    names = tuple("abcdef"[:count])
    return Batch(names, sources, modalities=(("CT", "MR-T2", "PET"),) * count)


def test_configuration_is_the_published_prior() -> None:
    values = compose(["profile=paper"], CONF)["methods"]["ddfm"]
    made = network_without_weights(build("ddfm", values, None).settings.network)
    assert sum(p.numel() for p in made.parameters()) == 552_814_086
    assert len(made.state_dict()) == 566


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "both"}, "mode"),
        ({"sampler": "dpmpp"}, "sampler"),
        ({"evaluations": 0}, "evaluations"),
        ({"evaluations": 1001}, "evaluations"),
        ({"tv_weight": 0.0}, "tv_weight"),
        ({"stretch": True}, "stretch"),
        ({"network": NETWORK | {"groups": 3}}, "multiples of groups"),
        ({"train": SETTINGS["train"] | {"crop_pixels": 18}}, "crop_pixels must be a multiple of 4"),
    ],
)
def test_wrong_settings_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        build("ddfm", SETTINGS | changes, None)
    assert "\n" not in str(error.value)


def test_images_of_all_modalities_are_learned_from(examples: Callable[..., Examples]) -> None:
    data = examples(scale=2)
    found = images_of(data)
    assert len(found) == 12
    assert found.names[4] == "g1 source 2"
    torch.testing.assert_close(found.images[4], 2 * data.high.sources[1, 1] - 1)
    pairs = Pairs(("p",), data.high.sources[:1, 1:])
    more = images_of(replace(data, pairs=pairs))
    assert len(more) == 14
    assert more.names[12:] == ("p image 1", "p image 2")
    torch.testing.assert_close(more.images[13], 2 * data.high.sources[0, 2] - 1)
    none = replace(data, pairs=Pairs((), data.high.sources[:0, 1:]))
    assert len(images_of(none)) == 12


@pytest.mark.slow
def test_learns_and_fuses(examples: Callable[..., Examples], recipe: Recipe) -> None:
    train = SETTINGS["train"] | {"steps": 24, "validation_steps": 12, "learning_rate": 1e-2}
    made, rows = build("ddfm", SETTINGS | {"train": train}, None), tiny.Rows()
    data = examples(scale=2)
    tiny.fit(made, data, examples(scale=2, seed=1), recipe, CPU, rows)
    losses = [values["validation_loss"] for _, values in rows]
    assert losses[1] < losses[0]
    assert losses[1] < 0.9  # 1 at first, as the prediction starts at zero
    assert rows.sheet.shape == (3, 16, 32)
    fused = made.fuse(data.high, generators(4))
    assert fused.shape == data.high.truth.shape
    assert torch.all((fused >= 0) & (fused <= 1))


@pytest.mark.slow
def test_two_trainings_give_the_same_weights(
    examples: Callable[..., Examples], recipe: Recipe, tmp_path: Path
) -> None:
    states = []
    for name in "ab":
        made, data = build("ddfm", SETTINGS, None), examples(scale=2)
        tiny.fit(made, data, data, replace(recipe, checkpoints=tmp_path / name), CPU, NullLog())
        states.append(made.state()[0])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_is_stored_with_the_origin_of_its_prior(
    examples: Callable[..., Examples], recipe: Recipe, tmp_path: Path
) -> None:
    made, data = build("ddfm", SETTINGS, None), examples(scale=2)
    tiny.fit(made, data, data, recipe, CPU, NullLog())
    save_method(tmp_path / "a", "ddfm", made)
    assert yaml.safe_load((tmp_path / "a" / "params.yaml").read_text())["prior"] == "own"
    loaded = load_method(tmp_path / "a", CPU)
    assert torch.equal(*(m.fuse(data.high, generators(4)) for m in (made, loaded)))
    save_method(tmp_path / "b", "ddfm", loaded)
    for file in ("weights.safetensors", "params.yaml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_restore_refuses_what_is_not_its_own() -> None:
    weights = network().state_dict()
    with pytest.raises(InputError, match="lacks `prior`"):
        build("ddfm", SETTINGS, None).restore(weights, {}, CPU)
    other = build("ddfm", SETTINGS | {"network": NETWORK | {"width": 16}}, None)
    with pytest.raises(InputError, match="weights do not fit") as error:
        other.restore(weights, {"prior": "own"}, CPU)
    assert "\n" not in str(error.value)


def test_needs_weights() -> None:
    with pytest.raises(ValueError, match="needs weights"):
        build("ddfm", SETTINGS, None).fuse(batch(), generators(2))


def rectified(i: Tensor, v: Tensor, mode: str, sampler: str = "ddim") -> Tensor:
    """What the prior of `network` makes of luminances of [-1, 1]: (1, 3, H, W)."""
    settings = build("ddfm", SETTINGS | {"mode": mode, "sampler": sampler}, None).settings
    estimate, levels = estimator(network(), SCHEDULE, CPU), evenly_spaced(SCHEDULE, 3)
    with torch.inference_mode():
        return em.fuse(estimate, (i, v), levels, settings, generators(1))


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
@pytest.mark.parametrize("mode", ["paper", "official"])
def test_flat_images_are_not_stretched_to_noise(mode: str, sampler: str) -> None:
    made, level = (
        make(mode=mode, sampler=sampler, stretch="official"),
        torch.full((1, 1, 8, 8), 0.3),
    )
    fused = made.fuse_pair(level, level, generators(1))
    torch.testing.assert_close(fused, level, atol=2e-3, rtol=0)


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
@pytest.mark.parametrize("mode", ["paper", "official"])
def test_slots_of_d2(mode: str, sampler: str) -> None:
    """Paper: V is the visible image; official: I is."""
    visible, other = luminance(batch(1).sources[:, 1]), luminance(batch(1).sources[:, 2])
    got = make(mode=mode, sampler=sampler).fuse_pair(visible, other, generators(1))
    i, v = (other, visible) if mode == "paper" else (visible, other)
    x_0 = rectified(2 * i - 1, 2 * v - 1, mode, sampler)
    wanted = (em.luma_of(x_0, mode) + 1) / 2
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


def test_two_calls_share_the_generator_and_carry_the_chroma() -> None:
    made, data = make(), batch(1)
    visible, other = slots(data)
    noise = generators(1)
    between = made.fuse_pair(visible, other, noise).clamp(0, 1)
    expected = made.fuse_pair(between, luminance(data.sources[:, 2]), noise).clamp(0, 1)
    fused = made.fuse(data, generators(1))
    inside = ((fused > 0) & (fused < 1)).all(1, keepdim=True)
    assert inside.float().mean() > 0.3
    torch.testing.assert_close(luminance(fused)[inside], expected[inside], atol=1e-4, rtol=0)
    spread, wanted = (x[:, 0] - x[:, 2] for x in (fused, data.sources[:, 2]))
    torch.testing.assert_close(spread[inside[:, 0]], wanted[inside[:, 0]], atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["paper", "official"])
def test_an_image_does_not_depend_on_its_batch(mode: str) -> None:
    made, data = make(mode=mode), batch(3, (13, 18))
    together = made.fuse(data, generators(3))
    assert together.shape == (3, 3, 13, 18)
    for i in range(3):
        one = Batch(data.groups[i : i + 1], data.sources[i : i + 1], None, data.modalities[:1])
        assert torch.equal(made.fuse(one, generators(1, i)), together[i : i + 1])


def test_stretch_of_d10() -> None:
    y = luminance(batch(1).sources[:, 1]), luminance(batch(1).sources[:, 2])
    plain, full = (
        make(mode="official", stretch=s).fuse_pair(*y, generators(1)) for s in ("none", "official")
    )
    assert (full.min(), full.max()) == (0, 1)
    torch.testing.assert_close(full, (plain - plain.min()) / (plain.max() - plain.min()))
    # The released code stretches the luma of R, G and B, which comes to the same.
    grey = luminance(rectified(2 * y[0] - 1, 2 * y[1] - 1, "official"))
    released = (grey - grey.min()) / (grey.max() - grey.min())
    torch.testing.assert_close(full, released, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_result_lies_between_the_sources(mode: str) -> None:
    """Whatever the prior says: the last step is the rectified estimate itself."""
    visible, other = luminance(batch(2).sources[:, 1]), luminance(batch(2).sources[:, 2])
    fused = make(mode=mode).fuse_pair(visible, other, generators(2))
    assert torch.all(fused >= torch.minimum(visible, other) - 2e-3)
    assert torch.all(fused <= torch.maximum(visible, other) + 2e-3)


def released(path: Path, change: Callable[[dict], None] = lambda x: None, **sizes: Any) -> Path:
    """A file in the released layout: a bare state dict."""
    tensors = dict(network(**(LIKE_RELEASED | sizes)).state_dict())
    change(tensors)
    torch.save(tensors, path)
    return path


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"learned_variance": False, "blocks": 2},
        {"multipliers": [2, 2], "attention_levels": [0]},
        {"multipliers": [2], "attention_levels": [0], "blocks": 2},
    ],
)
def test_released_checkpoint_is_imported(sizes: dict[str, Any], tmp_path: Path) -> None:
    found = DDFM.import_released(released(tmp_path / "x.pt", **sizes), None)
    assert found.settings["network"] == LIKE_RELEASED | sizes
    assert found.values == {"prior": "imported"}
    made = build("ddfm", found.settings | {"evaluations": 2}, None)
    made.restore(found.tensors, found.values, CPU)
    s = made.settings
    assert (s.mode, s.sampler, s.stretch, s.train) == ("official", "ddim", "official", None)
    wanted = make(LIKE_RELEASED | sizes, mode="official", evaluations=2, stretch="official")
    data = batch(1, (8, 8))
    assert torch.equal(*(m.fuse(data, generators(1)) for m in (made, wanted)))
    count = sum(tensor.numel() for tensor in found.tensors.values())
    assert found.summary.startswith(f"{count:,} parameters: width 32 x")


def test_imported_weights_take_the_place_of_a_training(
    examples: Callable[..., Examples], recipe: Recipe, tmp_path: Path
) -> None:
    found = DDFM.import_released(released(tmp_path / "x.pt"), None)
    assert found.settings["evaluations"] == 100
    imported = build("ddfm", found.settings, None)
    write_method(tmp_path / "a", "ddfm", imported, found.tensors, found.values)
    made = build("ddfm", SETTINGS | {"network": LIKE_RELEASED}, None)
    take_weights(made, tmp_path / "a", CPU)
    assert made.state()[1]["prior"] == "imported"
    data = examples(scale=2)
    with pytest.raises(InputError, match="train is null"):
        tiny.fit(imported, data, data, recipe, CPU, NullLog())


def test_groups_are_taken_from_the_command_line(tmp_path: Path) -> None:
    path = released(tmp_path / "x.pt", groups=8)
    assert DDFM.import_released(path, 8).settings["network"]["groups"] == 8
    with pytest.raises(InputError, match="multiples of groups"):
        DDFM.import_released(path, 5)


def drop_time(tensors: dict) -> None:
    del tensors["time_embed.0.weight"]


def drop_key(tensors: dict) -> None:
    del tensors["middle_block.1.qkv.bias"]


def drop_first(tensors: dict) -> None:
    del tensors["input_blocks.1.0.out_layers.3.weight"]


def drop_entry(tensors: dict) -> None:
    for key in [key for key in tensors if key.startswith("input_blocks.3.")]:
        del tensors[key]


def add_classes(tensors: dict) -> None:
    tensors["label_emb.weight"] = torch.zeros(10, 128)


def other_shape(tensors: dict) -> None:
    tensors["out.2.weight"] = torch.zeros(4, 32, 3, 3)


def half(tensors: dict) -> None:
    tensors["out.2.bias"] = tensors["out.2.bias"].half()


def infinite(tensors: dict) -> None:
    tensors["out.2.bias"][0] = torch.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_time, r"lacks time_embed\.0\.weight; is it a prior"),
        (drop_key, r"lacks middle_block\.1\.qkv\.bias"),
        (drop_first, r"lacks input_blocks\.1\.0\.out_layers\.3\.weight; is it"),
        (drop_entry, "make no whole levels"),
        (add_classes, r"has unknown label_emb\.weight"),
        (other_shape, r"out\.2\.\w+ has shape \([46],?.*\), not \(3,"),
        (half, r"out\.2\.bias is no dense float32 tensor"),
        (infinite, r"out\.2\.bias holds values that are not finite"),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_other_checkpoints_are_refused(
    change: Callable[[dict], None], message: str, tmp_path: Path
) -> None:
    path = released(tmp_path / "x.pt", change)
    with pytest.raises(InputError, match=message) as error:
        DDFM.import_released(path, None)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_narrow_heads_are_refused(tmp_path: Path) -> None:
    path = released(tmp_path / "x.pt", attention_levels=[0], head_channels=32)
    with pytest.raises(InputError, match="multiples of head_channels"):
        DDFM.import_released(path, None)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = released(tmp_path / "x.pt")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="cut off, damaged"):
        DDFM.import_released(path, None)
    with pytest.raises(InputError, match="cannot be read"):
        DDFM.import_released(tmp_path / "none.pt", None)
