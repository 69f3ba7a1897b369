import subprocess
import sys

import pytest

from harness.errors import MissingExtra, UnknownName
from harness_tasks.evo_memory.babyai.world import Move, open_world


def test_no_module_imports_the_heavy_packages_by_itself():
    names = ["actions", "environment", "expert", "levels", "observation", "progress", "world"]
    program = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module('harness_tasks.evo_memory.babyai.' + name)\n"
        "print(sorted({'minigrid', 'gymnasium', 'numpy', 'pygame'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_opening_worlds_in_a_fresh_process_prints_and_warns_nothing():
    # Seed 8 of this level makes minigrid reject a draw, which it would print.
    program = (
        "from harness_tasks.evo_memory.babyai.world import open_world\n"
        "for _ in range(2): open_world('BabyAI-GoToRedBall-v0').reset(seed=8)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_moves_have_minigrids_numbers():
    open_world("BabyAI-GoToRedBall-v0")
    from minigrid.core.actions import Actions

    assert [move.name.lower() for move in Move] == [action.name for action in list(Actions)[:6]]
    assert list(Move) == list(Actions)[:6]


def test_a_mistyped_level_is_answered_with_the_nearest_ones():
    with pytest.raises(UnknownName, match="did you mean BabyAI-GoToRedBall-v0"):
        open_world("BabyAI-GoToRedBal-v0")


def test_without_minigrid_the_message_tells_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "minigrid", None)
    with pytest.raises(MissingExtra, match=r"babyai subset.*method-harness\[environments\]"):
        open_world("BabyAI-GoToRedBall-v0")
