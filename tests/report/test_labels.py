from tfsdiff.evaluation.rows import FULL_RESOLUTION, Row
from tfsdiff.report.labels import method_label, row_label


def test_labels_are_made_of_those_of_the_methods() -> None:
    assert row_label(Row("tfsdiff", None, 4)) == "TFS-Diff"
    assert row_label(Row("ddfm", "sr3", 4)) == "SR3 + DDFM"
    assert row_label(Row("mean", None, FULL_RESOLUTION)) == "mean of sources, full resolution"


def test_what_has_no_label_is_shown_under_its_name() -> None:
    assert row_label(Row("mine", "bicubic", 2)) == "bicubic + mine"


def test_variants_bring_their_labels() -> None:
    assert method_label("tfsdiff_mine", {"tfsdiff_mine": "w/o mine"}) == "w/o mine"
