from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tasks.evo_memory.extraction import final_choice, final_number

YES_NO = ("Yes", "No")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", "7"),
        ("The answer is 7.", "7"),
        ("3.0", "3"),
        ("2.50", "2.50"),
        ("1,000", "1000"),
        ("It costs $1,234,567.00 in all", "1234567"),
        ("-12", "-12"),
        ("5 - 8 = -3", "-3"),
        ("5-3=2", "2"),
        ("+4", "4"),
        ("3 + 4 = 7", "7"),
        ("Answer: 7 (from 3 + 4)", "4"),
        ("I used 3 steps. Final answer: **12**", "12"),
        ("The answer is unclear, 3 or 4", "4"),
        ("First 9. Answer: none", "9"),
        ("Answer: 5\nno, the answer is 6", "6"),
        ("no number", None),
        ("", None),
        ("x2 and v1.5", None),
    ],
)
def test_the_final_number_by_example(text, number):
    assert final_number(text) == number


@given(st.integers(-(10**12), 10**12))
def test_any_integer_is_read_back_however_it_is_written(number):
    for written in (
        f"{number}",
        f"{number:,}",
        f"{number}.00",
        f"It is 9, so the answer is {number}.",
    ):
        assert final_number(written) == str(number)


@given(st.text(max_size=60))
def test_any_text_is_read(text):
    number = final_number(text)
    assert number is None or float(number) == float(number)
    assert final_choice(text, YES_NO) in (None, "Yes", "No")


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("Yes.", "Yes"),
        ("yes", "Yes"),
        ("NO!", "No"),
        ("**No**, because yes would need a proof", "No"),
        ("Yes, since no cat is a dog", "Yes"),
        ("yesterday", None),
        ("nobody knows", None),
        ("No doubt: the answer is Yes.", "Yes"),
        ("Yes or no? Answer: it depends", "Yes"),
        ("", None),
    ],
)
def test_the_final_choice_by_example(text, choice):
    assert final_choice(text, YES_NO) == choice


@given(st.sampled_from(YES_NO), st.sampled_from(["{}", "{}.", "the answer is: {}", "\n{},\n"]))
def test_a_choice_is_spelled_as_in_the_list(choice, form):
    assert final_choice(form.format(choice.upper()), YES_NO) == choice


# Outputs of SmolLM2-135M-Instruct, greedy, for gsm8k with a rationale asked for; read by hand.
REAL = [
    ("The answer is 2 * 1.5 = 3. The number of bolts in total is 2 * 1.5 = 3.", "3"),
    ("The answer is 150.\n\nThe answer is 150.\n\nThe last line is 'Answer.'", "150"),
    (
        "The answer is 20 minutes.\n\nThe reason is that 40% of the way through the download, "
        "Windows forces a restart to install updates, "
        "which takes 20 minutes. This is a 20% increase from "
        "the 100% of the way through the download.",
        "20",
    ),
    (
        "The answer is 1.2. The explanation is: 1.2 is the total amount of money that Eliza earned "
        "for this week. The answer is 1.2. The last line is: 1.2 is the total amount of money that "
        "Eliza earned for this week.",
        "1.2",
    ),
    (
        "The answer is 12. The total cost of the donuts, mini cupcakes, and cheesecakes is $12.",
        "12",
    ),
    ("The answer is 5. The number of vacuum cleaners left is 5.", "5"),
    ("The answer is 1.1 miles per hour.", "1.1"),
    (
        "The answer is 12.\n\nThe last line is 'Answer:' and the number is 12.",
        "12",
    ),
    ("He runs 3 * 60 = 180 meters a week.  He runs 180 meters a week, so he runs 540.", "540"),
    ("The answer is a number.\n2. The answer is a number.", "2"),
]


@pytest.mark.parametrize(("text", "number"), REAL)
def test_numbers_in_real_outputs(text, number):
    assert final_number(text) == number
