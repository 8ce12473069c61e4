"""What is read off a checkpoint in the released layout, and that the released chain is drawn."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import released_layout as layout
from tfsdiff import methods
from tfsdiff.core.backend import CPU
from tfsdiff.diffusion import schedule
from tfsdiff.methods.conditional import released
from tfsdiff.methods.conditional.method import ConditionalMethod
from tfsdiff.methods.conditional.network import ConditionalUNet
from tfsdiff.params import Diffusion, Sampling, UNet

DEEP = UNet(
    width=64,
    multipliers=(1, 2, 4, 8, 8),
    blocks=2,
    attention_level=4,  # 16 pixels of 256
    groups=32,
    dropout=0.2,
    initialisation="orthogonal",
)
DEEP_128 = DEEP.model_copy(update={"attention_level": 3})  # 16 pixels of 128
WIDE = DEEP.model_copy(
    update={"multipliers": (1, 2, 4, 8, 16), "blocks": 1, "attention_level": None, "dropout": 0.0}
)
SR3_WIDE = WIDE.model_copy(update={"groups": 16})
KNOWN = {
    "128 to 256": ("tfsdiff", DEEP),
    "16 to 128": ("tfsdiff", DEEP_128),
    "16 to 256": ("tfsdiff", WIDE),
    "sr3 16 to 128": ("sr3", DEEP_128),
    "sr3 64 to 512": ("sr3", SR3_WIDE),
}


@pytest.mark.parametrize(("method", "unet"), KNOWN.values(), ids=KNOWN)
def test_released_configurations_are_recognised(method: str, unet: UNet) -> None:
    with torch.device("meta"):
        network = ConditionalUNet(layout.CHANNELS[method], unet, layout.GATE[method], ratio=4)
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    assert released.recognise(shapes, layout.family(method)) == unet


@pytest.mark.parametrize("method", layout.METHODS)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"multipliers": (2, 1, 3), "blocks": 1, "attention_level": 0, "dropout": 0.0},
        {"multipliers": (1,), "blocks": 3, "attention_level": None},
    ],
)
def test_any_architecture_is_read_off_its_shapes(method: str, change: dict) -> None:
    unet = layout.SMALL.model_copy(update=change)
    shapes = {k: tuple(v.shape) for k, v in layout.network(method, unet).state_dict().items()}
    assert released.recognise(shapes, layout.family(method), groups=8) == unet


def diffusion_of(noise_levels: int) -> Diffusion:
    """The released schedule with so many levels."""
    return Diffusion(
        noise_levels=noise_levels,
        schedule="linear",
        beta_start=1e-6,
        beta_end=1e-2,
        prediction="eps",
        levels="time",
    )


def test_there_is_a_family_for_every_conditional_method() -> None:
    kinds = {name: methods.method_class(name) for name in methods.METHODS}
    found = {
        name
        for name, kind in kinds.items()
        if issubclass(kind, ConditionalMethod) and kind.importable
    }
    assert found == set(layout.METHODS)
    for method in layout.METHODS:
        assert layout.family(method).name == method


@pytest.mark.parametrize("method", layout.METHODS)
def test_what_is_imported_draws_as_the_network_that_was_released(
    method: str, tmp_path: Path
) -> None:
    path = tmp_path / "some_gen.pth"
    torch.save(layout.checkpoint(method), path)
    kind = methods.method_class(method)
    found = kind.import_released(path, groups=8)
    assert found.settings == layout.family(method).settings
    assert found.settings is not layout.family(method).settings
    diffusion = diffusion_of(6)
    sections = {"unet": layout.SMALL, "diffusion": diffusion}
    values = {name: section.model_dump(mode="json") for name, section in sections.items()}
    assert found.values == values
    condition = torch.rand(1, layout.CHANNELS[method], 8, 8)
    images = []
    for tensors in (found.tensors, layout.network(method).state_dict()):
        sampling = Sampling(
            sampler="ancestral", evaluations=6, spacing="time", temperature=1.0, batch=1
        )
        made = methods.build(method, found.settings, 2, sampling)
        made.restore(tensors, values, CPU)
        images.append(made.draw(condition, [torch.Generator().manual_seed(7)]))
    assert torch.equal(*images)


@pytest.mark.parametrize("method", layout.METHODS)
def test_settings_make_the_released_network(method: str) -> None:
    diffusion = diffusion_of(6)
    made = methods.build(method, layout.family(method).settings, 2)
    assert made.condition_channels == layout.CHANNELS[method]
    assert made.gate[0] == layout.GATE[method]
    assert made.parametrisation({"diffusion": diffusion.model_dump()}).kind == "eps"
    assert made.settings.noise_loss == "l1"


@pytest.mark.parametrize("steps", [1, 6, 2000, 4000])
def test_buffers_are_those_of_the_formulas(steps: int) -> None:
    ours = released.schedule_buffers(schedule.linear(steps, 1e-6, 1e-2))
    expected = layout.buffers(steps)
    assert ours.keys() == expected.keys()
    for name, values in expected.items():  # 1.2e-7: one unit in the last place of float32
        torch.testing.assert_close(ours[name].float(), values, rtol=1.2e-7, atol=1e-14, msg=name)


def plain_chain(
    network: ConditionalUNet, condition: Tensor, tables: dict[str, Tensor], noise: torch.Generator
) -> list[Tensor]:
    """All states of the released sampler, written out by its buffers."""
    shape = (1, 3, *condition.shape[-2:])
    states = [torch.randn(shape, generator=noise)]
    for t in reversed(range(len(tables["betas"]))):
        x = states[-1]
        eps = network(condition, x, tables["sqrt_alphas_cumprod"][t : t + 1])
        recip, recipm1 = (tables[f"sqrt_{name}_alphas_cumprod"][t] for name in ("recip", "recipm1"))
        x_0 = (recip * x - recipm1 * eps).clamp(-1, 1)
        mean = tables["posterior_mean_coef1"][t] * x_0 + tables["posterior_mean_coef2"][t] * x
        if t > 0:
            deviation = (0.5 * tables["posterior_log_variance_clipped"][t]).exp()
            mean = mean + deviation * torch.randn(shape, generator=noise)
        states.append(mean)
    return states


LONG_CHAIN = pytest.param(100, 1e-6, 1e-2, marks=pytest.mark.slow)


@pytest.mark.parametrize("method", layout.METHODS)
@pytest.mark.parametrize(("steps", "first", "last"), [(40, 1e-4, 0.3), LONG_CHAIN])
def test_the_chain_is_the_released_one_step_by_step(
    method: str, steps: int, first: float, last: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same noise, each state within 1e-5 (seen: 2e-6), though ours computes levels in float64."""
    network = layout.network(method)
    condition = torch.rand(1, layout.CHANNELS[method], 8, 8)
    with torch.inference_mode():
        tables, noise = layout.buffers(steps, first, last), torch.Generator().manual_seed(5)
        states = plain_chain(network, 2 * condition - 1, tables, noise)

    seen, forward = [], ConditionalUNet.forward

    def spy(self, condition, noisy, level):
        seen.append(noisy.clone())
        return forward(self, condition, noisy, level)

    monkeypatch.setattr(ConditionalUNet, "forward", spy)
    diffusion = Diffusion(
        noise_levels=steps,
        schedule="linear",
        beta_start=first,
        beta_end=last,
        prediction="eps",
        levels="time",
    )
    made = methods.build(method, layout.family(method).settings, 2)
    sections = {"unet": layout.SMALL, "diffusion": diffusion}
    values = {name: section.model_dump(mode="json") for name, section in sections.items()}
    made.restore(network.state_dict(), values, CPU)
    made = made.with_sampling(
        Sampling(sampler="ancestral", evaluations=steps, spacing="time", temperature=1.0, batch=1)
    )
    image = made.draw(condition, [torch.Generator().manual_seed(5)])

    assert len(seen) == steps == len(states) - 1
    torch.testing.assert_close(torch.cat(seen), torch.cat(states[:-1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(image, ((states[-1] + 1) / 2).clamp(0, 1), atol=5e-6, rtol=0)
