"""Packing trained weights into the package, and measuring what half precision loses."""

import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import tiny
from inputs import smooth_sources
from tfsdiff import methods
from tfsdiff.core.backend import CPU
from tfsdiff.data.images import to_8bit, write_png
from tfsdiff.data.resample import reduce
from tfsdiff.data.slices import Group, write_folder
from tfsdiff.data.split import Place, write_split
from tfsdiff.methods import shipped, store
from tfsdiff.stages.support.image_folders import source_pixels

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import ship

SIDE, SCALE = 32, 2
SAMPLING = {
    "sampler": "ddim", "evaluations": 1, "spacing": "time", "temperature": 0.5, "batch": 3,
}  # fmt: skip
LOG = """[Wed Nov 25 19:29:57 2026]
localrule train:
    output: results/models/sr3-x2, results/live/sr3-x2/plots
    jobid: 3
[Wed Nov 25 19:30:00 2026]
localrule train:
    output: results/models/sr3-x4
    jobid: 4
[Wed Nov 25 19:40:07 2026]
Finished jobid: 3 (Rule: train)
1 of 2 steps (50%) done
[Wed Nov 25 19:50:00 2026]
Finished jobid: 4 (Rule: train)
"""


def place(group: str, part: str) -> Place:
    return Place(group, group[:2], "CT_MR-T2_SPECT-Tc", 1, part, "patient")


@pytest.fixture
def run(tmp_path):
    """A run of one group in each part, with an SR3 and a TFS-Diff that it guides."""
    folder = tmp_path / "run"
    images = smooth_sources(3, SIDE, SIDE, 1)
    names = ("p1-1", "p2-1", "p3-1")
    groups = [Group(n, "CT_MR-T2_SPECT-Tc", n[:2], 1, "CT", "MR-T2", "SPECT-Tc") for n in names]
    small = [reduce(x, SCALE) for x in images]
    for path, sources in (("hr", images), (f"lr/x{SCALE}", small)):
        pairs = zip(groups, map(source_pixels, sources), strict=True)
        write_folder(folder / "data" / path, pairs)
    for name, sources in zip(names, images, strict=True):
        write_png(folder / f"data/truth/{name}.png", to_8bit(sources.amax(0)))
    parts = ("train", "validation", "test")
    write_split(folder / "data/splits/patient.csv", map(place, names, parts))
    for path, text in {
        "data/pairs/manifest.csv": "pair,case,slice,functional_or_ct\nCT-MR/16-003,16,003,CT\n",
        "data/synthetic/manifest.csv": "group\nmade-1\nmade-2\n",
        ".snakemake/log/1.snakemake.log": LOG,
        "params.yaml": yaml.safe_dump(
            {
                "profile": "tiny",
                "data": {"source": "directory"},
                "resolution": {"hr_pixels": SIDE},
                "split": {"rule": "patient"},
                "sampling": SAMPLING,
                "compute": {
                    "device": "cpu", "precision": "float32", "compile": False,
                    "deterministic": True, "threads": 1,
                },
            }
        ),
    }.items():  # fmt: skip
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    sr3 = tiny.with_weights("sr3", tiny.SR3, tiny.UNET, tiny.DIFFUSION)
    settings = tiny.TFSDIFF | {"prediction": "residual", "guide": "sr3", "steps": None}
    joint = tiny.with_weights("tfsdiff_guided", settings, tiny.UNET, tiny.DIFFUSION)
    joint.guide_by(sr3)
    for method in (sr3, joint):
        methods.save_method(folder / f"results/models/{method.name}-x{SCALE}", method.name, method)
    return ship.Run(folder)


def test_packed_weights_are_halved_and_say_what_they_learned_from(run, tmp_path):
    folders = ship.pack(run, [], tmp_path / "out")
    assert [folder.name for folder in folders] == ["sr3-x2", "tfsdiff_guided-x2"]
    before = load_file(run.folder / "results/models/sr3-x2" / store.WEIGHTS)
    after, values = store.read(folders[0])
    assert {x.dtype for x in load_file(folders[0] / store.WEIGHTS).values()} == {torch.half}
    assert {x.dtype for x in after.values()} == {torch.float32}
    assert all(torch.equal(after[key], before[key].half().float()) for key in before)
    assert values[shipped.SAMPLING] == SAMPLING
    assert values[shipped.DATA] == {
        "profile": "tiny",
        "source": "directory",
        "pixels": SIDE,
        "split": "patient",
        "patients": {"train": ["p1"], "validation": ["p2"], "test": ["p3"], "pairs": ["16"]},
        "groups": 1,
        "pairs": 1,
        "computed_groups": 2,
    }


