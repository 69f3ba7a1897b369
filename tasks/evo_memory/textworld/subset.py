"""Subset `textworld`: generated text games, scored by the games themselves.

Côté et al. 2018 (arXiv 1806.11532) on textworld 1.7.0; needs no data from elsewhere. Each stream
is drawn anew from the data seed, so streams are disjoint and as many as wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.data import DataSource, content_hash
from harness.protocols.stream import (
    Brief,
    Episode,
    Experience,
    Feedback,
    Item,
    Observation,
    Score,
    Turn,
)
from harness.registry import Need
from harness_tasks.evo_memory.subset import EvoMemoryOptions, Subset
from harness_tasks.evo_memory.textworld.environment import TextGame
from harness_tasks.evo_memory.textworld.games import (
    FAMILIES,
    VERSION,
    GameSpec,
    compiled,
    walkthrough,
)
from harness_tasks.evo_memory.workers import in_worker

INSTRUCTIONS = """You play a text adventure. Type one command each turn, with the names of things \
as you see them:
- look, inventory, examine <thing>
- go north, go south, go east, go west
- open <thing>, close <thing>, unlock <thing> with <key>, lock <thing> with <key>
- take <thing>, take <thing> from <place>, drop <thing>, put <thing> on <place>, insert <thing> \
into <place>
- eat <thing>; where you cook: cook <food> with <stove, oven or BBQ>, slice, dice or chop <food> \
with <knife>, prepare meal
- check valid actions: list all commands that are possible now
Food that the recipe wants fried is cooked with a stove, roasted with an oven, grilled with a BBQ; \
what is spoiled by wrong treatment loses the game."""


class TextWorld(Subset):
    """Generated games in streams."""

    options_used: ClassVar[frozenset[str]] = frozenset({"streams", "items", "max_steps"})
    max_tokens: ClassVar[int] = 64
    needs: ClassVar[tuple[Need, ...]] = (Need("textworld", "textworld"),)
    default_streams: ClassVar[int] = 8
    default_items: ClassVar[int] = 9

    def __init__(self, options: EvoMemoryOptions) -> None:
        super().__init__(options)
        self._drawn: dict[str, GameSpec] = {}

    @property
    def version(self) -> str:
        """The generator."""
        return f"textworld-1+textworld-{VERSION}"

    def items(self, data_seed: int) -> Sequence[Item]:
        """Games of the data seed, the same number in each stream; generated when played."""
        items = list[Item]()
        for stream in range(self.options.streams or self.default_streams):
            for position in range(self.options.items or self.default_items):
                spec = GameSpec.draw(position, "textworld", data_seed, stream)
                sample_id = f"textworld/{data_seed}-{stream:03d}-{position:03d}"
                self._drawn[sample_id] = spec
                items.append(_item(sample_id, f"{stream:03d}", spec))
        return items

    def episode(self, item: Item) -> Episode:
        """Open a game."""
        if item.sample_id not in self._drawn:
            data_seed, _, _ = item.sample_id.rpartition("/")[2].split("-")
            self.items(int(data_seed))
        return in_worker(TextWorldEpisode, self._drawn[item.sample_id], self.options.max_steps)

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Walkthroughs of games with other seeds."""
        specs = [GameSpec.draw(index, "textworld example", data_seed) for index in range(count)]
        return [_example(spec, step) for step, spec in enumerate(specs)]

    def data_sources(self) -> Sequence[DataSource]:
        """The generator."""
        return [DataSource("textworld", VERSION, content_hash(sorted(FAMILIES.items())))]


class TextWorldEpisode(Episode):
    """One game.

    Args:
        spec: what it is generated from, unless the cache holds it.
        max_steps: actions of the episode.
    """

    def __init__(self, spec: GameSpec, max_steps: int) -> None:
        self._path = compiled(spec)
        self._game = TextGame(self._path, max_steps)

    @property
    def brief(self) -> Brief:
        """What the game asks for and how it is played."""
        return Brief(
            goal=self._game.goal,
            instructions=INSTRUCTIONS,
            answer_format="one command",
            single_turn=False,
            max_turns=self._game.max_steps,
            hints="To see what you can do now, use: check valid actions.",
            goal_label="Goal",
            action_label="Action",
        )

    def reset(self) -> Observation:
        """Start over."""
        return Observation(self._game.reset())

    def step(self, action: str) -> Observation:
        """Take an action."""
        step = self._game.step(action)
        return Observation(step.text, step.done, step.valid)

    def score(self) -> Score:
        """Whether the game was won, and the share of its points."""
        success = self._game.success
        gold = " > ".join(walkthrough(self._path))
        return Score(float(success), success, {"progress": self._game.progress}, gold)

    def close(self) -> None:
        """Let go of the interpreter."""
        self._game.close()


def _item(sample_id: str, stream: str, spec: GameSpec) -> Item:
    levels = len(FAMILIES[spec.family]) - 1
    return Item(
        sample_id=sample_id,
        stream_id=stream,
        content_hash=content_hash(spec.name),
        group=spec.family,
        difficulty=spec.level / levels,
    )


def _example(spec: GameSpec, step: int) -> Experience:
    actions = walkthrough(compiled(spec))
    episode = in_worker(TextWorldEpisode, spec, len(actions))
    try:
        seen = episode.reset()
        turns = list[Turn]()
        for action in actions:
            turns.append(Turn(seen.text, action))
            seen = episode.step(action)
        goal = episode.brief.goal
    finally:
        episode.close()
    return Experience(
        sample_id=f"demo-{step}",
        step=step,
        goal=goal,
        turns=tuple(turns),
        feedback=Feedback(correct=True),
        goal_label="Goal",
        action_label="Action",
        single_turn=False,
    )
