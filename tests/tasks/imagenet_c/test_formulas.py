"""Formulas against cases computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tasks.imagenet_c.corruptions.names import BENCHMARK
from harness_tasks.imagenet_c.formulas import (
    ALEXNET,
    ALEXNET_CLEAN,
    Calibration,
    corruption_error,
    distance_to,
    largest_share,
    mce,
    relative_corruption_error,
    relative_mce,
)


def calibration_error(confidences, right):
    found = Calibration()
    for one, other in zip(confidences, right, strict=True):
        found.add(one, other)
    return found.error()


def times(factor):
    """AlexNet's errors times a factor, the mean's at every severity."""
    return {name: [factor * error] * 5 for name, error in ALEXNET.items()}


def test_alexnet_and_half_of_its_errors():
    assert mce(times(1)) == pytest.approx(100)
    assert mce(times(0.5)) == pytest.approx(50)
    assert relative_mce(times(1), ALEXNET_CLEAN) == pytest.approx(100)
    # Corruption adds nothing: the errors are those of clean images.
    constant = {name: [0.3] * 5 for name in ALEXNET}
    assert relative_mce(constant, 0.3) == pytest.approx(0)


def test_alexnets_errors_have_names_and_not_places():
    assert tuple(ALEXNET) == BENCHMARK
    # The mean over the severities .69528 .82542 .93554 .98138 .99452 of the original.
    assert ALEXNET["gaussian_noise"] == pytest.approx(4.43214 / 5)
    backwards = dict(reversed(times(1).items()))
    assert mce(backwards) == pytest.approx(100)


def test_a_ratio_of_sums_is_no_mean_of_ratios():
    # A reference with errors .2 and .8: (.1 + .8) / (.2 + .8) = .9, and not (.5 + 1) / 2 = .75.
    assert corruption_error([0.1, 0.8], 0.5) == pytest.approx(0.9)
    # (.45 - .2) / (.5 - .3) = 1.25
    assert relative_corruption_error([0.1, 0.8], 0.2, 0.5, 0.3) == pytest.approx(1.25)


def test_means_over_corruptions_are_of_ratios():
    # .3 / .6 = .5 and .2 / .2 = 1: 75, and not (.3 + .2) / (.6 + .2) = 62.5.
    errors, reference = {"fog": [0.2, 0.4], "snow": [0.1, 0.3]}, {"fog": 0.6, "snow": 0.2}
    assert mce(errors, reference) == pytest.approx(75)
    # (.3 - .1) / (.6 - .1) = .4 and (.2 - .1) / (.2 - .1) = 1: 70
    assert relative_mce(errors, 0.1, reference, 0.1) == pytest.approx(70)


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(ValueError, match="over 15 corruptions; snow is missing"):
        mce({name: one for name, one in times(1).items() if name != "snow"})
    with pytest.raises(ValueError, match="CE needs errors"):
        corruption_error([], 0.5)
    with pytest.raises(ValueError, match="a reference above 0"):
        corruption_error([0.5], 0.0)
    with pytest.raises(ValueError, match="a reference that corruption makes worse"):
        relative_corruption_error([0.5], 0.2, 0.4, 0.4)
    with pytest.raises(ValueError, match="needs predictions"):
        calibration_error([], [])


def test_calibration_of_four_predictions():
    assert calibration_error([0.8] * 4, [1, 1, 0, 0]) == pytest.approx(0.3)
    # Bins (.6, .667] and (.867, .933]: |.65 - 1| * 1/3 + |1.8 - 1| / 2 * 2/3 = .35/3 + .8/3
    assert calibration_error([0.65, 0.9, 0.9], [1, 1, 0]) == pytest.approx(1.15 / 3)
    # In one bin, errors in opposite directions cancel.
    assert calibration_error([0.81, 0.83], [1, 0.64]) == pytest.approx(0)


@pytest.mark.parametrize("place", range(1, 16))
def test_an_edge_belongs_to_the_bin_below(place):
    """Two predictions in one bin cancel; in two bins they do not."""
    edge, below, above = place / 15, (place - 0.5) / 15, (place + 0.5) / 15
    assert calibration_error([edge, below], [edge + 0.01, below - 0.01]) == pytest.approx(
        0, abs=1e-9
    )
    if place < 15:
        found = calibration_error([edge, above], [edge + 0.01, above - 0.01])
        assert found == pytest.approx(0.01)


def test_certain_and_impossible_predictions_have_bins():
    assert calibration_error([1.0, 1.0], [1, 0]) == pytest.approx(0.5)
    assert calibration_error([0.0], [0]) == 0
    found = Calibration()
    found.add(1.0000001, 1)  # a softmax in float32
    assert found.error() == pytest.approx(0, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 1])), min_size=1, max_size=40))
def test_calibration_errors_are_bounded_and_have_no_order(pairs):
    confidences, right = zip(*pairs, strict=True)
    found = calibration_error(confidences, right)
    assert 0 <= found <= 1
    assert found == pytest.approx(calibration_error(confidences[::-1], right[::-1]))
    # No binning is finer than the gap of the means.
    assert found >= abs(sum(confidences) - sum(right)) / len(pairs) - 1e-9
    assert calibration_error([one for one, _ in pairs], [one for one, _ in pairs]) < 1e-9


def test_shares_of_predicted_classes():
    assert largest_share({0: 1, 4: 3}) == 0.75
    # Predicted (3/4, 1/4, 0), true (1/2, 0, 1/2): 1/4 + 1/4 + 1/2
    assert distance_to({0: 3, 1: 1}, {0: 1, 2: 1}) == pytest.approx(1.0)
    assert distance_to({0: 5}, {1: 9}) == 2
    assert distance_to({0: 2, 1: 2}, {0: 7, 1: 7}) == 0
