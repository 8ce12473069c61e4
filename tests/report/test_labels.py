from tfsdiff.report.labels import label, table1_rows


def test_rows_are_all_that_members_make() -> None:
    rows, controls = table1_rows(
        ["tfsdiff"], ["x", "mean"], ["bicubic", "sr3"], ["bicubic", "mean"]
    )
    assert rows == ["tfsdiff", "x-sr3"]
    assert controls == ["x-full", "mean-full", "x-bicubic", "mean-bicubic", "mean-sr3"]


def test_labels_are_made_of_those_of_the_members() -> None:
    assert label("tfsdiff") == "TFS-Diff"
    assert label("ddfm-sr3") == "SR3 + DDFM"
    assert label("mean-full") == "mean of sources, full resolution"
    assert label("mine-bicubic") == "bicubic + mine"
