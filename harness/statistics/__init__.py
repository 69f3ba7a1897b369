"""The statistics of a comparison: curves, intervals, paired tests, corrections, verdicts.

Scores come in as numbers paired with the label of their cluster (what is independent: the stream
of a stateful method, the source of a document, the item itself if nothing is shared); frozen
dataclasses of plain floats go out. Higher scores are better. Nothing here reads results or prints.

Means of item scores have a test of their own (`compare_paired`); a metric that is not one (an area
under a curve, a calibration error) has the labels swapped and is computed again (`swap_labels`).
numpy and scipy are imported inside the functions, because commands that compute nothing import this
package too.
"""

from __future__ import annotations

from harness.statistics.crossed import Crossed, compare_crossed, compare_crossed_statistic
from harness.statistics.curves import Spread, cumulative, rolling, slope, spread
from harness.statistics.decisions import (
    Verdict,
    benjamini_hochberg,
    holm,
    smallest_attainable_p,
    verdict,
)
from harness.statistics.detectable import (
    DifferenceSpread,
    attainable_level,
    detectable_effect,
    difference_spread,
    jackknife_spread,
    with_few_clusters,
)
from harness.statistics.means import (
    MeanEstimate,
    OrdersEstimate,
    mean_with_interval,
    orders_interval,
    wilson,
)
from harness.statistics.paired import PairedComparison, PairedTest, compare_paired
from harness.statistics.seeds import compare_over_seeds
from harness.statistics.swaps import swap_labels

__all__ = [
    "Crossed",
    "DifferenceSpread",
    "MeanEstimate",
    "OrdersEstimate",
    "PairedComparison",
    "PairedTest",
    "Spread",
    "Verdict",
    "attainable_level",
    "benjamini_hochberg",
    "compare_crossed",
    "compare_crossed_statistic",
    "compare_over_seeds",
    "compare_paired",
    "cumulative",
    "detectable_effect",
    "difference_spread",
    "holm",
    "jackknife_spread",
    "mean_with_interval",
    "orders_interval",
    "rolling",
    "slope",
    "smallest_attainable_p",
    "spread",
    "swap_labels",
    "verdict",
    "wilson",
    "with_few_clusters",
]
