"""Made summaries of scores, and figures as matplotlib holds them."""

import matplotlib.figure
import pytest

from tfsdiff.evaluation.scores import Summary
from tfsdiff.metrics.registry import METRICS


@pytest.fixture
def summary():
    """Function that makes a summary of scores: all metrics at `value`, apart from those named."""

    def make(value, images=5, empty=None, **named):
        values = dict.fromkeys(METRICS, value) | named
        return Summary(images, values, dict(values), empty or {})

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