def test_a_guide_that_ships_too_is_stored_once(run, tmp_path):
    sr3, joint = ship.pack(run, [], tmp_path / "out")
    assert not any(key.startswith("guide.") for key in load_file(joint / store.WEIGHTS))
    (alone,) = ship.pack(run, [joint.name], tmp_path / "alone")
    exact, shared = store.read(alone), store.read(joint)
    assert exact[0].keys() == shared[0].keys()
    assert all(torch.equal(exact[0][key], shared[0][key]) for key in exact[0])
    assert exact[1] == shared[1]
    assert methods.load_method(joint, CPU).guide is not None
    assert sr3.name == "sr3-x2"


def test_packing_again_gives_the_same_bytes_and_keeps_what_is_there(run, tmp_path):
    out = tmp_path / "out"
    ship.pack(run, ["sr3-x2"], out)
    first = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    ship.pack(run, ["tfsdiff_guided-x2"], out)
    ship.pack(run, ["sr3-x2"], out)
    assert {path: path.read_bytes() for path in first} == first
    assert len(list(out.iterdir())) == 2


def test_whole_numbers_stay_and_large_ones_are_refused():
    count = torch.tensor(70_000)
    assert torch.equal(ship.halved({"count": count})["count"], count)
    with pytest.raises(ship.InputError, match="a has numbers that half precision cannot hold"):
        ship.halved({"a": torch.tensor([7e4])})


def change(run, name):
    path = run.folder / "results/models" / name / store.WEIGHTS
    save_file({k: 2 * x for k, x in load_file(path).items()}, path)


def test_what_would_not_do_is_refused(run, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(ship.InputError, match=r"nothing: has no weights\.safetensors"):
        ship.pack(run, ["nothing"], out)
    ship.pack(run, [], out)
    change(run, "sr3-x2")
    with pytest.raises(ship.InputError, match="is guided by the older sr3-x2; pack both"):
        ship.pack(run, ["sr3-x2"], out)
    monkeypatch.setattr(ship, "LIMIT", 1000)
    with pytest.raises(ship.InputError, match="more than 1,000; pack fewer models"):
        ship.pack(run, [], out)
    parts = ("train", "test")
    write_split(run.split, [place(f"p1-{i}", part) for i, part in enumerate(parts)])
    with pytest.raises(ship.InputError, match="p1 is in training and test; split by patient"):
        ship.pack(run, [], out)


def test_halving_loses_next_to_nothing(run, tmp_path):
    """At most 0.02 dB, of weights that were drawn: most of a network's numbers are as large."""
    out = tmp_path / "out"
    ship.pack(run, [], out)
    notes = ship.measure(run, [], None, out)
    for name, of in (("sr3-x2", "enlarged sources"), ("tfsdiff_guided-x2", "fused images")):
        assert notes[name]["of"] == of
        assert notes[name]["groups"] == 1
        assert abs(notes[name]["PSNR"] - notes[name]["PSNR_halved"]) <= 0.02
    assert notes["sr3-x2"]["seconds"] == 610
    assert notes["tfsdiff_guided-x2"]["seconds"] is None


def test_the_command_packs_measures_and_names_errors(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ship, "MEASURED", tmp_path / "weights.json")
    words = [str(run.folder), "sr3-x2", "--out", str(tmp_path / "out")]
    assert ship.main(["pack", *words]) == 0
    assert capsys.readouterr().out.startswith("sr3-x2: ")
    assert ship.main(["measure", *words, "--groups", "1"]) == 0
    assert " dB, " in capsys.readouterr().out
    text = ship.MEASURED.read_text()
    assert "ship.py measure RUN sr3-x2 --groups 1" in text
    assert ship.main(["pack", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
