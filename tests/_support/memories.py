"""Memories opened by themselves, with a model that says what a test wants, and toy runs of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field

from harness.conformance.toy import ToyModel, ToyTask
from harness.executors import LocalExecutor
from harness.methods import resolve
from harness.models.base import ModelKind, ModelRequest
from harness.models.chat import ChatResponse, Phase, Sampling
from harness.models.embedders import Bm25
from harness.models.search import Ranker, SimilaritySearch
from harness.plan import Plan, StreamRun
from harness.protocols.stream import (
    Experience,
    Feedback,
    MemoryContext,
    Query,
    StreamSettings,
    TieBreak,
    Turn,
)
from harness.results.store import ResultsStore
from harness.spec import RunSpec
from harness.streaming.orders import streams_of
from harness.sweep import Sweep

GOALS = ("red lamp", "old door", "green lamp", "red door")


class CountVectors(Ranker):
    """Cosine of the word counts, the encoder of the reference cases."""

    def __init__(self):
        self.texts = {}

    async def write(self, slots, texts):
        self.texts.update(zip(slots, texts, strict=True))

    async def scores(self, query, slots):
        return [self.cosine(query.split(), self.texts[slot].split()) for slot in slots]

    @staticmethod
    def cosine(a, b):
        def dot(x, y):
            return sum(x.count(word) * y.count(word) for word in set(x) | set(y))

        return dot(a, b) / (dot(a, a) * dot(b, b)) ** 0.5 if a and b else 0.0


class Similarities(Ranker):
    """Similarities as a test gives them, by the text that is compared."""

    def __init__(self, given):
        self.given, self.texts = given, {}

    async def write(self, slots, texts):
        self.texts.update(zip(slots, texts, strict=True))

    async def scores(self, query, slots):
        return [
            next((s for text, s in self.given.items() if text in self.texts[slot]), 0.0)
            for slot in slots
        ]


@dataclass
class Scripted:
    """A model: answers one after another, or as a function of the prompt."""

    answers: object
    prompts: list = field(default_factory=list)
    phases: list = field(default_factory=list)
    limits: list = field(default_factory=list)

    async def __call__(self, messages, *, phase=Phase.ACT, max_tokens=None, stop=(), form=None):
        prompt = "\n".join(message.content for message in messages)
        self.prompts.append(prompt)
        self.phases.append(phase)
        self.limits.append(max_tokens)
        return self.answers(prompt) if callable(self.answers) else self.answers.pop(0)


def demonstrations(count):
    return [experience(n, f"demo {n}", correct=True) for n in range(count)]


def opened(method, answers=(), *, ranker=None, seed_text="0/0/native/000", **settings):
    """Open the memory of a method; what it asks is in ``memory.context.ask``."""
    stream = StreamSettings(**settings)
    context = MemoryContext(
        settings=stream,
        ask=Scripted(answers if callable(answers) else list(answers)),
        similarity=SimilaritySearch(
            ranker or Bm25(ModelRequest("bm25")).ranker(),
            older_first=stream.tie_break is TieBreak.OLDER,
        ),
        seed_text=seed_text,
        demonstrations=demonstrations,
    )
    part = resolve(method, "stream").right
    return part.type(part.options, context)


def experience(step, goal, answer="blue", *, correct=True, episode=False):
    turns = (Turn("seen", "turn left"), Turn("seen", answer)) if episode else (Turn("", answer),)
    labels = ("Mission", "Action") if episode else ("Question", "Answer")
    feedback = Feedback() if correct is None else Feedback(correct=correct)
    return Experience(f"s/{step}", step, goal, turns, feedback, *labels, single_turn=not episode)


def learned(memory, *experiences):
    """Let a memory learn experiences; returns it."""
    for one in experiences:
        asyncio.run(memory.evolve(one))
    return memory


def filled(method, goals=GOALS, answers=(), **settings):
    memory = opened(method, answers, **settings)
    return learned(memory, *(experience(step, goal) for step, goal in enumerate(goals)))


def found(memory, goal="lamp", step=9):
    return asyncio.run(memory.search(Query("s/9", step, goal)))


def ids(memory, goal="lamp", step=9):
    return [hit.id for hit in found(memory, goal, step).hits]


def shown(memory, goal="lamp", step=9):
    query = Query(f"s/{step}", step, goal)

    async def both():
        return await memory.synthesize(query, await memory.search(query))

    return asyncio.run(both())


def texts(memory):
    """What a memory holds: text by id."""
    return {one: entry.text for one, entry in memory.entries().items()}


FORMS = (
    "<cheatsheet>\nCount twice. {echo}\n</cheatsheet>",
    '{{"facts": ["It is {number}", "{echo}"]}}',
    '```json\n{{"memory": [{{"id": "0", "text": "{echo}", "event": "UPDATE"}}, '
    '{{"id": "new", "text": "Look at {number}", "event": "ADD"}}]}}\n```',
    '{{"memory": [{{"id": 1, "event": "DELETE"}}, {{"text": "New {echo}", "event": "ADD"}}]}}',
    '{{"keywords": ["lamp", "{number}"], "context": "{echo}", "tags": ["colour"]}}',
    '{{"should_evolve": true, "actions": ["strengthen", "update_neighbor"], '
    '"suggested_connections": [1], "tags_to_update": ["t{number}"], '
    '"new_context_neighborhood": ["{echo}"], "new_tags_neighborhood": [["n{number}"], ["m"]]}}',
    "Yes, it did.",
    "No. It is wrong.",
    "<workflow>\nFind it\n1. look\n2. {echo}\n</workflow><workflow>Second\n1. {number}</workflow>",
    "Title: Look first\nDescription: always\nContent: {echo}\n\nTitle: Two\nContent: {number}",
)
_MARKS = ("<cheatsheet>", '"facts"', '"event"', '"event"', '"keywords"', '"should_evolve"')
_MARKS += ("yes or no", "yes or no", "<workflow>", "Content:")


def writer(prompt):
    """Answer each kind of prompt in the form that it asks for, and one in eight with junk.

    What it writes repeats words of the prompt, so that what a prompt leaks is stored as well.
    """
    number = int(hashlib.sha256(prompt.encode()).hexdigest(), 16)
    fitting = [form for form, mark in zip(FORMS, _MARKS, strict=True) if mark in prompt]
    if not fitting or number % 8 == 0:
        return ("Answer: blue", "red", "Think: hm", "Think-Prune: 1")[number // 8 % 4]
    # The longest words of the prompt, which are its names, and the last of them.
    words = sorted(set(prompt.replace('"', " ").replace("\\", " ").split()), key=len)
    echo = " ".join(word for word in words[-12:] if "{" not in word and "<" not in word)
    form = fitting[number // 8 % len(fitting)]
    return form.format(echo=echo, number=number % 97)


def asks_to_write(prompt):
    """Whether a prompt is one of a memory's own."""
    return any(mark in prompt for mark in _MARKS)


