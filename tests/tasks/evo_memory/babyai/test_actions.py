from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tasks.evo_memory.babyai.actions import Paths, offer
from harness_tasks.evo_memory.babyai.observation import Thing, View, look
from harness_tasks.evo_memory.babyai.world import DIRECTIONS, Move

L, R, F = Move.LEFT, Move.RIGHT, Move.FORWARD


def offered(world):
    return offer(look(world))


def test_in_an_empty_room_only_steps_and_the_check_are_offered(tiny_world):
    now = offered(tiny_world({}))
    assert dict(now.moves) == {
        "turn left": (L,),
        "turn right": (R,),
        "move forward": (F,),
        "check available actions": (),
    }


def test_actions_come_in_the_order_of_agentboard(tiny_world, objects):
    world = tiny_world(
        {
            (3, 3): objects.Key("red"),
            (2, 3): objects.Goal(),
            (3, 0): objects.Door("blue"),
            (2, 0): objects.Door("grey", is_open=True),
        }
    )
    assert list(offered(world).moves) == [
        "turn left",
        "turn right",
        "move forward",
        "pickup red key 1",
        "toggle and go through blue closed door 1",
        "go through grey open door 1",
        "go to goal",
        "go to red key 1",
        "go to blue closed door 1",
        "go to grey open door 1",
        "check available actions",
    ]


@pytest.mark.parametrize("kind", ["Wall", "Box"])
def test_a_wall_or_box_ahead_forbids_the_step(tiny_world, objects, kind):
    thing = objects.Wall() if kind == "Wall" else objects.Box("red")
    now = offered(tiny_world({(3, 4): thing}))
    assert "move forward" not in now.moves
    assert now.refusal("move forward") == (
        "There is a barrier in front of you, you can't move forward."
    )


def test_a_ball_ahead_does_not_forbid_the_step(tiny_world, objects):
    assert "move forward" in offered(tiny_world({(3, 4): objects.Ball("red")})).moves


def test_the_way_to_a_thing_ends_facing_it(tiny_world, objects):
    now = offered(tiny_world({(4, 3): objects.Ball("red")}))
    assert now.moves["go to red ball 1"] == (F, F, R)
    assert now.moves["pickup red ball 1"] == (F, F, R, Move.PICKUP)


def test_a_thing_right_ahead_needs_no_way(tiny_world, objects):
    now = offered(tiny_world({(3, 4): objects.Key("red")}))
    assert now.moves["go to red key 1"] == ()
    assert now.moves["pickup red key 1"] == (Move.PICKUP,)


def test_ways_lead_around_things(tiny_world, objects):
    blocked = {(3, 4): objects.Box("grey"), (3, 2): objects.Ball("red")}
    assert offered(tiny_world(blocked)).moves["go to red ball 1"] == (L, F, R, F, F, F, R)


def test_a_thing_that_cannot_be_reached_is_refused_with_the_reason(tiny_world, objects):
    ring = {cell: objects.Key("grey") for cell in ((3, 1), (2, 2), (4, 2), (3, 3))}
    now = offered(tiny_world({**ring, (3, 2): objects.Ball("red")}))
    assert now.refusal("go to red ball 1") == (
        "You cannot go to red ball 1, as there is no path leading to it."
    )
    assert now.refusal("pickup red ball 1") == (
        "You cannot pickup red ball 1, as there is no path leading to it."
    )


def test_numbers_in_actions_count_the_things_that_can_be_reached(tiny_world, objects):
    # The nearer ball stands in a closed cell, so the farther one is number 1 of the actions.
    cell = {(x, y): objects.Key("grey") for x, y in ((3, 2), (2, 3), (4, 3), (3, 4))}
    now = offered(tiny_world({**cell, (3, 3): objects.Ball("red"), (1, 3): objects.Ball("red")}))
    assert now.moves["go to red ball 1"] == (L, F, F, R, F)
    assert "go to red ball 2" not in now.moves


def test_with_full_hands_nothing_more_can_be_picked_up(tiny_world, objects):
    now = offered(tiny_world({(3, 3): objects.Ball("red")}, carrying=objects.Key("blue")))
    assert "pickup red ball 1" not in now.moves
    assert "go to red ball 1" in now.moves
    assert now.refusal("pickup red ball 1") == (
        "The action is not recognized. Please check valid actions."
    )


def test_doors_and_goals_cannot_be_picked_up(tiny_world, objects):
    now = offered(tiny_world({(3, 3): objects.Goal(), (3, 0): objects.Door("red")}))
    assert not any(action.startswith("pickup") for action in now.moves)


def test_dropping_needs_something_in_hand_and_a_free_cell(tiny_world, objects):
    key = objects.Key("blue")
    assert offered(tiny_world({}, carrying=key)).moves["drop"] == (Move.DROP,)
    assert offered(tiny_world({})).refusal("drop") == (
        "You cannot drop the object, as you are not carrying anything."
    )
    full = offered(tiny_world({(3, 4): objects.Ball("red")}, carrying=key))
    assert full.refusal("drop") == (
        "You cannot drop the object, as there is already an object in front of you."
    )


def test_an_open_door_can_be_gone_through(tiny_world, objects):
    now = offered(tiny_world({(3, 0): objects.Door("red", is_open=True)}))
    assert now.moves["go through red open door 1"] == (F,) * 5


