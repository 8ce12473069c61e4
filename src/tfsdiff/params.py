"""Every parameter, typed, ranged and without a default: values live in `workflow/conf/` alone.

One frozen section a class, as in `params.yaml`; the hyper-parameters of a method are the `Settings`
class in its own module. A stage loads only the sections that its entry in `dvc.yaml`
tracks, so no parameter can change a result untracked.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tfsdiff.common.errors import InputError


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("must be odd")
    return number


Count = Annotated[int, Field(ge=1)]
Odd = Annotated[Count, AfterValidator(_odd)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Prediction = Literal["eps", "v", "x0", "residual", "preconditioned"]
Precision = Literal["float32", "bfloat16"]
Spacing = Literal["time", "logsnr", "residual"]
DrawnLevels = Literal["time", "residual"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Section(BaseModel):
    """Base of all sections: frozen, typed, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Compute(Section):
    """Where and how to compute. The number of threads fixes the order of floating-point sums."""

    device: Literal["cpu", "cuda"]  # where networks compute
    threads: Count  # CPU threads of each process
    precision: Precision  # number format of convolutions and matrix products
    # compile networks by torch.compile: takes a minute, pays in long trainings on GPUs
    compile: bool
    deterministic: bool  # bit-identical results on GPUs too, by slower kernels


class PhantomData(Section):
    """Virtual patients made from the MNI152 maps that nilearn ships."""

    source: Literal["phantom"]
    input: str  # the generator's own code: a change of it makes new patients
    pixels: Annotated[int, Field(ge=16, le=256)]  # side of an image
    patients: Count  # number of virtual patients
    slices_per_patient: Annotated[int, Field(ge=1, le=12)]  # each slice is one group
    # modalities of a patient, e.g. CT_MR-T2_SPECT-Tc; dealt to the patients in turn. In either
    # order: the slots have their own (docs/data/index.md)
    combinations: tuple[str, ...]
    lesion_share: Fraction  # share of the patients that carry a lesion


class DirectoryData(Section):
    """A folder of registered groups: manifest.csv and images/GROUP/MODALITY.png."""

    source: Literal["directory"]
    input: str  # the folder of the groups
    pixels: Count  # side that every image must have


class Transfer(Section):
    """How files are requested: one after another over one connection, with retries."""

    requests_per_second: Annotated[float, Field(gt=0)]  # highest rate
    # limit to connect, and between two chunks of a body
    timeout_seconds: Annotated[float, Field(gt=0)]
    file_seconds: Annotated[float, Field(gt=0)]  # limit for one attempt at a file
    attempts: Count  # attempts at one file, the first included
    # wait before the second attempt; doubled before each further one
    first_wait_seconds: Annotated[float, Field(ge=0)]
    # longest wait; also the limit for Retry-After
    longest_wait_seconds: Annotated[float, Field(ge=0)]
    largest_bytes: Count  # largest file that is accepted; a slice is never larger


class Checks(Section):
    """Criteria that a group must meet to be accepted."""

    search_pixels: Count  # how far a copy is shifted in search of the most mutual information
    shift_pixels: Annotated[float, Field(ge=0)]  # longest shift of the best copy that is accepted
    cut_share: Fraction  # largest share of the extent of the uptake on one line at its border
    content_share: Fraction  # smallest share of an image above the level of the background


class AtlasData(Section):
    """Slices of the Whole Brain Atlas, downloaded once into a cache, checked, and grouped."""

    source: Literal["atlas"]
    input: str  # folder of registry.yaml, lock.csv and, where `choose` is list, groups.csv
    base: str  # address of the atlas
    pixels: Count  # side of an image
    # modalities of a group, e.g. CT_MR-T2_SPECT (of any tracer), in either order; empty: all
    combinations: tuple[str, ...]
    groups: Count | None  # number of groups that the rule chooses; null: all
    choose: Literal["rule", "list"]  # list: the groups of groups.csv
    guesses: bool  # also request undocumented series
    patience: Count  # consecutive missing slices that end a series of unknown range
    # where files are missing; refuse: the stage fails; accept: without their groups it goes on
    incomplete: Literal["refuse", "accept"]
    transfer: Transfer
    checks: Checks

    @model_validator(mode="after")
    def _consistent(self) -> "AtlasData":
        if self.pixels <= 2 * self.checks.search_pixels:
            raise ValueError("pixels must be more than twice checks.search_pixels")
        return self


Data = Annotated[PhantomData | DirectoryData | AtlasData, Field(discriminator="source")]


