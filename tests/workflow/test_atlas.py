"""Data source `atlas` through the whole pipeline, from a server on loopback that misbehaves."""

import csv
from collections import Counter
from dataclasses import dataclass

import pytest
import yaml

import loopback_atlas
from atlas_server import AtlasServer, broken_off, html, reset, status
from tfsdiff.data.images import read
from tfsdiff.data.slices import image_path, read_manifest

REAL_SLICES = 4  # of each patient
# What the server does before it gives in: on the first files of two cases.
FAULTS = {
    "cases/case91/dg1/005.png": [status(503, Retry_After=0), broken_off(100)],
    "cases/case92/tl1/005.png": [html],
    "cases/case92/mr1/006.png": [reset(50), status(500)],
}
GROUPS = 10  # chosen of those that pass
QUICK = (
    f"data.groups={GROUPS}",
    "data.transfer.requests_per_second=1000",
    "data.transfer.first_wait_seconds=0.01",
    "data.transfer.timeout_seconds=5",
    "fusers=[bitonicx,mean]",  # test_end_to_end.py runs them all
    "ablations=[tfsdiff_no_tmfa]",
)


@dataclass
class Run:
    """The project after `dvc repro`, the atlas it had, and what its server was asked."""

    project: object
    atlas: loopback_atlas.Atlas
    port: int
    requests: list[str]

    def rows(self, path: str) -> list[dict[str, str]]:
        with (self.project.folder / path).open(encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    def passed(self) -> Counter[str]:
        """Groups that the checks let pass, by combination."""
        rows = self.rows("data/raw/candidates.csv")
        return Counter(row["combination"] for row in rows if row["decision"] != "rejected")

    def bytes(self, folder: str) -> dict[str, bytes]:
        root = self.project.folder / folder
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.name.startswith(".snakemake")
        }


