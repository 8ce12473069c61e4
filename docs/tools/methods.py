"""Blocks about the methods: what each is, its parts, its settings, scores and costs.

Counts come from the networks themselves, scores and costs from what the pipeline wrote to
docs/results/harvard.
"""

import ast
import csv
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import configured
from configured import ROOT
from tfsdiff.methods import METHODS, method_class
from tfsdiff.methods.base import Enlarger, JointMethod
from tfsdiff.methods.conditional.method import ConditionalMethod
from tfsdiff.methods.ctsr.sparse import SIDE
from tfsdiff.methods.learned import LearnedMethod
from tfsdiff.methods.pairwise import PairwiseFuser
from tfsdiff.metrics.registry import METRICS
from tfsdiff.report.cost_table import duration, quantity
from tfsdiff.report.labels import method_label
from tfsdiff.report.ranking import head, printed

SOURCE = ROOT / "src/tfsdiff/methods"
RESULTS = ROOT / "docs/results/harvard"
PROFILES = ("demo", "harvard", "paper")
SIDE_COUNTED = 256  # pixels of the images for which operations are counted
SECTIONS = ("unet", "diffusion", "train")  # of what draws by diffusion, beside its own settings
ALWAYS = ("train.steps", "train.batch", "train.learning_rate", "train.crop_pixels")
NOT_SHOWN = (".checkpoint_steps", ".validation_steps", ".validation_images", ".processes",
             ".validation_evaluations", ".input", ".accumulate")  # fmt: skip
SCORES = ("PSNR", "SSIM", "VIF", "LPIPS", "AG")
NONE = "–"
NOT_RECORDED = "Not yet in the [recorded run](../results/provenance.md)."


def facts(name: str) -> str:
    """What the method is, what it takes, and how it is trained."""
    kind = method_class(name)
    rows = [("Role", role(kind)), ("Takes", takes(kind)), ("Trained", trained(name))]
    if kind.importable:
        rows.append(("Released weights", f"`tfsdiff import-weights {name} CHECKPOINT --out DIR`"))
    for title, path in (("Code", SOURCE / name), ("Settings", settings_file(name))):
        place = path.relative_to(ROOT)
        rows.append((title, f"[`{place}`](../../{place})"))
    return table((method_label(name), ""), rows, right=False)


def role(kind: type) -> str:
    """What a class of methods is for."""
    if issubclass(kind, JointMethod):
        return "joint method: enlarges and fuses at once"
    return "enlarger" if issubclass(kind, Enlarger) else "fuser"


def takes(kind: type) -> str:
    """What goes into a class of methods."""
    if issubclass(kind, JointMethod):
        return "the three low-resolution sources of a group"
    if issubclass(kind, Enlarger):
        return "one low-resolution source"
    if issubclass(kind, PairwiseFuser):
        return "two luminances of full size; three by two calls"
    return "the three full-size sources of a group"


def trained(name: str) -> str:
    """Which stage trains the method, if any."""
    if METHODS[name].training is None:
        return "no; nothing is learned"
    if "guide" in method_class(name).Settings.model_fields:
        return "by the stage `train_guided`, once for each scale, after its guide"
    if name in configured.parameters(PROFILES[0])["closed_forms"]:
        return "by the stage `fit_enlarger`, once for each scale; a closed form"
    if issubclass(method_class(name), (JointMethod, Enlarger)):
        return "by the stage `train`, once for each scale"
    return "by the stage `train_fuser`, once, on full-size images"


def code(name: str) -> str:
    """The files of the method, with the first sentence of each."""
    folders = [SOURCE / name]
    if issubclass(method_class(name), ConditionalMethod):
        folders.append(SOURCE / "conditional")
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    rows = [
        (f"[`{path.parent.name}/{path.name}`](../../{path.relative_to(ROOT)})", sentence(path))
        for path in files
        if path.name != "__init__.py"
    ]
    return table(("File", "What it holds"), rows, right=False)


def sentence(path: Path) -> str:
    """First paragraph of a module's docstring, in one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def sizes(name: str) -> str:
    """Parameters, operations, and the settings that the profiles choose differently."""
    values = {profile: flat(name, profile) for profile in PROFILES}
    keys = dict.fromkeys(key for one in values.values() for key in one)
    rows = list(counts(name))
    for key in keys:
        found = [values[profile].get(key) for profile in PROFILES]
        differs = any(value != found[0] for value in found)
        if (differs or key in ALWAYS) and not key.endswith(NOT_SHOWN):
            rows.append((f"`{key}`", *map(shown, found)))
    return table(("", *(f"`{profile}`" for profile in PROFILES)), rows)


def counts(name: str) -> Iterator[tuple[str, ...]]:
    """Parameters and operations of the network in each profile."""
    kind = method_class(name)
    if issubclass(kind, LearnedMethod):
        networks = [configured.network(name, profile) for profile in PROFILES]
        yield "Parameters", *(f"{configured.count(one):,}" for one in networks)
        heads = f"Operations of one evaluation, {SIDE_COUNTED} × {SIDE_COUNTED} pixels"
        made = (configured.operations(one, SIDE_COUNTED) for one in networks)
        yield heads, *(quantity(one, "FLOP") for one in made)
    elif name == "ctsr":
        atoms = [configured.parameters(profile)["methods"][name]["atoms"] for profile in PROFILES]
        yield "Numbers of the dictionary", *(f"{SIDE**2 * one:,}" for one in atoms)


def flat(name: str, profile: str) -> dict[str, Any]:
    """All settings of a method in a profile, by dotted key."""
    values = configured.parameters(profile)
    settings = dict(values["methods"][name])
    if issubclass(method_class(name), ConditionalMethod):
        settings |= {section: values[section] for section in SECTIONS}
        settings["sampling"] = {
            key: values["sampling"][key] for key in ("sampler", "evaluations", "spacing")
        }
    return dict(flattened(settings))


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested sections; plain ones first."""
    for key, value in values.items():
        if not isinstance(value, Mapping):
            yield f"{prefix}{key}", value
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")


