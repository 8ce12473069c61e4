import os
import pickle

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

import released_layout as layout
from tfsdiff import methods
from tfsdiff.cli import main
from tfsdiff.core.backend import CPU
from tfsdiff.core.seeding import generator
from tfsdiff.core.tensors import Batch
from tfsdiff.data.images import read, to_8bit, to_unit
from tfsdiff.params import Sampling

STEPS = 6
HEIGHT, WIDTH = 9, 12


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    paths = {method: folder / f"{method}_gen.pth" for method in layout.METHODS}
    for method, path in paths.items():
        torch.save(layout.checkpoint(method, STEPS), path)
    return paths


@pytest.fixture
def pictures(tmp_path):
    random = np.random.default_rng(3)
    shapes = {"a": (HEIGHT, WIDTH), "b": (HEIGHT, WIDTH), "f": (HEIGHT, WIDTH, 3)}
    arrays = {
        name: random.integers(0, 256, shape, dtype=np.uint8) for name, shape in shapes.items()
    }
    for name, array in arrays.items():
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    return arrays


def take(method, path, out, *more):
    return main(["import-weights", method, str(path), "--out", str(out), "--groups", "8", *more])


def fuse(folder, out, method, *more):
    images = [str(folder / f"{name}.png") for name in "abf"]
    return main(["fuse", "--method", method, "--anatomical", *images[:2], "--functional", images[2],
                 "--out", str(out), *map(str, more)])  # fmt: skip


def refused(capsys, code):
    """The message on stderr, after seeing exit code 1 and one line."""
    printed = capsys.readouterr()
    assert code == 1
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


def direct(method, scale):
    """The method with the weights of the checkpoint, without its way through files."""
    made = methods.build(method, layout.family(method).settings, scale)
    diffusion = {
        "noise_levels": STEPS, "schedule": "linear", "beta_start": 1e-6, "beta_end": 1e-2,
        "prediction": "eps", "levels": "time",
    }  # fmt: skip
    values = {"unet": layout.SMALL.model_dump(mode="json"), "diffusion": diffusion}
    made.restore(layout.network(method).state_dict(), values, CPU)
    made = made.with_sampling(
        Sampling(sampler="ancestral", evaluations=STEPS, spacing="time", temperature=1.0, batch=1)
    )
    return made


@pytest.mark.parametrize("scale", ["import", "fuse", "both"])
def test_imported_tfsdiff_fuses_as_its_network(tmp_path, pictures, checkpoints, scale, capsys):
    out, folder = tmp_path / "fused.png", tmp_path / "new" / "weights"
    more = ("--scale", "2") if scale != "fuse" else ()
    assert take("tfsdiff", checkpoints["tfsdiff"], folder, *more) == 0
    options = ["--weights", folder, *(("--scale", 2) if scale != "import" else ())]
    if scale == "import":
        assert "give it --scale 2" in refused_fuse(capsys, tmp_path, out, options)
        options += ["--scale", 2]
    assert fuse(tmp_path, out, "tfsdiff", *options, "--seed", 3) == 0

    sources = torch.stack([to_unit(picture) for picture in pictures.values()])
    noise = [generator(3, "fuse", "tfsdiff")]
    expected = direct("tfsdiff", 2).fuse(Batch(("image",), sources[None]), noise)
    assert np.array_equal(read(out), to_8bit(expected[0]))


def refused_fuse(capsys, folder, out, options):
    capsys.readouterr()
    return refused(capsys, fuse(folder, out, "tfsdiff", *options))


def test_imported_sr3_enlarges_as_its_network(tmp_path, pictures, checkpoints):
    out, folder = tmp_path / "fused.png", tmp_path / "weights"
    assert take("sr3", checkpoints["sr3"], folder) == 0
    options = ("--enlarger", "sr3", "--enlarger-weights", folder, "--scale", 2)
    assert fuse(tmp_path, out, "copy", *options) == 0  # copies the second anatomical image
    sources = torch.stack([to_unit(picture) for picture in pictures.values()])
    noise = [generator(0, "enlarge", index) for index in range(3)]
    expected = direct("sr3", 2).enlarge(sources, noise)[1]
    assert np.array_equal(read(out), to_8bit(expected))


def test_without_any_scale_the_cure_is_named(tmp_path, pictures, checkpoints, capsys):
    folder = tmp_path / "weights"
    take("tfsdiff", checkpoints["tfsdiff"], folder)
    message = refused_fuse(capsys, tmp_path, tmp_path / "fused.png", ["--weights", folder])
    assert "was imported without a scale; give it by --scale N" in message


