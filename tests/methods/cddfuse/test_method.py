from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from inputs import generators
from tfsdiff.common.errors import InputError
from tfsdiff.compose import compose
from tfsdiff.core import seeding
from tfsdiff.core.backend import CPU
from tfsdiff.core.tensors import Batch, luminance
from tfsdiff.data.colour import rgb_to_ycbcr
from tfsdiff.methods import build
from tfsdiff.methods.base import Examples
from tfsdiff.methods.cddfuse.method import CDDFuse, rounded
from tfsdiff.methods.cddfuse.network import CDDFuse as Network
from tfsdiff.methods.pairwise import stretched
from tfsdiff.training.log import NullLog, Recipe

CONF = Path(__file__).resolve().parents[3] / "workflow/conf"
SETTINGS: dict[str, Any] = {
    "first": "anatomical",
    "swapped": False,
    "width": 8,
    "heads": 2,
    "blocks": 1,
    "skip": "none",
    "stretch": "official",
    "rounding": "none",
    "phase_1_steps": 3,
    "phase_1_skip": "own",
    "halve_steps": 2,
    "similarity": "official",
    "visible_gradient": 5.0,
    "redraws": 2,
    "train": tiny.TRAIN.model_dump(mode="json") | {"ema_decay": 0.0},
}


def weights(seed: int = 1, **sizes: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return Network(**({"width": 8, "heads": 2, "blocks": 1} | sizes)).state_dict()


def make(**changes: Any) -> CDDFuse:
    made = build("cddfuse", SETTINGS | changes, None)
    made.restore(weights(), {}, CPU)
    return made


def images(pixels: tuple[int, int] = (16, 16)) -> Batch:
    sources = torch.rand(2, 3, 3, *pixels, generator=torch.Generator().manual_seed(0))
    sources[:, :2] = sources[:, :2, :1]  # anatomical images are grey
    return Batch(("a", "b"), sources, None, (("CT", "MR-T2", "PET"), ("MR-T2", "MR-T1", "PET")))


def luminances(batch: Batch) -> Tensor:
    """Visible, other and functional: (3, B, 1, H, W)."""
    y = luminance(batch.sources)
    return torch.stack([torch.stack([y[0, 1], y[1, 0]]), torch.stack([y[0, 0], y[1, 1]]), y[:, 2]])


def test_configuration_is_the_published_network() -> None:
    values = compose(["profile=paper"], CONF)["methods"]["cddfuse"]
    made = build("cddfuse", values, None)
    with torch.device("meta"):
        network = made.new_network()
    assert sum(p.numel() for p in network.parameters()) == 1_188_272
    assert made.settings.train.gradient_clip == 0.01
    assert made.settings.phase_1_steps * 3 == made.settings.train.steps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 9, "heads": 3}, "width must be even and a multiple of heads"),
        ({"width": 10, "heads": 4}, "width must be even and a multiple of heads"),
        ({"phase_1_steps": 6}, "phase_1_steps must be below train.steps"),
        ({"skip": "both"}, "skip"),
        ({"stretch": True}, "stretch"),
        ({"rounding": "truncate"}, "rounding"),
        ({"redraws": -1}, "redraws"),
    ],
)
def test_wrong_settings_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        build("cddfuse", SETTINGS | changes, None)
    assert "\n" not in str(error.value)


def test_learns_in_two_phases(examples: Callable[..., Examples], recipe: Recipe) -> None:
    made, rows, data = build("cddfuse", SETTINGS, None), tiny.Rows(), examples(scale=2)
    tiny.fit(made, data, data, recipe, CPU, rows)
    (one, first), (two, second) = rows
    assert (one, two) == (3, 6)
    assert {"train_loss", "train_squares", "validation_loss"} <= first.keys()
    assert {"train_loss", "train_intensity"} <= second.keys()
    assert "train_squares" not in second
    assert second["validation_loss"] < first["validation_loss"]
    fused = made.fuse(data.high, generators(4))
    assert fused.shape == data.high.truth.shape
    assert torch.all((fused >= 0) & (fused <= 1))


def test_phase_1_leaves_the_fusion_layers_as_they_were(
    examples: Callable[..., Examples], recipe: Recipe
) -> None:
    """Adam moves a weight by the learning rate in the first step of a part, and no further."""
    train = SETTINGS["train"] | {"decay": "constant", "warmup_steps": 0}
    changes = {"train": train, "phase_1_steps": 5, "halve_steps": None}
    made, data = build("cddfuse", SETTINGS | changes, None), examples(scale=2)
    tiny.fit(made, data, data, recipe, CPU, NullLog())
    torch.manual_seed(seeding.derive(recipe.seed, "weights"))
    first = made.new_network().state_dict()
    moved = {key: (x - first[key]).abs().max().item() for key, x in made.state()[0].items()}
    layers = max(way for key, way in moved.items() if "FuseLayer" in key)
    rest = max(way for key, way in moved.items() if "DIDF" in key)
    assert layers == pytest.approx(train["learning_rate"], rel=1e-2)
    assert rest > 2 * layers


