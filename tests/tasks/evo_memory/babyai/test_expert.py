import pytest

from harness_tasks.evo_memory.babyai.environment import BabyAIText
from harness_tasks.evo_memory.babyai.expert import demonstration, parse_goal, play
from harness_tasks.evo_memory.babyai.levels import Mission


@pytest.mark.parametrize(
    ("goal", "clauses"),
    [
        ("go to the red ball", [("go to", "red", "ball", None)]),
        ("pick up a key", [("pick up", r"\w+", "key", None)]),
        ("pick up the yellow object", [("pick up", "yellow", r"\w+", None)]),
        ("open a door behind you", [("open", r"\w+", "door", "behind you")]),
        (
            "open the red door, and go to a box",
            [("open", "red", "door", None), ("go to", r"\w+", "box", None)],
        ),
        ("put the red ball next to the box", []),
    ],
)
def test_goals_are_read_clause_by_clause(goal, clauses):
    found = [(t.verb, t.color, t.kind, t.place) for t in parse_goal(goal)]
    assert found == clauses


@pytest.mark.parametrize(
    "level",
    [
        "BabyAI-GoToRedBall-v0",
        "BabyAI-GoToLocalS8N7-v0",
        "BabyAI-PickupLoc-v0",
        "BabyAI-OpenRedDoor-v0",
        "BabyAI-OpenDoorLoc-v0",
        "BabyAI-UnlockLocalDist-v0",
    ],
)
def test_most_missions_of_simple_levels_become_demonstrations(level):
    solved = [demonstration(Mission(-1, level, seed)) for seed in range(10)]
    assert sum(episode is not None for episode in solved) >= 5


def test_a_demonstration_replays_to_its_end():
    mission = Mission(-1, "BabyAI-GoToLocalS8N7-v0", seed=0)
    episode = demonstration(mission)
    assert episode is not None
    assert len(episode) <= 10
    environment = BabyAIText(mission)
    assert [environment.step(action).text for action, _ in episode] == [text for _, text in episode]
    assert environment.success


def test_a_mission_that_takes_too_long_gives_no_demonstration():
    assert demonstration(Mission(-1, "BabyAI-KeyCorridorS6R3-v0", seed=0)) is None


def test_the_expert_takes_only_offered_actions_even_where_it_is_lost():
    class Strict(BabyAIText):
        def step(self, action):
            assert action in self.actions()
            return super().step(action)

    for level in ("BabyAI-BlockedUnlockPickup-v0", "BabyAI-PutNextLocalS6N4-v0"):
        assert len(play(Strict(Mission(-1, level, seed=1)))) == 30