def test_what_is_written_and_said(tmp_path, checkpoints, capsys):
    for name in ("one", "two"):
        assert take("tfsdiff", checkpoints["tfsdiff"], tmp_path / name, "--scale", "4") == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        assert "width 16 x 1, 2; 2 blocks a level; attention at level 1 too" in printed.out
        assert f"8 groups; T = {STEPS}" in printed.out
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two
    assert set(one) == {"weights.safetensors", "params.yaml"}
    values = yaml.safe_load(one["params.yaml"])
    assert (values["name"], values["scale"], values["settings"]["tmfa"]) == ("tfsdiff", 4, "all")
    weights = load_file(tmp_path / "one" / "weights.safetensors")
    given = layout.network("tfsdiff").state_dict()
    assert weights.keys() == given.keys()
    assert all(torch.equal(weights[key], given[key]) for key in given)


def test_prefix_of_several_gpus_and_the_old_file_format_are_taken(tmp_path, checkpoints):
    values = torch.load(checkpoints["sr3"], weights_only=True)
    path = tmp_path / "parallel.pth"
    torch.save(
        {f"module.{key}": value for key, value in values.items()},
        path,
        _use_new_zipfile_serialization=False,
    )
    assert take("sr3", path, tmp_path / "parallel") == 0
    assert take("sr3", checkpoints["sr3"], tmp_path / "plain") == 0
    plain, parallel = (tmp_path / n / "weights.safetensors" for n in ("plain", "parallel"))
    assert plain.read_bytes() == parallel.read_bytes()


def spoil(values, change):
    """The checkpoint `values` after `change`, which maps keys to tensors, or to None: drop."""
    values = values | change
    return {key: value for key, value in values.items() if value is not None}


