import pytest

from harness_tasks.evo_memory.babyai.observation import describe, look

SEE = "In front of you in this room, you can see several objects: "


def text(world):
    return describe(look(world))


def test_an_empty_room_is_worded_by_its_walls_alone(tiny_world):
    assert text(tiny_world({})) == (
        SEE + "The room has walls around you. You are facing a wall 5 steps away. "
        "You are not carrying anything."
    )


def test_things_are_named_nearest_first_and_equal_names_are_counted(tiny_world, objects):
    world = tiny_world(
        {
            (3, 2): objects.Ball("blue"),
            (2, 4): objects.Key("red"),
            (5, 5): objects.Ball("blue"),
            (4, 1): objects.Box("grey"),
        }
    )
    assert text(world) == (
        SEE + "There is a red key 1 1 steps in front of you and 1 steps to your left.  "
        "There is a blue ball 1 0 steps in front of you and 2 steps to your right.  "
        "There is a blue ball 2 right in front of you 3 steps away.  "
        "There is a grey box 1 4 steps in front of you and 1 steps to your right.  "
        "The room has walls around you. You are facing a wall 5 steps away. "
        "You are not carrying anything."
    )


def test_at_equal_distance_the_farther_row_and_then_the_left_comes_first(tiny_world, objects):
    world = tiny_world(
        {
            (2, 4): objects.Key("red"),
            (3, 3): objects.Key("green"),
            (4, 4): objects.Key("blue"),
            (1, 5): objects.Key("grey"),
        }
    )
    assert [thing.name for thing in look(world).objects] == [
        "green key",
        "red key",
        "blue key",
        "grey key",
    ]


@pytest.mark.parametrize(
    ("direction", "ball", "side"),
    [(0, (4, 2), "left"), (1, (2, 4), "right"), (2, (2, 2), "right"), (3, (2, 2), "left")],
)
def test_right_and_left_are_the_agents(tiny_world, objects, direction, ball, side):
    world = tiny_world({ball: objects.Ball("red")}, agent=(3, 3), direction=direction)
    assert f"There is a red ball 1 1 steps in front of you and 1 steps to your {side}. " in (
        text(world)
    )


def test_a_door_is_named_with_its_state(tiny_world, objects):
    world = tiny_world(
        {
            (3, 0): objects.Door("red", is_open=True),
            (2, 0): objects.Door("green"),
            (4, 0): objects.Door("blue", is_locked=True),
        }
    )
    assert [thing.name for thing in look(world).objects] == [
        "red open door",
        "green closed door",
        "blue locked door",
    ]


def test_a_box_is_faced_like_a_wall_but_a_ball_is_not(tiny_world, objects):
    boxed = tiny_world({(3, 3): objects.Box("red"), (3, 4): objects.Ball("red")})
    assert "You are facing a box 2 steps away. " in text(boxed)


def test_behind_an_open_way_nothing_is_faced(tiny_world, objects):
    world = tiny_world({(3, 0): objects.Door("red")})
    assert "You are facing" not in text(world)


def test_the_carried_object_is_told_and_not_seen(tiny_world, objects):
    world = tiny_world({}, carrying=objects.Key("grey"))
    assert text(world).endswith("You are carrying a grey key.")
    assert "There is a" not in text(world)


def test_with_not_even_a_wall_in_view_it_says_so_without_a_blank_behind(tiny_world):
    world = tiny_world({}, agent=(8, 12), size=17)
    assert text(world) == (
        "You cannot see any objects within sight.The room has walls around you. "
        "You are not carrying anything."
    )


def test_things_behind_the_agent_are_out_of_view(tiny_world, objects):
    assert look(tiny_world({(3, 4): objects.Key("red")}, agent=(3, 3))).objects == ()


def test_what_a_shut_door_hides_is_not_told(tiny_world, objects):
    walls = {(x, 3): objects.Wall() for x in range(7)}
    hidden = {(3, 1): objects.Ball("red")}
    shut = tiny_world({**walls, **hidden, (3, 3): objects.Door("red")})
    ajar = tiny_world({**walls, **hidden, (3, 3): objects.Door("red", is_open=True)})
    assert "red ball" not in text(shut)
    assert "There is a red ball 1 right in front of you 4 steps away. " in text(ajar)
