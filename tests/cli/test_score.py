import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from tfsdiff.cli import main
from tfsdiff.data.images import to_unit
from tfsdiff.metrics import lpips, reference
from tfsdiff.metrics.registry import METRICS
from tfsdiff.metrics.score import score

SIDE = 48


@pytest.fixture
def pictures():
    random = np.random.default_rng(4)
    shapes = ((SIDE, SIDE, 3), (SIDE, SIDE), (SIDE, SIDE), (SIDE, SIDE, 3), (SIDE, SIDE, 3))
    return [random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


@pytest.fixture
def paths(tmp_path, pictures):
    found = [tmp_path / f"{name}.png" for name in ("fused", "a", "b", "f", "truth")]
    for path, picture in zip(found, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return found


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(lpips, "load", lambda backbone: lpips.Unavailable("no way to the weights"))


def line(paths, *more, truth=True):
    fused, a, b, f, *rest = map(str, paths)
    extra = ["--truth", *rest] if truth else []
    return ["score", fused, "--sources", a, b, f, *extra, *map(str, more)]


def expected(pictures, truth):
    images = torch.stack([to_unit(picture) for picture in pictures]).mul(255).round()
    last = images[4:5] if truth else None
    return score(images[:1], images[None, 1:4], last, lpips.Unavailable("")).images[0]


def refused(capsys, arguments):
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.usefixtures("offline")
def test_json_holds_all_metrics(paths, pictures, capsys):
    assert main(line(paths, "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["metrics"]) == list(METRICS)
    for name, values in expected(pictures, truth=True).items():
        if name != "LPIPS":
            assert found["metrics"][name]["sources"] == pytest.approx(values["sources"])
            assert found["metrics"][name]["truth"] == pytest.approx(values["truth"])
        assert found["metrics"][name]["better"] == METRICS[name].better
        assert found["metrics"][name]["convention"] == METRICS[name].convention
    assert found["metrics"]["LPIPS"]["truth"] is None
    assert found["empty"] == {"LPIPS": "no way to the weights"}


@pytest.mark.usefixtures("offline")
def test_json_without_truth(paths, pictures, capsys):
    assert main(line(paths, "--json", truth=False)) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    for name, values in expected(pictures, truth=False).items():
        assert "truth" not in found[name]
        if name != "LPIPS":
            assert found[name]["sources"] == pytest.approx(values["sources"])


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("truth", [True, False])
def test_table_is_aligned_and_says_why_something_is_empty(paths, pictures, capsys, truth):
    assert main(line(paths, truth=truth)) == 0
    head, *rows, reason = capsys.readouterr().out.splitlines()
    columns = ["to sources", "to truth"] if truth else ["to sources"]
    assert head.split("  ")[-1] == "better"
    assert all(column in head for column in columns)
    assert ("to truth" in head) == truth
    assert [row.split()[0] for row in rows] == list(METRICS)
    start = head.index("better")
    values = expected(pictures, truth)
    for row in rows:
        name, *numbers, better = row.split()
        assert row.index(better, 6) == start
        assert better == METRICS[name].better
        assert len(numbers) == len(columns)
        if name == "LPIPS":
            assert set(numbers) == {"-"}
        else:
            assert float(numbers[0]) == pytest.approx(values[name]["sources"], abs=1e-4)
    assert reason == "LPIPS is empty: no way to the weights"


@pytest.mark.usefixtures("offline")
def test_check_compares_with_other_implementations(paths, capsys):
    assert main(line(paths, "--check")) == 0
    _, below = capsys.readouterr().out.split("\n\n")
    head, *rows, last = below.splitlines()
    assert head.split() == ["check", "to", "ours", "theirs", "deviation", "theirs", "by"]
    assert [row.split()[0] for row in rows] == ["MSE", "MSE", "PSNR", "PSNR", "SSIM", "SSIM"]
    assert last == "LPIPS is not checked: no way to the weights"


@pytest.mark.usefixtures("offline")
def test_check_in_json(paths, capsys):
    assert main([*line([*paths[:4], paths[0]]), "--check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["check"]
    psnr = next(o for o in found["compared"] if (o["metric"], o["to"]) == ("PSNR", "truth"))
    assert (psnr["ours"], psnr["theirs"], psnr["deviation"]) == ("inf", "inf", 0)
    assert found["not_checked"] == {"LPIPS": "no way to the weights"}


@pytest.mark.usefixtures("offline")
def test_a_deviation_ends_with_1(paths, monkeypatch, capsys):
    monkeypatch.setitem(reference.TOLERANCES, "SSIM", 0)
    monkeypatch.setattr(reference, "SMALLEST", 0)
    monkeypatch.setattr(reference, "_SKIMAGE", {"SSIM": lambda x, y: 0.25})
    assert main(line(paths, "--check")) == 1
    printed = capsys.readouterr()
    assert "SSIM" in printed.out
    assert printed.err.startswith("error: --check: SSIM to sources is ")
    assert printed.err.count("\n") == 1


@pytest.mark.usefixtures("offline")
def test_a_perfect_image_has_infinite_psnr(paths, capsys):
    arguments = line([*paths[:4], paths[0]])
    assert main(arguments) == 0
    assert any(row.split()[:1] == ["PSNR"] and " inf " in row
               for row in capsys.readouterr().out.splitlines())  # fmt: skip
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    assert found["PSNR"]["truth"] == "inf"
    assert math.isinf(float(found["PSNR"]["truth"]))
    assert found["MSE"]["truth"] == 0
    assert found["SSIM"]["truth"] == pytest.approx(1)


@pytest.mark.usefixtures("offline")
def test_small_images_leave_the_windowed_metrics_empty(tmp_path, capsys):
    paths = [tmp_path / f"{name}.png" for name in "fabc"]
    for path in paths:
        Image.fromarray(np.zeros((5, 7), np.uint8)).save(path)
    assert main(line(paths, "--json", truth=False)) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"VIF", "SSIM", "LPIPS"} <= set(found["empty"])
    assert found["metrics"]["SSIM"]["sources"] is None
    assert found["metrics"]["MSE"]["sources"] == 0


@pytest.mark.usefixtures("offline")
def test_wrong_files(paths, tmp_path, capsys):
    Image.new("RGB", (SIDE, SIDE // 2)).save(paths[4])
    message = refused(capsys, line(paths))
    assert f"{paths[0]} is 48 x 48 but {paths[4]} is 48 x 24 pixels; score images" in message
    paths[2].write_text("no image")
    assert f"{paths[2]}: no readable PNG or JPEG" in refused(capsys, line(paths))
    paths[0].unlink()
    assert f"{paths[0]}: does not exist" in refused(capsys, line(paths))


def test_wrong_backbone(paths, tmp_path, capsys):
    missing = tmp_path / "none.safetensors"
    assert str(missing) in refused(capsys, line(paths, "--lpips-backbone", missing))
    missing.write_bytes(b"no tensors")
    assert str(missing) in refused(capsys, line(paths, "--lpips-backbone", missing))


@pytest.mark.parametrize(
    "arguments", [["score"], ["score", "f.png"], ["score", "f.png", "--sources", "a.png", "b.png"]]
)
def test_usage_errors_end_with_2(capsys, arguments):
    assert main(arguments) == 2
    assert "usage: tfsdiff score" in capsys.readouterr().err


def test_help_names_the_conventions(capsys):
    assert main(["score", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Gaussian 11 x 11" in text
    assert "the mean over the three" in text


@pytest.mark.shared
def test_lpips_of_the_reference_pair(shared, capsys):
    folder = shared / "reference" / "lpips"
    reference, other = folder / "ex_ref.png", folder / "ex_p0.png"
    backbone = shared / "weights" / "alexnet_features.safetensors"
    paths = [other, reference, reference, reference, reference]
    assert main(line(paths, "--json", "--lpips-backbone", backbone)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["LPIPS"]["truth"] == pytest.approx(0.722, abs=5e-4)
    assert found["empty"] == {}
