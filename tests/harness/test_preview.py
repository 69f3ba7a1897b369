from __future__ import annotations

import asyncio

import pytest
from support import MODEL, Server

from harness.executors import LocalExecutor
from harness.plan import expand
from harness.preview import previews
from harness.results.store import ResultsStore
from harness.sweep import Sweep

METHODS = ("baseline", "history", "react", "exprag", "remem", "static:k=2", "react+static")

SYNC = """
from harness.models.chat import Message
from harness.protocols.stream import Agent, AgentReport, Context, EntryMemory, Hit, Retrieval

class SyncMemory(EntryMemory):
    needs_similarity = False

    def search(self, query):
        return Retrieval((Hit("", "an old saying"),))

    def synthesize(self, query, retrieval):
        return Context(retrieval.hits)

    def evolve(self, experience):
        return

class SyncAgent(Agent):
    def act(self, play, context, ask, memory):
        play.act_blocking(ask.blocking([Message("user", context.items[0].text + play.brief.goal)]))
        return AgentReport()
"""


class Silent:
    def status(self, *_text):
        return

    begin = advance = end = status


def sweep(server, method, **options):
    return Sweep(
        task="evo-memory",
        method=(method,),
        model=(f"openai:{MODEL}",),
        base_url=(server.url,),
        task_options=options,
        embedder="bm25",
        limit=1,
    )


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SYNC)
    return path


def previewed_and_sent(server, root, plan):
    """The previewed prompt, and the first one that the run then sends."""
    asked = server.total
    (shown,) = asyncio.run(previews(plan))
    assert server.total == asked
    store = ResultsStore(root)
    store.prepare()
    (outcome,) = asyncio.run(LocalExecutor(store, Silent()).execute(plan))
    assert outcome.good
    assert shown.sample_id == plan.runs[0].streams[0].items[0].sample_id
    return "\n".join(message.content for message in shown.messages), server.prompts[asked]


@pytest.mark.parametrize("method", METHODS)
def test_the_preview_is_what_the_run_then_sends(server, tmp_path, method):
    plan = expand(sweep(server, method, streams=1, items=2))
    shown, sent = previewed_and_sent(server, tmp_path, plan)
    assert shown == sent
    assert "Question: " in shown


def test_the_preview_of_an_episode_is_what_the_run_then_sends(server, tmp_path):
    plan = expand(sweep(server, "remem", subset="babyai", max_steps=2))
    shown, sent = previewed_and_sent(server, tmp_path, plan)
    assert shown == sent
    assert "Observation: " in shown


def test_synchronous_methods_can_be_previewed(server, tmp_path, mine):
    method = f"file:{mine}#SyncAgent+file:{mine}#SyncMemory"
    shown, sent = previewed_and_sent(server, tmp_path / "results", expand(sweep(server, method)))
    assert shown == sent
    assert shown.startswith("an old saying")


def test_skipped_runs_have_no_preview(server):
    plan = expand(sweep(server, "exprag").model_copy(update={"order": ("easy-hard", "native")}))
    (shown,) = asyncio.run(previews(plan))
    assert (shown.run, shown.max_tokens) == ("exprag", 16)
