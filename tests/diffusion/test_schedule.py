import pytest
import torch

from tfsdiff.diffusion import schedule
from tfsdiff.params import Diffusion, Spacing


def test_linear_schedules_of_the_papers() -> None:
    assert schedule.linear(2000, 1e-6, 1e-2).alpha_bar[-1].item() == pytest.approx(4.4e-5, rel=0.02)
    last = schedule.linear(4000, 1e-6, 1e-2).alpha_bar[-1]
    assert last.sqrt().item() == pytest.approx(4.4e-5, rel=0.01)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
@pytest.mark.parametrize("steps", [1, 2, 50])
def test_schedule_falls_from_one(kind: str, steps: int) -> None:
    settings = Diffusion(
        noise_levels=steps,
        schedule=kind,
        beta_start=1e-3,
        beta_end=0.2,
        prediction="eps",
        levels="time",
    )
    alpha_bar = schedule.make(settings).alpha_bar
    assert alpha_bar.dtype == torch.float64
    assert len(alpha_bar) == steps + 1
    assert alpha_bar[0] == 1
    assert (alpha_bar.diff() < 0).all()


@pytest.mark.parametrize("spacing", ["time", "logsnr"])
def test_subsequence_of_all_steps_is_the_schedule(spacing: Spacing) -> None:
    s = schedule.cosine(20)
    assert s.subsequence(20, spacing) == tuple(s.alpha_bar.flip(0).sqrt().tolist())


@pytest.mark.parametrize("spacing", ["time", "logsnr"])
@pytest.mark.parametrize("steps", [1, 3, 7, 19])
def test_subsequence_runs_from_noise_to_clean(steps: int, spacing: Spacing) -> None:
    s = schedule.linear(20, 1e-3, 0.3)
    levels = s.subsequence(steps, spacing)
    assert len(levels) == steps + 1
    assert levels[0] == s.alpha_bar[-1].sqrt().item()
    assert levels[-1] == 1
    assert list(levels) == sorted(set(levels))
    assert set(levels) <= set(s.alpha_bar.sqrt().tolist())


def test_spacing_is_even_in_what_it_names() -> None:
    s = schedule.linear(2000, 1e-6, 1e-2)
    t = [s.alpha_bar.sqrt().tolist().index(g) for g in s.subsequence(8, "time")]
    assert t == [2000, 1750, 1500, 1250, 1000, 750, 500, 250, 0]
    log_snr = torch.logit(torch.tensor(s.subsequence(8, "logsnr")[:-1], dtype=torch.float64) ** 2)
    lengths = log_snr.diff()
    assert lengths.max() < 1.06 * lengths.min()


def test_subsequence_refuses_more_steps_than_there_are() -> None:
    with pytest.raises(ValueError, match="cannot be sampled in 5"):
        schedule.cosine(4).subsequence(5)


def test_drawn_levels_fill_the_schedule(rng: torch.Generator) -> None:
    s = schedule.linear(4, 0.1, 0.4)
    g = s.draw_levels(4000, rng)
    edges = s.alpha_bar.sqrt().flip(0)
    assert edges[0] < g.min()
    assert g.max() < 1
    counts = torch.histogram(g, edges).hist  # one bin a step, all equally likely
    assert torch.all((counts - 1000).abs() < 150)


def test_malformed_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="strictly"):
        schedule.Schedule(torch.tensor([1.0, 0.5, 0.5], dtype=torch.float64))
