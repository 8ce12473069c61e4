"""Made summaries of cells, and figures as matplotlib holds them."""

import matplotlib.figure
import pytest

from tfsdiff.evaluation.scores import Statistic, Summary
from tfsdiff.metrics.registry import METRICS


@pytest.fixture
def summary():
    """Function that makes the summary of a cell: all metrics at `value`, apart from those named."""

    def make(row, value, scale=2, images=5, empty=None, **named):
        values = dict.fromkeys(METRICS, value) | named
        statistics = {
            name: None if values[name] is None else Statistic(values[name], 0.5) for name in METRICS
        }
        return Summary(row, scale, images, statistics, dict(statistics), empty or {})

    return make


@pytest.fixture
def drawn(monkeypatch):
    """The figures saved, as matplotlib holds them."""
    figures, save = [], matplotlib.figure.Figure.savefig

    def keep(self, *arguments, **options):
        figures.append(self)
        return save(self, *arguments, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)
    return figures
