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
from tfsdiff.core.backend import CPU
from tfsdiff.methods import build, load_method, save_method
from tfsdiff.methods.base import Examples
from tfsdiff.methods.checkpoints import COUNTER
from tfsdiff.methods.tgfuse.method import OFFICIAL, TGFuse, architecture
from tfsdiff.methods.tgfuse.network import Generator, reflected
from tfsdiff.methods.tgfuse.training import Players, new_players
from tfsdiff.training.log import Recipe

CONF = Path(__file__).resolve().parents[3] / "workflow/conf"
TRAIN = tiny.TRAIN.model_dump(mode="json") | {
    "steps": 2,
    "validation_steps": 2,
    "crop_pixels": 16,
    "validation_images": 1,
}
SMALL: dict[str, Any] = {
    "first": "anatomical",
    "swapped": False,
    "channels": 4,
    "channel_patch": 2,
    "spatial_patch": 1,
    "channel_width": 8,
    "spatial_width": 12,
    "heads": 4,
    "blocks": 2,
    "padding": "reflect",
    "rounding": "none",
    "training": "paper",
    "ties": "split",
    "adversarial": 0.1,
    "margin": 0.5,
    "discriminator_rate": 0.1,
    "discriminators": "random",
    "discriminator_width": 0.1,
    "train": TRAIN,
}
SIZES = ("channels", "channel_patch", "spatial_patch", "channel_width", "spatial_width", "blocks")


def make(**changes: Any) -> TGFuse:
    made = build("tgfuse", SMALL | changes, None)
    assert isinstance(made, TGFuse)
    return made


def weighted(**changes: Any) -> TGFuse:
    """A method with random weights, that has learned nothing."""
    made = make(**changes)
    torch.manual_seed(0)
    made.restore(made.new_network().state_dict(), {}, CPU)
    return made


def test_published_settings() -> None:
    made = build("tgfuse", compose(["profile=paper"], CONF)["methods"]["tgfuse"], None)
    assert (made.settings.multiple, made.settings.train.batch) == (128, 16)
    with torch.device("meta"):
        network = made.new_network()
    assert sum(p.numel() for p in network.parameters()) == 137_339_735


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, "must be multiples of heads"),
        ({"discriminators": "none"}, "training paper needs discriminators"),
        ({"discriminators": "torchvision"}, "narrower discriminators must be random"),
        ({"discriminators": "some.safetensors"}, "narrower discriminators must be random"),
        ({"margin": 1.5}, "margin"),
        ({"adversarial": -1.0}, "adversarial"),
        ({"training": "released"}, "training"),
    ],
)
def test_wrong_settings_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make(**change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"training": "official", "ties": "zero"},
        {"training": "official", "discriminators": "none"},
        {"rounding": "truncate", "padding": "official"},
    ],
    ids=["paper", "official", "alone", "official inference"],
)
def test_learns_is_stored_and_fuses(
    change: dict, examples: Callable[..., Examples], brief: Recipe, tmp_path: Path
) -> None:
    made, rows, data = make(**change), tiny.Rows(), examples(2, pixels=20)
    tiny.fit(made, data, data, brief, CPU, rows)
    fused = made.fuse(data.high, generators(4))
    assert fused.shape == (4, 3, 20, 20)
    assert torch.all((fused >= 0) & (fused <= 1))
    names = set(rows[-1][1])
    assert {"train_structure", "validation_loss"} <= names
    assert ("train_discriminators_loss" in names) == (made.settings.training == "paper")
    assert set(made.state()[0]) == set(made.new_network().state_dict())
    save_method(tmp_path / "a", "tgfuse", made)
    loaded = load_method(tmp_path / "a", CPU)
    assert isinstance(loaded.network, Generator)
    assert torch.equal(loaded.fuse(data.high, generators(4)), fused)
    assert loaded.state()[0].keys() == made.state()[0].keys()


@pytest.mark.slow
def test_generator_learns(examples: Callable[..., Examples], recipe: Recipe) -> None:
    train = TRAIN | {"steps": 24, "learning_rate": 1e-2, "ema_decay": 0.5, "validation_steps": 6}
    made, rows, data = make(train=train), tiny.Rows(), examples(2)
    tiny.fit(made, data, data, recipe, CPU, rows)
    first, last = (rows[i][1]["validation_structure"] for i in (0, -1))
    assert last < 0.7 * first


def test_released_training_gives_the_generator_that_learns_alone(
    examples: Callable[..., Examples], brief: Recipe, tmp_path: Path
) -> None:
    """Discriminators that do not reach it change nothing but running statistics (T1, T6)."""
    kept = []
    for i, discriminators in enumerate(("random", "none")):
        made = make(training="official", discriminators=discriminators)
        own = Recipe(**vars(brief) | {"checkpoints": tmp_path / str(i)})
        tiny.fit(made, examples(2), examples(2), own, CPU, tiny.Rows())
        kept.append(made.state()[0])
    first, second = kept
    different = {key for key in first if not torch.equal(first[key], second[key])}
    assert different
    assert all("running" in key or key.endswith(COUNTER) for key in different)


