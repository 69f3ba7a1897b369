"""Memories in worker processes: hostile ones fail their samples, honest ones are as in process."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from support import Server, comparable, harness, run_arguments, scripted_answer, start

from harness.protocols.stream.dumps import folder_hash

HOSTILE = '''
import os
import threading
from harness.protocols.stream import Context, Entry, Hit, Retrieval
from harness_methods.memory.exprecent import ExpRecent

OUTSIDE = {outside!r}


class Hostile(ExpRecent):
    """Does something else at every step; what it does not spoil is `exprecent`."""

    async def search(self, query):
        if query.step == 1:
            return Retrieval((Hit("junk", "text of no entry"),))
        return await super().search(query)

    async def synthesize(self, query, retrieval):
        if query.step == 2:
            return Context((Hit("e99", "text"),))
        return await super().synthesize(query, retrieval)

    async def evolve(self, experience):
        await super().evolve(experience)
        step = experience.step
        if step == 3:
            self.put(Entry("big", "x" * 10_000_000, "key", "", 3))
        elif step == 4:
            raise ValueError("the reason")
        elif step == 5:
            while True:
                pass
        elif step == 6:
            threading.Event().wait()
        elif step == 7:
            open(OUTSIDE, "w").write("taken")
        elif step == 8:
            try:
                os.mkdir(OUTSIDE)
            except OSError:
                pass
        elif step == 9:
            os._exit(3)
        elif step == 10:
            self.put(Entry("huge", "x" * 100_000_000, "key", "", 3))
        elif step == 11:
            os.kill(os.getpid(), 9)
        else:
            (self.context.folder / "own.txt").write_text("may be written")
'''

LEARNS = '''
import json
from harness.models.chat import Message, Phase
from harness.protocols.stream import Entry, Hit, Memory, Retrieval
from harness.registry import About


class Learns(Memory):
    """A store in its folder, which the model words; only its dumps bring it back."""

    about = About("for a test", "tests")
    isolated = True
    needs_similarity = False
    snapshot_every = 3

    @property
    def file(self):
        return self.context.folder / "store.json"

    def read(self):
        return json.loads(self.file.read_text()) if self.file.exists() else []

    async def search(self, query):
        return Retrieval(tuple(Hit(f"w{n}", one) for n, one in enumerate(self.read()))[-3:])

    async def evolve(self, experience):
        said = await self.context.ask(
            [Message("user", f"Note: {experience.output}")], phase=Phase.EVOLVE
        )
        self.file.write_text(json.dumps([*self.read(), f"{said} after {len(self.read())}"]))

    def entries(self):
        return {f"w{n}": Entry(f"w{n}", one, "", "", n) for n, one in enumerate(self.read())}

    async def restore(self, entries):
        raise AssertionError("only its dumps bring it back")

    def dump(self, folder):
        (folder / "store.json").write_text(json.dumps(self.read()))

    async def load(self, folder):
        self.file.write_text((folder / "store.json").read_text())
'''

ASKS = """
import http.client
import json
from urllib.parse import urlsplit
from harness_methods.memory.exprecent import ExpRecent


class Asks(ExpRecent):
    \"\"\"Asks over HTTP, and makes nothing of what goes wrong.\"\"\"

    isolated = True
    needs_endpoint = True
    needs_similarity = False

    def ask(self, path, **body):
        address = urlsplit(self.context.endpoint)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        connection.request("POST", address.path + path, json.dumps(body))
        return connection.getresponse().read()

    async def evolve(self, experience):
        await super().evolve(experience)
        said = [{"role": "user", "content": f"note {experience.step}"}]
        if experience.step == 1:
            self.ask("/chat/completions", messages=said, stream=True)
        elif experience.step == 2:
            self.ask("/embeddings", input="one")
        elif experience.step == 3:
            self.ask("/responses", input="one")
        else:
            self.ask("/chat/completions", messages=said, max_tokens=99)
"""

STREAM = ("-T", "streams=1", "-T", "items=13", "-T", "store=all", "--embedder", "bm25")


def rows(results: Path) -> pd.DataFrame:
    (path,) = results.glob("samples/*/*.parquet")
    return pd.read_parquet(path).sort_values("step").reset_index(drop=True)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The rows of a run of a hostile memory, and the file that it wanted to write."""
    folder = tmp_path_factory.mktemp("hostile")
    outside, method = folder / "outside", folder / "hostile.py"
    method.write_text(HOSTILE.format(outside=str(outside)))
    kept = folder / "kept"
    kept.mkdir()
    (kept / "file").write_text("of somebody else")
    before = folder_hash(kept)
    with Server() as server:
        arguments = run_arguments(
            server, folder / "r", *STREAM, "-T", "isolate=true", "-T", "memory_timeout=2"
        )
        done = harness(*arguments, "--method", f"file:{method}#Hostile")
    assert folder_hash(kept) == before
    return done, rows(folder / "r"), outside


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (1, "search returned the id 'junk', which no entry has"),
        (2, "synthesize returned the id 'e99', which no entry has"),
        (3, "an entry whose text has 10,000,000 characters"),
        (4, "evolve raised ValueError: the reason"),
        (5, "evolve took more than 2 s"),
        (6, "evolve took more than 2 s"),
        (7, "it tried to write"),
        (8, "it tried to change"),
        (9, "its worker process ended in evolve"),
        (10, "100,000,000 characters"),
        (11, "its worker process ended in evolve"),
    ],
)
def test_a_hostile_memory_fails_its_sample_with_the_reason(hostile, step, reason):
    row = hostile[1].iloc[step]
    assert row["status"] == "failed"
    assert reason in row["error"]
    assert row["score"] == 0.0


