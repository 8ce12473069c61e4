"""Each stage as a function, one after another on a phantom of 16 pixels."""

import json
from pathlib import Path

import pytest
import torch

from tfsdiff.compose import compose
from tfsdiff.data.groups import Group, read_manifest
from tfsdiff.data.images import read
from tfsdiff.data.split import read_split
from tfsdiff.errors import InputError
from tfsdiff.stages import (
    acquire,
    degrade,
    enlarge,
    evaluate,
    figure,
    fuse,
    prepare,
    sample,
    split,
    table,
    train,
    truth,
)

CONF = Path(__file__).resolve().parents[2] / "workflow/conf"
VALUES = compose(
    [
        "profile=ci",
        "resolution.hr_pixels=16",
        "train.steps=2",
        "train.crop_pixels=12",
        "report.table1=[tfsdiff,mean-bicubic]",
        "report.controls=[mean-full]",
        "fusers=[mean]",
    ],
    CONF,
)


def params_of(module, **changes):
    values = VALUES | changes
    fields = module.Params.model_fields
    return module.Params(**{key: value for key, value in values.items() if key in fields})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Everything up to the tables, made once."""
    at = tmp_path_factory.mktemp("stages")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    acquire.acquire(params_of(acquire), input=CONF, out=at / "raw")
    split.split(params_of(split), raw=at / "raw", out=at / "split.csv")
    prepare.prepare(params_of(prepare), raw=at / "raw", out=at / "hr")
    truth.truth(params_of(truth), sources=at / "hr", out=at / "truth")
    degrade.degrade(params_of(degrade), scale=2, sources=at / "hr", out=at / "lr")
    for network in ("bicubic", "tfsdiff"):
        train.train(
            params_of(train), network=network, scale=2, split=at / "split.csv", low=at / "lr",
            high=at / "hr", truth=at / "truth", curve=at / f"{network}.csv",
            out=at / "models" / network,
        )  # fmt: skip
    enlarge.enlarge(
        params_of(enlarge), split=at / "split.csv", low=at / "lr",
        model=at / "models" / "bicubic", out=at / "enlarged",
    )  # fmt: skip
    for source, kind, row in (
        ("enlarged", "cascades/x2", "mean-bicubic"),
        ("hr", "full/x1", "mean-full"),
    ):
        fuse.fuse(
            params_of(fuse), fuser="mean", split=at / "split.csv", sources=at / source,
            out=at / "fused" / kind / row,
        )  # fmt: skip
    sample.sample(
        params_of(sample), split=at / "split.csv", low=at / "lr",
        model=at / "models" / "tfsdiff", out=at / "fused/joint/x2/tfsdiff",
    )  # fmt: skip
    for cell in ("joint/x2/tfsdiff", "cascades/x2/mean-bicubic", "full/x1/mean-full"):
        score(at, cell)
    yield at
    torch.set_num_threads(threads)


def score(at, cell, **changes):
    paths = {
        "fused": at / "fused" / cell, "sources": at / "hr", "truth": at / "truth",
        "split": at / "split.csv", "scores": at / "scores" / f"{cell}.csv",
        "out": at / "metrics" / f"{cell}.json",
    }  # fmt: skip
    scale = int(cell.split("/")[1][1:])
    row = cell.rpartition("/")[2]
    evaluate.evaluate(params_of(evaluate), row=row, scale=scale, **(paths | changes))


def test_groups(folder):
    groups = read_manifest(folder / "raw")
    names = [group.group for group in groups]
    assert [place.group for place in read_split(folder / "split.csv")] == names
    assert {place.part for place in read_split(folder / "split.csv")} >= {"train", "test"}
    assert sorted(path.stem for path in (folder / "truth").iterdir()) == names


def test_sizes(folder):
    group = read_manifest(folder / "hr")[0]
    name = f"images/{group.group}/{group.anatomical_1}.png"
    assert read(folder / "hr" / name).shape == (16, 16)
    assert read(folder / "lr" / name).shape == (8, 8)
    assert read(folder / "truth" / f"{group.group}.png").shape == (16, 16, 3)


def test_what_was_trained_is_beside_its_parameters(folder):
    model = folder / "models/tfsdiff"
    assert sorted(path.name for path in model.iterdir()) == ["params.yaml", "weights.safetensors"]
    assert "prediction: residual" in (model / "params.yaml").read_text()
    assert (folder / "tfsdiff.csv").read_text().startswith("step,")
    assert not (folder / "checkpoints/tfsdiff").exists()


def test_scores_have_all_metrics_and_reasons(folder):
    summary = json.loads((folder / "metrics/joint/x2/tfsdiff.json").read_text())
    assert summary["truth"]["PSNR"]["mean"] > 0
    assert summary["truth"]["VIF"] is None
    assert "41 pixels" in summary["empty"]["VIF"]
    assert summary["images"] == sum(p.part == "test" for p in read_split(folder / "split.csv"))


def test_table(folder):
    table.table(
        params_of(table), number=1, metrics=folder / "metrics", split=folder / "split.csv",
        out=folder / "report/table1",
    )  # fmt: skip
    text = (folder / "report/table1.md").read_text()
    assert "TFS-Diff" in text
    assert "Profile ci; data: phantom" in text
    assert (folder / "report/table1.tex").exists()


def test_table_of_an_unknown_row_says_what_there_is(folder):
    report = VALUES["report"] | {"table1": ["tfsdif"]}
    with pytest.raises(InputError, match="no cell is called 'tfsdif'"):
        table.table(
            params_of(table, report=report), number=1, metrics=folder / "metrics",
            split=folder / "split.csv", out=folder / "report/wrong",
        )  # fmt: skip
    assert not list((folder / "report").glob("wrong*"))


def test_figure(folder):
    out = folder / "report/figure.png"
    paths = {
        "split": folder / "split.csv", "sources": folder / "hr", "low": folder / "lr",
        "truth": folder / "truth", "joint": folder / "fused/joint/x2",
        "cascades": folder / "fused/cascades/x2",
    }  # fmt: skip
    figure.figure(params_of(figure), scale=2, out=out, **paths)
    first = out.read_bytes()
    figure.figure(params_of(figure), scale=2, out=out, **paths)
    assert out.read_bytes() == first


def test_sampling_again_gives_the_same_bytes(folder):
    again = folder / "again"
    sample.sample(
        params_of(sample, sampling=VALUES["sampling"] | {"batch": 1}), split=folder / "split.csv",
        low=folder / "lr", model=folder / "models/tfsdiff", out=again,
    )  # fmt: skip
    for path in (folder / "fused/joint/x2/tfsdiff").iterdir():
        assert (read(again / path.name) == read(path)).all()


def test_missing_fused_image_is_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"\.png: does not exist"):
        score(folder, "joint/x2/tfsdiff", fused=tmp_path, out=tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_scale_that_does_not_divide_is_an_error(folder):
    with pytest.raises(InputError, match="scale 3"):
        degrade.degrade(params_of(degrade), scale=3, sources=folder / "hr", out=folder / "lr3")
    assert not (folder / "lr3").exists()


def test_missing_input_names_the_parameter(tmp_path):
    with pytest.raises(InputError, match=r"data\.input"):
        acquire.acquire(params_of(acquire), input=tmp_path / "no", out=tmp_path / "raw")


def test_shown_groups_are_of_all_combinations_and_far_apart():
    def group(name, functional):
        modalities = ("CT", "MR-T2", functional)
        return Group(name, "_".join(modalities), "patient", int(name[1:]), *modalities)

    groups = [group(f"a{n}", "SPECT-Tc") for n in range(9)] + [group("b0", "PET-FDG")]
    shown = [one.group for one in figure._spread(groups, 3)]
    assert shown == ["a3", "a6", "b0"]
    assert len(figure._spread(groups, 50)) == 10