def test_two_calls_carry_the_chroma() -> None:
    made, batch = make(), images()
    visible, other, functional = luminances(batch)
    with torch.inference_mode():
        between = stretched(made.network([visible, other], None))
        expected = stretched(made.network([between, functional], None))
    colour = rgb_to_ycbcr(made.fuse(batch, generators(2)))
    wanted = rgb_to_ycbcr(batch.sources[:, 2])[:, 1:]
    inside = (made.fuse(batch, generators(2)) % 1 != 0).all(1)  # nothing was clipped
    torch.testing.assert_close(colour[:, 0][inside], expected[:, 0][inside], atol=1e-4, rtol=0)
    for i in (0, 1):
        torch.testing.assert_close(
            colour[:, 1 + i][inside], wanted[:, i][inside], atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("skip", ["none", "visible", "sum"])
@pytest.mark.parametrize("swapped", [False, True])
def test_simultaneous_fusion_sums_the_features_of_three(skip: str, swapped: bool) -> None:
    made = make(first="simultaneous", stretch="none", skip=skip, swapped=swapped)
    batch = images((9, 14))
    visible, other, functional = luminances(batch)
    if swapped:
        visible, other = other, visible
    three = [visible, other, functional]
    with torch.inference_mode():
        given = {"none": None, "visible": visible, "sum": visible + other + functional}[skip]
        expected = made.network(three, given)
    fused = made.fuse(batch, generators(2))
    inside = (fused % 1 != 0).all(1)
    got = luminance(fused)[:, 0]
    torch.testing.assert_close(got[inside], expected[:, 0][inside], atol=1e-4, rtol=0)


def test_stretch() -> None:
    image = torch.tensor([0.2, 0.3, 0.6]).view(1, 1, 1, 3)
    both = torch.cat([image, torch.full_like(image, 0.4)])
    expected = torch.tensor([[0.0, 0.25, 1.0], [0.4, 0.4, 0.4]])
    torch.testing.assert_close(stretched(both)[:, 0, 0], expected)


def test_stretch_is_a_setting_and_one_image_does_not_see_another() -> None:
    batch = images()
    y = luminances(batch)
    plain, full = (make(stretch=s).fuse_pair(y[0], y[1], []) for s in ("none", "official"))
    torch.testing.assert_close(full, stretched(plain))
    assert full.amin((1, 2, 3)).tolist() == [0, 0]
    assert full.amax((1, 2, 3)).tolist() == [1, 1]
    alone = make(stretch="official").fuse_pair(y[0, 1:], y[1, 1:], [])
    torch.testing.assert_close(alone, full[1:], atol=1e-4, rtol=0)


def test_rounding_is_that_of_the_released_reader() -> None:
    """Grey levels as `numpy.round` of OpenCV's float luminance of an 8-bit image has them."""
    colours = torch.tensor([[1, 0, 2], [3, 1, 0], [0, 1, 0], [255, 254, 9], [7, 7, 7]])
    levels = [1, 1, 1, 226, 7]  # of 0.527, 1.484, 0.587, 226.369, 7
    y = luminance((colours / 255).view(1, 5, 3, 1).transpose(1, 2))
    assert (rounded(y)[0, 0, :, 0] * 255).round().tolist() == levels
    assert torch.equal(rounded(torch.tensor([0.5, 1.5, 2.5]) / 255) * 255, torch.tensor([0, 2, 2]))


@pytest.mark.parametrize("first", ["anatomical", "simultaneous"])
def test_rounding_is_a_setting_of_every_call(first: str) -> None:
    y = luminances(images())
    plain, made = (make(rounding=x, first=first) for x in ("none", "input"))
    expected = plain.fuse_three(tuple(rounded(y)), [])
    if first == "anatomical":
        between = plain.fuse_pair(*rounded(y[:2]), [])
        expected = plain.fuse_pair(rounded(between), rounded(y[2]), [])
    assert torch.equal(made.fuse_three(tuple(y), []), expected)
    assert not torch.equal(plain.fuse_three(tuple(y), []), expected)


def released(path: Path, change: Callable[[dict], None] = lambda parts: None, **sizes: int) -> Path:
    """A file in the released layout: one dictionary of four state dicts of DataParallel."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights(**sizes).items():
        part, key = name.split(".", 1)
        parts.setdefault(part, {})[f"module.{key}"] = tensor
    change(parts)
    torch.save(parts, path)
    return path


@pytest.mark.parametrize("sizes", [{}, {"width": 12, "heads": 3, "blocks": 2}])
def test_released_checkpoint_is_imported(sizes: dict[str, int], tmp_path: Path) -> None:
    found = CDDFuse.import_released(released(tmp_path / "x.pth", **sizes), None)
    made = build("cddfuse", found.settings, None)
    made.restore(found.tensors, found.values, CPU)
    expected = {"width": 8, "heads": 2, "blocks": 1} | sizes
    settings = made.settings.model_dump()
    assert {name: settings[name] for name in expected} == expected
    assert (settings["skip"], settings["stretch"], settings["train"]) == ("none", "official", None)
    assert settings["rounding"] == "input"
    batch, wanted = images(), build("cddfuse", SETTINGS | {"rounding": "input"} | sizes, None)
    wanted.restore(weights(**sizes), {}, CPU)
    assert torch.equal(made.fuse(batch, generators(2)), wanted.fuse(batch, generators(2)))
    count = sum(tensor.numel() for tensor in weights(**sizes).values())
    assert found.summary.startswith(f"{count:,} parameters: width {expected['width']}")


def test_imported_method_cannot_be_trained(
    examples: Callable[..., Examples], recipe: Recipe, tmp_path: Path
) -> None:
    found = CDDFuse.import_released(released(tmp_path / "x.pth"), None)
    data = examples(scale=2)
    with pytest.raises(InputError, match="train is null"):
        tiny.fit(build("cddfuse", found.settings, None), data, data, recipe, CPU, NullLog())


def drop_part(parts: dict) -> None:
    del parts["BaseFuseLayer"]


def add_part(parts: dict) -> None:
    parts["Extra"] = {}


def flatten(parts: dict) -> None:
    parts["DIDF_Encoder"] = torch.zeros(3)


def drop_key(parts: dict) -> None:
    del parts["DIDF_Decoder"]["module.output.0.weight"]


def drop_first(parts: dict) -> None:
    del parts["DIDF_Encoder"]["module.patch_embed.proj.weight"]


def add_key(parts: dict) -> None:
    parts["DetailFuseLayer"]["module.net.1.more"] = torch.zeros(1)


def other_shape(parts: dict) -> None:
    parts["BaseFuseLayer"]["module.attn.scale"] = torch.ones(4, 1, 1)


def odd_heads(parts: dict) -> None:
    parts["DIDF_Encoder"]["module.encoder_level1.0.attn.temperature"] = torch.ones(3, 1, 1)


def double(parts: dict) -> None:
    part = parts["BaseFuseLayer"]
    part["module.attn.scale"] = part["module.attn.scale"].double()


def infinite(parts: dict) -> None:
    parts["DIDF_Decoder"]["module.output.2.weight"][0, 0, 0, 0] = torch.inf


def no_blocks(parts: dict) -> None:
    part = parts["DIDF_Encoder"]
    key = "module.encoder_level1.0.attn.temperature"
    parts["DIDF_Encoder"] = {k: v for k, v in part.items() if k == key or "encoder_level1" not in k}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_part, "lacks BaseFuseLayer"),
        (add_part, "has unknown Extra"),
        (flatten, "is no dictionary of state dicts"),
        (drop_key, r"lacks DIDF_Decoder\.output\.0\.weight"),
        (drop_first, r"lacks DIDF_Encoder\.patch_embed\.proj\.weight; is it"),
        (add_key, r"has unknown DetailFuseLayer\.net\.1\.more"),
        (other_shape, r"BaseFuseLayer\.attn\.scale has shape \(4, 1, 1\), not \(2, 1, 1\)"),
        (odd_heads, "width must be even and a multiple of heads"),
        (double, r"BaseFuseLayer: module\.attn\.scale is no dense float32 tensor"),
        (infinite, r"DIDF_Decoder\.output\.2\.weight holds values that are not finite"),
        (no_blocks, r"lacks DIDF_Encoder\.encoder_level1\.0\.attn\.project_out\.weight and 9 more"),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_other_checkpoints_are_refused(
    change: Callable[[dict], None], message: str, tmp_path: Path
) -> None:
    path = released(tmp_path / "x.pth", change)
    with pytest.raises(InputError, match=message) as error:
        CDDFuse.import_released(path, None)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = released(tmp_path / "x.pth")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="cut off, damaged"):
        CDDFuse.import_released(path, None)
    with pytest.raises(InputError, match="cannot be read"):
        CDDFuse.import_released(tmp_path / "none.pth", None)
    torch.save(weights(), path)  # a flat state dict, as of another method
    with pytest.raises(InputError, match="is no dictionary of state dicts"):
        CDDFuse.import_released(path, None)
