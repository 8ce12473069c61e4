"""Choose what to compute: `python -m tfsdiff.compose profile=paper seed=7`, from any sub-folder.

Two files are written. `workflow/conf/chosen.yaml` keeps the choice, so that experiments
(`dvc exp run -S key=value`) start from it. `params.yaml` is what the choice composes to: complete,
flat and resolved. Comments do not survive in it; they belong to `workflow/conf/`. Without arguments
the choice is that of `workflow/conf/config.yaml`.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict

import tfsdiff
from tfsdiff import params
from tfsdiff.common.errors import InputError, exit_code
from tfsdiff.common.files import replacing

CONF = Path("workflow/conf")
DEFAULT = "config"  # what the choice changes
CHOSEN = "chosen"  # named in .dvc/config too, for experiments
HEADER = (
    "# Written by `python -m tfsdiff.compose`: what was chosen; `dvc exp run -S` starts from it.\n"
)
ROLES = ("enlargers", "fusers", "joint")  # lists of methods


class Sections(params.Section):
    """The sections of params.yaml but those of methods, which load torch: stages check these."""

    model_config = ConfigDict(extra="ignore")

    compute: params.Compute
    cost: params.Cost
    data: params.Data
    diffusion: params.Diffusion
    metrics: params.Metrics
    quality: params.Quality
    report: params.Report
    resolution: params.Resolution
    sampling: params.Sampling
    split: params.Split
    train: params.Train
    uncertainty: params.Uncertainty
    unet: params.UNet


def register_resolvers() -> None:
    """Let values follow from others, so that none has to be repeated.

    Of lists, `${joined:...}` is all that they hold, `${learned:...}` the methods in them that have
    to be trained, and `${plain:...}` the others; a name that no method has is left to the stages,
    which say so. `${imported:...}` are the methods whose settings name weights, and `${named:...}`
    method and label of the variants in a list.
    """
    from omegaconf import OmegaConf

    for name, resolver in _RESOLVERS.items():
        OmegaConf.register_new_resolver(name, _node(resolver), replace=True)


def _node(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """`resolver` with a node of OmegaConf as result, as DVC resolves in place."""
    from omegaconf import OmegaConf

    return lambda *arguments: OmegaConf.create(resolver(*arguments))


def _joined(*lists: list[Any]) -> list[Any]:
    return list(dict.fromkeys(item for items in lists for item in items))


def _learned(*lists: list[str]) -> list[str]:
    from tfsdiff.methods import METHODS

    return [name for name in _joined(*lists) if name not in METHODS or METHODS[name].training]


def _plain(*lists: list[str]) -> list[str]:
    learned = _learned(*lists)
    return [name for name in _joined(*lists) if name not in learned]


def _without(names: list[str], *others: list[str]) -> list[str]:
    return [name for name in names if name not in _joined(*others)]


def _with(key: str, names: list[str], methods: dict[str, Any]) -> list[str]:
    return [name for name in names if key in methods.get(name, {})]


def _of(key: str, names: list[str], methods: dict[str, Any]) -> list[str]:
    return _joined([methods[name][key] for name in names])


def _imported(settings: dict[str, Any]) -> list[str]:
    from tfsdiff.methods import WEIGHTS

    return [name for name, own in settings.items() if own.get(WEIGHTS) is not None]


def _named(variants: dict[str, Any], names: list[str]) -> dict[str, dict[str, str]]:
    missing = [name for name in names if name not in variants]
    if missing:
        raise ValueError(f"{missing[0]!r} is none of the variants {', '.join(variants)}")
    return {name: {key: variants[name][key] for key in ("label", "method")} for name in names}


_RESOLVERS: dict[str, Callable[..., Any]] = {
    "joined": _joined,
    "learned": _learned,
    "plain": _plain,
    "without": _without,
    "with": _with,
    "of": _of,
    "imported": _imported,
    "named": _named,
}


def compose(overrides: list[str], conf: Path, config: str = DEFAULT) -> dict[str, Any]:
    """Compose the groups under `conf` with Hydra overrides such as `profile=ci` or `seed=7`.

    Args:
        overrides: in Hydra's grammar.
        conf: folder of the configurations.
        config: name of the one to start from.

    Raises:
        InputError: an override names no known key or group, or a value is still missing.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    register_resolvers()
    try:
        with hydra.initialize_config_dir(str(conf.resolve()), version_base=None):
            composed = hydra.compose(config, overrides)
        if missing := sorted(OmegaConf.missing_keys(composed)):
            raise InputError(_wanted(missing))
        return OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"{conf}: {' '.join(str(error).split())}") from None


def _wanted(missing: list[str]) -> str:
    """What to give for keys that the configurations leave to the user."""
    given = " ".join(f"{key}={'FOLDER' if key.endswith('.input') else 'VALUE'}" for key in missing)
    others = {"data.input": "data=atlas", "pairs.input": "pairs=none"}
    instead = " ".join(others[key] for key in missing if key in others)
    choose = f", or choose {instead}" if instead else ""
    return f"no value for {' and '.join(missing)}: add {given}{choose}"


def choice(overrides: list[str], conf: Path) -> str:
    """Text of a configuration that composes by itself to what `config` does with `overrides`.

    A group becomes an entry of its defaults, any other key a value.

    Raises:
        InputError: an override deletes a key, which no configuration can.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    groups: list[Any] = [DEFAULT]
    values = OmegaConf.create()
    for override in OverridesParser.create().parse_overrides(overrides):
        key = override.key_or_group
        if override.is_delete():
            raise InputError(f"~{key}: a key cannot be deleted here; delete it in {conf}")
        if (conf / key).is_dir():
            groups.append({f"override {key}": override.value()})
        else:
            OmegaConf.update(values, key, override.value(), force_add=True)
    content = {"defaults": [*groups, "_self_"]} | OmegaConf.to_container(values)
    return HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def dump(values: dict[str, Any]) -> str:
    """YAML text of `values`, keys sorted, the same text for the same values."""
    return yaml.safe_dump(values, sort_keys=True, allow_unicode=True, width=100)


def project_root(start: Path) -> Path:
    """Folder of the project that `start` lies in.

    Raises:
        InputError: it lies in none.
    """
    for folder in (start, *start.parents):
        if (folder / CONF / f"{DEFAULT}.yaml").is_file():
            return folder
    raise InputError(f"{start}: no {CONF}/{DEFAULT}.yaml here or above; run it inside the project")


def check(values: dict[str, Any]) -> None:
    """Check composed values before a stage finds out.

    Raises:
        InputError: a value is missing, of another type or out of range, or no method has a name.
    """
    params.validate(values, Sections, "params.yaml")
    for role in ROLES:
        for name in values[role]:
            if name not in values["methods"]:
                known = ", ".join(sorted(values["methods"]))
                raise InputError(f"params.yaml: {role}: {name!r} is none of {known}")


def write(overrides: list[str], root: Path) -> None:
    """Write the choice `overrides` and the parameters it composes to below `root`.

    Raises:
        InputError: nothing valid can be composed; both files are left as they are.
    """
    conf = root / CONF
    values = compose(overrides, conf)
    texts = {
        root / "params.yaml": dump(values),
        conf / f"{CHOSEN}.yaml": choice(overrides, conf),
    }
    check(values)
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tfsdiff.compose", description=__doc__)
    parser.add_argument("--version", action="version", version=tfsdiff.__version__)
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="e.g. profile=ci data.patients=6"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    overrides = parser().parse_args(arguments).overrides
    return exit_code(lambda: write(overrides, project_root(Path.cwd())))


if __name__ == "__main__":
    sys.exit(main())
