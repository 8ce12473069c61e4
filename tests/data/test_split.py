from collections import Counter, defaultdict

import pytest

from tfsdiff.common.errors import InputError
from tfsdiff.data.slices import Group
from tfsdiff.data.split import Place, read_split, split, write_split
from tfsdiff.params import Split

COMBINATIONS = ("CT_MR-T2_SPECT-Tc", "MR-T1_MR-T2_PET-FDG", "MR-Gad_MR-T2_SPECT-Tl")
HARVARD = {  # patient: (combination, slices), as in the shared real data
    "case18": ("MR-T1_MR-T2_SPECT-Tc", 4),
    "case21": ("CT_MR-T2_SPECT-Tc", 13),
    "case28": ("CT_MR-T2_SPECT-Tc", 15),
    "case36": ("MR-PD_MR-T2_SPECT-Tc", 22),
    "petnormal": ("MR-T1_MR-T2_PET-FDG", 18),
}


def settings(rule, gap=2, parts=(84, 10, 25)):
    train, validation, test = parts
    return Split(
        rule=rule, train=train, validation=validation, test=test, gap_slices=gap, test_patient=None
    )


def slices(patient, count, combination=COMBINATIONS[0], first=1):
    names = dict(
        zip(("anatomical_1", "anatomical_2", "functional"), combination.split("_"), strict=True)
    )
    return [
        Group(f"{patient}-{number:03d}", combination, patient, number, **names)
        for number in range(first, first + count)
    ]


def cohort(patients, each):
    return [
        group
        for number in range(patients)
        for group in slices(f"p{number:02d}", each, COMBINATIONS[number % 3])
    ]


def counts(places):
    return Counter(place.part for place in places)


def parts_by(places, attribute):
    found = defaultdict(set)
    for place in places:
        found[getattr(place, attribute)].add(place.part)
    return found


@pytest.mark.parametrize("rule", ["random", "patient"])
def test_every_group_is_named_once_whatever_the_order(rule):
    groups = cohort(12, 4)
    places = split(groups, settings(rule), 5)
    assert [place.group for place in places] == sorted(group.group for group in groups)
    assert split(groups[::-1], settings(rule), 5) == places
    assert {place.rule for place in places} == {rule}
    assert split(groups, settings(rule), 6) != places


def test_119_groups_give_the_counts_of_the_paper():
    groups = cohort(17, 7)
    assert counts(split(groups, settings("random"), 1)) == {
        "train": 84, "validation": 10, "test": 25,
    }  # fmt: skip


@pytest.mark.parametrize("left_out", HARVARD)
def test_each_patient_can_be_left_out(left_out):
    groups = [g for name, (kind, n) in HARVARD.items() for g in slices(name, n, kind)]
    chosen = settings("patient").model_copy(update={"test_patient": left_out})
    found = parts_by(split(groups, chosen, 2024), "patient")
    assert [name for name, parts in found.items() if parts == {"test"}] == [left_out]
    assert sum(parts == {"validation"} for parts in found.values()) >= 1
    assert sum(parts == {"train"} for parts in found.values()) >= 2
    if left_out == "case28":  # what the rule chooses anyway
        assert split(groups, chosen, 2024) == split(groups, settings("patient"), 2024)


def test_a_patient_who_is_not_there_cannot_be_left_out():
    chosen = settings("patient").model_copy(update={"test_patient": "case1"})
    with pytest.raises(InputError, match="'case1' is none of p00, p01"):
        split(cohort(4, 3), chosen, 1)


@pytest.mark.parametrize("count", [3, 4, 5, 7, 20, 72, 200])
def test_other_numbers_give_the_proportion_and_no_empty_part(count):
    found = counts(split(slices("p", count), settings("random"), 1))
    assert set(found) == {"train", "validation", "test"}
    for part, share in (("train", 84), ("validation", 10), ("test", 25)):
        assert abs(found[part] - count * share / 119) <= 1.5


@pytest.mark.parametrize("rule", ["random", "patient"])
def test_fewer_than_three_groups_are_refused(rule):
    with pytest.raises(InputError, match="2 groups cannot be split"):
        split(slices("p", 2), settings(rule), 1)


@pytest.mark.parametrize("added", [1, 3, 10])
def test_random_is_stable_when_groups_are_added(added):
    groups = cohort(10, 8)
    before = {place.group: place.part for place in split(groups, settings("random"), 2)}
    more = groups + slices("new", added)
    after = {place.group: place.part for place in split(more, settings("random"), 2)}
    moved = [name for name, part in before.items() if after[name] != part]
    assert len(moved) <= 2 * added


@pytest.mark.parametrize("seed", range(10))
def test_patient_never_splits_a_patient_and_covers_combinations(seed):
    places = split(cohort(15, 4), settings("patient"), seed)
    assert all(len(parts) == 1 for parts in parts_by(places, "patient").values())
    found = counts(places)
    for part, share in (("train", 84), ("validation", 10), ("test", 25)):
        assert abs(found[part] - 60 * share / 119) <= 4
    assert len({place.combination for place in places if place.part == "test"}) >= 2
    assert len({place.combination for place in places if place.part == "train"}) == 3


