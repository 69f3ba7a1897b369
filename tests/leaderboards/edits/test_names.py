"""Options that all editors share stand under a table once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness_leaderboards.edits.names import ShortNames

BOARD = SimpleNamespace(baseline="identity", reference="retrain")


def names(*labels):
    rows = [SimpleNamespace(method=label) for label in labels]
    found = ShortNames.of(BOARD, SimpleNamespace(rows=rows))
    return [found.name(label) for label in labels], found.caption()


def test_shared_options_are_told_once():
    shown, caption = names(
        "identity", "ga:lr=1,beta=2", "npo:beta=2,lr=1+gu:lr=1", "ga:lr=1,beta=2+gu"
    )
    assert shown == ["identity", "ga", "npo+gu:lr=1", "ga+gu"]
    assert caption == ("All editors have the options beta=2,lr=1.",)


@pytest.mark.parametrize(
    "labels",
    [
        ("identity", "npo:lr=1"),  # one editor: it shares with none
        ("npo:lr=1", "ga:lr=2"),
        ("npo:lr=1", "ga"),  # ga has another rate, its default
        ("npo", "npo:lr=1"),
    ],
)
def test_labels_stay_where_nothing_is_shared(labels):
    assert names(*labels) == ([*labels], ())
