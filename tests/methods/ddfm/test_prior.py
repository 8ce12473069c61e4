import pytest
import torch
from torch import Tensor, nn

import tiny
from inputs import generators
from tfsdiff.core.backend import CPU
from tfsdiff.methods.ddfm.network import Architecture
from tfsdiff.methods.ddfm.prior import SCHEDULE, estimator
from tfsdiff.methods.ddfm.settings import Settings
from tfsdiff.methods.ddfm.training import Images, PriorEvaluator, PriorObjective
from tfsdiff.params import Train
from tfsdiff.training.evaluate import lowest_loss


class Constant(nn.Module):
    """Predicts the same noise everywhere, with three more channels for a variance."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.steps: list[int] = []

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.steps += t.tolist()
        return torch.cat([self.value.expand_as(x), torch.full_like(x, torch.nan)], dim=1)


def objective(images: Tensor, levels: int = 3, **changes: object) -> PriorObjective:
    """Of a network of so many resolutions, which needs sides that are multiples of 4 by default."""
    network = Architecture(
        width=8,
        multipliers=(1,) * levels,
        blocks=1,
        attention_levels=(),
        head_channels=8,
        groups=4,
        learned_variance=False,
    )
    train = tiny.TRAIN.model_copy(update=changes)
    settings = Settings.model_construct(network=network, train=train)
    names = tuple(f"image {i}" for i in range(len(images)))
    return PriorObjective(Images(names, 2 * images - 1), settings, CPU)


def test_loss_is_the_mean_squared_error_of_the_noise(images: Tensor) -> None:
    made = objective(images)
    x_0, eps, t = made.draw(torch.tensor([2, 5]), generators(2))
    got = made.loss(Constant(0.5), x_0, eps, t)
    assert got["loss"].item() == pytest.approx((eps - 0.5).square().mean().item(), rel=1e-5)


def test_network_is_shown_the_noisy_image_and_its_step(images: Tensor) -> None:
    made, seen = objective(images), []

    def network(x: Tensor, t: Tensor) -> Tensor:
        seen.append((x, t))
        return torch.zeros_like(x)

    x_0, eps, _ = made.draw(torch.tensor([0, 1]), generators(2))
    t = torch.tensor([0, 999])
    made.loss(network, x_0, eps, t)
    a = SCHEDULE.alpha_bar[[1, 1000]].float().view(2, 1, 1, 1)
    torch.testing.assert_close(seen[0][0], a.sqrt() * x_0 + (1 - a).sqrt() * eps)
    assert seen[0][1].tolist() == [0, 999]


def test_steps_cover_the_whole_schedule(images: Tensor) -> None:
    made = objective(images)
    t = made.draw(torch.zeros(400, dtype=torch.long), generators(400))[2]
    assert t.min() < 20
    assert t.max() > 979
    assert abs(t.double().mean().item() - 499.5) < 50


def test_crops_and_padding(images: Tensor) -> None:
    x_0, eps, _ = objective(images, crop_pixels=12).draw(torch.tensor([0, 3]), generators(2))
    assert x_0.shape == eps.shape == (2, 3, 12, 12)
    odd = objective(images[..., :13, :], levels=4, augment="none")
    x_0 = odd.draw(torch.tensor([1]), generators(1))[0]
    assert x_0.shape == (1, 3, 16, 16)
    assert torch.equal(x_0[0, :, :13], 2 * images[1, :, :13] - 1)
    assert torch.equal(x_0[0, :, 15], x_0[0, :, 12])


def test_an_example_does_not_depend_on_its_batch(images: Tensor) -> None:
    made = objective(images, crop_pixels=12)
    both = made.draw(torch.tensor([4, 2]), generators(2))
    one = made.draw(torch.tensor([2]), generators(2)[1:])
    assert all(torch.equal(a[1:], b) for a, b in zip(both, one, strict=True))


def test_evaluator_uses_the_same_noise_every_time(images: Tensor) -> None:
    evaluator = PriorEvaluator(objective(images, batch=4, validation_images=3), seed=7)
    network = Constant()
    numbers, grid = evaluator(network)
    again, same = evaluator(network)
    assert numbers == again
    assert torch.equal(grid, same)
    assert numbers["loss"] == pytest.approx(1, abs=0.05)  # of noise itself
    assert grid.shape == (3, 16, 3 * 16)
    assert torch.all((grid >= 0) & (grid <= 1))
    assert lowest_loss({"loss": 2.0}) < lowest_loss({"loss": 1.0})


def test_evaluator_draws_by_few_evaluations(images: Tensor) -> None:
    network = Constant()
    PriorEvaluator(objective(images, validation_evaluations=3, validation_images=1), 7)(network)
    assert network.steps[-3:] == [999, 500, 0]


def test_estimate_is_clamped_and_right_for_the_right_noise(images: Tensor) -> None:
    x_0, eps = 2 * images - 1, torch.randn_like(images)
    g = SCHEDULE.alpha_bar[301].sqrt().item()  # of step 300 in 0..T - 1
    x = g * x_0 + (1 - g**2) ** 0.5 * eps
    exact = estimator(lambda x, t: torch.cat([eps, eps], 1), SCHEDULE, CPU)
    torch.testing.assert_close(exact(x, g), x_0, atol=1e-5, rtol=0)
    wrong = estimator(lambda x, t: -eps, SCHEDULE, CPU)(x, g)
    assert wrong.abs().max() == 1


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (3, 3, 8, 8), (2, 3, 8)])
def test_wrong_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images must be"):
        Images(("a", "b"), torch.zeros(shape))


def test_objective_names_its_images_and_is_one_group(images: Tensor, train: Train) -> None:
    made = objective(images)
    assert made.names[1] == "image 1"
    assert [group.prefix for group in made.groups] == [""]
    assert [update.loss for update in made.updates(3)] == [made.loss]