def shown(value: object) -> str:
    """A setting as YAML would have it, short enough for a cell."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value.rsplit("/", 1)[-1]
    return json.dumps(value)


def modules(name: str, profile: str) -> str:
    """Parameters of the parts of a network, and how many tensors hold them."""
    network = configured.network(name, profile)
    rows = [
        (f"`{part}`", f"{len(child.state_dict())}", f"{configured.count(child):,}")
        for part, child in network.named_children()
        if configured.count(child)
    ]
    rows.append(("all", f"{len(network.state_dict())}", f"{configured.count(network):,}"))
    return table((f"Part, profile `{profile}`", "Tensors", "Parameters"), rows)


def settings(name: str) -> str:
    """The method's file of settings."""
    return f"```yaml\n{settings_file(name).read_text(encoding='utf-8').rstrip()}\n```"


def settings_file(name: str) -> Path:
    """The file of the method's settings as published."""
    return ROOT / configured.CONF / "methods" / f"{name}.yaml"


def scores(name: str) -> str:
    """Rows of the method in Table 1 against the ground truth."""
    found = [
        row
        for row in read("table1.csv", "table")
        if row["against"] == "truth" and name in row["row"].split("-")
    ]
    if not found:
        return NOT_RECORDED
    rows = [
        (row["label"], "" if row["row"].endswith("-full") else f"×{row['scale']}", *marks(row))
        for row in unrepeated(found)
    ]
    return f"{table(('Method', 'Scale', *map(head, SCORES)), rows, texts=2)}\n\n{tested()}"


def tested() -> str:
    """On which images the methods were scored."""
    about = run()
    part = about["data"]["split"]["test"]
    patients = "one patient" if part["patients"] == 1 else f"{part['patients']} patients"
    return (
        f"Profile `{about['profile']}`: mean over {part['groups']} test groups of {patients}, "
        "against the truth made by BitonicX."
    )


def unrepeated(rows: Sequence[Mapping[str, str]]) -> Iterator[Mapping[str, str]]:
    """Those at full resolution first, once each, and not beside every scale; then the others."""
    full = {row["row"]: row for row in rows if row["row"].endswith("-full")}
    yield from full.values()
    yield from (row for row in rows if row["row"] not in full)


def marks(row: Mapping[str, str]) -> Iterator[str]:
    """The scores of a row as tables print them."""
    for metric in SCORES:
        text = row[metric]
        yield printed(float(text), METRICS[metric].decimals) if text else NONE


def cost(name: str) -> str:
    """What the method costs by itself, and behind an enlarger."""
    rows = [
        (
            cost_label(row["row"]),
            quantity(int(row["parameters"]), ""),
            quantity(int(row["operations"]), "FLOP") if row["operations"] else NONE,
            duration(float(row["seconds"])) if row["seconds"] else NONE,
            quantity(int(row["peak_bytes"]), "B") if row["peak_bytes"] else NONE,
        )
        for row in read("cost.csv", "cost")
        if name == row["row"].split("-")[0]
    ]
    if not rows:
        return NOT_RECORDED
    heads = ("One group", "Parameters", "Operations", "Seconds", "Peak memory")
    about = run()
    side, device = about["data"]["pixels"], about["machine"]["device"]
    return (
        f"{table(heads, rows)}\n\nProfile `{about['profile']}`, {side} × {side} pixels, {device}."
    )


def cost_label(row: str) -> str:
    """Name for readers of a row of costs: METHOD, METHOD-ENLARGER or METHOD-full."""
    name, _, rest = row.partition("-")
    if rest == "full":
        return f"{method_label(name)} alone"
    if rest:
        return f"{method_label(rest)} + {method_label(name)}"
    if issubclass(method_class(name), Enlarger):
        return f"{method_label(name)}, three sources"
    return method_label(name)


def variants(name: str) -> str:
    """What other settings of the fuser change, with the same weights."""
    rows = [
        (
            row["variant"],
            f"`{row['settings']}`" if row["settings"] else "",
            printed(float(row["agreement"]), 1) if row["agreement"] else "",
            *marks(row),
        )
        for row in read("variants.csv", "variants")
        if row["against"] == "truth" and row["fuser"] == name
    ]
    heads = ("Variant", "Settings", "PSNR to the first line [dB]", *map(head, SCORES))
    return table(heads, rows, texts=2)


@functools.cache
def run() -> dict[str, Any]:
    """What made the results: profile, data, machine."""
    return json.loads((RESULTS / "run.json").read_text(encoding="utf-8"))


@functools.cache
def read(file: str, stage: str) -> list[dict[str, str]]:
    """Rows of a file of results.

    Raises:
        FileNotFoundError: it is not there.
    """
    path = RESULTS / file
    if not path.exists():
        raise FileNotFoundError(
            f"{path.relative_to(ROOT)} is missing: run the stage `{stage}` with the profile "
            "harvard, then `python docs/tools/collect.py`"
        )
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1, right: bool = True
) -> str:
    """A Markdown table; columns behind the first `texts` are set to the right."""
    ruler = ["---" if i < texts or not right else "---:" for i in range(len(heads))]
    lines = [heads, ruler, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


BLOCKS: dict[str, Callable[..., str]] = {
    "method-facts": facts,
    "method-code": code,
    "method-sizes": sizes,
    "method-modules": modules,
    "method-settings": settings,
    "method-scores": scores,
    "method-cost": cost,
    "method-variants": variants,
}
