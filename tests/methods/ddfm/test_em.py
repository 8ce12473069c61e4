import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr, ycbcr2rgb
from torch import Tensor

from inputs import generators
from tfsdiff.diffusion.schedule import linear
from tfsdiff.methods.ddfm import em
from tfsdiff.methods.ddfm.em import em_step, start
from tfsdiff.methods.ddfm.prior import evenly_spaced, step_of
from tfsdiff.methods.ddfm.settings import Settings


def settings(mode: str, weight: float = 0.5, coupling: float = 0.001) -> Settings:
    """What the EM step looks at."""
    return Settings.model_construct(
        mode=mode, tv_weight=weight, tv_coupling=coupling, sampler="ddim"
    )


PAPER, OFFICIAL = settings("paper"), settings("official")
SCHEDULE = linear(1000, 1e-4, 2e-2)


def flat(value: float) -> Tensor:
    return torch.full((1, 1, 6, 8), value, dtype=torch.float64)


def images(count: int, rng: torch.Generator, shape: tuple[int, int] = (5, 6)) -> Tensor:
    return 2 * torch.rand(count, 1, 1, *shape, generator=rng, dtype=torch.float64) - 1


@pytest.mark.parametrize(("rule", "expected"), [(PAPER, 0.55), (OFFICIAL, -0.35)])
def test_flat_images_of_d1(rule: Settings, expected: float) -> None:
    f, i, v = flat(0.55), flat(0.6), flat(-0.4)
    fused, state = em_step(f, i, v, start(i), rule)
    torch.testing.assert_close(fused, flat(expected), atol=1e-4, rtol=0)
    # mean of 1 / C + tau / 2, with 1 / C = |y - x| sqrt(tau / 2) and 1 / D = |x| sqrt(tau / 2)
    assert state.tau_a.item() == pytest.approx(0.5 + 0.05 / 2**0.5, abs=1e-5)
    assert state.tau_b.item() == pytest.approx(0.5 + 0.95 / 2**0.5, abs=1e-5)


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_sources_that_agree_are_returned(mode: str, rng: torch.Generator) -> None:
    f, i = images(2, rng)
    rule = settings(mode, 0.5, 0.001)
    fused, state = em_step(f, i, i, start(i), rule)
    torch.testing.assert_close(fused, i, atol=2e-3, rtol=0)
    assert state.tau_a.isfinite().all()


@pytest.mark.parametrize("rule", [PAPER, OFFICIAL])
def test_result_lies_between_the_sources(rule: Settings, rng: torch.Generator) -> None:
    f, i, v = images(3, rng, (16, 17))
    fused, _ = em_step(f, i, v, start(i), rule)
    assert torch.all(fused >= torch.minimum(i, v) - 2e-3)
    assert torch.all(fused <= torch.maximum(i, v) + 2e-3)