@pytest.fixture(scope="module")
def run(new_project, tmp_path_factory):
    """The profile `ci` on the atlas of a server that is gone afterwards."""
    project = new_project()
    project.environment["TFSDIFF_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    atlas = loopback_atlas.make(slices=5, limit=REAL_SLICES)
    loopback_atlas.describe(atlas, project.folder / "workflow/atlas")
    with AtlasServer(atlas.files, FAULTS) as server:
        base = f"data.base={server.base}"
        project.python("tfsdiff.compose", "profile=ci", "data=atlas", base, *QUICK)
        project.run("dvc", "repro", "--quiet")
    return Run(project, atlas, server.port, [request.path for request in server.requests])


@pytest.mark.slow
def test_a_table_comes_out(run):
    rows = run.rows("results/report/table1.csv")
    assert {row["row"] for row in rows} >= {"tfsdiff", "bitonicx-sr3", "bitonicx-bicubic"}
    assert all(row[metric] != "" for row in rows for metric in ("AG", "VIF", "SSIM", "PSNR"))
    assert "data: atlas" in (run.project.folder / "results/report/table1.md").read_text()


@pytest.mark.slow
def test_the_slices_are_those_of_the_server(run):
    folder = run.project.folder / "data/raw"
    groups = read_manifest(folder)
    assert len(groups) == GROUPS
    for group in groups:
        case, number, *series = group.group.split("-")
        form = "gif" if f"cases/{case}/{series[0]}/{number}.gif" in run.atlas.files else "png"
        for name, modality in zip(series, group.modalities, strict=True):
            there = run.atlas.pixels[f"cases/{case}/{name}/{number}.{form}"]
            assert (read(image_path(folder, group, modality)) == there).all()
            assert run.atlas.modalities[case, name] == modality
    assert {group.combination for group in groups} >= {
        "MR-Gad_MR-T2_PET-FDG", "MR-Gad_MR-T2_SPECT-Tl", "MR-T1_MR-T2_PET-FDG"
    }  # fmt: skip


@pytest.mark.slow
def test_what_is_spoilt_is_rejected_with_its_measure(run):
    rows = [row for row in run.rows("data/raw/candidates.csv") if row["patient"] == "case93"]
    reasons = {row["slice"]: row["reason"] for row in rows if row["decision"] == "rejected"}
    assert set(reasons) >= {"005", "006", "007"}
    assert "displacement" in reasons["005"]
    assert "cut" in reasons["006"]
    assert "content" in reasons["007"]
    assert all("limit" in reason for reason in reasons.values())
    assert {row["slice"] for row in rows if row["decision"] != "rejected"} == {"008", "009"}


@pytest.mark.slow
@pytest.mark.shared
def test_real_groups_of_three_combinations(run, shared):
    passed = run.passed()
    # Two slices each of case21 (CT and MR apart) and case28 (SPECT cut), one of case18 (SPECT cut).
    assert passed["CT_MR-T2_SPECT-Tc"] == 2 * REAL_SLICES - 4
    assert passed["MR-T1_MR-T2_SPECT-Tc"] == REAL_SLICES - 1
    assert passed["MR-T1_MR-T2_PET-FDG"] == REAL_SLICES + 2
    told = {(row["case"], row["series"]): row for row in run.rows("data/raw/series.csv")}
    assert told["case36", "mr1"]["modality"] == "MR-PD"
    assert told["case36", "mr1"]["origin"] == "images"
    assert 0.5 < float(told["case36", "mr1"]["confidence"]) <= 1


@pytest.mark.slow
def test_the_lock_has_every_file_and_both_tools_know_the_stage(run):
    lock = {row["path"]: row for row in run.rows("workflow/atlas/lock.csv")}
    had = {path for path, row in lock.items() if row["sha256"] != "absent"}
    assert had == set(run.atlas.files)
    assert "up to date" in run.project.run("dvc", "status")
    before = run.bytes("data/raw")
    run.project.run("snakemake", "--cores", "1", "--quiet", "all", "--forcerun", "acquire",
                    "--", "data/raw")  # fmt: skip
    assert run.bytes("data/raw") == before
    again = run.project.run("snakemake", "--cores", "1", "--dry-run", "--", "data/raw")
    assert "Nothing to be done" in again
    assert "up to date" in run.project.run("dvc", "status")


@pytest.mark.slow
def test_a_file_is_asked_for_once_and_again_only_after_a_fault(run):
    counts = Counter(run.requests)
    assert {path for path, count in counts.items() if count > 1} == set(FAULTS)
    assert all(counts[path] == len(faults) + 1 for path, faults in FAULTS.items())


@pytest.mark.slow
def test_a_changed_registry_asks_for_nothing_that_the_cache_holds(run):
    """Nor does anything else with a warm cache: there is no server any more."""
    project, before = run.project, run.bytes("data/raw")
    path = project.folder / "workflow/atlas/registry.yaml"
    registry = yaml.safe_load(path.read_text())
    registry["cases"]["case91"]["series"]["mr2"]["modality"] = "MR-T1"  # overrides
    path.write_text(yaml.safe_dump(registry))
    assert "acquire" in project.run("dvc", "status")
    project.run("dvc", "repro", "--quiet", "--single-item", "acquire")
    assert run.passed()["MR-Gad_MR-T2_PET-FDG"] == 0
    path.write_text(run.atlas.registry)
    project.run("dvc", "repro", "--quiet", "--single-item", "--force", "acquire")
    assert run.bytes("data/raw") == before


@pytest.mark.slow
def test_a_lost_lock_is_made_again_from_the_cache(run):
    path = run.project.folder / "workflow/atlas/lock.csv"
    lock = path.read_bytes()
    path.write_text("path,bytes,sha256\n")
    run.project.run("dvc", "repro", "--quiet", "--single-item", "--force", "acquire")
    assert path.read_bytes() == lock


@pytest.mark.slow
def test_a_change_on_the_server_is_an_error_until_it_is_accepted(run):
    project, changed = run.project, "cases/case91/mr1/006.png"
    fetch = ("tfsdiff.cli", "atlas", "fetch", "--revalidate")
    assert "requests made: 0" in project.python("tfsdiff.cli", "atlas", "status")
    files = dict(run.atlas.files) | {changed: run.atlas.files["cases/case91/mr1/007.png"]}
    lock = project.folder / "workflow/atlas/lock.csv"
    before = lock.read_bytes()
    with AtlasServer(files, port=run.port):
        said = project.python(*fetch, code=1)
        assert changed in said.splitlines()[-1]
        assert "--accept-changes" in said.splitlines()[-1]
        assert lock.read_bytes() == before
        assert "up to date" in project.run("dvc", "status")
        project.python(*fetch, "--accept-changes")
    rows = {row["path"]: row["sha256"] for row in run.rows("workflow/atlas/lock.csv")}
    assert rows[changed] == rows["cases/case91/mr1/007.png"]
    assert "acquire" in project.run("dvc", "status")
