from tfsdiff.common.sequences import evenly


def test_some_are_taken_evenly() -> None:
    assert evenly("ab", 1) == ["b"]
    assert evenly(range(9), 3) == [1, 4, 7]


def test_all_are_taken_where_there_are_fewer() -> None:
    assert evenly("ab", 5) == ["a", "b"]
    assert evenly("", 2) == []
