"""`tfsdiff atlas`: fetch the slices of the atlas into the cache, or list its contents."""

import argparse
import sys
from pathlib import Path

from tfsdiff import params
from tfsdiff.common.errors import InputError
from tfsdiff.params import AtlasData, Data, Section

SUMMARY = "Download the slices of the Whole Brain Atlas into the cache, or say what it holds."


class Params(Section):
    """The parameters that the command reads."""

    data: Data


def epilog() -> str:
    """Text that --help prints below the options."""
    return (
        "`fetch` asks the server for what registry.yaml names and the cache lacks, and writes the "
        "SHA-256 of new files to lock.csv; `status` makes no request. The images are for "
        "research, are fetched by you and must not be passed on. The stage `acquire` of the "
        "pipeline fetches by itself; the cache is the folder TFSDIFF_CACHE, if that is set."
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("action", choices=("fetch", "status"), metavar="fetch|status", help="what to do")
    add(
        "--params",
        type=Path,
        default=Path("params.yaml"),
        metavar="FILE",
        help="parameters with data.source: atlas; absent: params.yaml",
    )
    add(
        "--revalidate",
        action="store_true",
        help="ask the server whether the files of the cache have changed, or missing ones appeared",
    )
    add(
        "--accept-changes",
        action="store_true",
        help="take files that are not those of lock.csv, and write them to it; with --revalidate "
        "also those that the cache holds",
    )


def run(arguments: argparse.Namespace) -> None:
    """Fetch, or only inspect the cache, and report what is there and what is missing."""
    settings = params.load(arguments.params, Params).data
    if not isinstance(settings, AtlasData):
        raise InputError(
            f"{arguments.params}: data.source is {settings.source}; compose it with "
            "`python -m tfsdiff.compose data=atlas`"
        )
    look = arguments.action == "status"
    if look and (arguments.revalidate or arguments.accept_changes):
        raise InputError("status makes no request; use fetch with these options")

    from tfsdiff.acquisition.atlas import collect, source

    store = source.open_store(
        settings,
        offline=look,
        revalidate=arguments.revalidate,
        accept_changes=arguments.accept_changes,
    )
    cases, found = source.gather(settings, store)
    lines = "\n".join(collect.inventory(cases, found))
    sys.stdout.write(f"{lines}; requests made: {store.requests}\n")
    if found.missing:
        raise InputError(collect.incomplete(cases, found))
