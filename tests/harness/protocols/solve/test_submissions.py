"""Recorded submissions: every form, and everything that may be wrong with one."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.protocols.solve import Domain, Puzzle
from harness.protocols.solve.submissions import (
    LISTED,
    Kind,
    Recorded,
    answers_of,
    check,
    open_recorded,
)

CELL = ((0,),)
ONE = Puzzle("one", (), (CELL,))
TWO = Puzzle("two", (), (CELL, CELL))
PUZZLES = [ONE, TWO]
A, B, C = [[1, 2]], [[3], [4]], [[5]]


def frozen(grid):
    return tuple(map(tuple, grid))


def written(tmp_path, document, name="submission.json"):
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def checked(tmp_path, document, k=2):
    return check(open_recorded([written(tmp_path, document)]), PUZZLES, k)


def grids(found):
    return {
        name: [[(tried.number, tried.grid) for tried in one] for one in every]
        for name, every in found.answers.items()
    }


def flaw(found):
    """The only flaw."""
    (only,) = found.flaws
    assert dict(found.counts) == {only.kind: 1}
    return only


GOOD = {
    "one": [{"attempt_1": A, "attempt_2": B}],
    "two": [{"attempt_1": B, "attempt_2": C}, {"attempt_1": C, "attempt_2": A}],
}
READ = {
    "one": [[(1, frozen(A)), (2, frozen(B))]],
    "two": [[(1, frozen(B)), (2, frozen(C))], [(1, frozen(C)), (2, frozen(A))]],
}


def as_arc_prize(entries, **metadata):
    """Bare grids in the form of ARC Prize's files, each with its test input's number."""
    return [
        {
            name: {
                "answer": grid,
                "metadata": {"cost": {"total_cost": 0.1}, "pair_index": n} | metadata,
            }
            for name, grid in entry.items()
        }
        for n, entry in enumerate(entries)
    ]


class TestForms:
    def test_kaggle(self, tmp_path):
        found = checked(tmp_path, GOOD)
        assert grids(found) == READ
        assert (found.flaws, found.nulls) == ((), 0)

    def test_the_wrapper_with_published_scores(self, tmp_path):
        published = {
            "score": 1.5,
            "total_tasks": 2,
            "task_results": {"one": 1.0, "two": {"score": 0.5}},
        }
        path = written(tmp_path, {"submission": GOOD, "published": published})
        recorded = open_recorded([path])
        assert grids(check(recorded, PUZZLES, 2)) == READ
        assert (recorded.published.score, recorded.published.total_tasks) == (1.5, 2)
        assert recorded.published.tasks == {"one": 1.0, "two": 0.5}

    def test_published_scores_that_are_none_are_left_out(self, tmp_path):
        text = (
            '{"submission": {"one": []}, "published": {"score": NaN, "total_tasks": "2", '
            '"task_results": {"one": true, "two": 1e999, "three": "x", "four": ' + "9" * 400 + "}}}"
        )
        published = open_recorded([written(tmp_path, text)]).published
        assert (published.score, published.total_tasks, published.tasks) == (None, None, {})

    def test_a_dictionary_of_arc_prize_tasks(self, tmp_path):
        found = checked(tmp_path, {name: as_arc_prize(one) for name, one in GOOD.items()})
        assert grids(found) == READ
        assert found.flaws == ()

    def test_a_folder_with_a_file_for_each_task(self, tmp_path):
        for name, one in GOOD.items():
            written(tmp_path, as_arc_prize(one), f"{name}.json")
        recorded = open_recorded([tmp_path])
        assert grids(check(recorded, PUZZLES, 2)) == READ
        assert recorded.published is None

    def test_results_in_the_folder_are_published_scores(self, tmp_path):
        for name, one in GOOD.items():
            written(tmp_path, one, f"{name}.json")
        written(tmp_path, {"score": 1.0, "task_results": {"one": {"score": 1.0}}}, "results.json")
        recorded = open_recorded([tmp_path])
        assert grids(check(recorded, PUZZLES, 2)) == READ
        assert recorded.published.tasks == {"one": 1.0}

    def test_files_of_single_tasks(self, tmp_path):
        paths = [written(tmp_path, GOOD[name], f"{name}.json") for name in GOOD]
        assert grids(check(open_recorded(paths), PUZZLES, 2)) == READ
        assert grids(check(open_recorded(paths[:1]), PUZZLES, 2))["two"] == [[], []]

    def test_entries_are_placed_by_their_pair_index(self, tmp_path):
        backwards = [*reversed(as_arc_prize(GOOD["two"]))]
        assert grids(checked(tmp_path, GOOD | {"two": backwards})) == READ

    def test_answers_as_text(self, tmp_path):
        texts = [{"attempt_1": json.dumps(A), "attempt_2": {"answer": f" {json.dumps(B)}\n"}}]
        assert grids(checked(tmp_path, GOOD | {"one": texts})) == READ

    def test_a_byte_order_mark_is_no_part_of_it(self, tmp_path):
        assert grids(checked(tmp_path, "\ufeff" + json.dumps(GOOD))) == READ


NULL = {"answer": None, "metadata": {"pair_index": 0}}


@pytest.mark.parametrize("entry", [{"attempt_1": None}, {"attempt_1": NULL}, None])
def test_null_is_no_answer_and_no_flaw(tmp_path, entry):
    found = checked(tmp_path, GOOD | {"one": [entry]})
    assert found.answers["one"] == ((),)
    assert (found.nulls, found.flaws) == (1, ())


def test_a_null_first_attempt_leaves_the_second_its_number(tmp_path):
    entry = {"attempt_1": None, "attempt_2": A}
    assert grids(checked(tmp_path, GOOD | {"one": [entry]}))["one"] == [[(2, frozen(A))]]
    found = checked(tmp_path, {"one": [entry], "two": [{"attempt_1": A}] * 2}, k=1)
    assert found.answers["one"] == ((),)


def test_an_attempt_twice_counts_once_and_makes_no_room(tmp_path):
    entry = {"attempt_1": A, "attempt_2": A, "attempt_3": B}
    found = checked(tmp_path, GOOD | {"one": [entry]})
    assert grids(found)["one"] == [[(1, frozen(A))]]
    assert flaw(found).kind is Kind.BEYOND_K
    assert found.beyond_k == 1


def test_attempts_beyond_k_that_are_allowed_are_counted_and_no_flaw(tmp_path):
    found = checked(tmp_path, GOOD, k=1)
    assert (found.flaws, found.beyond_k) == ((), 3)
    assert {tried[0] for every in grids(found).values() for one in every for tried in one} == {1}
    third = GOOD | {"one": [{"attempt_1": A, "attempt_2": B, "attempt_3": C}]}
    found = checked(tmp_path, third, k=1)
    assert (flaw(found).attempt, found.beyond_k) == (3, 4)
    assert checked(tmp_path, third, k=3).flaws == ()


def test_a_name_twice_keeps_the_first_and_is_listed(tmp_path):
    one, other = (json.dumps([{"attempt_1": grid}]) for grid in (A, B))
    text = f'{{"one": {one}, "one": {other}, "one": {other}, "two": [null, null]}}'
    for whole in (text, f'{{"submission": {text}, "published": {{}}}}'):
        found = checked(tmp_path, whole)
        assert grids(found)["one"] == [[(1, frozen(A))]]
        assert found.counts == {Kind.REPEATED: 2}
        assert {(one.task, one.test, one.problem) for one in found.flaws} == {
            ("one", None, "the task is there again; the first is kept")
        }
    text = (
        '{"one": [{"attempt_1": {"answer": [[1, 2]], "answer": [[7]]}, "attempt_2": [[3], [4]], '
        '"attempt_2": [[8]]}], "two": [null, {"attempt_1": {"answer": {"a": 1, "a": 2}}}]}'
    )
    found = checked(tmp_path, text)
    assert grids(found)["one"] == READ["one"]
    assert [(one.kind, one.test, one.attempt, one.problem) for one in found.flaws] == [
        (Kind.REPEATED, 0, 2, "'attempt_2' is there again; the first is kept"),
        (Kind.REPEATED, 0, 1, "'answer' is there again; the first is kept"),
        (Kind.NO_GRID, 1, 1, "a dict is no list of rows"),
    ]


def test_attempts_go_by_their_number_not_by_their_place(tmp_path):
    entry = {"attempt_10": C, "attempt_2": B, "attempt_1": A}
    found = checked(tmp_path, GOOD | {"one": [entry]}, k=10)
    assert [number for number, _ in grids(found)["one"][0]] == [1, 2, 10]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([[1, 2], [3]], "row 2 has 1 cells, row 1 has 2"),
        ([[1.0]], "row 1, column 1 is 1.0, no integer"),
        ([[float("nan")]], "row 1, column 1 is nan, no integer"),
        ([[True]], "row 1, column 1 is True, no integer"),
        ([[10]], "row 1, column 1 is 10, not in 0..9"),
        ([[-1]], "row 1, column 1 is -1, not in 0..9"),
        ([[0]] * 31, "it has 31 rows, and 30 are the most"),
        ([[0] * 31], "it has 31 columns, and 30 are the most"),
        ([["1"]], "row 1, column 1 is '1', no integer"),
        ([], "it has no rows"),
        ([[]], "row 1 is empty"),
        ([[None]], "row 1, column 1 is None, no integer"),
        (7, "a int is no list of rows"),
        ("I think [[1]]", "a text that is no JSON list"),
        ("", "a text that is no JSON list"),
        ("7", "a text that is no JSON list"),
        ('{"a": 1}', "a text that is no JSON list"),
        ("[" * 100_000, "a text that is no JSON list"),
        ("[[11]]", "row 1, column 1 is 11, not in 0..9"),
        ({}, "the object has no 'answer'"),
        ({"metadata": {"pair_index": 0}}, "the object has no 'answer'"),
        ({"answer": {"answer": A}}, "a dict is no list of rows"),
    ],
)
def test_an_attempt_that_is_no_grid_is_listed_and_costs_itself_only(tmp_path, value, said):
    document = GOOD | {"one": [{"attempt_1": value, "attempt_2": B}]}
    found = checked(tmp_path, document)
    one = flaw(found)
    assert (one.kind, one.task, one.test, one.attempt) == (Kind.NO_GRID, "one", 0, 1)
    assert one.problem == said
    assert grids(found) == READ | {"one": [[(2, frozen(B))]]}


def test_a_flaw_as_json(tmp_path):
    found = checked(tmp_path, GOOD | {"one": [{"attempt_1": A, "attempt_2": [[1], [1, 2]]}]})
    assert flaw(found).as_json() == {
        "task": "one",
        "test_input": 0,
        "attempt": 2,
        "kind": "no-grid",
        "problem": "row 2 has 2 cells, row 1 has 1",
    }


def test_a_puzzle_with_smaller_grids_refuses_larger_ones():
    small = Puzzle("small", (), (CELL,), Domain(rows=1, columns=1, symbols=("a", "b")))
    recorded = Recorded("here", {"small": [{"attempt_1": [[1]], "attempt_2": [[2]]}]})
    found = answers_of(recorded, small, 2)
    assert [tried.grid for tried in found.attempts[0]] == [((1,),)]
    assert found.flaws[0].problem == "row 1, column 1 is 2, not in 0..1"


def placed(index, grid=A):
    return {"attempt_1": {"answer": grid, "metadata": {"pair_index": index}}}


@pytest.mark.parametrize(
    ("entries", "kind", "place", "said"),
    [
        ("text", Kind.NO_ENTRY, (None, None), "a text is no list of test inputs"),
        (None, Kind.NO_ENTRY, (None, None), "null is no list of test inputs"),
        ({"attempt_1": A}, Kind.NO_ENTRY, (None, None), "an object is no list of test inputs"),
        ([{"attempt_1": A}], Kind.MISSING_TEST, (1, None), "there is no answer to it"),
        (
            [{"attempt_1": A}] * 3,
            Kind.EXTRA_TEST,
            (2, None),
            "the task has 2 test inputs; left out",
        ),
        ([{"attempt_1": A}, 7], Kind.NO_ENTRY, (1, None), "a number is no object with attempt_1"),
        ([{"attempt_1": A}, [A]], Kind.NO_ENTRY, (1, None), "a list is no object with attempt_1"),
        ([{"attempt_1": A}, {}], Kind.NO_ENTRY, (1, None), "the object has no attempt_1"),
        (
            [{"attempt_1": A}, {"attempt_1": A, "attempt_0": B}],
            *(Kind.NO_ATTEMPT, (1, None), "'attempt_0' names no attempt"),
        ),
        (
            [{"attempt_1": A}, {"attempt_1": A, "attempt_3": B}],
            *(Kind.BEYOND_K, (1, 3), "more attempts than allowed: 2 are the most"),
        ),
        (
            [placed(0), placed(1), placed(0, B)],
            *(Kind.PAIR_INDEX, (0, None), "entry 3 answers a test input again; the first is kept"),
        ),
        (
            [placed(0), placed(1), placed(2)],
            *(Kind.PAIR_INDEX, (2, 1), "pair_index 2 is no test input of the task"),
        ),
        (
            [placed(0), placed(1), placed(-1)],
            *(Kind.PAIR_INDEX, (2, 1), "pair_index -1 is no test input of the task"),
        ),
        (
            [placed(0), placed(1), placed("0")],
            *(Kind.PAIR_INDEX, (2, 1), "pair_index a text is no test input of the task"),
        ),
        (
            [placed(0), placed(1), placed(True)],
            *(Kind.PAIR_INDEX, (2, 1), "pair_index True is no test input of the task"),
        ),
        (
            [placed(0), {**placed(1), "attempt_2": placed(0)["attempt_1"]}],
            *(Kind.PAIR_INDEX, (1, 2), "pair_index 0 in the entry of test input 1; left out"),
        ),
    ],
)
def test_an_entry_that_is_wrong_is_listed(tmp_path, entries, kind, place, said):
    found = checked(tmp_path, GOOD | {"two": entries})
    one = flaw(found)
    assert (one.kind, one.task, (one.test, one.attempt)) == (kind, "two", place)
    assert said in one.problem
    assert all(tried.grid == frozen(A) for every in found.answers["two"] for tried in every)
    assert grids(found)["one"] == READ["one"]


def test_a_repeated_pair_index_never_scores_a_test_input_twice(tmp_path):
    found = checked(tmp_path, GOOD | {"two": [placed(0, A), placed(0, B)]})
    assert grids(found)["two"] == [[(1, frozen(A))], []]
    assert found.counts == {Kind.PAIR_INDEX: 1, Kind.MISSING_TEST: 1}


def test_missing_and_unknown_tasks(tmp_path):
    found = checked(tmp_path, {"one": GOOD["one"], "other": GOOD["one"], "x" * 200 + "\x1b": 1})
    kinds = {one.kind: one for one in found.flaws}
    assert found.counts == {Kind.MISSING_TASK: 1, Kind.UNKNOWN_TASK: 2}
    assert (kinds[Kind.MISSING_TASK].task, found.answers["two"]) == ("two", ((), ()))
    assert set(found.answers) == {"one", "two"}
    long = kinds[Kind.UNKNOWN_TASK].task
    assert len(long) == 80
    assert long.endswith("...")


def test_many_flaws_are_counted_and_not_all_kept(tmp_path):
    many = [{f"x{n}": 1 for n in range(LISTED + 5)}]
    found = checked(tmp_path, {"one": many, "two": many * 2})
    assert found.counts == {Kind.NO_ATTEMPT: 3 * LISTED + 15}
    assert len(found.flaws) == LISTED
    assert len(answers_of(Recorded("here", {"one": many}), ONE, 2).flaws) == LISTED
    entries = Recorded("here", {"one": [{"attempt_1": A}] * 5000})
    assert answers_of(entries, ONE, 2).counts == {Kind.EXTRA_TEST: 1000}


def test_an_empty_list_of_a_task_lacks_its_test_inputs(tmp_path):
    found = check(open_recorded([written(tmp_path, [], "two.json")]), PUZZLES, 2)
    assert found.counts == {Kind.MISSING_TASK: 1, Kind.MISSING_TEST: 2}
    assert grids(found) == {"one": [[]], "two": [[], []]}


@pytest.mark.parametrize("entries", [[], GOOD["one"]])
def test_files_that_are_named_after_no_task_hold_no_submission(tmp_path, entries):
    paths = [written(tmp_path, entries, f"{name}.json") for name in ("mine", "other")]
    with pytest.raises(UsageError, match=r"holds no submission of these tasks: mine\.json is not"):
        check(open_recorded(paths[:1]), PUZZLES, 2)
    with pytest.raises(UsageError, match=r"none of its 2 files, such as mine\.json, is named"):
        check(open_recorded(paths), PUZZLES, 2)
    paths.append(written(tmp_path, GOOD["one"], "one.json"))
    assert check(open_recorded(paths), PUZZLES, 2).counts[Kind.UNKNOWN_TASK] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no JSON that can be read"),
        ("hello", "is no JSON that can be read (Expecting value: line 1 column 1 (char 0))"),
        ('{"one": [', "is no JSON that can be read"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"one":' * 100_000, "it is nested too deeply"),
        ("{}", "holds no submission"),
        ("[]", "holds no submission"),
        ('{"submission": {}, "published": {"score": 1.0}}', "holds no submission"),
        ("null", "holds no submission"),
        ("NaN", "holds no submission"),
        ('"one"', "holds no submission"),
        ("12", "holds no submission"),
        ("9" * 10_000, "holds no submission"),
        ('{"score": 12, "name": "run"}', "holds no submission"),
        ('{"submission": 3, "published": {}}', "under 'submission' stands a number"),
    ],
)
def test_what_is_no_submission_is_one_sentence(tmp_path, text, said):
    with pytest.raises(UsageError) as refused:
        checked(tmp_path, text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "cell", ["9" * 5000, "-" + "9" * 5000, "1" + "0" * 4000, "1e999", "[" * 900 + "]" * 900]
)
def test_a_hostile_cell_is_no_colour(tmp_path, cell):
    text = f'{{"one": [{{"attempt_1": [[{cell}]], "attempt_2": [[1, 2]]}}], "two": [null, null]}}'
    found = checked(tmp_path, text)
    assert flaw(found).kind is Kind.NO_GRID
    assert len(flaw(found).problem) < 120
    assert grids(found)["one"] == [[(2, frozen(A))]]


def test_a_cell_too_deep_to_be_shown_is_no_colour():
    cell = [1]
    for _ in range(100_000):
        cell = [cell]
    found = answers_of(Recorded("here", {"one": [{"attempt_1": [[cell]]}]}), ONE, 2)
    assert [one.problem for one in found.flaws] == ["lists are nested too deeply"]


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"one\xff": []}')
    with pytest.raises(UsageError, match="is no JSON that can be read"):
        open_recorded([tmp_path / "a.json"])


def test_what_is_not_there_or_mixed_is_told(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        open_recorded([tmp_path / "absent.json"])
    with pytest.raises(UsageError, match=r"holds no \.json file"):
        open_recorded([tmp_path])
    first = written(tmp_path, GOOD, "a.json")
    written(tmp_path, GOOD, "b.json")
    with pytest.raises(UsageError, match="holds 2 whole submissions"):
        open_recorded([tmp_path])
    task = written(tmp_path, GOOD["one"], "one.json")
    with pytest.raises(UsageError, match="1 whole submissions and 1 files of single tasks"):
        open_recorded([first, task])
    with pytest.raises(UsageError, match="task one is there twice"):
        open_recorded([task, task])


NAMES = st.sampled_from(
    [
        *("submission", "published", "score", "task_results", "one", "two", "three"),
        *("attempt_1", "attempt_2", "attempt_3", "answer", "metadata", "pair_index"),
    ]
)
GRID = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 9), min_size=width, max_size=width), min_size=1, max_size=4
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-1, 3)
    | st.floats()
    | st.text(max_size=5)
    | GRID
    | GRID.map(json.dumps)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=30,
)
# Values as above on every level of what a submission looks like, so that fuzz gets inside.
METADATA = VALUES | st.fixed_dictionaries({"pair_index": VALUES})
ATTEMPTS = VALUES | st.fixed_dictionaries({"answer": VALUES}, optional={"metadata": METADATA})
ENTRIES = VALUES | st.dictionaries(NAMES, ATTEMPTS, max_size=4)
TASKS = VALUES | st.dictionaries(NAMES, st.lists(ENTRIES, max_size=3) | VALUES, max_size=4)
DOCUMENTS = (
    VALUES
    | TASKS
    | st.lists(ENTRIES, max_size=3)
    | st.fixed_dictionaries({"submission": TASKS, "published": VALUES})
)
FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(document=DOCUMENTS, k=st.integers(1, 3))
def test_any_json_is_refused_or_read_within_bounds(tmp_path, document, k):
    try:
        found = checked(tmp_path, document, k)
    except UsageError:
        return
    assert {name: len(every) for name, every in found.answers.items()} == {"one": 1, "two": 2}
    for every in found.answers.values():
        for tries in every:
            numbers = [tried.number for tried in tries]
            assert numbers == sorted(set(numbers) & set(range(1, k + 1)))
            assert len({tried.grid for tried in tries}) == len(tries)
            for tried in tries:
                assert tried.grid
                assert {cell for row in tried.grid for cell in row} <= set(range(10))
    assert sum(found.counts.values()) == len(found.flaws)
    json.dumps([one.as_json() for one in found.flaws], allow_nan=False)


@FUZZ
@given(data=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8")))
def test_any_bytes_are_refused_or_read(tmp_path, data):
    (tmp_path / "any.json").write_bytes(data)
    try:
        recorded = open_recorded([tmp_path / "any.json"])
        found = check(recorded, PUZZLES, 2)
    except UsageError:
        return
    assert not any(tries for every in found.answers.values() for tries in every)


@FUZZ
@given(tries=st.lists(GRID, min_size=6, max_size=6), junk=VALUES)
def test_every_form_of_a_submission_says_the_same(tmp_path, tries, junk):
    pairs = [
        {"attempt_1": one, "attempt_2": two} for one, two in zip(*[iter(tries)] * 2, strict=True)
    ]
    plain = {"one": pairs[:1], "two": pairs[1:]}
    wanted = grids(checked(tmp_path, plain))
    forms = [
        {name: as_arc_prize(one, kwargs=junk) for name, one in plain.items()},
        {"submission": plain, "published": junk, "notes": junk},
        {
            name: [{key: json.dumps(grid) for key, grid in entry.items()} for entry in one]
            for name, one in plain.items()
        },
    ]
    for form in forms:
        found = checked(tmp_path, form)
        assert grids(found) == wanted
        assert found.flaws == ()
    assert wanted["one"][0][0] == (1, frozen(tries[0]))
