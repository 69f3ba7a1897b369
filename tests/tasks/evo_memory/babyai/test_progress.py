import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MissingData
from harness_tasks.evo_memory.babyai.progress import Label, SubgoalTracker, load_labels, matches

FACING_LAMP = "There is a red lamp 1 right in front of you 2 steps away.  You are not moving."


def test_two_patterns_true_in_one_observation_count_one_per_step():
    tracker = SubgoalTracker(["red lamp", "right in front"])
    assert tracker.update(FACING_LAMP) == 0.5
    assert tracker.update(FACING_LAMP) == 1.0


def test_subgoals_count_in_any_order_and_progress_never_falls():
    tracker = SubgoalTracker(["a lamp", "a key", "a door"])
    seen = [tracker.update(text) for text in ("a door", "nothing", "a lamp", "a door", "a key")]
    assert seen == [1 / 3, 1 / 3, 2 / 3, 2 / 3, 1.0]


def test_a_counted_pattern_does_not_count_again():
    tracker = SubgoalTracker(["a lamp", "a key"])
    assert [tracker.update("a lamp") for _ in range(3)] == [0.5, 0.5, 0.5]


def test_with_alternatives_either_counts_and_closes_both():
    tracker = SubgoalTracker(["see a red lamp", "hold it"], ["see a blue lamp", "keep it"])
    assert tracker.update("you see a blue lamp") == 0.5
    assert tracker.update("you see a red lamp") == 0.5
    assert tracker.update("you hold it") == 1.0


def test_alternatives_must_be_of_equal_length():
    with pytest.raises(ValueError, match="shorter"):
        SubgoalTracker(["one", "two"], ["one"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (" There is a red lamp ** right in front of you 2 steps away.", True),
        ("There is a red lamp * 2 steps", True),  # a single star also separates
        ("2 steps ** red lamp", True),  # the order is free
        ("red lamp ** moving", False),  # two sentences
        ("red lamp **", True),  # an empty part is in every sentence
        ("a * b ** red lamp", False),  # with ** around, * is a character
        ("You are not moving.", True),  # the full stop of a part is left out
        ("There is a blue lamp **", False),
    ],
)
def test_all_parts_of_a_pattern_must_be_in_one_sentence(pattern, expected):
    assert matches(pattern, FACING_LAMP) is expected


@pytest.mark.parametrize(
    ("reached", "environment_done", "done"),
    [
        (0, True, False),
        (1, True, False),  # one half is not enough
        (2, True, False),
        (3, True, True),
        (3, False, False),
        (4, False, True),
        (4, True, True),
    ],
)
def test_the_environments_end_counts_beyond_one_half_and_full_progress_needs_none(
    reached, environment_done, done
):
    tracker = SubgoalTracker(["one", "two", "three", "four"])
    for text in ("one", "two", "three", "four")[:reached]:
        tracker.update(text)
    assert tracker.is_done(environment_done) is done


words = st.text(alphabet="abc ", min_size=1, max_size=6)


@given(patterns=st.lists(words, min_size=1, max_size=5), texts=st.lists(words, max_size=8))
def test_progress_rises_by_at_most_one_subgoal_and_stays_within_bounds(patterns, texts):
    tracker = SubgoalTracker(patterns)
    before = 0.0
    for text in texts:
        after = tracker.update(text)
        assert after - before == pytest.approx(0) or after - before == pytest.approx(
            1 / len(patterns)
        )
        before = after
    assert 0 <= before <= 1


@given(parts=st.lists(words, min_size=1, max_size=4), before=words, after=words)
def test_a_pattern_matches_a_sentence_made_of_its_parts(parts, before, after):
    assert matches("**".join(parts), f"{before}. {''.join(parts)}. {after}")


ROW = {
    "goal": "find a lamp",
    "subgoals": ["a lamp", "hold it"],
    "difficulty": "easy",
    "additional_info": {"init_obs": "Dark.", "subtask": "Cave-v0"},
}


def write(folder, *rows):
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_labels_are_read_with_their_alternatives(tmp_path):
    path = write(tmp_path, ROW, {**ROW, "subgoals_1": ["a torch", "keep it"]})
    assert load_labels(path) == [
        Label("find a lamp", (("a lamp", "hold it"),), "easy", "Dark.", "Cave-v0"),
        Label(
            "find a lamp",
            (("a lamp", "hold it"), ("a torch", "keep it")),
            "easy",
            "Dark.",
            "Cave-v0",
        ),
    ]


def test_empty_lines_between_labels_do_not_matter(tmp_path):
    path = write(tmp_path, ROW)
    path.write_text("\n" + path.read_text() + "\n  \n")
    assert len(load_labels(path)) == 1


@pytest.mark.parametrize(
    "row",
    [
        [],
        {key: value for key, value in ROW.items() if key != "goal"},
        {key: value for key, value in ROW.items() if key != "subgoals"},
        {**ROW, "subgoals": "a lamp"},
        {**ROW, "subgoals": []},
        {**ROW, "subgoals": [1]},
        {**ROW, "subgoals_1": ["one only"]},
        {**ROW, "additional_info": None},
        {**ROW, "difficulty": 3},
    ],
)
def test_a_malformed_line_is_named_in_one_sentence(tmp_path, row):
    path = write(tmp_path, ROW, row)
    with pytest.raises(MissingData, match=r"^line 2 of .*labels\.jsonl is not a BabyAI label"):
        load_labels(path)


def test_a_line_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text("<html>")
    with pytest.raises(MissingData, match="line 1"):
        load_labels(path)


def test_a_file_that_is_not_there_is_missing_data(tmp_path):
    with pytest.raises(MissingData, match="cannot read the BabyAI labels"):
        load_labels(tmp_path / "labels.jsonl")
