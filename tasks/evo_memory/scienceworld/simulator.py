"""Runs ScienceWorld's Java simulator, one process for all games of this Python process.

The package's own ``step`` lists all valid combinations of actions and objects after every action,
which takes 20 times as long as the action; the games here call the simulator beneath it.

By itself a game is not the same when it is played again: animals wander by a random generator that
nobody seeds, and sets of objects are walked through in an order that depends on addresses in memory
(44 of AgentBoard's 90 variations differed between two processes). So the generator is seeded before
every call, by the variation and the number of the action, and Java gives all objects the same
identity hash; then all 90 are equal, in whatever order and company they are played.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, cast

from harness.data import cache_dir
from harness.errors import MissingExtra, TaskError, UsageError

SIMPLIFICATIONS = "selfWateringFlowerPots,openContainers,openDoors,noElectricalAction"
"""AgentBoard's choice."""

_LOCK = threading.Lock()
_JAVA_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+UnlockExperimentalVMOptions",
    "-XX:hashCode=2",
    "-XX:+UseSerialGC",  # one core for each worker
)


class _Interface(Protocol):
    """What is used of ``scienceworld.runtime.pythonapi.PythonInterface``."""

    def load(self, task: str, variation: int, simplifications: str, gold: bool) -> None: ...
    def reset(self) -> None: ...
    def step(self, action: str) -> str: ...
    def freeActionInventory(self) -> str: ...  # noqa: N802 - Java's names
    def freeActionTaskDesc(self) -> str: ...  # noqa: N802
    def getPossibleActions(self) -> Any: ...  # noqa: N802
    def getGoldActionSequence(self) -> Any: ...  # noqa: N802
    def getScore(self) -> float: ...  # noqa: N802
    def getCompleted(self) -> bool: ...  # noqa: N802


def require_java() -> None:
    """Check that the simulator can be started.

    Raises:
        UsageError: there is no Java.
    """
    if shutil.which("java") is None:
        raise UsageError(
            "subset 'scienceworld' needs Java, which is not on the PATH; install a Java runtime "
            "(Debian: apt-get install default-jre-headless; conda: conda install openjdk)."
        )


class Game:
    """One game.

    Args:
        task: an experiment, such as ``find-animal``.
        variation: its number.
        gold: whether the game works out a solution, which takes longer to load.

    Raises:
        MissingExtra: scienceworld is not installed.
        TaskError: the simulator does not know the experiment.
    """

    def __init__(self, task: str, variation: int, gold: bool = False) -> None:
        self._task, self._variation, self._gold = task, variation, gold
        self._actions = 0
        with _LOCK:
            self._java = _interface()
            self._load()

    def _seed(self, call: str) -> None:
        """Start the random numbers of a call."""
        key = f"{self._task} {self._variation} {call}".encode()
        number = int.from_bytes(hashlib.sha256(key).digest()[:8], "big", signed=True)
        _simulator().random.setSeed(number)

    def _load(self) -> None:
        self._seed("load")
        try:
            self._java.load(self._task, self._variation, SIMPLIFICATIONS, self._gold)
        except Exception as error:
            raise TaskError(
                f"ScienceWorld cannot load {self._task}, variation {self._variation}: {error}"
            ) from error

    def reset(self) -> str:
        """Start over; returns what is seen, and the inventory."""
        self._actions = 0
        with _LOCK:
            self._seed("reset")
            self._java.reset()
            return f"{self._java.step('look around')}\n{self._java.freeActionInventory()}"

    def step(self, action: str) -> str:
        """Take an action; returns what is seen."""
        self._actions += 1
        with _LOCK:
            self._seed(str(self._actions))
            return self._java.step(action)

    @property
    def goal(self) -> str:
        """The task in the game's own words."""
        with _LOCK:
            return self._java.freeActionTaskDesc().removeprefix("Task Description:").strip()

    @property
    def score(self) -> int:
        """The game's score, at most 100; below 0 after a mistake that cannot be mended."""
        with _LOCK:
            return round(100 * self._java.getScore())

    @property
    def completed(self) -> bool:
        """Whether the game is over, won or lost."""
        with _LOCK:
            return bool(self._java.getCompleted()) or round(100 * self._java.getScore()) < 0

    def templates(self) -> list[str]:
        """Forms of actions, with OBJ for an object."""
        with _LOCK:
            return [str(one) for one in self._java.getPossibleActions()]

    def gold_actions(self) -> list[str]:
        """The solution that the game worked out, where it was asked to."""
        with _LOCK:
            return [str(one) for one in self._java.getGoldActionSequence()]


@dataclass(frozen=True)
class _Simulator:
    """The Java process."""

    jvm: Any
    random: Any
    """Scala's common random generator, which all games draw from."""


@cache
def _simulator() -> _Simulator:
    """Start the Java process; it ends with this one.

    Raises:
        MissingExtra: scienceworld is not installed.
        UsageError: there is no Java.
    """
    try:
        from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
        from scienceworld.constants import JAR_PATH
    except ImportError as error:
        raise MissingExtra("the scienceworld subset", "scienceworld", "environments") from error
    require_java()
    folder = cache_dir() / "scienceworld"  # the simulator writes a table where it runs
    folder.mkdir(parents=True, exist_ok=True)
    launched: Any = launch_gateway(
        classpath=JAR_PATH,
        javaopts=list(_JAVA_OPTIONS),
        cwd=str(folder),
        die_on_exit=True,
        return_proc=True,
    )
    port, process = launched
    parameters = GatewayParameters(auto_field=True, port=port)
    gateway: Any = JavaGateway(gateway_parameters=parameters, java_process=process)
    atexit.register(_end, gateway, process)
    common = gateway.jvm.java.lang.Class.forName("scala.util.Random$").getField("MODULE$").get(None)
    return _Simulator(gateway.jvm, common)


def _end(gateway: Any, process: Any) -> None:
    gateway.shutdown()
    process.stdin.close()  # which is what makes it exit
    process.wait()


def _interface() -> _Interface:
    jvm = _simulator().jvm
    return cast("_Interface", jvm.scienceworld.runtime.pythonapi.PythonInterface())