def matrices(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Periodic forward differences of a flattened image along columns and rows, dense."""

    def circle(n: int) -> np.ndarray:
        return np.roll(np.eye(n), 1, axis=1) - np.eye(n)

    return np.kron(np.eye(height), circle(width)), np.kron(circle(height), np.eye(width))


@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (1, 4)])
def test_smoothing_solves_the_linear_system(shape: tuple[int, int], rng: torch.Generator) -> None:
    x, a, b = images(3, rng, shape)
    k1, k2 = matrices(*shape)
    system = np.eye(k1.shape[0]) + k1.T @ k1 + k2.T @ k2
    right = x.numpy().ravel() + k1.T @ a.numpy().ravel() + k2.T @ b.numpy().ravel()
    got = em.smooth(x, torch.cat([a, b], 1))
    np.testing.assert_allclose(got.numpy().ravel(), np.linalg.solve(system, right), atol=1e-12)
    steep = em.gradient(x)[0].flatten(1).numpy()
    np.testing.assert_allclose(steep, [k @ x.numpy().ravel() for k in (k1, k2)], atol=1e-12)


def test_what_is_kept_of_a_size_serves_with_gradients_too(rng: torch.Generator) -> None:
    x, a, b = images(3, rng, (3, 9))
    u = torch.cat([a, b], 1)
    with torch.inference_mode():
        inside = em.smooth(x, u)
    kept = em.transfer.cache_info().hits
    outside = em.smooth(x, u.requires_grad_())
    assert em.transfer.cache_info().hits == kept + 1
    assert torch.equal(inside, outside)
    outside.sum().backward()
    assert u.grad.isfinite().all()


def test_precisions_of_a_size_are_kept_apart(rng: torch.Generator) -> None:
    x, a, b = images(3, rng)
    fine = em.smooth(x, torch.cat([a, b], 1))
    coarse = em.smooth(x.float(), torch.cat([a, b], 1).float())
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, fine.float())


def by_hand(f: np.ndarray, i: np.ndarray, v: np.ndarray, official: bool, steps: int) -> np.ndarray:
    """The EM step for one image, written out in dense matrices."""
    weight, rho, height, width = 0.2, 0.7, *f.shape
    k1, k2 = matrices(height, width)
    system = np.linalg.inv(np.eye(f.size) + k1.T @ k1 + k2.T @ k2)
    tau_a = tau_b = 1.0
    u1 = u2 = np.zeros(f.size)
    y, x = i - v, f - v
    for _ in range(steps):
        x = f - v
        d = np.sqrt(2 / (tau_b * (x**2 + 1e-6)))
        c = np.sqrt(2 / (tau_a * (y - x + 1e-6) ** 2))
        d = np.minimum(d, 2 * c) if official else d
        tau_b = np.mean(1 / (d + 1e-10) + tau_b / 2)
        tau_a = np.mean(1 / (c + 1e-10) + tau_a / 2)
        smoothed = (y - x if official else x).ravel()
        k = (system @ (smoothed + k1.T @ u1 + k2.T @ u2)).reshape(f.shape)
        u1, u2 = k1 @ k.ravel(), k2 @ k.ravel()
        if official:
            a1, a2 = k.copy(), k.copy()
            a1[:, :-1] -= k[:, 1:]
            a2[:-1] -= k[1:]
            u1, u2 = a1.ravel(), a2.ravel()
        u1, u2 = (rho / (2 * weight + rho) * u for u in (u1, u2))
        x = (2 * c * y + rho * (y - k if official else k)) / (2 * c + 2 * d + rho)
    return i - x if official else v + x


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_steps_are_those_of_the_reference(mode: str, rng: torch.Generator) -> None:
    f, i, v = images(3, rng)
    state, rule = start(i), settings(mode, 0.2, 0.7)
    for steps in (1, 2, 3):
        fused, state = em_step(f, i, v, state, rule)
        expected = by_hand(*(x[0, 0].numpy() for x in (f, i, v)), mode == "official", steps)
        np.testing.assert_allclose(fused[0, 0].numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("rule", [PAPER, OFFICIAL])
def test_an_image_does_not_see_the_others_of_its_batch(
    rule: Settings, rng: torch.Generator
) -> None:
    f, i, v = images(3, rng)
    f2, i2, v2 = images(3, rng) / 5
    together, alone = start(torch.cat([i, i2])), start(i)
    for _ in range(3):
        both, together = em_step(*map(torch.cat, ((f, f2), (i, i2), (v, v2))), together, rule)
        one, alone = em_step(f, i, v, alone, rule)
    torch.testing.assert_close(both[:1], one)
    torch.testing.assert_close(together.tau_a[:1], alone.tau_a)


def test_exactly_cancelling_differences_give_no_nan() -> None:
    """The released code divides infinity by infinity where y - x is -1e-6."""
    f, i, v = flat(1e-6), flat(0.0), flat(-0.5)
    fused, state = em_step(f, i, v, start(i), settings("paper", coupling=0.0))
    assert fused.isfinite().all()
    assert state.tau_a.isfinite()


@pytest.mark.parametrize("rule", [PAPER, OFFICIAL])
def test_luminance_exchange(rule: Settings, rng: torch.Generator) -> None:
    """Against scikit-image where the swing is the studio's; chroma stays in either."""
    x_0 = 2 * torch.rand(1, 3, 4, 5, generator=rng, dtype=torch.float64) - 1
    new = images(1, rng, (4, 5))[0]
    luma = em.luma_of(x_0, rule.mode)
    got = em.exchange(x_0, luma, new, rule.mode)
    torch.testing.assert_close(em.luma_of(got, rule.mode), new)
    if rule.mode == "official":
        ycbcr = rgb2ycbcr(x_0[0].permute(1, 2, 0).numpy()) / 255
        np.testing.assert_allclose(luma[0, 0], ycbcr[..., 0], atol=1e-12)
        ycbcr[..., 0] = new[0, 0]
        expected = ycbcr2rgb(ycbcr * 255)
        np.testing.assert_allclose(got[0].permute(1, 2, 0), expected, atol=1e-6)
    torch.testing.assert_close(got - x_0, (got - x_0)[:, :1].expand(-1, 3, -1, -1))


@pytest.mark.parametrize(("luminance", "grey"), [(-1.0, -1.237), (0.0, -0.073), (1.0, 1.091)])
def test_studio_swing_of_d3(luminance: float, grey: float) -> None:
    x_0 = torch.zeros(1, 3, 1, 1)
    luma = em.luma_of(x_0, "official")
    got = em.exchange(x_0, luma, torch.full((1, 1, 1, 1), luminance), "official")
    torch.testing.assert_close(got, torch.full((1, 3, 1, 1), grey), atol=1e-3, rtol=0)


def steps_of(levels: tuple[float, ...]) -> list[int]:
    return [step_of(SCHEDULE, g) for g in levels[:-1]]


def test_evenly_spaced_steps_are_the_released_ones() -> None:
    levels = evenly_spaced(SCHEDULE, 100)
    assert steps_of(levels)[::-1][:7] == [0, 10, 20, 30, 40, 50, 61]
    assert steps_of(levels)[:2] == [999, 989]
    assert list(levels) == sorted(levels)
    assert levels[0] == SCHEDULE.alpha_bar[1000].sqrt().item()
    assert levels[-2:] == (SCHEDULE.alpha_bar[1].sqrt().item(), 1.0)


def test_number_of_steps() -> None:
    assert steps_of(evenly_spaced(SCHEDULE, 1)) == [999]
    assert steps_of(evenly_spaced(SCHEDULE, 2)) == [999, 0]
    assert steps_of(evenly_spaced(SCHEDULE, 1000)) == list(range(999, -1, -1))
    for wrong in (0, 1001):
        with pytest.raises(ValueError, match="cannot be drawn"):
            evenly_spaced(SCHEDULE, wrong)


@pytest.mark.parametrize("chain", ["ddim", "ancestral"])
@pytest.mark.parametrize("rule", [PAPER, OFFICIAL])
def test_fused_image_is_a_rectified_estimate(
    chain: str, rule: Settings, rng: torch.Generator
) -> None:
    """Written out for two steps of DDIM; the chain ends with the rectified estimate itself."""
    i, v = images(2, rng, (4, 6)).float()
    seen = []

    def estimate(x: Tensor, g: float) -> Tensor:
        seen.append((x, g))
        return (x / 2).clamp(-1, 1)

    levels = evenly_spaced(SCHEDULE, 2)
    how = rule.model_copy(update={"sampler": chain})
    got = em.fuse(estimate, (i, v), levels, how, generators(1))
    assert [g for _, g in seen] == list(levels[:-1])
    state, results = start(i), []
    for x, _ in seen:
        x_0 = (x / 2).clamp(-1, 1)
        luma = em.luma_of(x_0, rule.mode)
        new, state = em_step(luma, i, v, state, rule)
        results.append(em.exchange(x_0, luma, new, rule.mode))
    torch.testing.assert_close(got, results[1])
    if chain == "ddim":
        g, g_next, _ = levels
        eps = (seen[0][0] - g * results[0]) / (1 - g**2) ** 0.5
        wanted = g_next * results[0] + (1 - g_next**2) ** 0.5 * eps
        torch.testing.assert_close(seen[1][0], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("chain", ["ddim", "ancestral"])
def test_images_of_a_batch_are_drawn_apart(chain: str, rng: torch.Generator) -> None:
    i, v = images(4, rng, (4, 6)).float().view(2, 2, 1, 4, 6)
    levels = evenly_spaced(SCHEDULE, 5)
    how = PAPER.model_copy(update={"sampler": chain})

    def drawn(i: Tensor, v: Tensor, first: int) -> Tensor:
        noise = generators(len(i), first)
        return em.fuse(lambda x, g: x.clamp(-1, 1), (i, v), levels, how, noise)

    both = drawn(i, v, 0)
    for n in range(2):
        torch.testing.assert_close(
            drawn(i[n : n + 1], v[n : n + 1], n), both[n : n + 1], atol=1e-4, rtol=0
        )


def test_paper_chooses_a_source_and_official_stays_between(rng: torch.Generator) -> None:
    """Without any prior, from a start a little nearer to V."""
    i, v = images(2, rng, (16, 16))
    shares = {}
    for rule in (PAPER, OFFICIAL):
        f, state = v + 0.45 * (i - v), start(i)
        for _ in range(30):
            fused, state = em_step(f, i, v, state, rule)
            f = (f + fused) / 2  # a step of the chain goes part of the way
        shares[rule.mode] = ((f - v) / (i - v)).median().item()
    assert shares["paper"] < 0.1
    assert 0.4 < shares["official"] < 0.6
