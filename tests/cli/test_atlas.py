"""`tfsdiff atlas`: what it says, and when it refuses."""

from pathlib import Path

import pytest
import yaml

import loopback_atlas
from atlas_server import AtlasServer
from tfsdiff.cli import main
from tfsdiff.compose import compose

CONF = Path(__file__).resolve().parents[2] / "workflow/conf"


@pytest.fixture(scope="module")
def atlas():
    return loopback_atlas.make(2, 64, real=False)


@pytest.fixture
def served(atlas, tmp_path, monkeypatch):
    """A server, and parameters that point at it."""
    monkeypatch.setenv("TFSDIFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    loopback_atlas.describe(atlas, tmp_path / "atlas")
    with AtlasServer(atlas.files) as server:
        values = compose(
            ["data=atlas", f"data.base={server.base}", f"data.input={tmp_path / 'atlas'}",
             "data.transfer.requests_per_second=1000", "data.pixels=64"],
            CONF,
        )  # fmt: skip
        params = tmp_path / "params.yaml"
        params.write_text(yaml.safe_dump(values))
        yield server, lambda *words: main(["atlas", *words, "--params", str(params)])


@pytest.mark.slow
def test_status_then_fetch_then_status(served, capsys):
    server, run = served
    assert run("status") == 1
    err = capsys.readouterr().err
    assert "you must not\nredistribute" in err
    assert err.endswith("fetch it with `tfsdiff atlas fetch`\n")
    assert server.requests == []
    assert run("fetch") == 0
    made = len(server.requests)
    out, err = capsys.readouterr()
    assert err == ""  # the terms are shown once
    assert "case91: dg1 2, mr1 2, mr2 2" in out
    assert "18 slices, 6 functional ones with two anatomical beside them; requests made: " in out
    assert out.endswith(f" {made}\n")
    assert run("status") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].endswith("requests made: 0")
    assert err == ""
    assert run("fetch", "--revalidate") == 0
    assert len(server.requests) == 2 * made


def test_status_makes_no_request_so_it_can_accept_none(served, capsys):
    _, run = served
    assert run("status", "--revalidate") == 1
    assert "use fetch" in capsys.readouterr().err


def test_other_data_name_the_cure(tmp_path, capsys):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(compose([], CONF)))
    assert main(["atlas", "fetch", "--params", str(path)]) == 1
    assert "data.source is phantom; compose it with" in capsys.readouterr().err


def test_help_says_what_is_allowed(capsys):
    assert main(["atlas", "--help"]) == 0
    assert "must not be passed on" in " ".join(capsys.readouterr().out.split())
