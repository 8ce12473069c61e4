import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

import tiny
from tfsdiff.core.backend import CPU
from tfsdiff.methods.cddfuse import training
from tfsdiff.methods.cddfuse.method import Settings
from tfsdiff.methods.cddfuse.network import CDDFuse, Features
from tfsdiff.methods.cddfuse.training import Decomposition
from tfsdiff.methods.pair_objective import GreyPairs
from tfsdiff.metrics.ssim import SIGMA

TRAIN = tiny.TRAIN.model_copy(update={"augment": "none"})
SETTINGS = Settings(
    first="anatomical",
    swapped=False,
    width=8,
    heads=2,
    blocks=1,
    skip="none",
    stretch="none",
    rounding="none",
    phase_1_steps=4,
    phase_1_skip="own",
    halve_steps=2,
    similarity="official",
    visible_gradient=5.0,
    redraws=3,
    train=TRAIN,
)


def made(settings: Settings = SETTINGS) -> Decomposition:
    images = torch.rand(2, 3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return Decomposition(GreyPairs(tuple("abc"), *images), settings, CPU)


def network() -> CDDFuse:
    torch.manual_seed(0)
    return CDDFuse(width=8, heads=2, blocks=1)


def changed(**changes: object) -> Settings:
    return SETTINGS.model_copy(update=changes)


def ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By scipy: Gaussian of 11 taps, reflected borders (`mirror` repeats no pixel)."""

    def mean(z: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(z, SIGMA, radius=5, mode="mirror")

    a, b = mean(x), mean(y)
    spread = mean(x * x) - a * a + mean(y * y) - b * b + 0.0009
    return (
        (2 * a * b + 0.0001)
        * (2 * (mean(x * y) - a * b) + 0.0009)
        / ((a * a + b * b + 0.0001) * spread)
    )


def derivatives(x: np.ndarray, mode: str) -> list[np.ndarray]:
    return [ndimage.sobel(x, axis, mode=mode, cval=0.0) for axis in (0, 1)]


@pytest.fixture
def pair(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.rand(1, 1, 14, 19, generator=rng), torch.rand(1, 1, 14, 19, generator=rng)


@pytest.fixture
def arrays(pair: tuple[Tensor, Tensor]) -> list[np.ndarray]:
    return [x[0, 0].double().numpy() for x in pair]


def test_correlation_is_pearsons(rng: torch.Generator) -> None:
    a, b = torch.randn(2, 2, 3, 5, 6, generator=rng)
    rows = [
        np.corrcoef(x.flatten(), y.flatten())[0, 1]
        for i in (0, 1)
        for x, y in zip(a[i], b[i], strict=True)
    ]
    assert training.correlation(a, b).item() == pytest.approx(np.mean(rows), abs=1e-5)
    assert training.correlation(a, 2 * a + 3).item() == pytest.approx(1, abs=1e-5)
    assert training.correlation(a, -a).item() == pytest.approx(-1, abs=1e-5)


def test_constant_features_have_no_correlation_and_a_finite_gradient() -> None:
    a, b = torch.ones(1, 2, 4, 4, requires_grad=True), torch.rand(1, 2, 4, 4)
    value = training.correlation(a, b)
    value.backward()
    assert value.item() == 0
    assert a.grad.isfinite().all()


def test_decomposition_wants_shared_bases_and_details_apart(rng: torch.Generator) -> None:
    a, b = torch.randn(2, 1, 2, 8, 8, generator=rng)
    good = training.decomposition(Features(a, a), Features(a, b))
    bad = training.decomposition(Features(a, a), Features(b, a))
    detail, base = (training.correlation(*x).item() for x in ((a, b), (a, a)))
    assert good.item() == pytest.approx(detail**2 / (1.01 + base), rel=1e-5)
    assert good < 0.1 < bad


def test_dissimilarity(pair: tuple[Tensor, Tensor], arrays: list[np.ndarray]) -> None:
    gap = 1 - ssim(*arrays)
    official, paper = (training.dissimilarity(*pair, kind).item() for kind in ("official", "paper"))
    assert paper == pytest.approx(gap.mean(), rel=1e-4)
    assert official == pytest.approx((np.clip(gap, 0, 1) / 2).mean(), rel=1e-4)
    assert training.dissimilarity(pair[0], pair[0], "official").item() == pytest.approx(0, abs=1e-6)


def test_gradients(pair: tuple[Tensor, Tensor], arrays: list[np.ndarray]) -> None:
    x, y = (derivatives(image, "nearest") for image in arrays)
    expected = np.mean([np.abs(a - b) / 8 for a, b in zip(x, y, strict=True)])
    assert training.gradient_error(*pair).item() == pytest.approx(expected, rel=1e-5)
    steep = sum(np.abs(d) for d in derivatives(arrays[0], "constant"))
    np.testing.assert_allclose(training.steepness(pair[0])[0, 0], steep, atol=1e-5)


@pytest.mark.parametrize("own", ["own", "none"])
def test_terms_of_phase_1(own: str, arrays: list[np.ndarray], pair: tuple[Tensor, Tensor]) -> None:
    settings = changed(phase_1_skip=own)
    net = network()
    with torch.no_grad():
        terms = made(settings).rebuilding(net, *pair)
        parts = [net.encode(x) for x in pair]
        skips = pair if own == "own" else (None, None)
        rebuilt = [
            net.decode(f, x)[0, 0].double().numpy() for f, x in zip(parts, skips, strict=True)
        ]
    each = list(zip(arrays, rebuilt, strict=True))
    dssim = sum((np.clip(1 - ssim(*one), 0, 1) / 2).mean() for one in each)
    squares = sum(((x - y) ** 2).mean() for x, y in each)
    shared = training.decomposition(*parts).item()
    edges = np.mean([np.abs(d) / 8 for d in derivatives(arrays[0] - rebuilt[0], "nearest")])
    expected = 5 * dssim + squares + 2 * shared + 5 * edges
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-4)
    assert terms["structure"].item() == pytest.approx(dssim, rel=1e-4)
    assert terms["squares"].item() == pytest.approx(squares, rel=1e-4)
    paper = made(changed(phase_1_skip=own, visible_gradient=0.0, similarity="paper"))
    gaps = sum((1 - ssim(*one)).mean() for one in each)
    with torch.no_grad():
        loss = paper.rebuilding(net, *pair)["loss"].item()
    assert loss == pytest.approx(5 * gaps + squares + 2 * shared, rel=1e-4)


@pytest.mark.parametrize("skip", ["none", "visible", "sum"])
def test_terms_of_phase_2(skip: str, arrays: list[np.ndarray], pair: tuple[Tensor, Tensor]) -> None:
    net = network()
    with torch.no_grad():
        terms = made(changed(skip=skip)).fusing(net, *pair)
        parts = [net.encode(x) for x in pair]
        given = {"none": None, "visible": pair[0], "sum": pair[0] + pair[1]}[skip]
        fused = net(pair, given)[0, 0].double().numpy()
    intensity = np.abs(fused - np.maximum(*arrays)).mean()
    steep = [sum(np.abs(d) for d in derivatives(x, "constant")) for x in (fused, *arrays)]
    edges = np.abs(steep[0] - np.maximum(*steep[1:])).mean()
    shared = training.decomposition(*parts).item()
    assert terms["intensity"].item() == pytest.approx(intensity, rel=1e-4)
    assert terms["gradient"].item() == pytest.approx(edges, rel=1e-4)
    assert terms["loss"].item() == pytest.approx(intensity + 10 * edges + 2 * shared, rel=1e-4)


def test_phases_and_their_parts() -> None:
    one, two = ([update.groups for update in made().updates(step)] for step in (3, 4))
    assert one == [("DIDF_Encoder.", "DIDF_Decoder.")]
    assert two == [("DIDF_Encoder.", "DIDF_Decoder.", "BaseFuseLayer.", "DetailFuseLayer.")]
    assert [group.prefix for group in made().groups] == list(two[0])


def test_phase_1_has_no_gradient_in_the_fusion_layers(pair: tuple[Tensor, Tensor]) -> None:
    net = network()
    made().rebuilding(net, *pair)["loss"].backward()
    learned = {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None}
    assert learned == {"DIDF_Encoder", "DIDF_Decoder"}
    made().fusing(net, *pair)["loss"].backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_black_images_have_a_finite_gradient() -> None:
    net, black = network(), torch.zeros(2, 1, 12, 12)
    for loss in (made().rebuilding, made().fusing):
        loss(net, black, black)["loss"].backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_rates_are_halved_from_the_start_of_each_part() -> None:
    encoder, _, base, detail = made().groups
    assert [encoder.rate(step) for step in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert [base.rate(step) for step in range(8)] == [1, 1, 1, 1, 1, 1, 0.5, 0.5]
    assert detail.rate(6) == 0.5
    assert encoder.rate(1000) == 0.01
    assert {group.rate(1000) for group in made(changed(halve_steps=None)).groups} == {1.0}


@pytest.mark.parametrize(
    ("low", "high", "kept"),
    [(0.0, 0.0, False), (0.5, 0.5, False), (0.5, 0.52, False), (0.5, 0.6, True), (0.0, 0.1, True)],
)
def test_contrast(low: float, high: float, kept: bool) -> None:
    ramp = torch.linspace(0, 1, 100).view(1, 10, 10)
    image = torch.where(ramp < 0.5, low, high)
    assert training.has_contrast(torch.cat([image, ramp])) == kept
    assert training.has_contrast(torch.cat([ramp, image])) == kept


def test_crops_without_contrast_are_drawn_anew() -> None:
    """Of an image with one bright corner, most crops are black."""
    images = torch.zeros(2, 1, 1, 48, 48)
    images[..., 30:, 30:] = torch.rand(2, 1, 1, 18, 18)
    train = TRAIN.model_copy(update={"crop_pixels": 12})

    def share(redraws: int) -> float:
        one = Decomposition(GreyPairs(("a",), *images), changed(redraws=redraws, train=train), CPU)
        noise = [torch.Generator().manual_seed(i) for i in range(40)]
        crops = torch.cat(one.draw(torch.zeros(40, dtype=torch.long), noise), dim=1)
        again = one.draw(torch.zeros(1, dtype=torch.long), [torch.Generator().manual_seed(7)])
        assert torch.equal(torch.cat(again, dim=1)[0], crops[7])
        return sum(training.has_contrast(x) for x in crops) / 40

    assert share(redraws=0) < 0.5 < 0.95 < share(redraws=40)


def test_both_images_are_cut_alike() -> None:
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    settings = changed(train=tiny.TRAIN.model_copy(update={"crop_pixels": 12}))
    one = Decomposition(GreyPairs(("a",), image, image), settings, CPU)
    crops = one.draw(torch.tensor([0, 0]), [torch.Generator().manual_seed(i) for i in (1, 2)])
    assert torch.equal(*crops)
    assert crops[0].shape == (2, 1, 12, 12)
    assert not torch.equal(*crops[0])
    assert math.isclose(crops[0].mean(), 0.5, abs_tol=0.1)
