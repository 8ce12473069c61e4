"""Quality against evaluations, drawn: the same bytes every time, whatever is missing."""

from dataclasses import replace

import pytest
from PIL import Image

from tfsdiff.diffusion.samplers import SAMPLERS
from tfsdiff.evaluation.sampler_quality import Point
from tfsdiff.report.figures.sampler_quality import SAMPLERS as NAMED
from tfsdiff.report.figures.sampler_quality import draw_sampler_quality


def size(path):
    with Image.open(path) as image:
        assert set(image.info) <= {"dpi"}
        return image.size


@pytest.fixture
def points(summary):
    """Three samplers at three numbers of evaluations, and the full chain."""

    def make(**named):
        found = [
            Point(sampler, count, summary(0.5, PSNR=20 + count / 10, **named))
            for sampler in SAMPLERS
            for count in (1, 4, 16)
        ]
        return found, Point("ancestral", 1000, summary(0.5, PSNR=22.0, **named))

    return make


def test_every_sampler_has_a_name_and_a_colour_of_its_own():
    assert set(NAMED) == set(SAMPLERS)
    assert len({colour for _, colour, _ in NAMED.values()}) == len(SAMPLERS)


def test_quality_has_a_line_a_sampler_and_the_band_of_the_full_chain(points, drawn, tmp_path):
    for name in ("a", "b"):
        draw_sampler_quality(*points(), tmp_path / f"{name}.png", "TFS-Diff ×4")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert size(tmp_path / "a.png") == (2000, 800)
    psnr, ssim, lpips = drawn[0].axes
    for axes in (psnr, ssim, lpips):
        *samplers, full = axes.get_lines()
        assert [list(line.get_xdata()) for line in samplers] == [[1, 4, 16]] * len(SAMPLERS)
        assert axes.get_xscale() == "log"
    assert list(psnr.get_lines()[0].get_ydata()) == pytest.approx([20.1, 20.4, 21.6])
    assert set(psnr.get_lines()[-1].get_ydata()) == {22.0}
    (band,) = psnr.patches
    assert band.get_extents().transformed(psnr.transData.inverted()).height == pytest.approx(0.2)
    assert not ssim.patches
    assert full.get_label() == "full chain, 1000 evaluations"


def test_quality_says_why_a_metric_is_empty(points, drawn, tmp_path):
    found, full = points(LPIPS=None)
    full = replace(full, summary=replace(full.summary, empty={"LPIPS": "no weights at hand"}))
    draw_sampler_quality(found, full, tmp_path / "a.png", "t")
    lpips = drawn[0].axes[2]
    assert not lpips.get_lines()
    assert [text.get_text() for text in lpips.texts] == ["no weights at hand"]