class Split(Section):
    """The three parts: counts where their sum is the number of groups, else shares."""

    # patient: all groups of a patient in one part; random: as published, neighbouring slices leak
    rule: Literal["random", "patient"]
    train: Count  # groups, or a share
    validation: Count  # groups, or a share
    test: Count  # groups, or a share
    # the patient to test on, by the rule patient, to leave out each in turn; null: the rule chooses
    test_patient: str | None
    # slices left out between the parts of one patient, where there are fewer than three patients
    gap_slices: Annotated[int, Field(ge=0)]


class Kinds(Section):
    """Shares of the kinds of computed groups; what cannot be made is left out."""

    borrow: Annotated[float, Field(ge=0)]  # with a functional image of another patient
    remap: Annotated[float, Field(ge=0)]  # with an MR in another contrast
    real: Annotated[float, Field(ge=0)]  # a training group, changed


class Warp(Section):
    """Largest affine and elastic map of a computed group; lengths are shares of the side."""

    degrees: Annotated[float, Field(ge=0, le=90)]  # of rotation
    zoom: Annotated[float, Field(ge=0, le=0.5)]  # of the logarithm of each side
    shear: Annotated[float, Field(ge=0, le=0.5)]  # tangent of the angle
    shift: Annotated[float, Field(ge=0, le=0.5)]  # along each side
    elastic: Annotated[float, Field(ge=0, le=0.05)]  # root mean square displacement


class Synthetic(Section):
    """Computed groups: made from training groups and pairs, with truth computed afterwards."""

    count: Annotated[int, Field(ge=0, le=100_000)]  # computed groups; group i is the same for any
    real_share: Fraction  # share of real groups in what networks are trained on
    kinds: Kinds  # in which proportion
    candidates: Count  # slices of other patients compared, to borrow from the most similar
    # share of the remapped groups that become MR-T2 with MR-Gad and PET-FDG or SPECT-Tl
    published: Fraction
    field: Fraction  # largest deviation of the smooth field over a remapped MR
    noise: Fraction  # largest deviation of the noise in a remapped MR
    toned: Fraction  # share of the images whose gain and gamma change
    gain: Fraction  # largest decrease of the gain; it rises by 0.6 of that at most
    gamma: Annotated[float, Field(ge=0, le=2)]  # largest change of the logarithm of gamma
    swapped: Fraction  # share of the groups whose anatomical images change places
    turned: Fraction  # share of the groups mirrored and turned by quarter turns, without resampling
    resampled: Fraction  # share of the groups that are warped, which blurs them
    warp: Warp  # how far


class Resolution(Section):
    """Side of the high-resolution images, in pixels."""

    hr_pixels: Annotated[int, Field(ge=16)]  # side of truth and fused image


class UNet(Section):
    """The U-Net of SR3 (Saharia et al. 2021)."""

    width: Count  # channels of the first level
    multipliers: tuple[Count, ...]  # channels of each level, as multiples of the width
    blocks: Count  # residual units a level
    # index of the level with attention; null: the middle alone
    attention_level: Annotated[int, Field(ge=0)] | None
    groups: Count  # groups of the group normalisation
    dropout: Annotated[float, Field(ge=0, lt=1)]  # share of activations, in training
    # orthogonal: as released; kaiming_zero: Kaiming's, but residual units start as the identity
    initialisation: Literal["kaiming", "kaiming_zero", "orthogonal"]

    @model_validator(mode="after")
    def _consistent(self) -> "UNet":
        if self.width % 2 or self.width % self.groups:
            raise ValueError("width must be even and a multiple of groups")
        if self.attention_level is not None and self.attention_level >= len(self.multipliers):
            raise ValueError("attention_level must be below the number of multipliers")
        return self


class Diffusion(Section):
    """The forward process and what the network predicts."""

    noise_levels: Count  # T, the number of noise levels
    schedule: Literal["linear", "cosine"]  # how beta rises
    beta_start: Annotated[float, Field(gt=0, lt=1)]  # beta of the linear schedule at t = 1
    beta_end: Annotated[float, Field(gt=0, lt=1)]  # beta of the linear schedule at t = T
    # what the network predicts; paper: eps; preconditioned: the residual to a first guess, scaled
    # to unit variance at every noise level
    prediction: Prediction
    # noise levels of a training: time, uniform in t, as published; residual, four of five
    # the noisiest, the others evenly in log-SNR where noise and residual are of comparable size
    levels: DrawnLevels


