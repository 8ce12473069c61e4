"""Compose `workflow/conf/` into `params.yaml`: `python -m tfsdiff.compose profile=paper seed=7`.

The file written is complete, flat and resolved, the same that `dvc exp run -S ...` writes. Comments
do not survive; they belong to `workflow/conf/`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from tfsdiff.common.errors import InputError, exit_code
from tfsdiff.common.files import replacing


def compose(overrides: list[str], conf: Path) -> dict[str, Any]:
    """Compose the groups under `conf` with Hydra overrides such as `profile=ci` or `seed=7`.

    Raises:
        InputError: an override names no known key or group, or a value is still missing.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with hydra.initialize_config_dir(str(conf.resolve()), version_base=None):
            composed = hydra.compose("config", overrides)
        return OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"{conf}: {' '.join(str(error).split())}") from None


def dump(values: dict[str, Any]) -> str:
    """YAML text of `values`, keys sorted, the same text for the same values."""
    return yaml.safe_dump(values, sort_keys=True, allow_unicode=True, width=100)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tfsdiff.compose", description=__doc__)
    parser.add_argument("overrides", nargs="*", help="e.g. profile=ci data.patients=6")
    parser.add_argument("--conf", type=Path, default=Path("workflow/conf"))
    parser.add_argument("--out", type=Path, default=Path("params.yaml"))
    given = parser.parse_args(arguments)

    def action() -> None:
        text = dump(compose(given.overrides, given.conf))
        with replacing(given.out) as temporary:
            temporary.write_text(text, encoding="utf-8")

    return exit_code(action)


if __name__ == "__main__":
    sys.exit(main())