STEM, NORM = "denoise_fn.downs.0.weight", "denoise_fn.final_conv.block.0.weight"
BAD = {
    "missing key": ({NORM: None}, "lacks denoise_fn.final_conv.block.0.weight"),
    "no network": ({STEM: None}, "lacks denoise_fn.downs.0.weight"),
    "unknown key": (
        {"denoise_fn.downs.1.attn.out.bias": torch.zeros(16)},
        "has unknown denoise_fn.downs.1.attn.out.bias",
    ),
    "unknown buffer": ({"ema": torch.zeros(STEPS)}, "has unknown ema"),
    "shape": ({NORM: torch.ones(8)}, "block.0.weight has shape (8,), not (16,)"),
    "dimensions": ({STEM: torch.ones(16)}, "downs.0.weight has 1 dimensions, not 4"),
    "no width": ({STEM: torch.ones(0, 12, 3, 3)}, "the network cannot be built: width"),
    "not finite": ({NORM: torch.full((16,), torch.nan)}, "values that are not finite"),
    "half precision": ({NORM: torch.ones(16).half()}, "no dense float32 tensor"),
    "sparse": ({NORM: torch.ones(16).to_sparse()}, "no dense float32 tensor"),
    "no tensor": ({"epoch": 3}, "is no state dict of tensors"),
    "lost buffer": ({"posterior_variance": None}, "lacks posterior_variance"),
    "no schedule": ({"betas": None}, "lacks its noise schedule"),
    "schedule without steps": ({"betas": torch.ones(())}, "lacks its noise schedule"),
    "longer buffer": (
        {"posterior_mean_coef1": torch.ones(STEPS + 1)},
        f"posterior_mean_coef1 has shape ({STEPS + 1},), not ({STEPS},)",
    ),
    "foreign schedule": (
        layout.buffers(STEPS, 1e-4, 2e-2),
        f"betas is not that of {STEPS} levels of the released schedule, linear from 1e-06 to 0.01",
    ),
    "another coefficient": (
        {"posterior_mean_coef2": layout.buffers(STEPS)["posterior_mean_coef2"] * (1 + 1e-5)},
        "posterior_mean_coef2 is not that of",
    ),
    "schedule not finite": (
        {"sqrt_alphas_cumprod": torch.full((STEPS,), torch.nan)},
        "sqrt_alphas_cumprod is not that of",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_other_contents_are_refused(tmp_path, checkpoints, capsys, change, message):
    values = torch.load(checkpoints["tfsdiff"], weights_only=True)
    path = tmp_path / "bad_gen.pth"
    torch.save(spoil(values, change), path)
    error = refused(capsys, take("tfsdiff", path, tmp_path / "out"))
    assert str(path) in error
    assert message in error
    assert list(tmp_path.iterdir()) == [path]


class Malice:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_checkpoint_is_never_run(tmp_path, capsys):
    trap = tmp_path / "trap"
    path = tmp_path / "bad_gen.pth"
    for save in (torch.save, lambda value, name: name.write_bytes(pickle.dumps(value))):
        save({"denoise_fn.downs.0.weight": Malice(str(trap))}, path)
        error = refused(capsys, take("tfsdiff", path, tmp_path / "out"))
        assert "which are never run" in error
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, checkpoints, capsys, old):
    path = tmp_path / "cut_gen.pth"
    values = torch.load(checkpoints["tfsdiff"], weights_only=True)
    torch.save(values, path, _use_new_zipfile_serialization=not old)
    whole = path.read_bytes()
    for part in (0, 1, 2, 50, 1000, len(whole) // 2, len(whole) - 1000, len(whole) - 1):
        path.write_bytes(whole[:part])
        assert str(path) in refused(capsys, take("tfsdiff", path, tmp_path / "out"))
        assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_weight_is_noticed(tmp_path, checkpoints, capsys):
    path = tmp_path / "damaged_gen.pth"
    content = bytearray(checkpoints["tfsdiff"].read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "damaged" in refused(capsys, take("tfsdiff", path, tmp_path / "out"))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no checkpoint", "cannot be loaded as plain tensors"), (None, "cannot be read")],
)
def test_a_file_of_another_kind(tmp_path, capsys, content, message):
    path = tmp_path / "x.pth"
    if content is not None:
        path.write_bytes(content)
    assert message in refused(capsys, take("sr3", path, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_optimiser_state_is_told_from_weights(tmp_path, capsys):
    path = tmp_path / "I1_E1_opt.pth"
    torch.save({"epoch": 1, "iter": 1, "optimizer": {"state": {}}}, path)
    message = refused(capsys, take("sr3", path, tmp_path / "out"))
    assert "is no state dict of tensors" in message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sr3 {tfsdiff} --out {new} --groups 8", "takes 12 channels, that of sr3 6"),
        ("tfsdiff {sr3} --out {new} --groups 8", "takes 6 channels, that of tfsdiff 12"),
        (
            "tfsdiff {tfsdiff} --out {new}",
            "width 16 is no multiple of 32 groups; give their number",
        ),
        ("tfsdiff {tfsdiff} --out {new} --groups 0", "--groups: '0' is no whole number of at"),
        ("tfsdiff {tfsdiff} --out {new} --scale 1", "--scale: '1' is no whole number of at least"),
        ("tfsdiff {tfsdiff} --out {old} --groups 8", "exists; name a new folder with --out"),
        ("tfsdiff {tfsdiff} --out {old}/x --groups 8", "cannot be written"),
        ("bicubic {tfsdiff} --out {new}", "method: 'bicubic' is none of "),
    ],
)
def test_options_that_do_not_fit(tmp_path, checkpoints, capsys, line, message):
    old = tmp_path / "old"
    old.write_text("kept")
    words = [
        word.format(**checkpoints, new=tmp_path / "new", old=old)
        for word in ["import-weights", *line.split()]
    ]
    assert message in refused(capsys, main(words))
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "kept"


def take_light(path, out, *more):
    return main(["import-weights", "light", str(path), "--out", str(out), *more])


def test_any_method_that_imports_is_taken(tmp_path, light, light_checkpoint, capsys):
    assert take_light(light_checkpoint, tmp_path / "out") == 0
    assert capsys.readouterr() == ("1 parameter\n", "")
    made = methods.load_method(tmp_path / "out", CPU)
    assert (type(made), made.scale, made.settings.swapped) == (
        methods.method_class("light"),
        None,
        False,
    )
    assert torch.equal(made.gain, torch.tensor([0.5]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scale", "2"), "--scale: light does not enlarge; leave out --scale"),
        (("--groups", "8"), "--groups: light has no groups to choose; leave out --groups"),
    ],
)
def test_options_of_other_networks(tmp_path, light, light_checkpoint, capsys, options, message):
    error = refused(capsys, take_light(light_checkpoint, tmp_path / "out", *options))
    assert message in error
    assert not (tmp_path / "out").exists()


def test_what_a_method_does_not_recognise(tmp_path, light, checkpoints, capsys):
    error = refused(capsys, take_light(checkpoints["sr3"], tmp_path / "out"))
    assert error == f"error: {checkpoints['sr3']}: lacks square\n"


def test_help_and_message_name_what_imports_and_nothing_else(tmp_path, light, capsys):
    known = [name for name in methods.METHODS if methods.method_class(name).importable]
    assert {"light", "sr3", "tfsdiff"} <= set(known)
    assert f"'mean' is none of {', '.join(known)}\n" in refused(
        capsys, take("mean", tmp_path / "x.pth", tmp_path / "out")
    )
    assert main(["import-weights", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"METHOD is one of {', '.join(known)}. Use" in text