def test_a_closed_door_is_toggled_first(tiny_world, objects):
    now = offered(tiny_world({(3, 0): objects.Door("red")}))
    assert now.moves["toggle and go through red closed door 1"] == (*(F,) * 4, Move.TOGGLE, F)
    assert now.refusal("go through red closed door 1") == (
        "You cannot go through red closed door 1, as it is closed. You should toggle it first."
    )


def test_toggle_alone_is_offered_right_before_a_closed_door(tiny_world, objects):
    door = {(3, 0): objects.Door("red")}
    assert "toggle" not in offered(tiny_world(door)).moves
    assert offered(tiny_world(door, agent=(3, 1))).moves["toggle"] == (Move.TOGGLE,)


def test_a_locked_door_needs_the_key_of_its_color(tiny_world, objects):
    door = {(3, 0): objects.Door("red", is_locked=True)}
    action = "toggle and go through red locked door 1"
    assert offered(tiny_world(door)).refusal(action) == (
        "You cannot toggle and go through red locked door 1, as you are not carrying a key."
    )
    assert offered(tiny_world(door, carrying=objects.Key("blue"))).refusal(action) == (
        "You cannot toggle and go through red locked door 1, as the color of the key you are "
        "carrying does not match the color of door."
    )
    assert (
        offered(tiny_world(door, carrying=objects.Ball("red")))
        .refusal(action)
        .endswith("as you are not carrying a key.")
    )
    assert action in offered(tiny_world(door, carrying=objects.Key("red"))).moves


def test_a_door_that_cannot_be_reached_is_refused_with_the_counts_of_doors(tiny_world, objects):
    guarded = {(3, 0): objects.Door("red"), (3, 1): objects.Ball("grey")}
    now = offered(tiny_world(guarded))
    assert now.refusal("toggle and go through red closed door 1") == (
        "You cannot toggle and go through red closed door {'red closed door': 1}, "
        "as there is no path leading to it."
    )


def test_anything_else_is_not_recognized(tiny_world):
    now = offered(tiny_world({}))
    assert now.refusal("sing") == "The action is not recognized. Please check valid actions."
    assert now.refusal("") == "No change in state."


def test_doors_do_not_block_a_way_so_it_may_end_before_a_shut_one(tiny_world, objects):
    walls = {(x, 3): objects.Wall() for x in range(7)}
    key = {(4, 4): objects.Key("red")}
    world = tiny_world({**walls, **key, (3, 3): objects.Door("blue")}, agent=(3, 4))
    cells = Paths(look(world))
    assert cells.to_enter((3, 1)) == (F, F, F)


@st.composite
def views(draw):
    direction = draw(st.integers(0, 3))
    blocked = draw(
        st.sets(st.tuples(st.integers(0, 6), st.integers(-3, 3)), min_size=1, max_size=25)
    )
    ahead_x, ahead_y = DIRECTIONS[direction]
    right_x, right_y = DIRECTIONS[(direction + 1) % 4]
    things = [
        Thing(
            "ball",
            "red ball",
            (10 + a * ahead_x + r * right_x, 10 + a * ahead_y + r * right_y),
            a + abs(r),
            a,
            r,
        )
        for a, r in sorted(blocked)
        if (a, r) != (0, 0)
    ]
    return View((10, 10), direction, 7, tuple(things), None)


def queue_search(view, at_target):
    """AgentBoard's search as its facts describe it: a pose counts as visited when it is taken out.

    The oracle for the quicker search of the package; its window is spelled out per direction.
    """
    x, y = view.cell
    columns, rows = {
        0: (range(x - 1, x + 7), range(y - 3, y + 4)),
        1: (range(x - 4, x + 4), range(y - 1, y + 7)),
        2: (range(x - 6, x + 1), range(y - 4, y + 4)),
        3: (range(x - 3, x + 4), range(y - 6, y + 1)),
    }[view.direction]
    blocked = {thing.cell for thing in view.things}
    start = (view.cell, view.direction)
    came_from, taken, waiting = {}, set(), deque([start])
    while waiting:
        pose = waiting.popleft()
        taken.add(pose)
        if at_target(pose):
            way = []
            while pose != start:
                pose, move = came_from[pose]
                way.append(move)
            return tuple(reversed(way))
        (px, py), facing = pose
        dx, dy = DIRECTIONS[facing]
        for move, after in (
            (F, ((px + dx, py + dy), facing)),
            (L, ((px, py), (facing - 1) % 4)),
            (R, ((px, py), (facing + 1) % 4)),
        ):
            (nx, ny), _ = after
            if nx in columns and ny in rows and after not in taken and (nx, ny) not in blocked:
                waiting.append(after)
                came_from[after] = (pose, move)
    return None


def faces(pose):
    (x, y), direction = pose
    return x + DIRECTIONS[direction][0], y + DIRECTIONS[direction][1]


@settings(deadline=None, max_examples=40)
@given(view=views(), choice=st.randoms(use_true_random=False))
def test_ways_are_the_ones_that_agentboards_queue_finds(view, choice):
    paths = Paths(view)
    for thing in choice.sample(view.things, min(4, len(view.things))):
        expected = queue_search(view, lambda pose, cell=thing.cell: faces(pose) == cell)
        assert paths.to_face(thing.cell) == expected
    free = (10 + choice.randint(-4, 6), 10 + choice.randint(-4, 6))
    assert paths.to_enter(free) == queue_search(view, lambda pose: pose[0] == free)
