"""The order of every kind of stream, without images and without a model."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.protocols.adapt.task import Picture
from harness_tasks.imagenet_c.sources import picture_of
from harness_tasks.imagenet_c.streams import (
    Order,
    Photograph,
    Setting,
    correlated,
    first,
    shuffled,
    stages,
)
from harness_tasks.imagenet_c.task import ImageNetC, ImageNetCSettings

NAMES = ("fog", "snow", "contrast")
PHOTOGRAPHS = [Photograph(f"{n:03d}", n % 10, "") for n in range(60)]
DIGITS = tuple("0123456789")


def make(photograph, cell):
    return picture_of(photograph, cell, None, "")


def stream(setting, seed=0, severities=(5,), names=NAMES, delta=0.1, photographs=PHOTOGRAPHS):
    return stages(photographs, Order(setting, names, severities, delta, seed), make)


def ids(stage):
    return [one.source_id for one in stage.pictures]


def task(**options):
    return ImageNetC(ImageNetCSettings.model_validate({"data": "digits", **options}))


def test_reset_and_continual_differ_in_the_resets_only():
    one, other = stream(Setting.RESET, severities=(3, 5)), stream(Setting.CONTINUAL, 0, (3, 5))
    expected = ["fog/3", "fog/5", "snow/3", "snow/5", "contrast/3", "contrast/5"]
    assert [stage.name for stage in one] == [stage.name for stage in other] == expected
    assert [stage.pictures for stage in one] == [stage.pictures for stage in other]
    assert [stage.reset for stage in one] == [True] * 6
    assert [stage.reset for stage in other] == [False] * 6
    for stage in one:
        assert sorted(ids(stage)) == sorted(one.image_id for one in PHOTOGRAPHS)
        assert ids(stage) != sorted(ids(stage))
        assert {(p.group, p.severity) for p in stage.pictures} == {
            (stage.name.split("/")[0], int(stage.name.split("/")[1]))
        }
    assert len({tuple(ids(stage)) for stage in one}) == 6  # each in an order of its own


def test_mixed_is_one_stage_without_borders():
    (stage,) = stream(Setting.MIXED, severities=(1, 5))
    assert (stage.name, stage.reset) == ("mixed", False)
    counts = Counter((one.group, one.severity) for one in stage.pictures)
    assert counts == {(name, level): 60 for name in NAMES for level in (1, 5)}
    changes = sum(one.group != other.group for one, other in pairwise(stage.pictures))
    assert changes > len(stage.pictures) / 2  # two thirds of 360 by chance; 2 if it were sorted


def test_gradual_goes_up_and_down_and_resets_between_corruptions():
    found = stream(Setting.GRADUAL)
    for start, name in zip((0, 9, 18), NAMES, strict=True):
        part = found[start : start + 9]
        assert [one.pictures[0].severity for one in part] == [1, 2, 3, 4, 5, 4, 3, 2, 1]
        up, down = [f"{name}/{n}" for n in range(1, 6)], [f"{name}/{n}/again" for n in (4, 3, 2, 1)]
        assert [one.name for one in part] == up + down
        assert [{p.repeat for p in one.pictures} for one in part] == [{0}] * 5 + [{1}] * 4
        assert [one.reset for one in part] == [True] + [False] * 8
        assert ids(part[3]) != ids(part[5])  # severity 4, up and down
    assert len(found) == 27


def adjacent(pictures):
    pairs = list(pairwise(pictures))
    return sum(one.label == other.label for one, other in pairs) / len(pairs)


def test_correlated_brings_classes_together():
    many = [Photograph(f"{n:04d}", n % 10, "") for n in range(500)]
    plain = stream(Setting.CONTINUAL, photographs=many)
    close = stream(Setting.CORRELATED, photographs=many)
    for one, other in zip(plain, close, strict=True):
        assert (one.name, one.reset) == (other.name, other.reset)
        assert sorted(ids(one)) == sorted(ids(other))
        assert adjacent(one.pictures) < 0.2  # a tenth by chance
        assert adjacent(other.pictures) > 0.6
    # A large delta spreads every class evenly over the slots: only the order within a slot, by
    # class, brings classes together, five of a class at a time.
    spread = stream(Setting.CORRELATED, photographs=many, delta=1000.0)
    slots = [spread[0].pictures[n : n + 50] for n in range(0, 500, 50)]
    assert max(max(Counter(p.label for p in slot).values()) for slot in slots) <= 10
    slots = [close[0].pictures[n : n + 50] for n in range(0, 500, 50)]
    assert max(max(Counter(p.label for p in slot).values()) for slot in slots) >= 40


def test_changing_covers_every_photograph_in_each_pair():
    (stage,) = stream(Setting.CHANGING)
    assert (stage.name, stage.reset) == ("changing", False)
    pairs = [stage.pictures[n : n + 60] for n in (0, 60, 120)]
    everyone = sorted(one.image_id for one in PHOTOGRAPHS)
    for number, (part, one, other) in enumerate(
        zip(pairs, NAMES, (*NAMES[1:], NAMES[0]), strict=True)
    ):
        assert sorted(p.source_id for p in part) == everyone
        assert {p.repeat for p in part} == {number}
        cells = list(dict.fromkeys(p.sample_id.rpartition("/")[0] for p in part))
        mixtures = [f"{one}/{5 - level}+{other}/{level}" for level in range(1, 5)]
        assert cells == [f"{one}/5", *mixtures, f"{other}/5"]
    # One corruption ends at the severity at which it begins in the next pair.
    assert pairs[0][-1].group == pairs[1][0].group == "snow"


@pytest.mark.parametrize("setting", list(Setting))
@pytest.mark.parametrize("names", [("fog",), ("fog", "snow"), NAMES], ids=len)
def test_rows_of_a_run_have_names_of_their_own(setting, names):
    found = task(setting=setting, corruptions=names, after=True, subset="all").stages(DIGITS, 0, 12)
    keys = [
        (one.sample_id, one.repeat, stage.checkpoint) for stage in found for one in stage.pictures
    ]
    assert len(keys) == len(set(keys))
    each = {"gradual": 9, "changing": 1}.get(setting, 5)
    assert len(keys) == 12 * (len(names) * each + 2)


@pytest.mark.parametrize("setting", list(Setting))
def test_clean_images_come_first_and_again_after_the_stream(setting):
    given = {"setting": setting, "corruptions": NAMES, "subset": "all"}
    plain = task(**given, clean=False).stages(DIGITS, 0, 12)
    head, *rest, last = task(**given, after=True).stages(DIGITS, 0, 12)
    assert (head.name, head.reset, head.checkpoint) == ("clean", True, "")
    assert (last.name, last.reset, last.checkpoint) == ("after", False, "after")
    assert head.pictures == last.pictures
    assert {(one.group, one.severity) for one in head.pictures} == {("clean", 0)}
    assert [one.pictures for one in rest] == [one.pictures for one in plain]
    # What is learned from clean images is no part of the stream.
    assert [one.reset for one in rest] == [True, *[one.reset for one in plain[1:]]]
    assert all(one.checkpoint == "" for one in rest)


@pytest.mark.parametrize("setting", list(Setting))
def test_a_seed_decides_the_order_and_nothing_else(setting):
    one, again, other = (stream(setting, seed) for seed in (0, 0, 1))
    assert one == again
    assert [stage.name for stage in one] == [stage.name for stage in other]
    assert [ids(stage) for stage in one] != [ids(stage) for stage in other]
    assert sorted(id_ for stage in one for id_ in ids(stage)) == sorted(
        id_ for stage in other for id_ in ids(stage)
    )


def test_photographs_that_the_data_lack_are_left_out():
    def some(photograph, cell):
        return None if cell == (("snow", 5),) and photograph.label else make(photograph, cell)

    found = stages(PHOTOGRAPHS, Order(Setting.RESET, NAMES, (5,), 0.1, 0), some)
    assert [len(stage.pictures) for stage in found] == [60, 6, 60]


@given(st.integers(0, 70), st.integers(0, 70), st.permutations(PHOTOGRAPHS))
def test_a_larger_limit_adds_to_a_smaller_one(small, large, drawn):
    few, many = first(drawn, min(small, large)), first(drawn, max(small, large))
    assert len(few) == min(small, large, 60)
    assert len(many) == min(max(small, large), 60)
    assert set(few) <= set(many)
    assert set(first(PHOTOGRAPHS, small)) == set(first(drawn, small))
    assert first(drawn, None) == drawn


def test_a_limit_draws_from_all_classes():
    ordered = [Photograph(f"{n // 100}/{n % 100:03d}", n // 100, "") for n in range(1000)]
    assert len({one.label for one in first(ordered, 40)}) == 10


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 6), max_size=80),
    st.floats(1e-3, 100),
    st.integers(0, 3),
)
def test_correlated_loses_and_doubles_nothing(labels, delta, seed):
    pictures = [Picture(str(n), str(n), "fog", 1, label, "") for n, label in enumerate(labels)]
    found = correlated(pictures, delta, str(seed))
    assert sorted(found, key=lambda one: int(one.sample_id)) == pictures


@given(st.lists(st.integers()), st.text(max_size=4))
def test_shuffling_is_a_permutation_that_its_text_decides(members, kind):
    assert sorted(shuffled(members, kind)) == sorted(members)
    assert shuffled(members, kind) == shuffled(members, kind)


def test_shuffling_is_the_same_everywhere():
    # By `sha256sum` of the text and a place; another order would be another stream.
    assert shuffled("abcdefgh", "0/fog/5/0") == list("dghfabce")
