from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.protocols.stream import Brief
from harness_methods.memory.parsing import Move, action_of, first_move, pruned_numbers

# Reference case 5: four items are shown.
REFERENCE = [
    ("1,3", {1, 3}),
    ("2-4", {2, 3, 4}),
    ("3-9", {3, 4}),
    ("0,5", set()),
    ("1, 1", {1}),
]
NUMBERED = st.from_regex(r"[\s\[(]?\d{1,6}( ?[-,] ?\d{1,6}| and \d+){0,6}.?", fullmatch=True)
OUTPUTS = st.text() | st.text("Think-Prune: Action Answer*#\n\t123,-", max_size=80)


@pytest.mark.parametrize(("body", "numbers"), REFERENCE)
def test_prune_lists_of_the_reference(body, numbers):
    pruned = pruned_numbers(body, 4)
    assert pruned.numbers == numbers
    assert pruned.valid


@pytest.mark.parametrize("body", ["junk", "", "none of them", "-", "items 1 and 2", "a1"])
def test_a_prune_list_that_is_no_list_prunes_nothing_and_is_invalid(body):
    pruned = pruned_numbers(body, 4)
    assert pruned.numbers == frozenset()
    assert not pruned.valid


@pytest.mark.parametrize(
    ("body", "numbers"),
    [
        ("[1, 3]", {1, 3}),
        ("(2)", {2}),
        ("1 and 3", {1, 3}),
        ("1 3", {1, 3}),
        ("1-2, 4", {1, 2, 4}),
        ("2, because it is about cats and 3 dogs", {2}),
        ("4-2", set()),
    ],
)
def test_prune_lists_as_models_write_them(body, numbers):
    assert pruned_numbers(body, 4).numbers == numbers


@pytest.mark.parametrize(
    "body", ["1-999999999", "1-" + "9" * 5000, "1," + "9" * 5000, "1-4" + "0" * 10_000]
)
def test_a_huge_range_ends_with_the_display(body):
    assert pruned_numbers(body, 4).numbers >= {1}
    assert pruned_numbers(body, 4).numbers <= {1, 2, 3, 4}


@given(st.text() | NUMBERED, st.integers(0, 50))
def test_pruned_numbers_are_always_of_the_display(body, shown):
    pruned = pruned_numbers(body, shown)
    assert pruned.numbers <= set(range(1, shown + 1))
    assert pruned.valid or not pruned.numbers


@pytest.mark.parametrize(
    ("text", "move", "body"),
    [
        ("Think: it is red", Move.THINK, "it is red"),
        ("Thought: it is red", Move.THINK, "it is red"),
        ("Think-Prune: 1,3", Move.PRUNE, "1,3"),
        ("THINK-PRUNE: 2-4", Move.PRUNE, "2-4"),
        ("think prune: 1", Move.PRUNE, "1"),
        ("thinkprune:1", Move.PRUNE, "1"),
        ("Action: go to red ball 1", Move.ACT, "go to red ball 1"),
        ("action : drop", Move.ACT, "drop"),
        ("Answer: 42", Move.ACT, "42"),
        ("Final Answer: 42", Move.ACT, "42"),
        ("FINAL ANSWER: Yes\nbecause", Move.ACT, "Yes\nbecause"),
        ("**Action:** drop", Move.ACT, "drop"),
        ("> Action: drop", Move.ACT, "drop"),
        ("Well.\nThink: hm\nAction: drop", Move.THINK, "hm"),
        ("Think-Prune: 1\nThink: hm\nAction: drop", Move.PRUNE, "1"),
        ("Action: drop\nThink: hm", Move.ACT, "drop"),
    ],
)
def test_the_first_form_decides(text, move, body):
    output = first_move(text)
    assert (output.move, output.body, output.formed) == (move, body, True)


@pytest.mark.parametrize("text", ["42", "", "I think: so", "Thinking: no", "Reaction: none"])
def test_a_text_without_a_form_is_an_unformed_action(text):
    output = first_move(text)
    assert (output.move, output.body, output.formed) == (Move.ACT, text, False)


def brief(*, one_line: bool, label: str = "Action") -> Brief:
    turns = 30 if one_line else 1
    return Brief("goal", "instructions", "one action", not one_line, turns, action_label=label)


def test_the_tasks_own_word_for_an_action_is_a_form():
    output = action_of("Thought: hm\nGuess: 50", brief(one_line=True, label="Guess"))
    assert (output.body, output.formed) == ("50", True)
    assert first_move("Guess: 50", "Guess").move is Move.ACT
    assert not action_of("Guess: 50", brief(one_line=True)).formed


@pytest.mark.parametrize(
    ("text", "one_line", "body", "formed"),
    [
        ("Thought: hm\nAction: drop", True, "drop", True),
        ("Thought: hm\nAction: drop\nThought: and then", True, "drop", True),
        ("Action: drop\nAction: turn left", True, "drop", True),
        ("Action:\n\n  drop \nmore", True, "drop", True),
        ("Action: drop\nmore", False, "drop\nmore", True),
        ("Thought: 6*7\nFinal Answer: 42", False, "42", True),
        ("  turn left\nand go", True, "turn left", False),
        ("\n \n", True, "", False),
    ],
)
def test_the_action_is_found_behind_thoughts(text, one_line, body, formed):
    output = action_of(text, brief(one_line=one_line))
    assert (output.body, output.formed) == (body, formed)


@given(OUTPUTS, st.booleans())
def test_any_output_is_read(text, one_line):
    first_move(text)
    action = action_of(text, brief(one_line=one_line)).body
    assert not one_line or len(action.splitlines()) <= 1


def test_a_long_output_without_forms_is_read_at_once():
    text = "*" * 20_000 + "\n" + "> " * 20_000
    assert not first_move(text).formed
