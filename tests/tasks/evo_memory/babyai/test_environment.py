import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MissingData
from harness_tasks.evo_memory.babyai.environment import BabyAIText, normalised_goal
from harness_tasks.evo_memory.babyai.levels import Mission
from harness_tasks.evo_memory.babyai.progress import Label

LOCAL = Mission(-1, "BabyAI-GoToLocalS8N7-v0", seed=7)
COMPLETED = "\n The task is completed."


def find_seed(level, wanted, actions=()):
    """The first seed whose world offers an action after some others."""
    for seed in range(200):
        environment = BabyAIText(Mission(-1, level, seed))
        for action in actions:
            environment.step(action)
        if wanted in environment.actions():
            return Mission(-1, level, seed)
    raise AssertionError(f"no seed of {level} offers {wanted}")


@pytest.fixture(scope="module")
def ball_in_sight():
    return find_seed("BabyAI-GoToRedBallNoDists-v0", "go to red ball 1")


@pytest.fixture(scope="module")
def door_in_sight():
    return find_seed("BabyAI-OpenRedDoor-v0", "go to red closed door 1", actions=["turn left"])


def label(goal, *patterns, alternatives=None):
    lists = (patterns,) if alternatives is None else (patterns, alternatives)
    return Label(goal, lists, "easy", "", "")


def test_a_solved_mission_without_label_is_success_with_full_progress(ball_in_sight):
    environment = BabyAIText(ball_in_sight)
    assert (environment.progress, environment.success) == (0.0, False)
    step = environment.step("go to red ball 1")
    assert step.done
    assert step.valid
    assert step.text.endswith("You are not carrying anything." + COMPLETED)
    assert (environment.progress, environment.success, environment.steps) == (1.0, True, 1)


def test_an_unsolved_mission_ends_at_the_step_limit_without_success():
    environment = BabyAIText(LOCAL, max_steps=3)
    assert [environment.step("turn left").done for _ in range(3)] == [False, False, True]
    assert (environment.success, environment.progress, environment.steps) == (False, 0.0, 3)


def test_after_the_end_only_a_reset_goes_on():
    environment = BabyAIText(LOCAL, max_steps=1)
    environment.step("turn left")
    with pytest.raises(RuntimeError, match="reset"):
        environment.step("turn left")
    environment.reset()
    assert environment.steps == 0
    assert environment.step("turn left").done


def test_a_refused_action_costs_a_step_and_changes_nothing():
    environment = BabyAIText(LOCAL)
    offered = environment.actions()
    step = environment.step("sing a song")
    assert step.text == "The action is not recognized. Please check valid actions."
    assert not step.valid
    assert not step.done
    assert environment.steps == 1
    assert environment.actions() == offered


def test_an_empty_action_is_refused_too():
    step = BabyAIText(LOCAL).step("  ")
    assert (step.text, step.valid) == ("No change in state.", False)


@pytest.mark.parametrize("action", ["check available actions", "Check valid actions"])
def test_checking_lists_the_actions_and_costs_a_step(action):
    environment = BabyAIText(LOCAL)
    step = environment.step(action)
    assert step.valid
    assert step.text == "You can take the following actions: " + ", ".join(environment.actions())
    assert environment.steps == 1


def test_case_and_surrounding_blanks_do_not_matter():
    one, other = BabyAIText(LOCAL), BabyAIText(LOCAL)
    assert one.step("turn left") == other.step(" Turn LEFT\n")


def test_going_where_one_already_is_changes_nothing():
    environment = BabyAIText(find_seed("BabyAI-PickupLoc-v0", "go to red ball 1"))
    environment.step("go to red ball 1")
    again = environment.step("go to red ball 1")
    assert (again.text, again.valid) == ("No change in state.", True)


def test_picking_up_and_dropping_is_told():
    environment = BabyAIText(find_seed("BabyAI-GoToLocalS8N7-v0", "pickup red ball 1"))
    assert "carrying a red ball" in environment.step("pickup red ball 1").text
    assert "drop" in environment.actions()
    assert "You are not carrying anything." in environment.step("drop").text


def test_an_action_stops_at_the_first_move_without_effect():
    # A ball ahead stops the step, so the world stays as it was.
    environment = BabyAIText(find_seed("BabyAI-PickupLoc-v0", "go to red ball 1"))
    before = environment.step("go to red ball 1").text
    step = environment.step("move forward")
    assert (step.text, step.valid) == (before, True)


def test_a_passed_limit_of_minigrid_does_not_end_the_episode():
    environment = BabyAIText(Mission(-1, "BabyAI-GoToObjS6-v0", seed=3), max_steps=60)
    # minigrid's limit for this level is 36 primitive moves.
    for _ in range(40):
        step = environment.step("turn left")
    assert not step.done


def test_a_mission_solved_late_is_solved():
    environment = BabyAIText(Mission(-1, "BabyAI-GoToObjS6-v0", seed=3), max_steps=100)
    for _ in range(60):  # whole turns change nothing; minigrid's limit is 36 moves
        environment.step("turn left")
    solve(environment)
    assert (environment.success, environment.progress) == (True, 1.0)


def solve(environment):
    target = environment.goal.removeprefix("go to ").removeprefix("the ").removeprefix("a ")
    for _ in range(4):
        found = [name for name in environment.actions() if name == f"go to {target} 1"]
        if environment.step(found[0] if found else "turn left").done:
            return
    raise AssertionError(f"{target} was not reached")


