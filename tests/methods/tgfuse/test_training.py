import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

import tiny
from tfsdiff.core.backend import CPU
from tfsdiff.methods.pair_objective import GreyPairs
from tfsdiff.methods.tgfuse.method import Settings
from tfsdiff.methods.tgfuse.network import Generator
from tfsdiff.methods.tgfuse.training import (
    Adversarial,
    Players,
    local_variance,
    relative_distance,
    selected_similarity,
    statistics_kept,
)

PAPER = Settings(
    first="anatomical",
    swapped=False,
    channels=4,
    channel_patch=2,
    spatial_patch=2,
    channel_width=8,
    spatial_width=8,
    heads=2,
    blocks=1,
    padding="reflect",
    rounding="none",
    training="paper",
    ties="split",
    adversarial=0.1,
    margin=0.5,
    discriminator_rate=0.5,
    discriminators="random",
    discriminator_width=0.125,
    train=tiny.TRAIN.model_copy(update={"augment": "none"}),
)


def changed(**changes: object) -> Settings:
    return PAPER.model_copy(update=changes)


OFFICIAL = changed(training="official", ties="zero", discriminator_rate=1.0)


def objective(settings: Settings = PAPER) -> Adversarial:
    images = torch.rand(2, 3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return Adversarial(GreyPairs(tuple("abc"), *images), settings, CPU)


def players(width: float | None = 0.125) -> Players:
    torch.manual_seed(0)
    return Players(Generator(4, 2, 2, 8, 8, heads=2, blocks=1), width)


def given(the: Adversarial) -> tuple[Tensor, Tensor]:
    return the.pairs.visible, the.pairs.other


def touched(network: nn.Module, loss: Tensor) -> set[str]:
    """Players that a loss has a gradient for."""
    network.zero_grad()
    loss.backward()
    parameters = network.named_parameters()
    return {name.split(".")[0] for name, p in parameters if p.grad is not None and p.grad.any()}


def only(network: nn.Module, parts: tuple[str, ...]) -> None:
    """Let these learn alone, as the loop does."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith(parts))


def blurred(x: np.ndarray, radius: int) -> np.ndarray:
    return ndimage.gaussian_filter(x, 1.5, radius=radius, mode="constant")


def reference(visible: np.ndarray, other: np.ndarray, fused: np.ndarray) -> tuple:
    """Maps of the released loss by scipy, for 0..255: SSIM twice, and which image varies more."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def ssim(x: np.ndarray) -> np.ndarray:
        a, b = blurred(x, 5), blurred(fused, 5)
        spread = blurred(x * x, 5) - a * a + blurred(fused * fused, 5) - b * b + c2
        shared = 2 * (blurred(x * fused, 5) - a * b) + c2
        return (2 * a * b + c1) * shared / ((a * a + b * b + c1) * spread)

    spreads = [blurred(x * x, 4) - blurred(x, 4) ** 2 for x in (visible, other)]
    return ssim(visible), ssim(other), spreads[0] > spreads[1]


def test_similarity_is_the_released_one(rng: torch.Generator) -> None:
    images = torch.rand(3, 1, 1, 20, 24, generator=rng)
    first, second, more = reference(*(255 * images.double().numpy()[:, 0, 0]))
    for ties in ("zero", "split"):
        got = selected_similarity(*images, ties)
        assert got.item() == pytest.approx(np.where(more, first, second).mean(), rel=1e-5)


def test_variance_has_black_borders(rng: torch.Generator) -> None:
    x = torch.rand(2, 1, 12, 14, generator=rng)
    z = x.double().numpy()[1, 0]
    expected = torch.from_numpy(blurred(z * z, 4) - blurred(z, 4) ** 2).float()
    torch.testing.assert_close(local_variance(x)[1, 0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("ties", "expected"), [("zero", 0.0), ("split", 1.0)])
def test_ties_are_nothing_or_halves(ties: str, expected: float, rng: torch.Generator) -> None:
    x = torch.rand(2, 1, 16, 16, generator=rng)
    assert selected_similarity(x, x, x, ties).item() == pytest.approx(expected, abs=1e-6)
    black = torch.zeros_like(x)
    assert selected_similarity(black, black, black, ties).item() == expected
    half = torch.cat([x[..., :8], black[..., 8:]], dim=-1)  # beside black, the other is selected
    assert selected_similarity(half, black, half, "split") > 0.99


def test_distance_has_no_unit(rng: torch.Generator) -> None:
    a, b = torch.rand(2, 3, 4, 5, 5, generator=rng)
    expected = (a - b).abs().mean() / (a + b).mean()
    torch.testing.assert_close(relative_distance(a, b), expected)
    torch.testing.assert_close(relative_distance(9 * a, 9 * b), expected)
    assert relative_distance(a, a) == 0
    assert relative_distance(a, torch.zeros_like(a)).item() == pytest.approx(1)
    assert relative_distance(*torch.zeros(2, 1, 1, 2, 2)) == 0  # of a blind discriminator


def test_paper_plays_two_turns() -> None:
    updates = objective().updates(0)
    assert [update.groups for update in updates] == [("generator.",), ("visible.", "other.")]
    assert [group.prefix for group in objective().groups] == ["generator.", "visible.", "other."]
    assert [group.rate(7) for group in objective().groups] == [1, 0.5, 0.5]


def test_released_training_plays_three_turns() -> None:
    updates = objective(OFFICIAL).updates(0)
    assert [update.groups for update in updates] == [("generator.",), ("visible.",), ("other.",)]
    alone = objective(changed(training="official", discriminators="none"))
    assert [group.prefix for group in alone.groups] == ["generator."]
    assert len(alone.updates(0)) == 1


@pytest.mark.parametrize("settings", [changed(margin=1.0), OFFICIAL], ids=["paper", "official"])
def test_a_turn_moves_its_players_alone(settings: Settings) -> None:
    the, network = objective(settings), players()
    for update in the.updates(0):
        only(network, update.groups)
        loss = update.loss(network, *given(the))["loss"]
        assert touched(network, loss) == {prefix.strip(".") for prefix in update.groups}


def test_generator_hears_of_the_discriminators_in_the_paper_alone() -> None:
    gradients = []
    for game, weight in (("paper", 1.0), ("paper", 0.0), ("official", 1.0)):
        the, network = objective(changed(training=game, adversarial=weight)), players()
        terms = the.fusing(network, *given(the))
        terms["loss"].backward()
        gradients.append(network.generator.conv_out.conv2d.weight.grad)
    full, without, official = gradients
    assert not torch.allclose(full, without, rtol=1e-2)
    torch.testing.assert_close(3 * official, without)  # a batch of three (T5)


def test_players_oppose_each_other() -> None:
    """What the generator does brings the distances down, what the discriminators do, up."""
    the = objective(changed(adversarial=100.0, margin=1.0))
    inputs, moves = given(the), []
    for update in the.updates(0):
        network = players().eval()
        only(network, update.groups)
        before = the.fusing(network, *inputs)
        update.loss(network, *inputs)["loss"].backward()
        learning = [p for p in network.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in learning])
        with torch.no_grad():
            for parameter in learning:
                parameter -= 1e-4 * parameter.grad / norm
            after = the.fusing(network, *inputs)
        names = ("visible_distance", "other_distance")
        moves.append(sum(after[name] - before[name] for name in names).item())
    assert moves[0] < 0 < moves[1]


def test_a_content_discriminator_rests() -> None:
    the, network = objective(changed(margin=0.0)), players()
    terms = the.telling_apart(network, *given(the))
    assert terms["loss"] == 0
    assert touched(network, terms["loss"]) == set()


def test_released_discriminators_minimise_the_distance() -> None:
    the, network = objective(OFFICIAL), players()
    with torch.no_grad():
        fused = the.fuse(network, *given(the))
        features = [network.visible(255 * x) for x in (fused, the.pairs.visible)]
    expected = (features[0] - features[1]).abs().mean() / 3
    got = the.approaching("visible", network, *given(the))["loss"]
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("settings", "count"), [(PAPER, 1), (OFFICIAL, 3)])
def test_statistics_are_updated_once_or_as_released(settings: Settings, count: int) -> None:
    the, network = objective(settings), players().train()
    for update in the.updates(0):
        update.loss(network, *given(the))
    assert network.generator.en0.res.bn1.num_batches_tracked == count


def test_kept_statistics_use_those_of_the_batch() -> None:
    network, inputs = players().train(), 255 * torch.rand(2, 2, 1, 16, 16)
    with torch.no_grad(), statistics_kept(network):
        kept = network(*inputs)
    assert network.generator.en0.res.bn1.running_mean.eq(0).all()
    with torch.no_grad():
        assert torch.equal(network(*inputs), kept)
    assert network.generator.en0.res.bn1.running_mean.any()


@pytest.mark.parametrize("sides", [(16, 16), (13, 22)])
def test_fuses_any_size(sides: tuple[int, int], rng: torch.Generator) -> None:
    the, network = objective(), players(None).eval()
    visible, other = torch.rand(2, 2, 1, *sides, generator=rng)
    with torch.no_grad():
        fused = the.fuse(network, visible, other)
    assert fused.shape == (2, 1, *sides)