class Train(Section):
    """Optimisation of a network."""

    steps: Count  # updates of the weights
    batch: Count  # images a step, of all processes together
    # processes that share a batch, one a GPU; fixes the order of sums, as threads do
    processes: Count
    accumulate: Count  # parts of a batch whose gradients are added up, to save memory
    # as in torch, with its defaults; muon: Muon for all convolutions but the first and the last,
    # Adam for the rest
    optimiser: Literal["adam", "adamw", "muon"]
    learning_rate: Annotated[float, Field(gt=0)]  # learning rate after the warm-up
    muon_rate: Annotated[float, Field(gt=0)]  # the same of what Muon updates
    warmup_steps: Annotated[int, Field(ge=0)]  # steps in which the learning rate rises linearly
    decay: Literal["constant", "cosine"]  # course of the learning rate after the warm-up
    gradient_clip: Annotated[float, Field(gt=0)] | None  # largest norm of the gradient; null: any
    # decay of the moving average of the weights, at most (1 + step) / (10 + step), so that a value
    # near 1 averages over the last ninth of a training of any length; 0: no average
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    crop_pixels: Annotated[int, Field(ge=11)] | None  # side of crops; null: whole images
    augment: Literal["none", "flip", "square"]  # horizontal flips; square: quarter turns as well
    checkpoint_steps: Count  # steps between two checkpoints
    validation_steps: Count  # steps between two validations
    validation_images: Count  # images drawn for PSNR, SSIM and the grid of samples
    validation_evaluations: Count  # evaluations to draw one of them, by DDIM
    keep: Literal["last", "best"]  # averaged weights of the end, or of the best validation PSNR


class Sampling(Section):
    """Reverse process at inference."""

    sampler: Literal["ancestral", "ddim", "dpmpp"]  # ancestral: the paper; dpmpp: DPM-Solver++ (2M)
    evaluations: Count  # evaluations an image; the paper: ancestral with all T
    # noise levels evenly in t, in log-SNR, or in log-SNR where noise and residual are of comparable
    # size (of the prediction preconditioned)
    spacing: Spacing
    # factor of the noise drawn: 1, draws from the posterior; less, nearer to its mean
    temperature: Fraction
    batch: Count  # images drawn at once


class Metrics(Section):
    """External data of the metrics."""

    lpips_backbone: str  # file of AlexNet features, or "torchvision": what torchvision downloads


class Report(Section):
    """What the tables and the figure show; the rows are cells that `evaluate` scores.

    Rows of Table 1 are all that the lists `joint`, `fusers` and `enlargers` make, those of Table 2
    the list `ablations` and the methods that it changes.
    """

    controls: tuple[str, ...]  # methods whose rows stand below a rule, without rank
    figure2_groups: Count  # test groups shown


class Named(Section):
    """The method that a variant changes, and its label."""

    method: Name
    label: str


class Variant(Named):
    """A method with other settings: trained anew if it is joint, with the same weights else."""

    changes: dict[str, Any]  # of the method's settings, or SECTION.KEY of one of its training


class Quality(Section):
    """Quality against evaluations: every sampler at each number of them."""

    networks: tuple[str, ...]  # joint networks
    scales: tuple[Count, ...]  # scales of enlargement
    groups: Count  # test groups drawn
    evaluations: tuple[Count, ...]  # numbers of evaluations, at most diffusion.noise_levels


class Cost(Section):
    """What the methods cost, measured on one test group."""

    scale: Count  # scale of enlargement
    repeats: Count  # calls timed, of which the shortest counts


class Uncertainty(Section):
    """Mean and deviation over several fusions of the same sources."""

    scales: tuple[Count, ...]  # scales of enlargement
    samples: Annotated[int, Field(ge=2)]  # fusions a group
    groups: Count  # test groups drawn
    evaluations: Count  # evaluations a fusion; the number best for images may make all alike


COMPOSE = "compose it with `python -m tfsdiff.compose profile=demo`"

Params = TypeVar("Params", bound=Section)


def load(path: Path, section: type[Params]) -> Params:
    """Read from the YAML file at `path` what `section` names; other top-level keys are ignored.

    Raises:
        InputError: the file is missing, is no YAML mapping, or a value is missing or out of range.
    """
    values = read_yaml(path)
    known = {field.alias or name for name, field in section.model_fields.items()}
    return validate({key: value for key, value in values.items() if key in known}, section, path)


def validate(values: dict[str, Any], section: type[Params], origin: Path | str) -> Params:
    """Build `section` from `values`; errors are one line and name `origin` and the key."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{origin}: {key}: {first['msg']} (got {first['input']!r})") from None


def read_yaml(path: Path, cure: str = COMPOSE) -> dict[str, Any]:
    """Read a YAML mapping; raises InputError if the file is unreadable or holds none."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: must hold a mapping of sections")
    return values
