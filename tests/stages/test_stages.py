"""Each stage as a function, one after another on a phantom of 16 pixels."""

import csv
import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tfsdiff.common.errors import InputError
from tfsdiff.compose import compose
from tfsdiff.data.images import read
from tfsdiff.data.slices import read_manifest, write_folder
from tfsdiff.data.split import read_split
from tfsdiff.stages import (
    acquire,
    degrade,
    enlarge,
    evaluate,
    figure,
    fit_enlarger,
    fuse,
    fuse_learned,
    guide,
    leakage,
    pairs,
    prepare,
    quality,
    sample,
    split,
    synthesise,
    table,
    train,
    train_fuser,
    train_guided,
    truth,
    uncertainty,
    variants,
)
from tfsdiff.stages.support.dvclive_log import LiveLog

WORKFLOW = Path(__file__).resolve().parents[2] / "workflow"
CONF, NO_PAIRS = WORKFLOW / "conf", WORKFLOW / "pairs/none"
VALUES = compose(
    [
        "profile=ci",
        "resolution.hr_pixels=16",
        "train.steps=2",
        "train.crop_pixels=12",
        "report.controls=[]",
        "fusers=[mean,cddfuse]",
        "enlargers=[bicubic]",
        "methods.tfsdiff_guided.guide=least_squares",
    ],
    CONF,
)


def params_of(module, **changes):
    values = VALUES | changes
    fields = module.Params.model_fields
    return module.Params(**{key: value for key, value in values.items() if key in fields})


def examples_of(at):
    return {
        "scale": 2, "split": at / "split.csv", "low": at / "lr", "high": at / "hr",
        "computed": at / "synthetic", "computed_truth": at / "synthetic-truth",
    }  # fmt: skip


def made_of(at, network):
    return {
        "network": network, "truth": at / "truth", "checkpoints": at / "checkpoints" / network,
        "speeds": at / "speed" / f"{network}.json", "live": at / "live" / network,
        "out": at / "models" / network,
    }  # fmt: skip


def fit_network(at, network):
    train.train(params_of(train), **examples_of(at), **made_of(at, network))


def fit_guided(at):
    """An enlarger, what it makes of the training groups, and what learns from that."""
    filters, given = at / "models/least_squares", examples_of(at)
    fit_enlarger.fit_enlarger(
        params_of(fit_enlarger), enlarger="least_squares", out=filters, **given
    )
    low = {key: given[key] for key in ("scale", "split", "low", "computed")}
    guide.guide(params_of(guide), model=filters, out=at / "guided", **low)
    train_guided.train_guided(
        params_of(train_guided), guide=filters, guided=at / "guided", **given,
        **made_of(at, "tfsdiff_guided"),
    )  # fmt: skip


