from tfsdiff.data.slices import Group
from tfsdiff.stages.support.choose import spread


def test_shown_groups_are_of_all_combinations_and_far_apart():
    def group(name, functional):
        modalities = ("CT", "MR-T2", functional)
        return Group(name, "_".join(modalities), "patient", int(name[1:]), *modalities)

    groups = [group(f"a{n}", "SPECT-Tc") for n in range(9)] + [group("b0", "PET-FDG")]
    shown = [one.group for one in spread(groups, 3)]
    assert shown == ["a3", "a6", "b0"]
    assert len(spread(groups, 50)) == 10
