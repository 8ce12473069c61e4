"""The stage `cost` on methods of a few weights, most of it in this process to save time."""

import csv
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from tfsdiff import methods
from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import CPU
from tfsdiff.data.dataset import select
from tfsdiff.data.slices import Group, write_folder
from tfsdiff.data.split import Place, write_split
from tfsdiff.evaluation import measure, method_cost
from tfsdiff.methods.ctsr.method import RELEASED
from tfsdiff.params import Compute, Cost, Sampling
from tfsdiff.stages import cost

PARAMS = cost.Params(
    compute=Compute(
        device="cpu", threads=1, precision="float32", compile=False, deterministic=True
    ),
    cost=Cost(scale=2, repeats=2),
    enlargers=("bicubic", "sr3"),
    fusers=("mean", "ctsr"),
    joint=("tfsdiff",),
    methods={"bicubic": {}, "mean": {}, "sr3": {}, "tfsdiff": {}, "ctsr": {}},
    sampling=Sampling(sampler="ddim", evaluations=2, spacing="time", temperature=1.0, batch=16),
    seed=1,
)
ROWS = (
    "tfsdiff", "mean-bicubic", "ctsr-bicubic", "mean-sr3", "ctsr-sr3",
    "bicubic", "sr3", "mean-full", "ctsr-full",
)  # fmt: skip


def save_diffusion(folder, name, settings):
    method = tiny.with_weights(name, settings, tiny.UNET, tiny.DIFFUSION)
    methods.save_method(folder, name, method)


def save_methods(folder):
    save_diffusion(folder / "sr3-x2", "sr3", tiny.SR3)
    save_diffusion(folder / "tfsdiff-x2", "tfsdiff", tiny.TFSDIFF)
    ctsr = methods.build("ctsr", RELEASED | {"atoms": 70, "rolling_passes": 1}, None)
    ctsr._dictionary, ctsr._recipe = dictionary(70), {}
    methods.save_method(folder / "ctsr", "ctsr", ctsr)


def dictionary(atoms):
    matrix = np.random.default_rng(0).standard_normal((64, atoms))
    return matrix / np.linalg.norm(matrix, axis=0)


def save_images(folder, pixels):
    rng = np.random.default_rng(pixels)
    items = []
    for i in range(3):
        kinds = "CT", "MR-T2", "PET-FDG"
        group = Group(f"g{i}", "_".join(kinds), f"p{i}", 1, *kinds)
        shapes = (pixels, pixels), (pixels, pixels), (pixels, pixels, 3)
        items.append((group, [rng.integers(0, 256, shape, np.uint8) for shape in shapes]))
    write_folder(folder, items)
    return [group for group, _ in items]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("cost")
    threads = torch.get_num_threads()
    groups = save_images(at / "hr", 16)
    save_images(at / "lr", 8)
    places = [Place(g.group, g.patient, g.combination, g.slice, "test", "patient") for g in groups]
    write_split(at / "split.csv", places)
    save_methods(at / "models")
    yield at
    torch.set_num_threads(threads)


def run(at, out):
    cost.cost(
        PARAMS, scale=2, split=at / "split.csv", sources=at / "hr", low=at / "lr",
        models=at / "models", timings=out / "timings/cost.md", out=out / "cost.csv",
    )  # fmt: skip


@pytest.fixture(scope="module")
def outs(folder):
    """Two runs of the stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(method_cost, "alone", lambda function, task: function(task))
        for name in ("once", "again"):
            run(folder, folder / name)
    return [folder / name for name in ("once", "again")]


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["row"]: row for row in csv.DictReader(stream)}


def test_tracked_output_has_the_same_bytes_in_every_run(outs):
    first, second = ((out / "cost.csv").read_bytes() for out in outs)
    assert first == second
    assert tuple(read(outs[0] / "cost.csv")) == ROWS


def test_parameters_are_those_learned(outs, folder):
    found = {name: int(row["parameters"]) for name, row in read(outs[0] / "cost.csv").items()}
    for name in ("sr3", "tfsdiff"):
        weights = methods.store.read(folder / f"models/{name}-x2")[0].values()
        assert found[name] == sum(x.numel() for x in weights)
    assert found["ctsr-full"] == 64 * 70
    assert found["bicubic"] == found["mean-full"] == 0
    assert found["ctsr-sr3"] == found["sr3"] + 64 * 70


def test_operations_are_those_of_all_evaluations(outs, folder):
    found = {name: row["operations"] for name, row in read(outs[0] / "cost.csv").items()}
    assert found["mean-bicubic"] == found["ctsr-full"] == ""
    assert found["ctsr-sr3"] == found["sr3"]
    network = methods.load_method(folder / "models/tfsdiff-x2", CPU)
    with torch.inference_mode():
        images = torch.zeros(1, 9, 16, 16), torch.zeros(1, 3, 16, 16)
        one = measure.count(lambda: network.trained_network()(*images, torch.ones(1)))
    assert int(found["tfsdiff"]) == PARAMS.sampling.evaluations * one.operations > 0


def test_seconds_and_memory_are_beside_the_table(outs):
    rows = read(outs[0] / "timings/cost.csv")
    assert tuple(rows) == ROWS
    assert all(
        float(row["seconds"]) > 0 and int(row["peak_bytes"]) > 2**26 for row in rows.values()
    )
    parts = float(rows["sr3"]["seconds"]) + float(rows["ctsr-full"]["seconds"])
    assert float(rows["ctsr-sr3"]["seconds"]) == pytest.approx(parts, rel=1e-2)


def test_table_names_machine_sizes_and_definitions(outs):
    text = (outs[0] / "timings/cost.md").read_text(encoding="utf-8")
    assert "one of 16 × 16 pixels at scale ×2" in text
    assert "by diffusion takes 2 evaluations (ddim); float32; " in text
    assert ", 1 thread.\n" in text
    assert "| SR3 + CTSR |" in text
    assert "| SR3, three sources |" in text
    assert "the shortest of 2 after one to warm up" in text
    assert "Peak memory: the largest resident size" in text


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (9,)


@pytest.mark.slow
def test_method_is_measured_in_a_process_of_its_own(folder, outs):
    paths = [folder / name for name in ("models", "lr", "hr")]
    group = select(folder / "hr", folder / "split.csv", "test")[1]
    task = next(task for task in cost._tasks(PARAMS, 2, *paths, group) if task.row == "tfsdiff")
    counts = method_cost.alone(method_cost.counted, task)
    same = read(outs[0] / "cost.csv")["tfsdiff"]
    assert counts == measure.Counts(int(same["parameters"]), int(same["operations"]))
    with pytest.raises(InputError, match=r"tfsdiff: the process that measured it was killed"):
        method_cost.alone(method_cost.counted, replace(task, group=Deadly()))


def test_missing_method_is_named(folder, tmp_path):
    tasks = cost._tasks(PARAMS, 2, tmp_path, folder / "lr", folder / "hr", None)
    task = next(task for task in tasks if task.row == "sr3")
    with pytest.raises(InputError, match=r"sr3-x2: has no weights\.safetensors"):
        method_cost.counted(task)