def fit_fuser(at, fuser, **changes):
    paths = {"split": "split.csv", "sources": "hr", "pairs": "pairs"}
    made = {
        "checkpoints": f"checkpoints/{fuser}", "live": f"live/{fuser}",
        "speeds": f"speed/{fuser}.json", "out": f"models/{fuser}",
    }  # fmt: skip
    paths = {key: at / path for key, path in (paths | made).items()}
    train_fuser.train_fuser(params_of(train_fuser, **changes), fuser=fuser, **paths)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Everything up to the tables, made once."""
    at = tmp_path_factory.mktemp("stages")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    acquire.acquire(params_of(acquire), input=CONF, out=at / "raw")
    split.split(params_of(split), rule="patient", raw=at / "raw", out=at / "split.csv")
    prepare.prepare(params_of(prepare), raw=at / "raw", out=at / "hr")
    truth.truth(params_of(truth), sources=at / "hr", out=at / "truth")
    degrade.degrade(params_of(degrade), scale=2, sources=at / "hr", out=at / "lr")
    pairs.pairs(
        params_of(pairs), input=NO_PAIRS, raw=at / "raw", split=at / "split.csv", out=at / "pairs"
    )
    synthesise.synthesise(
        params_of(synthesise), sources=at / "hr", pairs=at / "pairs", split=at / "split.csv",
        checkpoints=at / "checkpoints/synthesise", out=at / "synthetic",
        truth=at / "synthetic-truth",
    )  # fmt: skip
    fit_network(at, "tfsdiff")
    fit_guided(at)
    enlarge.enlarge(
        params_of(enlarge), enlarger="bicubic", scale=2, split=at / "split.csv", low=at / "lr",
        out=at / "enlarged/x2/bicubic",
    )  # fmt: skip
    fit_fuser(at, "cddfuse")
    given = {"split": at / "split.csv", "sources": at / "hr", "enlarged": at / "enlarged"}
    fuse.fuse(params_of(fuse), fuser="mean", out=at / "fused/mean", **given)
    fuse_learned.fuse_learned(
        params_of(fuse_learned), fuser="cddfuse", model=at / "models/cddfuse",
        out=at / "fused/cddfuse", **given,
    )  # fmt: skip
    for network in ("tfsdiff", "tfsdiff_guided"):
        sample.sample(
            params_of(sample), split=at / "split.csv", low=at / "lr",
            model=at / "models" / network, out=at / "fused" / network / "x2",
        )  # fmt: skip
    for scale in (1, 2):
        score(at, scale)
    yield at
    torch.set_num_threads(threads)


def score(at, scale, **changes):
    paths = {
        "fused": at / "fused", "sources": at / "hr", "truth": at / "truth",
        "split": at / "split.csv", "scores": at / f"scores/x{scale}.csv",
        "out": at / f"metrics/x{scale}",
    }  # fmt: skip
    evaluate.evaluate(params_of(evaluate, ablations=[]), scale=scale, **(paths | changes))


def test_groups(folder):
    groups = read_manifest(folder / "raw")
    names = [group.group for group in groups]
    assert [place.group for place in read_split(folder / "split.csv")] == names
    assert {place.part for place in read_split(folder / "split.csv")} >= {"train", "test"}
    assert sorted(path.stem for path in (folder / "truth").iterdir()) == names


def test_a_split_is_by_the_rule_asked_for(folder, tmp_path):
    for rule in ("random", "patient"):
        split.split(params_of(split), rule=rule, raw=folder / "raw", out=tmp_path / "a.csv")
        assert {place.rule for place in read_split(tmp_path / "a.csv")} == {rule}
    assert (tmp_path / "a.csv").read_bytes() == (folder / "split.csv").read_bytes()
    with pytest.raises(InputError, match="--rule: rule: Input should be 'random' or 'patient'"):
        split.split(params_of(split), rule="blocks", raw=folder / "raw", out=tmp_path / "b.csv")


@pytest.mark.slow
def test_leakage_names_a_neighbour_of_every_held_out_group(folder, tmp_path):
    by_rule = {"random": tmp_path / "random.csv", "patient": folder / "split.csv"}
    split.split(params_of(split), rule="random", raw=folder / "raw", out=by_rule["random"])
    write_folder(tmp_path / "synthetic", [], allow_empty=True)
    for name in ("a", "b"):
        leakage.leakage(
            params_of(leakage), raw=folder / "raw", synthetic=tmp_path / "synthetic",
            split=by_rule["patient"], out=tmp_path / name / "leakage", **by_rule,
        )  # fmt: skip
    for ending in ("csv", "md", "png"):
        one, other = (tmp_path / name / f"leakage.{ending}" for name in ("a", "b"))
        assert one.read_bytes() == other.read_bytes()
    with (tmp_path / "a/leakage.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["rule"], row["part"], row["group"]) for row in rows] == [
        (rule, part, place.group)
        for rule, path in by_rule.items()
        for part in ("validation", "test")
        for place in read_split(path)
        if place.part == part
    ]
    training = {
        rule: {place.group for place in read_split(path) if place.part == "train"}
        for rule, path in by_rule.items()
    }
    assert all(row["nearest"] in training[row["rule"]] for row in rows)
    assert all(row["patient"] != row["nearest_patient"] for row in rows if row["rule"] == "patient")
    assert "Profile ci; data: phantom, 6 groups." in (tmp_path / "a/leakage.md").read_text()


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
    live = folder / "live/tfsdiff"
    last = json.loads((live / "metrics.json").read_text())
    assert {"loss", "psnr", "ssim"} <= set(last["validation"])
    table = (live / "plots/metrics/validation/psnr.tsv").read_text()
    assert table.splitlines()[0] == "step\tpsnr"
    assert read(live / "plots/images/samples.png").ndim == 3
    assert json.loads((folder / "speed/tfsdiff.json").read_text())["images_per_second"] > 0
    assert not (folder / "checkpoints/tfsdiff").exists()


def test_scores_have_all_metrics_and_reasons(folder):
    summary = json.loads((folder / "metrics/x2/tfsdiff.json").read_text())
    assert summary["truth"]["PSNR"] > 0
    assert summary["truth"]["VIF"] is None
    with (folder / "scores/x2.csv").open() as stream:
        reasons = {line["reason"] for line in csv.DictReader(stream) if line["metric"] == "VIF"}
    assert reasons == {"needs images of at least 41 pixels, not 16"}
    rows = {path.stem for path in (folder / "metrics").glob("x?/*.json")}
    assert rows == {"tfsdiff", "tfsdiff_guided", *(f"{fuser}-{on}" for fuser in ("mean", "cddfuse")
                                 for on in ("bicubic", "full"))}  # fmt: skip
    assert summary["images"] == sum(p.part == "test" for p in read_split(folder / "split.csv"))


def test_table(folder):
    table.table(
        params_of(table), number=1, scores=folder / "scores", split=folder / "split.csv",
        out=folder / "report/table1",
    )  # fmt: skip
    text = (folder / "report/table1.md").read_text()
    assert "TFS-Diff" in text
    assert "Profile ci; data: phantom" in text
    origin = "CDDFuse: learned here, without the patients tested on; not the published weights.\n"
    assert text.endswith(origin)
    assert "| bicubic + CDDFuse |" in text.split("Controls")[0]
    assert "| CDDFuse, full resolution |" in text.split("Controls")[1]
    assert (folder / "report/table1.tex").exists()


def test_table_of_a_row_without_scores_names_it(folder):
    with pytest.raises(InputError, match=r"x2\.csv: lacks scores of tfsdiff_no_tmfa; run"):
        table.table(
            params_of(table), number=2, scores=folder / "scores", split=folder / "split.csv",
            out=folder / "report/wrong",
        )  # fmt: skip
    assert not list((folder / "report").glob("wrong*"))


def test_imported_weights_stand_in_for_a_training(folder, tmp_path):
    """`methods.NAME.weights` names a folder; what is stored is the same but for the recipe."""
    values = VALUES["methods"]["cddfuse"] | {"weights": str(folder / "models/cddfuse")}
    given = {"methods": VALUES["methods"] | {"cddfuse": values}}
    for name in ("split.csv", "hr", "pairs"):
        (tmp_path / name).symlink_to(folder / name)
    fit_fuser(tmp_path, "cddfuse", **given)
    file = "models/cddfuse/weights.safetensors"
    assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()
    assert json.loads((tmp_path / "live/cddfuse/metrics.json").read_text())["parameters"]
    wrong = {"methods": VALUES["methods"] | {"cddfuse": values | {"weights": str(tmp_path)}}}
    with pytest.raises(InputError, match=r"has no weights\.safetensors"):
        fit_fuser(tmp_path, "cddfuse", **wrong)


def test_a_variant_is_trained_as_its_method_with_the_changes(folder):
    """What is stored names the variant, its method and the changed setting."""
    fit_network(folder, "tfsdiff_no_psf")
    stored = yaml.safe_load((folder / "models/tfsdiff_no_psf/params.yaml").read_text())
    assert stored["name"] == "tfsdiff_no_psf"
    assert stored["settings"]["method"] == "tfsdiff"
    plain = yaml.safe_load((folder / "models/tfsdiff/params.yaml").read_text())["settings"]
    assert stored["settings"] == plain | {"psf_weight": 0.0}


def test_variants_change_settings_and_not_weights(folder):
    change = {"method": "cddfuse", "changes": {"first": "functional"}, "label": "functional first"}
    wanted = {"variant_groups": 2, "variants": {"functional": change}}
    out = folder / "report/variants"
    variants.variants(
        params_of(variants, **wanted), split=folder / "split.csv", sources=folder / "hr",
        truth=folder / "truth", models=folder / "models", out=out,
    )  # fmt: skip
    lines = out.with_suffix(".md").read_text().splitlines()
    assert "| CDDFuse | as set |" in lines[-2]
    assert "| CDDFuse | functional first | `first: functional` |" in lines[-1]
    with out.with_suffix(".csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["agreement"] == "" for row in rows] == [True, True, False, False]
    full = json.loads((folder / "metrics/x1/cddfuse-full.json").read_text())
    if full["images"] <= 2:
        assert float(rows[0]["PSNR"]) == full["truth"]["PSNR"]


def test_figure(folder):
    out = folder / "report/figure.png"
    paths = {
        "split": folder / "split.csv", "sources": folder / "hr", "low": folder / "lr",
        "truth": folder / "truth", "fused": folder / "fused",
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
    for path in (folder / "fused/tfsdiff/x2").iterdir():
        assert (read(again / path.name) == read(path)).all()


def test_scores_are_the_same_from_any_number_of_processes(folder, tmp_path, monkeypatch):
    for workers in (1, 2):
        monkeypatch.setattr(evaluate, "usable_cpus", lambda workers=workers: workers)
        at = tmp_path / str(workers)
        score(folder, 2, scores=at / "x2.csv", out=at / "x2")
        assert (at / "x2.csv").read_bytes() == (folder / "scores/x2.csv").read_bytes()


def test_missing_fused_images_are_counted_and_named(folder, tmp_path):
    missing = r"tfsdiff/x2/.*\.png: does not exist \(.* of .* fused images are missing\); run"
    with pytest.raises(InputError, match=missing):
        score(folder, 2, fused=tmp_path, scores=tmp_path / "x2.csv", out=tmp_path / "x2")
    assert not list(tmp_path.iterdir())


def test_scale_that_does_not_divide_is_an_error(folder):
    with pytest.raises(InputError, match="scale 3"):
        degrade.degrade(params_of(degrade), scale=3, sources=folder / "hr", out=folder / "lr3")
    assert not (folder / "lr3").exists()


def test_missing_input_names_the_parameter(tmp_path):
    with pytest.raises(InputError, match=r"data\.input"):
        acquire.acquire(params_of(acquire), input=tmp_path / "no", out=tmp_path / "raw")


def draw_quality(at, out, model="tfsdiff", **changes):
    quality.quality(
        params_of(quality, **changes), network=model, scale=2, split=at / "split.csv",
        low=at / "lr", sources=at / "hr", truth=at / "truth", model=at / "models" / model,
        timings=at / "timings.csv", out=out / "quality.csv", figure=out / "quality.png",
    )  # fmt: skip


@pytest.mark.slow
def test_quality_at_the_own_sampling_is_that_of_the_pipeline(folder, capsys):
    wanted = VALUES["quality"] | {"groups": 99}
    for name in ("quality", "again"):
        draw_quality(folder, folder / name, quality=wanted)
    for file in ("quality.csv", "quality.png"):
        assert (folder / "quality" / file).read_bytes() == (folder / "again" / file).read_bytes()
    with (folder / "quality/quality.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["against"] == "truth"]
    cells = [(row["sampler"], int(row["evaluations"])) for row in rows]
    assert cells == [*product(("ancestral",), (1, 2, 50)), *product(("ddim", "dpmpp"), (1, 2))]
    summary = json.loads((folder / "metrics/x2/tfsdiff.json").read_text())
    own = rows[cells.index((VALUES["sampling"]["sampler"], VALUES["sampling"]["evaluations"]))]
    assert float(own["AG"]) == summary["none"]["AG"]
    for metric in ("PSNR", "SSIM"):
        assert float(own[metric]) == summary["truth"][metric]
    with (folder / "timings.csv").open() as stream:
        assert all(float(row["seconds_per_image"]) > 0 for row in csv.DictReader(stream))
    assert "TFS-Diff ×2: full chain (50 evaluations)" in capsys.readouterr().err


def test_quality_refuses_what_cannot_be_drawn(folder, tmp_path):
    wanted = VALUES["quality"] | {"evaluations": [1, 51]}
    with pytest.raises(InputError, match="51 is more than the 50 noise levels"):
        draw_quality(folder, tmp_path, quality=wanted)
    with pytest.raises(InputError, match="cddfuse does not fuse by diffusion"):
        draw_quality(folder, tmp_path, model="cddfuse")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_uncertainty_has_maps_and_a_calibration_of_their_errors(folder):
    names = [p.group for p in read_split(folder / "split.csv") if p.part == "test"]
    wanted = {"scales": [2], "samples": 3, "groups": 99, "evaluations": 2}
    outs = [folder / name for name in ("uncertain", "certain")]
    for out in outs:
        uncertainty.uncertainty(
            params_of(uncertainty, uncertainty=wanted), network="tfsdiff", scale=2,
            split=folder / "split.csv", low=folder / "lr", truth=folder / "truth",
            model=folder / "models/tfsdiff", maps=out / "maps", out=out / "a.csv",
            figure=out / "a.png",
        )  # fmt: skip
    files = [sorted(path for path in out.rglob("*") if path.is_file()) for out in outs]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    maps = {path.stem: read(path) for path in files[0] if path.parent.name == "maps"}
    assert set(maps) == {name + end for name in names for end in ("", "-deviation")}
    assert all(maps[f"{name}-deviation"].any() for name in names)
    with (outs[0] / "a.csv").open() as stream:
        last = list(csv.DictReader(stream))[-1]
    assert int(last["values"]) == len(names) * 16 * 16 * 3
    errors = [maps[name].astype(float) - read(folder / f"truth/{name}.png") for name in names]
    assert float(last["rmse"]) == pytest.approx(np.sqrt(np.mean(np.square(errors))), abs=0.3)


@pytest.mark.slow
def test_train_runs_itself_in_as_many_processes_as_it_is_told(folder, tmp_path):
    """By torchrun, through the command of dvc.yaml; the batch is shared, the result that of one."""
    values = VALUES | {"train": VALUES["train"] | {"processes": 2}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    out = tmp_path / "models/tfsdiff"
    command = [
        sys.executable, "-m", "tfsdiff.stages.train", "--network", "tfsdiff", "--scale", "2",
        "--split", folder / "split.csv", "--low", folder / "lr", "--high", folder / "hr",
        "--truth", folder / "truth", "--computed", folder / "synthetic",
        "--computed-truth", folder / "synthetic-truth",
        "--checkpoints", tmp_path / "checkpoints", "--speeds", tmp_path / "speed.json",
        "--live", tmp_path / "live", "--out", out, "--params", tmp_path / "params.yaml",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    two, one = (load_file(at / "weights.safetensors") for at in (out, folder / "models/tfsdiff"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-4, rtol=1e-3)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
def test_log_in_a_repository_without_a_commit_names_the_cure(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"make a first commit, .*git commit --allow-empty"):
        LiveLog(tmp_path / "live", tmp_path / "speed.json")
