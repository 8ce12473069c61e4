"""Data source `atlas` as a whole, on phantoms from a server on loopback."""

import csv
import io
import shutil
import subprocess
import sys
from collections import Counter
from itertools import repeat
from pathlib import Path

import pytest
import yaml

import loopback_atlas
from atlas_server import AtlasServer, broken_off, stalled, status
from tfsdiff.acquisition.atlas import cache, source
from tfsdiff.common.errors import InputError
from tfsdiff.params import AtlasData
from tfsdiff.stages import acquire

PIXELS, SLICES = 128, 4
GAD_PET, GAD_SPECT, PET = "MR-Gad_MR-T2_PET-FDG", "MR-Gad_MR-T2_SPECT-Tl", "MR-T1_MR-T2_PET-FDG"
FILE = "cases/case91/mr1/006.png"
CONF = Path(__file__).resolve().parents[3] / "workflow/conf/data/atlas.yaml"


@pytest.fixture(scope="module")
def atlas():
    return loopback_atlas.make(SLICES, PIXELS, real=False)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "TFSDIFF_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def server(atlas):
    with AtlasServer(atlas.files) as served:
        yield served


@pytest.fixture
def settings(atlas, server, tmp_path):
    """Make settings as those of the pipeline, but in a hurry, with changes."""
    loopback_atlas.describe(atlas, tmp_path / "atlas")
    values = yaml.safe_load(CONF.read_text())
    quick = {"requests_per_second": 1000, "timeout_seconds": 5, "first_wait_seconds": 0}
    values |= {"base": server.base, "input": str(tmp_path / "atlas"), "pixels": PIXELS}
    values["transfer"] |= quick | {"attempts": 2}
    values["checks"] |= {"search_pixels": 12, "cut_share": 0.65}  # the usual ones are for 256
    return lambda **changes: AtlasData(**values | changes)


def rows(found, name):
    return list(csv.DictReader(io.StringIO(found.notes[name])))


def counts(found):
    return Counter(group.combination for group, _ in found.items)


@pytest.mark.slow
def test_everything_once_and_then_from_the_cache(settings, server, atlas):
    found = source.read_atlas(settings())
    assert counts(found) == {GAD_PET: 4, GAD_SPECT: 4, PET: 1}
    assert {request.path for request in server.requests} >= set(atlas.files)
    made = len(server.requests)
    again = source.read_atlas(settings())
    assert again.notes == found.notes
    assert len(found.items) == 9
    for (group, images), (same, others) in zip(found.items, again.items, strict=True):
        assert group == same
        assert all((x == y).all() for x, y in zip(images, others, strict=True))
    assert len(server.requests) == made
    told = {(row["case"], row["series"]): row for row in rows(found, "series.csv")}
    assert told["case92", "tl1"]["slices"] == str(SLICES)
    assert told["case92", "tl1"]["origin"] == "registry"


@pytest.mark.slow
def test_the_rule_takes_as_many_as_wanted(settings):
    found = source.read_atlas(settings(groups=4))
    assert counts(found) == {GAD_PET: 2, GAD_SPECT: 1, PET: 1}
    decisions = Counter(row["decision"] for row in rows(found, "candidates.csv"))
    assert decisions == {"chosen": 4, "left": 5, "rejected": 3}


@pytest.mark.slow
def test_missing_files_are_refused_with_their_cost_or_accepted(settings, server):
    server.fail(FILE, repeat(status(500)))
    with pytest.raises(InputError) as caught:
        source.read_atlas(settings())
    message = str(caught.value)
    assert "\n" not in message
    for part in ("1 of 36 files", "costs up to 1 of 12 groups", FILE, "incomplete=accept"):
        assert part in message
    found = source.read_atlas(settings(incomplete="accept"))
    assert counts(found)[GAD_PET] == 3
    assert rows(found, "missing.csv") == [{"path": FILE, "why": "Unreachable"}]
    server.fail(FILE, [])
    assert counts(source.read_atlas(settings()))[GAD_PET] == 4


def test_a_dead_server_ends_with_one_line_and_no_folder(settings, tmp_path):
    dead = settings(base="http://127.0.0.1:9/AANLIB")
    params = acquire.Params(data=dead, seed=1)
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9.*run this again") as caught:
        acquire.acquire(params, input=Path(dead.input), out=tmp_path / "raw")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "raw").exists()


def test_forbidden_requests_are_not_made(settings, server, monkeypatch):
    monkeypatch.setenv("TFSDIFF_OFFLINE", "1")
    with pytest.raises(InputError, match="atlas fetch"):
        source.read_atlas(settings())
    assert server.requests == []


@pytest.mark.slow
def test_a_list_names_exactly_the_groups(settings):
    listed = settings(choose="list")
    path = Path(listed.input) / "groups.csv"
    with pytest.raises(InputError, match=r"groups\.csv: cannot be read .*choose=rule"):
        source.read_atlas(listed)
    found = source.read_atlas(settings())
    names = [group.group for group, _ in found.items]
    spoilt = next(row for row in rows(found, "candidates.csv") if row["decision"] == "rejected")
    path.write_text("\n".join(["group", *names[2:5]]) + "\n")
    assert [group.group for group, _ in source.read_atlas(listed).items] == names[2:5]
    for name, said in (("case1-001-a", "gives no group"), (spoilt["group"], "is rejected: ")):
        path.write_text(f"group\n{name}\n")
        with pytest.raises(InputError, match=f"{name} {said}|no group {name}"):
            source.read_atlas(listed)
    for text, said in (("group\n", "has no row"), ("name\nx\n", "with a column `group`")):
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            source.read_atlas(listed)


