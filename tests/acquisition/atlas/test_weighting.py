"""The weighting of MR series, told from their slices."""

import io
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from tfsdiff.acquisition.atlas.weighting import DOUBTFUL, WEIGHTINGS, classify, measure
from tfsdiff.acquisition.phantom import render
from tfsdiff.acquisition.phantom.patient import draw_patient, plan_slices

SEED = 21  # not that of the phantoms which the table was fitted to
SLICES = 6


def phantom_series(lesion_share: float) -> dict[str, list[np.ndarray]]:
    patient = draw_patient(SEED, 1, lesion_share)
    planes = [render(patient, i, WEIGHTINGS, 256) for i in plan_slices(patient, SLICES)]
    return dict(zip(WEIGHTINGS, map(list, zip(*planes, strict=True)), strict=True))


@pytest.fixture(scope="module")
def healthy() -> dict[str, list[np.ndarray]]:
    return phantom_series(0.0)


@pytest.fixture(scope="module")
def ill() -> dict[str, list[np.ndarray]]:
    return phantom_series(1.0)


@pytest.mark.parametrize("modality", WEIGHTINGS)
def test_a_phantom_with_a_lesion_is_told(ill, modality):
    told = classify(ill[modality])
    assert told.modality == modality
    # Contrast agent that nothing takes up looks like none, so somebody should look at any MR-T1.
    assert (told.confidence >= DOUBTFUL) == (modality != "MR-T1")
    assert 0.6 < told.confidence <= 1
    assert told.measures["slices"] == SLICES


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["MR-T1", "MR-T2", "MR-PD"])
def test_a_healthy_phantom_is_told(healthy, modality):
    assert classify(healthy[modality]).modality == modality


@pytest.mark.slow
def test_contrast_agent_that_nothing_takes_up_is_taken_for_t1_with_reserve(healthy):
    told = classify(healthy["MR-Gad"])  # a known error
    assert told.modality == "MR-T1"
    assert told.confidence < 0.8


def test_measures_mean_what_they_say(ill):
    told = {modality: classify(slices).measures for modality, slices in ill.items()}
    assert told["MR-T2"]["bright_over_median"] > 1.5 > told["MR-T1"]["bright_over_median"]
    assert told["MR-T1"]["dark_over_median"] < told["MR-PD"]["dark_over_median"]
    assert told["MR-T1"]["cortex_over_white"] < 1 < told["MR-PD"]["cortex_over_white"]
    assert told["MR-Gad"]["enhancing_share"] > 0.001 > told["MR-T1"]["enhancing_share"]


@pytest.mark.slow
@pytest.mark.parametrize("modality", WEIGHTINGS)
@pytest.mark.parametrize(
    "window",
    [
        lambda unit: 0.6 * unit,
        lambda unit: np.minimum(1.15 * unit, 1),
        lambda unit: unit**0.85,
        lambda unit: unit**1.2,
    ],
    ids=["darker", "brighter", "gamma 0.85", "gamma 1.2"],
)
def test_the_window_does_not_matter(ill, modality, window):
    shown = [np.round(255 * window(image / 255)).astype(np.uint8) for image in ill[modality]]
    assert classify(shown).modality == modality


@pytest.mark.slow
@pytest.mark.parametrize("modality", WEIGHTINGS)
def test_traces_of_jpeg_do_not_matter(ill, modality):
    shown = []
    for image in ill[modality]:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=60)
        shown.append(np.asarray(Image.open(stream)))
    assert classify(shown).modality == modality


@pytest.mark.slow
def test_a_gain_leaves_the_measures_as_they_are(healthy):
    image = healthy["MR-T1"][2]
    full, half = measure(image // 2 * 2), measure(image // 2)
    assert half.bright_over_median == pytest.approx(full.bright_over_median)
    assert half.dark_over_median == pytest.approx(full.dark_over_median)
    assert half.cortex_over_white == pytest.approx(full.cortex_over_white)
    assert half.brain_share == full.brain_share


@pytest.mark.slow
@pytest.mark.parametrize("modality", WEIGHTINGS)
def test_a_smaller_head_at_another_place_is_told(ill, modality):
    shown = []
    for image in ill[modality]:
        small = np.asarray(Image.fromarray(image).resize((180, 180), Image.Resampling.BILINEAR))
        shown.append(np.pad(small, ((60, 16), (10, 66))))
    assert classify(shown).modality == modality


@pytest.mark.slow
def test_slices_without_a_brain_and_near_the_vertex_do_not_count(ill):
    empty = np.zeros((256, 256), np.uint8)
    vertex = np.pad(ill["MR-T2"][2][::4, ::4], 96)
    expected = classify(ill["MR-T1"])
    assert classify([empty, *ill["MR-T1"], empty, vertex]) == expected


@pytest.mark.slow
def test_order_does_not_matter_and_the_answer_is_always_the_same(ill):
    told = classify(ill["MR-Gad"])
    assert classify(ill["MR-Gad"]) == told
    reverse = classify(ill["MR-Gad"][::-1])
    assert (reverse.modality, reverse.confidence) == (told.modality, pytest.approx(told.confidence))


@pytest.mark.slow
def test_one_slice_is_less_sure_than_many(healthy):
    many, one = classify(healthy["MR-T2"]), classify(healthy["MR-T2"][2:3])
    assert one.modality == many.modality == "MR-T2"
    assert one.confidence < many.confidence


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((256, 256), np.uint8),
        np.full((256, 256), 90, np.uint8),
        np.random.default_rng(3).integers(0, 256, (256, 256), np.uint8),
        np.eye(256, dtype=np.uint8) * 255,
        np.pad(np.full((4, 250), 200, np.uint8), ((100, 152), (3, 3))),
    ],
    ids=["black", "constant", "noise", "a line", "a bar"],
)
def test_what_shows_no_brain_is_refused(image):
    assert measure(image) is None
    with pytest.raises(ValueError, match=r"none of 2 slices shows a brain; name the modality"):
        classify([image, image])


def test_no_slice_and_another_kind_of_image_are_refused(healthy):
    with pytest.raises(ValueError, match="none of 0 slices"):
        classify([])
    with pytest.raises(ValueError, match=r"uint8 \(H, W\), not float64"):
        classify([healthy["MR-T1"][0] / 255])
    with pytest.raises(ValueError, match=r"uint8 \(H, W\), not uint8 \(256, 256, 3\)"):
        classify([np.stack([healthy["MR-T1"][0]] * 3, -1)])


@pytest.mark.slow
@pytest.mark.shared
def test_real_series_of_known_weighting_are_told(shared):
    series = defaultdict(list)
    for path in sorted((shared / "data").glob("harvard-triples/images/*/MR*.png")):
        series[path.parent.name.rsplit("-", 1)[0], path.stem].append(path)
    for path in sorted((shared / "data").glob("harvard-pairs/*/*/MR.png")):
        kind, case = path.parts[-3], path.parent.name.rsplit("-", 1)[0]
        modality = "MR-T1" if kind == "PET-MR" else "MR-T2"
        modality = "MR-PD" if (kind, case) == ("CT-MR", "2") else modality
        series[f"{kind} {case}", modality].append(path)
    assert len(series) == 30
    wrong = []
    for (name, modality), paths in series.items():
        some = paths[:: max(1, len(paths) // 9)]
        told = classify([np.asarray(Image.open(path).convert("L")) for path in some])
        if told.modality != modality:
            wrong.append((name, modality, told))
    assert not wrong