@pytest.mark.parametrize("seed", range(10))
def test_patient_on_the_sizes_of_the_real_data(seed):
    groups = [
        group
        for patient, (combination, count) in HARVARD.items()
        for group in slices(patient, count, combination)
    ]
    places = split(groups, settings("patient"), seed)
    found = {patient: next(iter(parts)) for patient, parts in parts_by(places, "patient").items()}
    assert found["case18"] == "validation"
    assert {found["case21"], found["case28"]} == {"train", "test"}
    assert found["case36"] == found["petnormal"] == "train"


def test_patient_moves_few_when_a_patient_is_added():
    groups = cohort(30, 4)
    moved = 0
    for seed in range(20):
        before = parts_by(split(groups, settings("patient"), seed), "patient")
        more = groups + slices("new", 4, COMBINATIONS[seed % 3])
        after = parts_by(split(more, settings("patient"), seed), "patient")
        moved += sum(after[patient] != part for patient, part in before.items())
    assert moved / 20 <= 3  # of 30 patients


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 1, 100), (40, 1, 1), (50, 50, 50)])
def test_three_patients_give_three_parts(sizes):
    groups = [g for number, size in enumerate(sizes) for g in slices(f"p{number}", size)]
    places = split(groups, settings("patient"), 3)
    assert sorted(parts_by(places, "patient").values(), key=str) == [
        {"test"}, {"train"}, {"validation"},
    ]  # fmt: skip
    largest = max(range(3), key=sizes.__getitem__)
    if len(set(sizes)) > 1:
        assert parts_by(places, "patient")[f"p{largest}"] == {"train"}


@pytest.mark.parametrize("gap", [0, 1, 3])
@pytest.mark.parametrize("patients", [1, 2])
def test_blocks_keep_their_distance(gap, patients):
    groups = cohort(patients, 22)
    places = split(groups, settings("patient", gap), 4)
    assert {place.rule for place in places} == {"blocks"}
    for patient in parts_by(places, "patient"):
        row = [place.part for place in places if place.patient == patient]
        assert row.count("unused") == 2 * gap
        ends = [i for i in range(1, 22) if row[i] != row[i - 1]]
        assert len(ends) == (4 if gap else 2)  # each part is one block
        assert set(row) == {"train", "validation", "test"} | ({"unused"} if gap else set())
        used = [part for part in row if part != "unused"]
        assert used in (sorted(used, key="train validation test".find),
                        sorted(used, key="test validation train".find))  # fmt: skip


def test_blocks_keep_groups_of_one_slice_together():
    other = [
        Group(f"{group.group}-pet", COMBINATIONS[1], "p", group.slice, *COMBINATIONS[1].split("_"))
        for group in slices("p", 15)
    ]
    places = split(slices("p", 15) + other, settings("patient"), 1)
    assert all(len(parts) == 1 for parts in parts_by(places, "slice").values())


def test_blocks_leave_a_short_patient_to_training_and_refuse_only_short_ones():
    places = split(slices("long", 20) + slices("short", 4), settings("patient"), 1)
    assert parts_by(places, "patient")["short"] == {"train"}
    with pytest.raises(InputError, match="no patient has the 9 slices"):
        split(slices("a", 8) + slices("b", 8), settings("patient", gap=3), 1)


def test_file_round_trip_and_its_bytes(tmp_path):
    places = split(cohort(4, 3), settings("patient"), 1)
    for name in ("a", "b"):
        write_split(tmp_path / "new" / f"{name}.csv", places)
    assert read_split(tmp_path / "new" / "a.csv") == places
    text = (tmp_path / "new" / "a.csv").read_bytes()
    assert text == (tmp_path / "new" / "b.csv").read_bytes()
    assert text.startswith(b"group,patient,combination,slice,part,rule\np00-001,p00,CT_MR")
    assert text.count(b"\n") == 13


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{header}\n",
        "group,part\na,train\n",
        "{header}\na,p,c,1,exam,random\n",
        "{header}\na,p,c,x,test,random\n",
        "{header}\na,p,c,1,test,random,more\n",
        "{header}\na,p,c,1,test\n",
    ],
)
def test_wrong_split_files_are_refused(tmp_path, content):
    header = "group,patient,combination,slice,part,rule"
    path = tmp_path / "split.csv"
    path.write_text(content.format(header=header))
    with pytest.raises(InputError, match=r"split.csv: no split"):
        read_split(path)


def test_missing_split_file(tmp_path):
    with pytest.raises(InputError, match="`dvc repro` makes it"):
        read_split(tmp_path / "split.csv")


def test_a_place_is_frozen():
    place = Place("g", "p", "c", 1, "train", "random")
    with pytest.raises(AttributeError):
        place.part = "test"