@pytest.mark.parametrize(("word", "solved"), [("success", True), ("failure", False)])
@pytest.mark.parametrize("moves", [1, 36, 40, 41, 200])
def test_the_end_of_a_mission_counts_alike_however_late(monkeypatch, moves, word, solved):
    # By its own clock minigrid's reward would be exactly 0 at move 40 of 36, and negative after.
    environment = BabyAIText(Mission(-1, "BabyAI-GoToObjS6-v0", seed=3), max_steps=400)
    for _ in range(moves - 1):
        environment.step("turn left")
    monkeypatch.setattr(environment._world.instrs, "verify", lambda action: word)
    assert environment.step("turn left").done
    assert (environment.success, environment.progress) == (solved, float(solved))


def test_then_and_after_you_become_and():
    assert normalised_goal("open the red door, then go to a box") == (
        "open the red door, and go to a box"
    )
    assert normalised_goal("go to a box after you open the red door") == (
        "go to a box and open the red door"
    )


def test_the_goal_of_a_sequence_is_worded_with_and():
    goal = BabyAIText(Mission(0, "BabyAI-OpenRedBlueDoorsDebug-v0", 1234)).goal
    assert " and " in goal
    assert "then" not in goal


def test_the_first_observation_counts_for_no_subgoal(ball_in_sight):
    environment = BabyAIText(ball_in_sight, label("go to the red ball", "red ball", "a unicorn"))
    assert environment.progress == 0.0
    environment.step("check available actions")
    assert environment.progress == 0.0
    environment.step("sing")
    assert environment.progress == 0.0


def test_full_progress_ends_the_episode_though_the_mission_is_open(ball_in_sight):
    environment = BabyAIText(ball_in_sight, label("go to the red ball", "not carrying"))
    step = environment.step("turn left")
    assert step.done
    assert step.text.endswith(COMPLETED)
    assert step.text.count(COMPLETED) == 1
    assert (environment.success, environment.progress) == (True, 1.0)


def test_an_end_with_half_of_the_subgoals_is_dismissed_but_told(ball_in_sight):
    environment = BabyAIText(ball_in_sight, label("go to the red ball", "red ball", "a unicorn"))
    step = environment.step("go to red ball 1")
    assert step.text.endswith(COMPLETED)
    assert not step.done
    assert (environment.success, environment.progress) == (False, 0.5)


def test_an_end_beyond_half_of_the_subgoals_is_success(ball_in_sight):
    environment = BabyAIText(
        ball_in_sight, label("go to the red ball", "red ball", "not carrying", "a unicorn")
    )
    # A turn there and back sees things, the last action ends the mission.
    environment.step("turn left")
    environment.step("turn right")
    step = environment.step("go to red ball 1")
    assert step.done
    assert environment.success
    assert environment.progress == pytest.approx(2 / 3)


def test_the_word_completed_can_itself_be_a_subgoal(ball_in_sight):
    environment = BabyAIText(ball_in_sight, label("go to the red ball", "task is completed"))
    assert environment.step("go to red ball 1").done
    assert environment.progress == 1.0


def test_either_alternative_list_counts(ball_in_sight):
    both = label("go to the red ball", "a unicorn", alternatives=("not carrying",))
    environment = BabyAIText(ball_in_sight, both)
    environment.step("turn left")
    assert environment.progress == 1.0


def test_walking_through_a_toggled_door_opens_it_only_without_a_label(door_in_sight):
    action = "toggle and go through red closed door 1"
    scored = BabyAIText(door_in_sight, label("open the red door", "a unicorn", "a dragon"))
    scored.step("turn left")
    assert COMPLETED not in scored.step(action).text
    free = BabyAIText(door_in_sight)
    free.step("turn left")
    assert free.step(action).text.endswith(COMPLETED)
    assert free.success


def test_the_label_of_another_mission_is_refused():
    with pytest.raises(MissingData, match="is not for BabyAI-GoToLocalS8N7-v0 with seed 7"):
        BabyAIText(LOCAL, label("paint the fence", "paint"))


def test_a_failed_mission_without_label_is_over_without_success():
    # In this level picking up the wrong object is a failure for minigrid.
    for seed in range(50):
        environment = BabyAIText(Mission(-1, "BabyAI-PickupDistDebug-v0", seed))
        wanted = environment.goal.split()[-2:]
        for action in environment.actions():
            words = action.split()
            if words[0] == "pickup" and words[1] not in wanted and words[2] not in wanted:
                step = environment.step(action)
                assert step.done
                assert COMPLETED not in step.text
                assert (environment.success, environment.progress) == (False, 0.0)
                return
    raise AssertionError("no seed offers a wrong object")


@settings(deadline=None, max_examples=15)
@given(
    mission=st.builds(
        Mission,
        st.just(-1),
        st.sampled_from(["BabyAI-Pickup-v0", "BabyAI-UnlockLocalDist-v0", LOCAL.level]),
        st.integers(0, 10_000),
    ),
    choices=st.lists(st.integers(0, 30), max_size=12),
)
def test_the_same_actions_bring_the_same_texts_and_offered_ones_are_valid(mission, choices):
    environment = BabyAIText(mission)
    first = environment.reset()
    played = []
    for count, choice in enumerate(choices, start=1):
        offered = environment.actions()
        action = offered[choice % len(offered)]
        step = environment.step(action)
        played.append((action, step))
        assert step.valid
        assert environment.steps == count
        if step.done:
            break
    for replay in (environment, BabyAIText(mission)):
        assert replay.reset() == first
        assert [replay.step(action) for action, _ in played] == [step for _, step in played]
