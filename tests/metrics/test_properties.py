"""What each metric must do whatever the images."""

import math

import pytest
import torch

from tfsdiff.metrics import score
from tfsdiff.metrics.error import mae, mse, psnr, rmse
from tfsdiff.metrics.gradient import average_gradient
from tfsdiff.metrics.registry import METRICS
from tfsdiff.metrics.ssim import ssim
from tfsdiff.metrics.vif import vif

PAIRED = {"MSE": mse, "MAE": mae, "RMSE": rmse, "PSNR": psnr, "SSIM": ssim, "VIF": vif}
AT_IDENTITY = {"MSE": 0, "MAE": 0, "RMSE": 0, "PSNR": math.inf, "SSIM": 1, "VIF": 1}
TINY = 1e-8  # VIF guards a quotient

paired = pytest.mark.parametrize("name", PAIRED)


def constant(value: float):
    return torch.full((1, 3, 48, 48), value, dtype=torch.float64)


@paired
def test_equal_images_have_the_best_value(name, pair):
    values = PAIRED[name](pair[0], pair[0])
    assert values.tolist() == pytest.approx([AT_IDENTITY[name]] * 4, rel=TINY)


@pytest.mark.parametrize("name", sorted(set(PAIRED) - {"VIF"}))
def test_symmetric(name, pair):
    fused, reference = pair
    assert torch.equal(PAIRED[name](fused, reference), PAIRED[name](reference, fused))


def test_vif_is_not_symmetric(pair):
    fused, reference = pair
    assert (vif(fused, reference) - vif(reference, fused)).abs().min() > 1e-3


@paired
def test_worse_with_every_step_of_noise(name, pair, rng):
    reference = pair[1]
    noise = torch.randn(reference.shape, generator=rng, dtype=torch.float64)
    steps = [(reference + sigma * noise).clamp(0, 255) for sigma in (2, 5, 10, 20, 40)]
    values = torch.stack([PAIRED[name](step, reference) for step in steps])
    change = values.diff(dim=0)
    assert (change < 0).all() if METRICS[name].better == "higher" else (change > 0).all()


def test_average_gradient_rises_with_noise(pair, rng):
    noise = torch.randn(pair[0].shape, generator=rng, dtype=torch.float64)
    values = [average_gradient((pair[0] + s * noise).clamp(0, 255)) for s in (0, 10, 40)]
    assert (values[0] < values[1]).all()
    assert (values[1] < values[2]).all()


@paired
def test_broadcasts_one_image_against_many(name, pair):
    fused, reference = pair
    together = PAIRED[name](fused[:1, None], reference[None])
    one_by_one = [PAIRED[name](fused[0], image) for image in reference]
    assert together.shape == (1, 4)
    assert together[0].tolist() == [value.item() for value in one_by_one]


@paired
def test_whole_numbers_of_any_type_give_the_same(name, pair):
    fused, reference = pair
    assert torch.equal(
        PAIRED[name](fused.byte(), reference.float()), PAIRED[name](fused, reference)
    )


@paired
def test_bounds(name, pair):
    values = PAIRED[name](*pair)
    low = -1 if name == "SSIM" else 0
    high = {"SSIM": 1, "MSE": 255**2, "MAE": 255, "RMSE": 255}.get(name, math.inf)
    assert (values >= low).all()
    assert (values <= high).all()


@pytest.mark.parametrize("value", [0.0, 17.0, 255.0])
def test_constant_images(value, pair):
    flat, other = constant(value), pair[0][:1, :, :48, :48]
    for name, function in PAIRED.items():
        assert function(flat, flat).item() == AT_IDENTITY[name]
        assert function(other, flat).isfinite()
        assert function(flat, other).isfinite()
    assert vif(other, flat).item() == 1  # 0/0: nothing there to lose
    assert vif(flat, other).item() == 0
    assert average_gradient(flat).item() == 0


def test_extremes():
    black, white = constant(0), constant(255)
    assert mse(black, white).item() == 255**2
    assert mae(black, white).item() == 255
    assert rmse(black, white).item() == 255
    assert psnr(black, white).item() == 0
    assert 0 < ssim(black, white).item() < 2e-4


def test_average_gradient_of_ramps():
    ramp = torch.arange(20.0).expand(3, 10, 20)
    assert average_gradient(3 * ramp).item() == pytest.approx(3 / math.sqrt(2))
    assert average_gradient(ramp + ramp[:, :, :10].mT.repeat(1, 1, 2)).item() == pytest.approx(1)
    channels = torch.stack([0 * ramp[0], 3 * ramp[0], 6 * ramp[0]])
    assert average_gradient(channels).item() == pytest.approx(3 / math.sqrt(2))


def test_vif_rises_above_one_with_contrast(pair):
    mild = 64 + pair[1] / 2
    assert (vif((1.5 * mild - 64).clamp(0, 255), mild) > 1).all()


@paired
def test_refuses_what_is_no_pair_of_images(name, pair):
    fused, reference = pair
    function = PAIRED[name]
    with pytest.raises(ValueError, match="one size"):
        function(fused, reference[..., 1:])
    with pytest.raises(ValueError, match="3, H, W"):
        function(fused[:, :1], reference[:, :1])
    with pytest.raises(ValueError, match=r"0\.\.255"):
        function(fused + 200, reference)
    with pytest.raises(ValueError, match=r"reference must be in 0\.\.255"):
        function(fused, reference * math.nan)


@pytest.mark.parametrize("name", ["AG", "VIF", "SSIM"])
def test_refuses_images_smaller_than_the_window(name, rng):
    metric = METRICS[name]
    call, side = score.function(metric), score.smallest_side(metric)
    images = torch.randint(0, 256, (2, 1, 3, side, side + 3), generator=rng)
    count = 2 if metric.needs_reference else 1
    assert call(*images[:count]).isfinite().all()
    with pytest.raises(ValueError, match=f"at least {side}"):
        call(*images[:count, ..., 1:, :])
