"""What a registry may say, and how it is told off."""

from pathlib import Path

import pytest
import yaml

from tfsdiff.acquisition.atlas.registry import read_registry
from tfsdiff.common.errors import InputError

ROOT = Path(__file__).resolve().parents[3]

CASE = {
    "subject": "a head",
    "format": "gif",
    "series": {
        "ct1": {"modality": "CT", "slices": "3-5", "source": "book"},
        "mr1": {"modality": "classify", "slices": "probe", "seen": "4-9", "source": "book"},
        "tc1": {"modality": "SPECT-Tc", "slices": "probe", "source": "book"},
    },
    "guesses": ["mr2", "tl1"],
    "combinations": ["CT_MR-T2_SPECT-Tc"],
}


def write(folder, guesses=False, **changes):
    return registry(folder, changes, guesses)


def registry(folder, changes, guesses):
    path = folder / "registry.yaml"
    values = {"sources": {"book": "a book"}, "cases": {"case7": CASE | changes}}
    path.write_text(yaml.safe_dump(values))
    return read_registry(path, guesses)


def series(**changes):
    return {"series": CASE["series"] | {"ct1": CASE["series"]["ct1"] | changes}}


def test_a_series_knows_its_files(tmp_path):
    (case,) = write(tmp_path)
    ct, mr, tc = case.series
    assert ct.path(4) == "cases/case7/ct1/004.gif"
    assert (ct.slices, mr.slices, mr.seen) == (range(3, 6), None, range(4, 10))
    assert (ct.modality, mr.modality, tc.functional) == ("CT", None, True)
    assert case.together("ct1", "mr1", "tc1")
    assert case.combinations == ("CT_MR-T2_SPECT-Tc",)


def test_guesses_are_taken_when_wanted(tmp_path):
    (case,) = write(tmp_path, guesses=True)
    added = {one.name: one.modality for one in case.series[3:]}
    assert added == {"mr2": None, "tl1": "SPECT-Tl"}


def test_series_out_of_register_are_not_grouped(tmp_path):
    (case,) = write(tmp_path, registered=[["ct1", "tc1"], ["mr1", "tc1"]])
    assert case.together("ct1", "tc1")
    assert not case.together("ct1", "mr1", "tc1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (series(modality="MR-T9"), "modality 'MR-T9' is unknown"),
        (series(modality="classify"), "only MR series can be classified"),
        (series(slices="9-3"), "range 9-3 ends before it begins"),
        (series(slices="all"), r"cases\.case7\.series\.ct1\.slices"),
        (series(source="dream"), "source 'dream' is not listed"),
        (series(tracer="Tc"), r"ct1\.tracer"),
        ({"format": "exe"}, r"cases\.case7\.format"),
        ({"registered": [["ct1", "mr9"]]}, "no series is called mr9"),
        ({"series": {"../../etc": CASE["series"]["ct1"]}}, r"\.\./\.\./etc"),
        ({"use": "pairs"}, "no case can give groups"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_key(tmp_path, change, said):
    with pytest.raises(InputError, match=said) as caught:
        write(tmp_path, **change)
    assert "\n" not in str(caught.value)
    assert "registry.yaml" in str(caught.value)


def test_a_guess_must_be_a_folder_of_its_own(tmp_path):
    with pytest.raises(InputError, match="ct1 must be a new folder"):
        registry(tmp_path, {"guesses": ["ct1"]}, guesses=True)


def test_the_registry_of_the_project_can_be_read():
    cases = {case.name: case for case in read_registry(ROOT / "workflow/atlas/registry.yaml", True)}
    assert {"case18", "case21", "case28", "case36", "caseNN1"} <= set(cases)
    told = {one.name: one.modality for one in cases["caseNN1"].series}
    assert (told["mr1"], told["mr2"], told["dg1"]) == ("MR-T2", "MR-T1", "PET-FDG")
    assert cases["case28"].combinations == ("CT_MR-T2_SPECT-Tc",)
    assert all(any(one.functional for one in case.series) for case in cases.values())
