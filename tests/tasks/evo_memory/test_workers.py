"""Episodes in worker processes: equal to episodes here, and they survive a worker's death."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.errors import InvalidSample, MissingExtra, TaskError, UsageError
from harness.protocols.stream import Brief, Episode, Item, Observation, Score
from harness.protocols.stream.world import World
from harness_tasks.evo_memory import worker_process, workers
from harness_tasks.evo_memory.babyai.levels import missions
from harness_tasks.evo_memory.babyai.subset import BabyAIEpisode
from harness_tasks.evo_memory.worker_process import WorkerDied, WorkerProcess
from harness_tasks.evo_memory.workers import WorkerEpisode, in_worker, pool, worker_count

needs_minigrid = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("minigrid"), reason="minigrid is not installed"
)


class Counting(Episode):
    """A world that counts, prints, and fails on demand; lives in this test module."""

    def __init__(self, start=0, clock=False):
        self._start = start
        self._count = start
        self._clock = clock

    @property
    def brief(self):
        return Brief(f"count from {self._start}", "", "a word", False, 9)

    def reset(self):
        print("a world that prints")  # noqa: T201 - must not reach the parent
        self._count = self._start
        return Observation(f"at {self._count}{f' in {os.getpid()}' * self._clock}")

    def step(self, action):
        self._count += 1
        if action == "refuse":
            raise InvalidSample("the item is broken")
        if action == "lack":
            raise MissingExtra("the world", "pkg", "extra")
        if action == "break":
            raise ValueError("a bug")
        if action == "crash" or (action == "crash once" and not _marked()):
            os.kill(os.getpid(), signal.SIGKILL)
        return Observation(f"{action} {self._count}")

    def score(self):
        return Score(float(self._count > 2), self._count > 2)


def _marked():
    """Whether a first crash left its mark."""
    path = os.environ["CRASH_MARK"]
    if os.path.exists(path):
        return True
    open(path, "w").close()
    return False


@pytest.fixture(autouse=True)
def fresh_pool(monkeypatch):
    """Workers of this test alone, two of them, that can import this module."""
    monkeypatch.setenv("HARNESS_WORKERS", "2")
    monkeypatch.setattr(workers, "_pools", [])
    folder = os.path.dirname(os.path.abspath(__file__))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(Counting, "__module__", "test_workers")
    yield
    pool().close()


def play(episode, actions):
    seen = [episode.reset()]
    seen += [episode.step(action) for action in actions]
    return seen


WALK = ["turn left", "move forward", "check available actions", "nonsense", "move forward"] * 3


class TestEpisode:
    def test_it_is_equal_to_one_in_this_process(self):
        there = WorkerEpisode(Counting, (5,))
        here = Counting(5)
        assert play(there, ["a", "b"]) == play(here, ["a", "b"])
        assert there.brief == here.brief
        assert there.score() == here.score()
        assert there.pid not in (None, os.getpid())

    @needs_minigrid
    def test_a_mission_is_equal_to_one_in_this_process(self):
        mission = missions()[20]
        there = in_worker(BabyAIEpisode, mission, None, 30)
        here = BabyAIEpisode(mission, None, 30)
        assert play(there, WALK) == play(here, WALK)
        assert (there.score(), there.brief) == (here.score(), here.brief)

    def test_nothing_is_started_before_the_first_reset(self):
        episode = in_worker(Counting)
        assert pool().workers == []
        with pytest.raises(TaskError, match="before its reset"):
            _ = episode.brief
        episode.close()

    def test_without_workers_the_world_lives_here(self, monkeypatch):
        monkeypatch.setenv("HARNESS_WORKERS", "0")
        assert isinstance(in_worker(Counting), Counting)

    @pytest.mark.parametrize("named", ["many", "-1", "1.5"])
    def test_a_number_of_workers_that_is_none_is_refused(self, monkeypatch, named):
        monkeypatch.setenv("HARNESS_WORKERS", named)
        with pytest.raises(UsageError, match=f"HARNESS_WORKERS is '{named}'"):
            in_worker(Counting)

    def test_by_default_there_are_as_many_as_cores(self, monkeypatch):
        monkeypatch.delenv("HARNESS_WORKERS")
        assert worker_count() == len(os.sched_getaffinity(0))

    def test_many_episodes_share_two_workers(self):
        episodes = [in_worker(Counting, start) for start in range(20)]
        with ThreadPoolExecutor(8) as threads:
            seen = list(threads.map(lambda one: play(one, ["a"] * 5)[-1].text, episodes))
        assert seen == [f"a {start + 5}" for start in range(20)]
        assert len({one.pid for one in episodes}) == 2
        assert [one.episodes for one in pool().workers] == [10, 10]
        for one in episodes:
            one.close()
        assert [one.episodes for one in pool().workers] == [0, 0]


class TestErrors:
    @pytest.mark.parametrize(
        ("action", "kind", "text"),
        [
            ("refuse", InvalidSample, "the item is broken"),
            ("lack", MissingExtra, r"the world needs the package 'pkg'.*method-harness\[extra\]"),
            ("break", TaskError, "ValueError: a bug"),
        ],
    )
    def test_an_error_of_the_world_comes_back_as_its_class(self, action, kind, text):
        episode = in_worker(Counting)
        episode.reset()
        with pytest.raises(kind, match=text) as caught:
            episode.step(action)
        assert type(caught.value) is kind
        assert "in step" in "".join(caught.value.__notes__)

    def test_a_world_that_cannot_be_made_says_so_at_the_reset(self):
        with pytest.raises(TaskError, match="TypeError"):
            in_worker(Counting, 1, 2, 3).reset()


class TestDeath:
    @needs_minigrid
    def test_an_episode_goes_on_equal_to_an_undisturbed_one(self):
        mission = missions()[20]
        undisturbed = play(BabyAIEpisode(mission, None, 30), WALK)
        episode = in_worker(BabyAIEpisode, mission, None, 30)
        seen = play(episode, WALK[:7])
        killed = episode.pid
        os.kill(killed, signal.SIGKILL)
        seen += [episode.step(action) for action in WALK[7:]]
        assert seen == undisturbed
        assert episode.pid != killed

    def test_an_action_during_which_the_worker_dies_is_repeated(self, monkeypatch, tmp_path):
        monkeypatch.setenv("CRASH_MARK", str(tmp_path / "mark"))
        episode = in_worker(Counting)
        assert [one.text for one in play(episode, ["a", "crash once", "b"])] == [
            *("at 0", "a 1", "crash once 2", "b 3")
        ]
        assert episode.score().success

    def test_a_second_death_is_an_error_of_the_task(self):
        episode = in_worker(Counting)
        play(episode, ["a"])
        with pytest.raises(TaskError, match=r"died twice \(exit status -9.*HARNESS_WORKERS=0"):
            episode.step("crash")

    def test_a_second_kill_gives_an_error_row(self):
        class Task:
            def episode(self, item):
                return in_worker(Counting)

        async def lose_two_workers():
            world = World(Task(), Item("one", "000", "hash"))
            await world.start()
            for _ in range(2):
                os.kill(world._episode.pid, signal.SIGKILL)
                try:
                    await world.step("a")
                except TaskError:
                    return world.failure
            return None

        # What the loop makes an error row of, and tries again with the next run.
        assert isinstance(asyncio.run(lose_two_workers()), TaskError)

    def test_other_episodes_of_a_dead_worker_do_not_pay_for_it(self, monkeypatch):
        monkeypatch.setenv("HARNESS_WORKERS", "1")
        guilty, innocent = in_worker(Counting), in_worker(Counting, 7)
        play(innocent, ["a"])
        for _ in range(3):
            guilty.reset()
            with pytest.raises(TaskError):
                guilty.step("crash")
            guilty = in_worker(Counting)
        assert innocent.step("b").text == "b 9"
        assert innocent.score().success

    def test_a_world_that_is_not_the_same_again_is_an_error(self):
        episode = in_worker(Counting, 0, True)
        play(episode, ["a"])
        os.kill(episode.pid, signal.SIGKILL)
        with pytest.raises(TaskError, match="not the same when it is played again"):
            episode.step("b")


class TestProcess:
    def test_calls_before_the_start_and_after_the_end_are_deaths(self):
        worker = WorkerProcess("harness_tasks.evo_memory.workers:EpisodeServer")
        with pytest.raises(WorkerDied):
            worker.call("reset", 1)
        worker.start()
        worker.close()
        with pytest.raises(WorkerDied):
            worker.call("reset", 1)
        assert worker.pid is None

    def test_a_worker_that_cannot_start_tells_why(self):
        worker = WorkerProcess("harness_tasks.no_such_module:Thing")
        worker.start()
        with pytest.raises(WorkerDied, match="no_such_module"):
            worker.call("reset", 1)
        worker.close()

    def test_workers_end_with_a_parent_that_is_killed_and_print_nothing(self):
        program = (
            "import os\n"
            "from test_workers import Counting\n"
            "from harness_tasks.evo_memory.workers import in_worker\n"
            "episode = in_worker(Counting); episode.reset()\n"
            "print(episode.pid, flush=True)\n"
            "os.kill(os.getpid(), 9)"
        )
        path = os.pathsep.join([os.path.dirname(os.path.abspath(__file__)), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert done.stdout.strip().isdecimal(), done.stderr
        assert _gone(int(done.stdout))

    def test_workers_are_closed_when_the_parent_ends_by_itself(self):
        program = (
            "from test_workers import Counting\n"
            "from harness_tasks.evo_memory.workers import in_worker\n"
            "episode = in_worker(Counting); episode.reset(); print(episode.pid)"
        )
        path = os.pathsep.join([os.path.dirname(os.path.abspath(__file__)), *sys.path])
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert _gone(int(done.stdout))


def _gone(pid):
    """Wait until a process is gone, a zombie without a parent included."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (ProcessLookupError, FileNotFoundError):
            return True
    return False


def test_a_world_that_does_not_answer_is_as_good_as_dead(monkeypatch):
    monkeypatch.setattr(worker_process, "_PATIENCE_S", 0.5)
    hung = WorkerProcess("threading:Event")
    hung.start()
    try:
        with pytest.raises(WorkerDied, match="no answer to wait within 0.5 s"):
            hung.call("wait")
    finally:
        hung.close()