def test_the_run_goes_on_from_the_last_commit(hostile):
    done, table, outside = hostile
    assert done.returncode == 1, done.stderr  # samples failed
    assert len(table) == 13
    assert table["status"].tolist().count("ok") == 2
    sizes = [dict(one)["memory_entries"] for one in table["metrics"]]
    assert sizes == [1.0] * 12 + [2.0]
    assert not outside.exists()


def test_built_in_memories_are_the_same_in_a_worker(tmp_path):
    methods = [word for one in ("exprag", "random", "history") for word in ("--method", one)]
    found = []
    for name, more in (("near", ()), ("far", ("-T", "isolate=true"))):
        with Server() as server:
            arguments = run_arguments(server, tmp_path / name, *STREAM, *more, *methods)
            done = harness(*arguments)
            assert done.returncode == 0, done.stderr
        found.append(sorted(comparable(tmp_path / name).values(), key=repr))
    assert found[0] == found[1]


def test_what_came_after_the_last_dump_is_learned_again_without_asking(tmp_path):
    method = tmp_path / "learns.py"
    method.write_text(LEARNS)
    with Server() as server:
        arguments = run_arguments(
            server, tmp_path / "whole", *STREAM, "--method", f"file:{method}#Learns"
        )
        assert harness(*arguments).returncode == 0
        calls = server.total
    with Server() as server:
        arguments = run_arguments(
            server, tmp_path / "killed", *STREAM, "--method", f"file:{method}#Learns"
        )
        for at in (9, 2, 6):  # in step 4, 5 and 8: behind the dumps after items 3 and 6
            server.kill_with = signal.SIGKILL
            server.victim = start(*arguments)
            server.kill_at = server.total + at
            server.victim.communicate(timeout=60)
            server.kill_at = None
        (dump,) = (tmp_path / "killed").glob("artifacts/*/dumps/*/step-??????")
        assert len(json.loads((dump / "store.json").read_text())) == 6
        done = harness(*arguments)
        assert done.returncode == 0, done.stderr
        assert comparable(tmp_path / "killed") == comparable(tmp_path / "whole")
        assert server.total <= calls + 3


def test_a_dump_that_was_changed_is_refused(tmp_path):
    method = tmp_path / "learns.py"
    method.write_text(LEARNS)
    with Server() as server:
        arguments = run_arguments(
            server, tmp_path / "r", *STREAM, "--method", f"file:{method}#Learns"
        )
        server.kill_with = signal.SIGKILL
        server.victim = start(*arguments)
        server.kill_at = 9
        server.victim.communicate(timeout=60)
        server.kill_at = None
        (dump,) = (tmp_path / "r").glob("artifacts/*/dumps/*/step-??????")
        (dump / "store.json").write_text("[]")
        done = harness(*arguments)
    assert done.returncode == 1
    assert "was changed after it was written" in done.stdout + done.stderr


def test_a_swallowed_request_that_failed_fails_its_sample(tmp_path):
    method = tmp_path / "asks.py"
    method.write_text(ASKS)
    with Server() as server:
        arguments = run_arguments(
            server, tmp_path / "r", *STREAM, "--method", f"file:{method}#Asks"
        )
        done = harness(*arguments)
    table = rows(tmp_path / "r")
    assert table["status"].tolist() == ["ok"] + ["failed"] * 3 + ["ok"] * 9, done.stderr
    for step, reason in ((1, "not streamed"), (2, "--embedder minilm"), (3, "is not served")):
        assert reason in table["error"][step]
    # Each answer was charged to what the memory writes, and the failed ones left nothing behind.
    found = [dict(one) for one in table["metrics"]]
    assert [one["memory_entries"] for one in found] == [1, 1, 1, 1, *range(2, 11)]
    assert all(one["output_tokens_evolve"] > 0 for one in found if one["memory_entries"] > 1)


def test_a_model_that_is_gone_leaves_an_error_and_no_hole(tmp_path):
    method = tmp_path / "asks.py"
    method.write_text(ASKS.replace("experience.step == 1", "False").replace("== 2", "== -2"))
    method.write_text(method.read_text().replace("experience.step == 3", "False"))
    with Server() as server:
        arguments = run_arguments(
            server, tmp_path / "r", *STREAM, "--method", f"file:{method}#Asks"
        )
        server.broken = lambda prompt: prompt == "note 4"
        assert harness(*arguments).returncode == 1
        assert [prompt for prompt in server.asked if prompt == "note 5"] == []
        server.broken = lambda _prompt: False
        done = harness(*arguments)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "r")["status"].tolist() == ["ok"] * 13


def test_the_models_time_is_not_the_memorys(tmp_path):
    method = tmp_path / "asks.py"
    method.write_text(ASKS.replace("experience.step == 1", "False").replace("== 2", "== -2"))
    method.write_text(method.read_text().replace("experience.step == 3", "False"))

    def answer(prompt):
        if prompt == "note 2":
            time.sleep(1.5)
        return scripted_answer(prompt)

    with Server(answer) as server:
        arguments = run_arguments(
            server, tmp_path / "r", *STREAM, "-T", "memory_timeout=1", "-T", "items=4"
        )
        done = harness(*arguments, "--method", f"file:{method}#Asks")
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "r")["status"].tolist() == ["ok"] * 4
