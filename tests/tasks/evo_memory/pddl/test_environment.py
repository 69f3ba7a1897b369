"""A little domain and problem of our own, so that something runs without the mirror."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MissingData
from harness_tasks.evo_memory.pddl.environment import PddlText
from harness_tasks.evo_memory.pddl.examples import shortest_plan
from harness_tasks.evo_memory.pddl.reading import mended, read_problem
from harness_tasks.evo_memory.pddl.wording import literal_text

pytest.importorskip("unified_planning")

GARDEN = """(define (domain garden)
  (:types plant place - object)
  (:predicates (at-robby ?p - place) (at ?x - plant ?p - place) (carry ?x ?g - plant) (unladen)
               (next ?a ?b - place))
  (:constants shed - place)
  (:action move :parameters (?a ?b - place)
    :precondition (and (at-robby ?a) (next ?a ?b))
    :effect (and (at-robby ?b) (not (at-robby ?a))))
  (:action take :parameters (?x - plant ?p - place)
    :precondition (and (at-robby ?p) (at ?x ?p) (unladen))
    :effect (and (carry ?x ?x) (not (at ?x ?p)) (not (unladen))))
  (:action store :parameters (?x - plant)
    :precondition (and (at-robby shed) (carry ?x ?x))
    :effect (and (at ?x shed) (unladen) (not (carry ?x ?x)))))"""

TWO_PLANTS = """(define (problem two) (:domain garden)
  (:objects bed1 shed - place rose1 fern-2 - plant)
  (:init (at-robby shed) (unladen) (at rose1 bed1) (at fern-2 shed)
         (next bed1 shed) (next shed bed1))
  (:goal (and (at rose1 shed) (at fern-2 shed))))"""


@pytest.fixture
def problem():
    return read_problem(GARDEN, TWO_PLANTS)


@pytest.fixture
def garden(problem):
    return PddlText("gripper", problem, max_steps=20)


class TestReading:
    def test_facts_that_nothing_changes_are_used_up_while_grounding(self, problem):
        moves = [one for one in problem.actions if one.name == "move"]
        assert {one.arguments for one in moves} == {("bed1", "shed"), ("shed", "bed1")}
        assert all(one.preconditions == {("at-robby", one.arguments[0])} for one in moves)

    def test_constants_stand_before_predicates_and_are_declared_once(self):
        domain, problem = mended(GARDEN, TWO_PLANTS)
        assert domain.index("(:constants") < domain.index("(:predicates")
        assert problem.split("(:init")[0].split("(:objects")[1].split() == [
            *("bed1", "-", "place", "rose1", "fern-2", "-", "plant)")
        ]

    @pytest.mark.parametrize("text", ["", "(define", TWO_PLANTS.replace("rose1 bed1", "rose1")])
    def test_a_file_that_is_no_problem_is_named(self, text):
        with pytest.raises(MissingData, match="a planning file cannot be read"):
            read_problem(GARDEN, text)

    def test_no_action_has_the_same_object_twice(self, problem):
        assert all(len(set(one.arguments)) == len(one.arguments) for one in problem.actions)


class TestEpisode:
    def test_the_first_observation_is_the_whole_state_in_alphabetical_order(self, garden):
        assert garden.reset() == (
            "Fern-2 is at shed.  Level bed1 is next to level shed.  "
            "Level shed is next to level bed1.  Robby is at shed.  Rose1 is at bed1.  Unladen"
        )

    def test_a_solved_problem(self, garden):
        seen = [garden.step(one) for one in ("move shed bed1", "take rose1 bed1")]
        assert [one.valid for one in seen] == [True, True]
        garden.step("move bed1 shed")
        last = garden.step("store rose1")
        assert last.done
        assert last.text.endswith(" The goal is satisfied.")
        assert (garden.progress, garden.success, garden.steps) == (1.0, True, 4)

    def test_progress_is_zero_at_the_start_and_never_falls(self, garden):
        assert garden.problem.satisfied(garden.problem.initial) == 0.5
        assert garden.progress == 0.0
        garden.step("check valid actions")
        garden.step("sing")
        assert garden.progress == 0.0
        garden.step("take fern-2 shed")
        assert garden.progress == 0.0
        garden.step("store fern-2")
        assert garden.progress == 0.5
        garden.step("take fern-2 shed")
        assert garden.progress == 0.5

    @pytest.mark.parametrize(
        "action",
        [
            "move shed bed1",
            "Move from shed to bed1. ",
            "I will MOVE (from) the shed to bed1, then take rose1",
            "move shed bed1 rose1",
        ],
    )
    def test_other_words_around_an_action_do_not_matter(self, garden, action):
        assert "Robby is at bed1." in garden.step(action).text

    @pytest.mark.parametrize("action", ["", "dance", "store rose1", "move shed", "take"])
    def test_what_is_not_understood_costs_a_step(self, garden, action):
        step = garden.step(action)
        assert step.text == (
            "The action is not valid and therefore takes no effect. Please check valid actions."
        )
        assert (step.valid, step.done, garden.steps) == (False, False, 1)

    @pytest.mark.parametrize("action", ["take rose1 shed", "move bed1 shed", "move shed shed"])
    def test_an_action_that_changes_nothing_gets_another_message(self, garden, action):
        step = garden.step(action)
        assert "Please remember to satisfy the restriction of actions." in step.text
        assert not step.valid

    def test_valid_actions_are_listed_and_cost_a_step(self, garden):
        step = garden.step("Check valid actions.")
        assert step.text == (
            "Valid actions are: Move from shed to bed1. , take fern-2 shed, check valid actions"
        )
        assert step.valid
        assert garden.steps == 1

    def test_the_limit_of_steps_is_no_success(self, problem):
        garden = PddlText("gripper", problem, max_steps=2)
        assert [garden.step("dance").done for _ in range(2)] == [False, True]
        assert not garden.success
        with pytest.raises(RuntimeError, match="reset"):
            garden.step("dance")

    def test_long_domains_tell_only_what_is_new_and_look_around_the_rest(self, problem):
        long = PddlText("tyreworld", problem)
        whole = long.reset()
        assert long.step("move shed bed1").text == "Robby is at bed1. "
        looked = long.step("look around").text
        assert "Rose1 is at bed1." in looked
        assert looked != whole
        assert long.step("check valid actions").text.endswith(", check valid actions, look around")


def test_progress_over_a_scripted_course_of_satisfied_literals(problem, monkeypatch):
    # Satisfied 0, 1, 1, 0, 2, 4 of 4 literals gives 0, .25, .25, .25, .5, 1 as a running maximum.
    garden = PddlText("gripper", problem)
    course = iter([0.25, 0.25, 0.0, 0.5, 1.0])
    monkeypatch.setattr(type(problem), "satisfied", lambda self, state: next(course))
    found = [garden.progress]
    for action in ["move shed bed1", "move bed1 shed"] * 2 + ["move shed bed1"]:
        garden.step(action)
        found.append(garden.progress)
    assert found == [0, 0.25, 0.25, 0.25, 0.5, 1]


def test_search_finds_a_shortest_plan(problem):
    assert [one.name for one in shortest_plan(problem)] == ["move", "take", "move", "store"]


@given(st.lists(st.sampled_from(["move shed bed1", "take rose1 bed1", "take fern-2 shed", "x"])))
def test_the_same_actions_bring_the_same_texts(actions):
    problem = read_problem(GARDEN, TWO_PLANTS)
    one, other = PddlText("barman", problem, 99), PddlText("barman", problem, 99)
    for action in actions:
        assert one.step(action) == other.step(action)


@pytest.mark.parametrize(
    ("literal", "words"),
    [
        (("at-robby", "rooma"), "Robby is at rooma. "),
        (("on", "b1", "b2"), "b1 is on b2."),
        (("clear", "b1"), "The b1 is clear."),
        (("arm-empty",), "Your arm is empty."),
        (("tight", "nuts1", "hub1"), "The nut nuts1 on the hub hub1 is tight."),
        (("free", "the-hub1"), "the-hub1 is free. "),
        (
            ("used", "shot1", "gin"),
            "Pour shot1 from a shot glass to a used shaker gin",
        ),
        (("handempty", "left"), "handempty left"),
    ],
)
def test_literals_in_words(literal, words):
    assert literal_text(literal) == words
