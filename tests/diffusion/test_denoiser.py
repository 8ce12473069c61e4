"""Drawing by a denoiser, of the networks of SR3 and TFS-Diff."""

import pytest
import torch

import tiny
from inputs import generators
from tfsdiff.common.errors import InputError
from tfsdiff.core import backend
from tfsdiff.core.backend import CPU, Backend
from tfsdiff.diffusion.denoiser import Denoiser
from tfsdiff.params import Sampling


def made(name: str, place: Backend = CPU, **changes: str) -> Denoiser:
    """A denoiser whose network does something."""
    settings = {"sr3": tiny.SR3, "tfsdiff": tiny.TFSDIFF}[name] | changes
    return tiny.denoiser(tiny.with_weights(name, settings, tiny.UNET, tiny.DIFFUSION), place)


def how(evaluations: int = 2, batch: int = 1, sampler: str = "ddim") -> Sampling:
    return Sampling(
        sampler=sampler, evaluations=evaluations, spacing="time", temperature=1.0, batch=batch
    )


def test_regression_sees_no_noise_and_draws_in_one_evaluation(images: torch.Tensor) -> None:
    denoiser, seen = made("sr3", process="regression", prediction="x0"), []
    denoiser.network.register_forward_hook(lambda _, given, __: seen.append(given))
    for sampler in ("ddim", "ancestral", "dpmpp"):
        seen.clear()
        first = denoiser.sample(images, generators(6), how(5, 6, sampler))
        ((condition, noisy, level),) = seen
        assert not noisy.any()
        assert len(set(level.tolist())) == 1
        estimate = denoiser(condition, torch.randn_like(noisy), torch.rand(6).double()).x_0
        torch.testing.assert_close(first, (estimate + 1) / 2, atol=0, rtol=0)
        assert torch.equal(first, denoiser.sample(images, generators(6, 9), how(5, 6, sampler)))


@pytest.mark.skipif(not backend.has_bfloat16(), reason="this CPU has no bfloat16 instructions")
def test_bfloat16_draws_nearly_the_same() -> None:
    condition = torch.rand(2, 9, 16, 16)
    exact, rough = (
        made("tfsdiff", place).sample(condition, generators(2), how(4, 2))
        for place in (CPU, Backend(torch.device("cpu"), "bfloat16"))
    )
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().mean() < 0.02


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
@pytest.mark.parametrize("size", [(16, 16), (13, 18), (1, 7)])
def test_sample_has_the_size_and_range_of_its_condition(
    sampler: str, size: tuple[int, int]
) -> None:
    drawn = made("sr3").sample(torch.rand(3, 3, *size), generators(3), how(4, 2, sampler))
    assert drawn.shape == (3, 3, *size)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
def test_batch_equals_single_images(sampler: str) -> None:
    denoiser, condition = made("tfsdiff"), torch.rand(5, 9, 12, 12)
    drawn = [
        denoiser.sample(condition, generators(5), how(4, batch, sampler)) for batch in (1, 3, 5)
    ]
    torch.testing.assert_close(drawn[0], drawn[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn[0], drawn[2], atol=1e-4, rtol=0)
    again = denoiser.sample(condition[2:3], generators(1, 2), how(4, 1, sampler))
    torch.testing.assert_close(again[0], drawn[2][2], atol=1e-4, rtol=0)


def test_sample_is_determined_by_its_generators() -> None:
    denoiser, condition = made("sr3"), torch.rand(1, 3, 8, 8)
    first = denoiser.sample(condition, generators(1, 3), how())
    assert torch.equal(first, denoiser.sample(condition, generators(1, 3), how()))
    assert not torch.equal(first, denoiser.sample(condition, generators(1, 4), how()))


def test_untrained_residual_returns_the_first_guess() -> None:
    settings = tiny.SR3 | {"prediction": "residual"}
    method = tiny.with_weights("sr3", settings, tiny.UNET, tiny.DIFFUSION, lively=False)
    condition = torch.rand(2, 3, 9, 9)
    drawn = tiny.denoiser(method).sample(condition, generators(2), how(5, 2))
    torch.testing.assert_close(drawn, condition, atol=1e-5, rtol=0)


def test_one_generator_an_image_is_asked_for() -> None:
    with pytest.raises(ValueError, match="2 generators for 3 images"):
        made("sr3").sample(torch.rand(3, 3, 8, 8), generators(2), how())


def test_more_evaluations_than_noise_levels_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"sampling\.evaluations: 21 is more than the 20 noise levels"
    ):
        made("sr3").sample(torch.rand(1, 3, 8, 8), generators(1), how(21))