def test_features_are_looked_for_before_training(
    examples: Callable[..., Examples], brief: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "vgg.safetensors"
    made = make(discriminators=str(path), discriminator_width=1.0)
    with pytest.raises(InputError, match=r"discriminators: .*is no file; name a safetensors"):
        tiny.fit(made, examples(2), examples(2), brief, CPU, tiny.Rows())


@pytest.mark.shared
def test_starts_from_given_features(shared: Path) -> None:
    path = shared / "weights/vgg16_features_relu4_3.safetensors"
    if not path.is_file():
        pytest.skip(f"no {path}")
    players = new_players(make(discriminators=str(path), discriminator_width=1.0))
    assert isinstance(players, Players)
    first, second = players.visible.to_relu_1_2, players.other.to_relu_1_2
    assert torch.equal(first[2].weight, second[2].weight)
    assert players.other.to_relu_3_3[-2].weight.shape == (256, 256, 3, 3)


@pytest.mark.parametrize("sides", [(16, 16), (17, 40)])
def test_reflection_at_inference(sides: tuple[int, int], rng: torch.Generator) -> None:
    made = weighted()
    visible, other = torch.rand(2, 2, 1, *sides, generator=rng)
    fused = made.fuse_pair(visible, other, generators(2))
    with torch.inference_mode():
        expected = made.network(*(reflected(255 * x, 16) for x in (visible, other)))
    expected = expected[..., : sides[0], : sides[1]].clamp(0, 255) / 255
    assert torch.equal(fused, expected)


def test_official_inference(rng: torch.Generator) -> None:
    """A grey continuation even of what fits (T7), and truncation (T8)."""
    made, plain = weighted(padding="official", rounding="truncate"), weighted(padding="official")
    for one in (made, plain):
        one.network.conv_out.conv2d.bias.data.fill_(100.0)
    visible, other = torch.rand(2, 1, 1, 16, 32, generator=rng)
    canvas = torch.full((2, 1, 1, 32, 64), 128.0)
    canvas[..., :16, :32] = 255 * torch.stack([visible, other])
    with torch.inference_mode():
        expected = plain.network(*canvas)[..., :16, :32].clamp(0, 255)
    assert torch.equal(plain.fuse_pair(visible, other, generators(1)), expected / 255)
    got = 255 * made.fuse_pair(visible, other, generators(1))
    torch.testing.assert_close(got, expected.floor(), atol=1e-4, rtol=0)
    assert len(got.round().unique()) > 1


def checkpoint(path: Path, **changes: Any) -> dict[str, Tensor]:
    """Write a small checkpoint in the released layout: the bare state of a generator."""
    torch.manual_seed(1)
    state = dict(make(**changes).new_network().state_dict())
    state["en0.res.bn1.num_batches_tracked"].fill_(7)
    torch.save(state, path)
    return state


def test_released_checkpoint_is_imported(tmp_path: Path, rng: torch.Generator) -> None:
    state = checkpoint(tmp_path / "a.model", channel_patch=3, spatial_patch=2)
    found = TGFuse.import_released(tmp_path / "a.model", None)
    wanted = SMALL | {"channel_patch": 3, "spatial_patch": 2}
    assert found.settings == OFFICIAL | {name: wanted[name] for name in SIZES}
    assert found.settings["train"] is None
    assert "channel_patch 3, spatial_patch 2" in found.summary
    assert found.tensors.keys() == state.keys()
    assert all(torch.equal(found.tensors[key], state[key]) for key in state)
    made = build("tgfuse", found.settings, None)
    made.restore(found.tensors, found.values, CPU)
    fused = made.fuse_pair(*torch.rand(2, 1, 1, 50, 20, generator=rng), generators(1))
    assert fused.shape == (1, 1, 50, 20)
    with pytest.raises(InputError, match="train is null"):
        tiny.fit(made, None, None, None, CPU, tiny.Rows())


def test_parallel_checkpoint_is_imported(tmp_path: Path) -> None:
    state = checkpoint(tmp_path / "a.model")
    torch.save({f"module.{key}": x for key, x in state.items()}, tmp_path / "b.model")
    found = TGFuse.import_released(tmp_path / "b.model", None)
    assert found.tensors.keys() == state.keys()
    assert found.tensors["en0.res.bn1.num_batches_tracked"].dtype == torch.int64


OUTPUT, NORM = "conv_out.conv2d.weight", "strans3.en.norm.bias"
DAMAGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "flat output": lambda state: {OUTPUT: state[OUTPUT].flatten()},
    "unknown": lambda state: {"en4.conv1.conv2d.weight": torch.ones(1)},
    "shape": lambda state: {NORM: torch.ones(5)},
    "nan": lambda state: {NORM: torch.full((12,), torch.nan)},
    "integers": lambda state: {NORM: torch.ones(12, dtype=torch.int64)},
    "no tensor": lambda state: {"epoch": 19},
    "heads": lambda state: {
        key: state[key][:6] for key in ("ctrans3.embedding.1.weight", "ctrans3.embedding.1.bias")
    },
}
LACKS = {"no output": OUTPUT, "lacks": "en2.res.bn1.running_mean"}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no output", "lacks conv_out.conv2d.weight; is it a checkpoint of TGFuse"),
        ("flat output", "lacks conv_out.conv2d.weight; is it a checkpoint of TGFuse"),
        ("lacks", "lacks en2.res.bn1.running_mean"),
        ("unknown", "has unknown en4.conv1.conv2d.weight"),
        ("shape", r"strans3.en.norm.bias has shape \(5,\), not \(12,\)"),
        ("nan", "strans3.en.norm.bias holds values that are not finite"),
        ("integers", "strans3.en.norm.bias is no dense float32 tensor"),
        ("no tensor", "is no state dict of tensors"),
        ("heads", "must be multiples of heads"),
    ],
)
def test_other_checkpoints_are_refused(how: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    state = checkpoint(path)
    changes = DAMAGES[how](state) if how in DAMAGES else {}
    torch.save({k: x for k, x in (state | changes).items() if k != LACKS.get(how)}, path)
    with pytest.raises(InputError, match=message) as error:
        TGFuse.import_released(path, None)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_cut_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    checkpoint(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"cannot be (loaded|read)"):
        TGFuse.import_released(path, None)


def test_sizes_are_read_off() -> None:
    with torch.device("meta"):
        state = make().new_network().state_dict()
    assert architecture(state) == {name: SMALL[name] for name in SIZES}