def test_images_too_small_to_search_are_refused_before_anything_is_asked(settings, server):
    with pytest.raises(ValueError, match=r"more than twice checks\.search_pixels"):
        settings(pixels=24)
    assert server.requests == []


@pytest.mark.slow
def test_nothing_that_can_be_taken(settings):
    with pytest.raises(InputError, match="none of 0 possible groups"):
        source.read_atlas(settings(combinations=["CT_MR-T2_SPECT"]))
    strict = settings().checks.model_copy(update={"content_share": 1.0})
    with pytest.raises(InputError, match=r"none of 12 .*content .* limit 1"):
        source.read_atlas(settings(checks=strict.model_dump()))


@pytest.mark.slow
def test_a_weighting_that_nobody_knows_is_told_by_the_images(settings, capsys):
    """And one told without confidence is shown to the user, by name."""
    path = Path(settings().input) / source.REGISTRY
    registry = yaml.safe_load(path.read_text())
    for series in ("mr1", "mr2"):
        registry["cases"]["case93"]["series"][series]["modality"] = "classify"
    path.write_text(yaml.safe_dump(registry))
    found = source.read_atlas(settings(combinations=[]))
    told = {row["series"]: row for row in rows(found, "series.csv") if row["case"] == "case93"}
    assert [told[name]["modality"] for name in ("mr1", "mr2")] == ["MR-T1", "MR-T2"]
    assert {told[name]["origin"] for name in ("mr1", "mr2")} == {"images"}
    assert "bright_over_median" in told["mr1"]["measures"]
    (group,) = [group for group, _ in found.items if group.patient == "case93"]
    assert "mr2 is MR-T2 by its images, confidence" in group.source
    doubted = float(told["mr1"]["confidence"]) < source.DOUBTFUL
    assert ("case93/mr1 looks like MR-T1" in capsys.readouterr().err) == doubted


@pytest.mark.slow
def test_what_somebody_should_look_at_is_said_by_name(settings, server, capsys):
    path = Path(settings().input) / source.REGISTRY
    registry = yaml.safe_load(path.read_text())
    registry["cases"]["case91"]["series"]["mr2"]["modality"] = "classify"
    for case in ("case91", "case92"):
        registry["cases"][case]["combinations"] = [GAD_PET]
    path.write_text(yaml.safe_dump(registry))
    for number in range(5, 5 + SLICES):  # a coloured image is no MR slice
        coloured = server.files[f"cases/case91/dg1/{number:03d}.png"]
        server.files[f"cases/case91/mr2/{number:03d}.png"] = coloured
    found = source.read_atlas(settings())
    err = capsys.readouterr().err
    assert (
        "atlas: case91/mr2 cannot be classified from its images: none of 0 slices shows a brain"
        in err
    )
    for case in ("case91", "case92"):
        assert f"atlas: {case} should give {GAD_PET} by the registry, but gave no group" in err
    told = {(row["case"], row["series"]): row for row in rows(found, "series.csv")}
    assert told["case91", "mr2"]["modality"] == ""


# What is going on when the process is killed: so many bytes of this file have been sent.
KILLS = {FILE: 400, "cases/case92/tl1/005.png": 0, "cases/case93/mr2/008.png": 900}


@pytest.mark.slow
def test_a_killed_stage_goes_on_and_ends_with_the_same_bytes(settings, server, tmp_path):
    values = {"data": settings().model_dump(mode="json"), "seed": 1}
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(values))
    folder = values["data"]["input"]
    command = [sys.executable, "-m", "tfsdiff.stages.acquire", "--input", folder,
               "--out", tmp_path / "raw", "--params", params]  # fmt: skip
    for path, count in KILLS.items():
        server.fail(path, [stalled(count)])
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not server.asked(path):
            assert process.poll() is None
        process.kill()
        process.wait()
        assert not (tmp_path / "raw").exists()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    repeated = Counter(request.path for request in server.requests)
    assert {path for path, count in repeated.items() if count > 1} == set(KILLS)
    ended = tree(tmp_path / "raw"), (Path(folder) / "lock.csv").read_bytes()
    shutil.rmtree(tmp_path / "raw")
    shutil.rmtree(tmp_path / "cache")
    (Path(folder) / "lock.csv").write_text("path,bytes,sha256\n")
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert (tree(tmp_path / "raw"), (Path(folder) / "lock.csv").read_bytes()) == ended


def tree(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.slow
def test_a_broken_transfer_is_mended_underway(settings, server):
    server.fail(FILE, [broken_off(300)])
    assert counts(source.read_atlas(settings()))[GAD_PET] == 4
    (_, second) = server.asked(FILE)
    assert second.headers["range"] == "bytes=300-"
