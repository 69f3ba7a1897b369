from harness_tasks.evo_memory.babyai.environment import BabyAIText
from harness_tasks.evo_memory.babyai.levels import LEVELS, SEEDS, Mission, missions


def test_there_are_28_levels_with_four_seeds_each():
    assert len(set(LEVELS)) == 28
    assert SEEDS == (1234, 1235, 1236, 1237)
    assert len(missions()) == 112


def test_missions_go_through_the_seeds_of_a_level_before_the_next_level():
    listed = missions()
    assert [m.index for m in listed] == list(range(112))
    assert [m.seed for m in listed[:5]] == [1234, 1235, 1236, 1237, 1234]
    assert listed[3].level == LEVELS[0]
    assert listed[4].level == LEVELS[1]
    assert listed[-1] == Mission(111, "BabyAI-KeyCorridorS6R3-v0", 1237)


def test_a_mission_with_a_seed_of_its_own_can_be_played():
    assert BabyAIText(Mission(-1, "BabyAI-GoToLocalS8N7-v0", seed=7)).goal.startswith("go to ")
