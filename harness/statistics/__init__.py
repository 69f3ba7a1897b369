"""The statistics of a comparison: curves, intervals, paired tests, corrections, verdicts.

Scores come in as numbers paired with the label of their cluster (what is independent: the stream
of a stateful method, the source of a document, the item itself if nothing is shared); frozen
dataclasses of plain floats go out. Higher scores are better. Nothing here reads results or prints.

Only means of item scores are handled; a metric that is not one (an area under a curve, a
calibration error) needs the labels swapped and the metric computed again. numpy and scipy are
imported inside the functions, because commands that compute nothing import this package too.
"""

from __future__ import annotations

from harness.statistics.curves import Spread, cumulative, rolling, slope, spread
from harness.statistics.decisions import (
    Verdict,
    benjamini_hochberg,
    holm,
    smallest_attainable_p,
    verdict,
)
from harness.statistics.means import (
    MeanEstimate,
    OrdersEstimate,
    mean_with_interval,
    orders_interval,
    wilson,
)
from harness.statistics.paired import PairedComparison, PairedTest, compare_paired

__all__ = [
    "MeanEstimate",
    "OrdersEstimate",
    "PairedComparison",
    "PairedTest",
    "Spread",
    "Verdict",
    "benjamini_hochberg",
    "compare_paired",
    "cumulative",
    "holm",
    "mean_with_interval",
    "orders_interval",
    "rolling",
    "slope",
    "smallest_attainable_p",
    "spread",
    "verdict",
    "wilson",
]