class WritingToy(ToyModel):
    """The toy model of the conformance checks that can also write for memories.

    Args:
        fails_at: number of the call that does not come back.
    """

    def __init__(self, fails_at=None):
        super().__init__(ModelRequest("toy"))
        self.fails_at, self.requests = fails_at, []

    async def chat(self, request):
        self.requests.append(request)
        if len(self.requests) == self.fails_at:
            raise ConnectionError("gone")
        answer = await super().chat(request)
        text = writer(self.prompts[-1])
        return ChatResponse(text, 1, 1, 0.0) if asks_to_write(self.prompts[-1]) else answer


class Kept:
    """A progress that keeps the records."""

    def __init__(self):
        self.records = []

    def advance(self, _run_id, record):
        self.records.append(record)

    def status(self, *_text):
        return

    begin = end = working = status


def toy_plan(methods, sampling=None, **settings):
    """Runs of methods on the toy task."""
    task = ToyTask(StreamSettings(**settings))
    runs = []
    for method in (resolve(text, "stream") for text in methods):
        spec = RunSpec(
            task="toy",
            task_version="1",
            subset="toy",
            task_options=settings,
            method=method.canonical(),
            label=method.label,
            model="toy",
            embedder="bm25",
            sampling=(sampling or Sampling()).given(),
        )
        runs.append(StreamRun(spec, task, method, streams_of(task.items(0), "native")))
    return Plan(Sweep(task="toy"), tuple(runs), 4, len(runs))


def execute(plan, root, model):
    """Execute a plan; returns its outcomes and records."""
    store, kept = ResultsStore(root), Kept()
    store.prepare()

    def opener(_name, _sweep, kind):
        return model if kind is ModelKind.CHAT else Bm25(ModelRequest("bm25"))

    outcomes = asyncio.run(LocalExecutor(store, kept, opener).execute(plan))
    return outcomes, kept.records


def plain(entries):
    """Entries as they come back from a file."""
    return {one: json.loads(json.dumps(entry.as_json())) for one, entry in entries.items()}
