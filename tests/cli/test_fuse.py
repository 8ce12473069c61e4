import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import tiny
from tfsdiff import methods
from tfsdiff.cli import fuse, main, options
from tfsdiff.common.errors import InputError
from tfsdiff.core.backend import CPU
from tfsdiff.core.tensors import Batch
from tfsdiff.data.images import read, to_8bit, to_unit
from tfsdiff.data.resample import enlarge
from tfsdiff.evaluation.ensemble import GAIN
from tfsdiff.methods.base import Examples
from tfsdiff.methods.ddfm import settings as ddfm_settings
from tfsdiff.training.log import NullLog, Recipe

ZOO = Path(__file__).resolve().parents[2] / "workflow" / "conf" / "methods"
HEIGHT, WIDTH = 13, 18
TRAIN = tiny.TRAIN.model_copy(update={"steps": 1, "batch": 1, "validation_images": 1})
DIFFUSION = tiny.DIFFUSION.model_copy(update={"noise_levels": 6, "beta_end": 0.5})


@pytest.fixture
def pictures():
    random = np.random.default_rng(3)
    shapes = ((HEIGHT, WIDTH), (HEIGHT, WIDTH), (HEIGHT, WIDTH, 3))
    return [random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


@pytest.fixture
def inputs(tmp_path, pictures):
    paths = [tmp_path / name for name in ("a.png", "b.png", "f.png")]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return paths


def store(folder, name, scale, settings):
    """A network as the train stage leaves it, but trained for one step only."""
    made = methods.build(name, settings, scale)
    recipe = Recipe(1, folder / "checkpoints", tiny.UNET, DIFFUSION, TRAIN)
    torch.manual_seed(0)
    low = Batch(("g",), torch.rand(1, 3, 3, 8, 8))
    high = Batch(
        ("g",), torch.rand(1, 3, 3, 8 * scale, 8 * scale), torch.rand(1, 3, 8 * scale, 8 * scale)
    )
    examples = Examples(high, low)
    tiny.fit(made, examples, examples, recipe, CPU, NullLog())
    methods.save_method(folder / name, name, made)
    return folder / name


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    settings = yaml.safe_load((ZOO / "tfsdiff.yaml").read_text())["tfsdiff"]
    return {
        "tfsdiff": store(folder, "tfsdiff", 2, settings),
        "sr3": store(folder, "sr3", 2, tiny.SR3),
    }


def line(inputs, out, *more, method="mean"):
    a, b, f = map(str, inputs)
    return ["fuse", "--method", method, "--anatomical", a, b, "--functional", f, "--out", str(out),
            *map(str, more)]  # fmt: skip


def refused(capsys, arguments, out=None):
    """The message on stderr, after seeing exit code 1, one line and nothing left behind."""
    before = out is not None and out.exists()
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    error = "".join(x for x in printed.err.splitlines(True) if not x.startswith("slots: "))
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    if out is not None:
        assert out.exists() == before
        assert not list(out.parent.glob(".*"))
    return error


def test_mean_is_the_mean_and_the_folder_is_made(inputs, pictures, tmp_path, capsys):
    out = tmp_path / "new" / "deep" / "fused.png"
    assert main(line(inputs, out)) == 0
    said = "slots: anatomical 1 is a.png, anatomical 2 b.png, functional f.png\n"
    assert capsys.readouterr() == ("", said)
    expected = torch.stack([to_unit(picture) for picture in pictures]).mean(0)
    assert np.array_equal(read(out), to_8bit(expected))
    assert [path.name for path in out.parent.iterdir()] == ["fused.png"]


def test_copy_returns_the_source_that_set_names(inputs, pictures, tmp_path):
    out = tmp_path / "fused.png"
    assert main(line(inputs, out, "--set", "source=functional", method="copy")) == 0
    assert np.array_equal(read(out), pictures[2])
    assert main(line(inputs, out, method="copy")) == 0
    assert np.array_equal(read(out), np.stack([pictures[1]] * 3, axis=-1))


@pytest.mark.slow
def test_bitonicx_fuses_and_its_mode_can_be_set(inputs, tmp_path):
    for name, more in (("paper", ()), ("again", ()), ("official", ("--set", "mode=official"))):
        assert main(line(inputs, tmp_path / f"{name}.png", *more, method="bitonicx")) == 0
        assert read(tmp_path / f"{name}.png").shape == (HEIGHT, WIDTH, 3)
    assert (tmp_path / "paper.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_grey_colour_deep_and_other_formats_are_taken(inputs, pictures, tmp_path):
    jpeg, deep, out = tmp_path / "a.jpg", tmp_path / "b.tif", tmp_path / "fused.png"
    Image.fromarray(pictures[2]).save(jpeg)
    Image.fromarray(pictures[1].astype(np.uint16) * 257).save(deep)
    assert main(line([jpeg, deep, inputs[0]], out, method="copy")) == 0
    assert np.array_equal(read(out), np.stack([pictures[1]] * 3, axis=-1))


def test_low_resolution_is_enlarged_before_fusion(inputs, pictures, tmp_path):
    out = tmp_path / "fused.png"
    for more in ((), ("--enlarger", "bicubic")):
        assert main(line(inputs, out, "--scale", 3, *more, method="copy")) == 0
        assert np.array_equal(read(out), to_8bit(enlarge(to_unit(pictures[1]), 3)))


def test_sr3_enlarges_before_fusion(inputs, tmp_path, weights):
    more = (
        "--scale",
        2,
        "--enlarger",
        "sr3",
        "--enlarger-weights",
        weights["sr3"],
        "--evaluations",
        2,
    )
    for name, seed in (("one", 1), ("same", 1), ("two", 2)):
        assert main(line(inputs, tmp_path / f"{name}.png", *more, "--seed", seed)) == 0
        assert read(tmp_path / f"{name}.png").shape == (2 * HEIGHT, 2 * WIDTH, 3)
    one, same, two = ((tmp_path / f"{n}.png").read_bytes() for n in ("one", "same", "two"))
    assert one == same != two


def test_tfsdiff_enlarges_by_itself(inputs, tmp_path, weights):
    more = ("--weights", weights["tfsdiff"], "--scale", 2)
    arguments = line(inputs, tmp_path / "all.png", *more, method="tfsdiff")
    assert main(arguments) == 0
    assert main([*arguments, "--evaluations", "3", "--out", str(tmp_path / "three.png")]) == 0
    assert read(tmp_path / "all.png").shape == (2 * HEIGHT, 2 * WIDTH, 3)
    assert (tmp_path / "all.png").read_bytes() != (tmp_path / "three.png").read_bytes()


@pytest.mark.parametrize("method", ["tfsdiff", "mean behind sr3"])
def test_samples_give_mean_and_deviation_of_the_single_fusions(inputs, tmp_path, weights, method):
    more, method = {
        "tfsdiff": (("--weights", weights["tfsdiff"]), "tfsdiff"),
        "mean behind sr3": (("--enlarger", "sr3", "--enlarger-weights", weights["sr3"]), "mean"),
    }[method]
    more = ("--scale", 2, "--evaluations", 2, *more)
    out = tmp_path / "new" / "out.png"
    assert main(line(inputs, out, *more, "--seed", 5, "--samples", 3, method=method)) == 0
    files = sorted(path.name for path in out.parent.iterdir())
    assert files == ["out-deviation.png", "out-deviation.tif", "out.png"]
    singles = []
    for seed in (5, 6, 7):
        single = tmp_path / f"{seed}.png"
        assert main(line(inputs, single, *more, "--seed", seed, method=method)) == 0
        singles.append(read(single).astype(float))
    assert np.abs(read(out) - np.mean(singles, axis=0)).max() <= 1
    with Image.open(out.with_name("out-deviation.tif")) as image:
        deviation = np.asarray(image)
    assert deviation.dtype == np.float32
    expected = np.sqrt(np.var(singles, axis=0, ddof=1).mean(-1))
    assert np.abs(deviation - expected).max() < 1  # the singles are rounded
    assert deviation.max() > 0
    picture = read(out.with_name("out-deviation.png"))
    assert np.array_equal(picture, np.floor(np.minimum(GAIN * deviation, 255) + 0.5))


def test_samples_never_overwrite_an_input(inputs, tmp_path, capsys, weights):
    taken = tmp_path / "fused-deviation.png"
    inputs[0].rename(taken)
    more = ("--scale", 2, "--weights", weights["tfsdiff"], "--samples", 2)
    arguments = line([taken, *inputs[1:]], tmp_path / "fused.png", *more, method="tfsdiff")
    assert f"{taken}: is an input too" in refused(capsys, arguments, tmp_path / "fused.png")


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("tfsdiff", "--scale 2", "package; give the folder that `train` or `import-weights` wrote"),
        ("tfsdiff", "--weights {tfsdiff}", "times as large as its sources; give it --scale 2"),
        ("tfsdiff", "--weights {tfsdiff} --scale 4", "give it --scale 2"),
        ("tfsdiff", "--weights {sr3} --scale 2", "holds sr3, not tfsdiff"),
        ("tfsdiff", "--weights {here} --scale 2", "has no weights.safetensors"),
        ("tfsdiff", "--weights {tfsdiff} --scale 2 --evaluations 7", "has 6 noise levels, not 7"),
        ("tfsdiff", "--weights {tfsdiff} --scale 2 --set tmfa=all", "leave out --set"),
        ("tfsdiff", "--weights {tfsdiff} --scale 2 --enlarger bicubic", "enlarges by itself"),
        ("mean", "--weights {tfsdiff}", "mean learns nothing; leave out --weights"),
        ("mean", "--enlarger bicubic", "does not enlarge without --scale"),
        ("mean", "--enlarger-weights {sr3}", "does not enlarge without --scale"),
        ("mean", "--scale 3 --enlarger sr3", "give the folder that `train` or `import-weights` wr"),
        ("mean", "--scale 4 --enlarger sr3 --enlarger-weights {sr3}", "by 2; --scale says 4"),
        ("mean", "--scale 2 --enlarger-weights {sr3}", "bicubic learns nothing"),
        ("mean", "--scale 2 --enlarger full", "--enlarger: 'full' is none of bicubic, least_sq"),
        ("mean", "--scale 1", "--scale: '1' is no whole number of at least 2"),
        ("mean", "--scale two", "--scale: 'two' is no whole number"),
        ("mean", "--scale -4", "--scale: '-4' is no whole number"),
        ("mean", "--seed x", "--seed: 'x' is no whole number of at least 0"),
        ("mean", "--samples 1", "--samples: '1' is no whole number of at least 2"),
        ("mean", "--samples 2", "all samples are equal, as the method draws no random numbers"),
        ("mean", "--evaluations 0", "--evaluations: '0' is no whole number of at least 1"),
        ("mean", "--evaluations 2", "nothing here is drawn by diffusion; leave it out"),
        ("mean", "--scale 2 --evaluations 2", "drawn by diffusion; leave it out"),
        ("mean", "--modalities CT XR PET-FDG", "--modalities: 'XR' is none of CT, MR-PD, "),
        ("mean", "--modalities CT MR-T2 MR-T1", "--modalities: 'MR-T1' is none of PET-FDG, "),
        ("mean", "--modalities CT CT PET-FDG", "--modalities: A and B are both CT; leave out"),
        ("mean", "--precision half", "--precision: 'half' is none of float32, bfloat16"),
        ("mean", "--precision bfloat16", "nothing here computes by a network; leave it out"),
        ("mean", "--device tpu", "--device: 'tpu' is none of cpu, cuda"),
        ("mean", "--set source=CT", "methods.mean: source: "),
        ("copy", "--set source=CT", "methods.copy: source: "),
        ("copy", "--set source", "--set: 'source' is not KEY=VALUE"),
        ("copy", "--set source=[", "--set: 'source=[' is not KEY=VALUE"),
        ("copy", "--set =CT", "--set: '=CT' is not KEY=VALUE"),
        ("bicubic", "", "--method: 'bicubic' is none of bitonicx, "),
        ("magic", "", "--method: 'magic' is none of bitonicx, "),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(inputs, tmp_path, capsys, weights, method, options, message):
    words = [word.format(**weights, here=tmp_path) for word in options.split()]
    out = tmp_path / "out" / "fused.png"
    assert message in refused(capsys, line(inputs, out, *words, method=method), tmp_path / "out")


def test_bfloat16_changes_little_and_is_refused_where_it_would_be_slower(
    inputs, tmp_path, capsys, monkeypatch, weights
):
    more = ("--weights", weights["tfsdiff"], "--scale", 2, "--evaluations", 2)
    for name, precision in (("exact", "float32"), ("rough", "bfloat16")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
        arguments = line(
            inputs, tmp_path / f"{name}.png", *more, "--precision", precision, method="tfsdiff"
        )
        assert main(arguments) == 0
    exact, rough = (read(tmp_path / f"{name}.png").astype(int) for name in ("exact", "rough"))
    assert 0 < np.abs(exact - rough).max() < 16
    capsys.readouterr()
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert "--precision: this CPU has no instr" in refused(capsys, arguments, tmp_path / "x.png")


def test_cuda_without_a_gpu(inputs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = line(inputs, tmp_path / "fused.png", "--device", "cuda")
    assert "finds no CUDA device" in refused(capsys, arguments, tmp_path / "fused.png")


def test_sizes_must_agree(inputs, pictures, tmp_path, capsys):
    Image.fromarray(pictures[1][:-1]).save(inputs[1])
    message = refused(capsys, line(inputs, tmp_path / "fused.png"), tmp_path / "fused.png")
    a, b, _ = inputs
    assert f"{a} is 18 x 13 but {b} is 18 x 12 pixels; register the three" in message


def test_unreadable_inputs(inputs, tmp_path, capsys):
    out = tmp_path / "fused.png"
    whole = inputs[2].read_bytes()
    inputs[2].write_bytes(whole[: len(whole) // 2])
    assert f"{inputs[2]}: no readable PNG or JPEG" in refused(capsys, line(inputs, out), out)
    inputs[0].unlink()
    assert f"{inputs[0]}: does not exist" in refused(capsys, line(inputs, out), out)


def test_what_a_method_refuses_is_one_line(inputs, tmp_path, capsys, monkeypatch):
    def refuse(self, batch, generators):
        raise ValueError("too small")

    monkeypatch.setattr(methods.method_class("mean"), "fuse", refuse)
    out = tmp_path / "fused.png"
    assert "error: mean: too small" in refused(capsys, line(inputs, out), out)


def test_an_input_is_never_overwritten(inputs, tmp_path, capsys):
    before = [path.read_bytes() for path in inputs]
    (tmp_path / "link.png").symlink_to(inputs[1])
    os.link(inputs[2], tmp_path / "hard.png")
    (tmp_path / "sub").mkdir()
    detour = tmp_path / "sub" / ".." / "a.png"
    for out in (inputs[0], detour, tmp_path / "link.png", tmp_path / "hard.png"):
        assert "is an input too" in refused(capsys, line(inputs, out))
    assert [path.read_bytes() for path in inputs] == before


def test_where_nothing_can_be_written(inputs, tmp_path, capsys):
    assert "only PNG is written" in refused(capsys, line(inputs, tmp_path / "fused.jpg"))
    (tmp_path / "dir.png").mkdir()
    assert "is a folder; name a file" in refused(capsys, line(inputs, tmp_path / "dir.png"))
    under = inputs[0] / "fused.png"
    assert f"{under}: cannot be written" in refused(capsys, line(inputs, under))


def test_an_older_output_is_replaced_only_by_a_whole_one(inputs, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out" / "fused.png"
    assert main(line(inputs, out, method="copy")) == 0
    old = out.read_bytes()
    assert main(line(inputs, out)) == 0
    new = out.read_bytes()
    assert new != old

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    message = refused(capsys, line(inputs, out, method="copy"), out)
    assert "cannot be written (No space left on device)" in message
    assert out.read_bytes() == new


@pytest.mark.parametrize(
    ("modalities", "names", "said", "note"),
    [
        (
            "MR-Gad MR-T2 PET-FDG",
            "a b",
            "1 is MR-Gad (a.png), anatomical 2 MR-T2 (b.png), functional PET-FDG (f.png)",
            None,
        ),
        ("MR-T2 MR-Gad PET-FDG", "a b", "anatomical 1 is MR-T2", "MR-T2 comes before MR-Gad; the"),
        ("", "gad-3 t2_3", "anatomical 1 is gad-3.png, anatomical 2 t2_3.png", None),
        ("", "MR-T2 MR-Gad", "1 is MR-T2.png", "MR-T2 comes before MR-Gad by the names of the f"),
        ("", "t2 b", "anatomical 1 is t2.png", None),
        ("", "t2-ct gad", "anatomical 1 is t2-ct.png", None),
    ],
)
def test_it_says_which_image_is_in_which_slot(
    inputs, tmp_path, capsys, modalities, names, said, note
):
    inputs = [
        path.rename(tmp_path / f"{name}.png")
        for path, name in zip(inputs, [*names.split(), "f"], strict=True)
    ]
    more = ("--modalities", *modalities.split()) if modalities else ()
    assert main(line(inputs, tmp_path / "fused.png", *more)) == 0
    slots, *notes = capsys.readouterr().err.splitlines()
    assert slots.startswith("slots: ")
    assert said in slots
    assert len(notes) == (note is not None)
    if note:
        assert notes[0].startswith(f"note: {note}")
        assert notes[0].endswith("MR-Gad, MR-T2: exchange A and B to follow it")


@pytest.mark.parametrize(
    "arguments", [[], ["melt"], ["fuse"], ["fuse", "--method", "mean"], ["fuse", "--unknown"]]
)
def test_usage_errors_end_with_2(capsys, arguments):
    assert main(arguments) == 2
    assert "usage: tfsdiff" in capsys.readouterr().err


def test_help_tells_methods_and_constants(capsys):
    assert main(["--help"]) == 0
    assert "not for clinical use" in " ".join(capsys.readouterr().out.split())
    assert main(["fuse", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for word in (
        *options.names(options.fuses),
        "mode=paper",
        "majority_pixels=19",
        "--enlarger-weights",
        "absent: B",
    ):
        assert word in text
    assert main(["--version"]) == 0


def test_an_interrupt_ends_with_130(inputs, tmp_path, capsys, monkeypatch):
    def interrupt(self, batch, generators):
        raise KeyboardInterrupt

    monkeypatch.setattr(methods.method_class("mean"), "fuse", interrupt)
    assert main(line(inputs, tmp_path / "fused.png")) == 130
    assert capsys.readouterr().err.endswith("\ninterrupted\n")


def test_published_constants_are_those_of_the_configuration():
    published = {
        name: kind.published
        for name, kind in ((n, methods.method_class(n)) for n in methods.METHODS)
        if kind.published
    }
    assert set(published) >= {"bitonicx", "copy"}
    for name, values in published.items():
        stored = yaml.safe_load((ZOO / f"{name}.yaml").read_text())
        assert stored.get(name, stored) == values


@pytest.mark.slow
def test_a_method_is_imported_only_where_it_is_used():
    code = (
        "import sys; from tfsdiff.cli import options, parser\n"
        "parser().format_help(); options.find('--method', 'mean', options.fuses)\n"
        "heavy = (*(f'tfsdiff.methods.{n}' for n in ('bitonicx', 'ctsr')), 'numba')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def light_weights(tmp_path, light, light_checkpoint):
    folder = tmp_path / "weights"
    assert main(["import-weights", "light", str(light_checkpoint), "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    ("modalities", "visible"),
    [
        ((), 1),
        (("CT", "MR-T2", "SPECT-Tc"), 1),
        (("MR-T2", "CT", "SPECT-Tc"), 0),
        (("MR-T1", "MR-Gad", "PET-FDG"), 1),
    ],
)
def test_modalities_say_which_image_is_the_visible_one(
    inputs, pictures, tmp_path, capsys, light_weights, modalities, visible
):
    """The fake halves it twice; a grey image in the place of the functional one adds no colour."""
    out = tmp_path / "fused.png"
    more = ["--weights", light_weights, *(("--modalities", *modalities) if modalities else ())]
    assert main(line([*inputs[:2], inputs[0]], out, *more, method="light")) == 0
    expected = np.stack([pictures[visible] / 4] * 3, axis=-1)
    assert np.abs(read(out) - expected).max() < 1
    image = f"{modalities[visible]} ({'ab'[visible]}.png)" if modalities else "b.png"
    assert f"; {image} takes the place of the visible image\n" in capsys.readouterr().err


def test_a_learned_fuser_of_one_size_takes_an_enlarger(inputs, tmp_path, light_weights, weights):
    sr3 = ("--enlarger", "sr3", "--enlarger-weights", weights["sr3"], "--evaluations", 2)
    for more in ((), sr3):
        out = tmp_path / "fused.png"
        options = ("--weights", light_weights, "--scale", 2, *more)
        assert main(line(inputs, out, *options, method="light")) == 0
        assert read(out).shape == (2 * HEIGHT, 2 * WIDTH, 3)


def test_settings_of_a_learned_fuser_of_one_size_can_be_changed(inputs, tmp_path, light_weights):
    """`light` returns what is in the visible slot: B, and with the slots exchanged F."""
    fused = []
    for i, change in enumerate(((), ("--set", "swapped=true"))):
        out = tmp_path / f"{i}.png"
        assert main(line(inputs, out, "--weights", light_weights, *change, method="light")) == 0
        fused.append(read(out))
    assert (fused[0] != fused[1]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "light is learned, and no weights of it are in the package; give the folder"),
        ("--weights {light} --evaluations 2", "drawn by diffusion; leave it out"),
        ("--weights {light} --set width=3", "methods.light: width: Extra inputs"),
        ("--weights {light} --enlarger bicubic", "light does not enlarge without --scale"),
        ("--weights {sr3}", "holds sr3, not light"),
    ],
)
def test_options_that_do_not_fit_a_learned_fuser_of_one_size(
    inputs, tmp_path, capsys, light_weights, weights, options, message
):
    capsys.readouterr()
    words = [word.format(light=light_weights, **weights) for word in options.split()]
    arguments = line(inputs, tmp_path / "out" / "fused.png", *words, method="light")
    assert message in refused(capsys, arguments, tmp_path / "out")


@pytest.mark.slow
def test_the_module_runs_as_a_command(inputs, tmp_path):
    command = [sys.executable, "-m", "tfsdiff.cli", *line(inputs, tmp_path / "fused.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("slots: anatomical 1 is a.png")
    inputs[0].unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {inputs[0]}: does not exist\n"


def test_evaluations_of_a_method_that_has_a_setting_of_that_name():
    ddfm = SimpleNamespace(sampled=False, settings=ddfm_settings.Settings.model_construct())
    with pytest.raises(InputError, match="give --set evaluations=2"):
        fuse._check_evaluations(2, ddfm, None)
