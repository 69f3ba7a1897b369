"""Memories that other packages bring: what they write and find, and that a kill changes nothing.

Each package is tested where it is installed; its model is a server that answers the package's own
prompts, now and then with junk.
"""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from aiohttp import web
from support import (
    MODEL,
    Server,
    comparable,
    digest,
    harness,
    run_arguments,
    start,
)

from harness.methods import resolve
from harness.protocols.stream.dumps import folder_hash


@dataclass(frozen=True)
class Package:
    """A memory, the module that it needs, and what marks its prompts."""

    name: str
    module: str
    mark: str


PACKAGES = (
    Package("mem0ai", "mem0", "## New Messages"),
    Package("langmem", "langmem", "memory subroutine"),
    Package("memoryos", "memos", '"memory list"'),
)
SETTINGS = ("-T", "streams=1", "-T", "items=13", "-T", "store=all")
EMBEDDER = ("--embedder", f"openai:{MODEL}")


class PackageServer(Server):
    """A server whose model also writes what packages ask for.

    Args:
        junk: one in so many of its answers to packages is junk; 0: none of them.
    """

    def __init__(self, junk: int = 4) -> None:
        super().__init__()
        self.junk = junk

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        prompt = "\n".join(message.get("content") or "" for message in body["messages"])
        said = self.says(prompt, body)
        if said is None:
            return await super()._chat(request)
        self.asked[prompt] += 1
        self.prompts.append(prompt)
        if self.kill_at is not None and self.total >= self.kill_at and self.victim:
            self.victim.send_signal(self.kill_with)
            self.kill_at = None
        if self.broken(prompt):
            return web.json_response({"error": "out of order"}, status=500)
        calls = isinstance(said, list)
        message = {"content": "", "tool_calls": said} if calls else {"content": said}
        reason = "tool_calls" if calls else "stop"
        usage = {"prompt_tokens": 5, "completion_tokens": 5}
        return web.json_response(
            {"choices": [{"message": message, "finish_reason": reason}], "usage": usage}
        )

    def says(self, prompt, body):
        """An answer to a package: text or tool calls; None to anybody else."""
        number = digest(json.dumps(body, sort_keys=True))
        if "Think-Prune:" in prompt and "[2]" in prompt and number % 2:
            return "Think-Prune: 2"
        facts = [f"Look at {number % 89}", f"It is {number % 7}"][: 1 + number % 2]
        junk = self.junk and number % self.junk == 0
        if body.get("tools"):
            return self._calls(body, prompt, number, facts) if not junk else _junk(number, "calls")
        if "## New Messages" in prompt:
            if junk:
                return _junk(number, "mem0")
            return json.dumps({"memory": [{"id": "0", "text": one} for one in facts]})
        if '"memory list"' in prompt:
            if junk:
                return _junk(number, "memos")
            found = [{"key": "k", "value": one, "tags": ["t"]} for one in facts]
            return json.dumps({"memory list": found, "summary": "s"})
        return None

    @staticmethod
    def _calls(body, prompt, number, facts):
        names = [tool["function"]["name"] for tool in body["tools"]]
        known = re.findall(r"[0-9a-f]{32}", prompt)
        calls = [("Memory", {"content": one}) for one in facts if "Memory" in names]
        if known and "RemoveDoc" in names and number % 5 == 1:
            calls.append(("RemoveDoc", {"json_doc_id": known[0]}))
        if known and "PatchDoc" in names and number % 5 == 2:
            change = {"op": "replace", "path": "/content", "value": f"Now {number % 97}"}
            patch = {"json_doc_id": known[-1], "planned_edits": "change", "patches": [change]}
            calls.append(("PatchDoc", patch))
        return [_call(f"call_{n}", *one) for n, one in enumerate(calls)]


def _call(number, name, arguments):
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": number, "type": "function", "function": function}


def _junk(number, kind):
    shapes = {
        "mem0": ["no json", "", '{"memory": ["text"]}', '{"memory": 3}', '{"memory": []}', "[1]"],
        "memos": ["no json", "", '{"memory list": [{"value": "x"}]}', '{"memory list": []}', "{}"],
        "calls": [
            "I will not call a tool.",
            [_call("c", "Memory", {"wrong": 1})],
            [_call("c", "Unknown", {})],
            [_call("c", "RemoveDoc", {"json_doc_id": "nothing"})],
            [{"id": "c", "type": "function", "function": {"name": "Memory", "arguments": "{"}}],
        ],
    }[kind]
    return shapes[number // 7 % len(shapes)]


def asked(package, server, results, *more):
    """Arguments of a run of a package's memory, without retries worth waiting for."""
    arguments = run_arguments(server, results, *SETTINGS, *EMBEDDER, *more)
    return [*arguments, "--method", package.name]


def rows(results: Path) -> pd.DataFrame:
    (path,) = results.glob("samples/*/*.parquet")
    return pd.read_parquet(path).sort_values("step").reset_index(drop=True)


def metrics(results: Path) -> pd.DataFrame:
    return pd.DataFrame([dict(one) for one in rows(results)["metrics"]])


@pytest.fixture(params=PACKAGES, ids=lambda one: one.name)
def package(request):
    pytest.importorskip(request.param.module)
    return request.param


@pytest.mark.parametrize("one", PACKAGES, ids=lambda one: one.name)
def test_a_package_is_named_with_the_extra_that_brings_it(one):
    memory = resolve(one.name, "stream").right.type
    extras = {"mem0ai": "mem0", "langmem": "langmem", "memoryos": "memoryos"}
    assert {need.extra for need in memory.needs} == {extras[one.name]}
    assert memory.needs[0].package == one.module
    assert (memory.isolated, memory.needs_endpoint, memory.rebuilt_from_entries) == (1, 1, 0)
    assert memory.snapshot_every == 5


def test_what_is_written_is_found_and_named_by_its_item(package, tmp_path):
    with PackageServer(junk=0) as server:
        done = harness(*asked(package, server, tmp_path / "r", "-T", "items=5"))
        assert done.returncode == 0, done.stderr
        table = metrics(tmp_path / "r")
        written = [one for one in server.prompts if package.mark in one]
        answered = [one for one in server.prompts if package.mark not in one]
        assert len(written) == 5 == len(answered)
        # The item is told as it went, with the outcome that the stream grants.
        assert all("Result: " in one for one in written)
        assert "Experience from similar tasks" not in answered[0]
        assert all("[1] " in one for one in answered[1:])
        assert server.embedded
    entries = held(tmp_path / "r")
    assert list(entries) == sorted(entries, key=lambda one: int(one[1:].split("-")[0]))
    assert all(re.fullmatch(r"e[0-4]-\d", one) for one in entries)
    assert all(re.fullmatch(r"(Look at|It is|Now) \d+", one) for one in entries.values())
    assert table["memory_entries"].iloc[-1] == len(entries) >= 5
    assert table["memory_empty_writes"].sum() == table["memory_unreadable"].sum() == 0
    assert table["memory_swallowed_errors"].sum() == 0
    # What the package asked for is metered as the memory's.
    assert (table["output_tokens_evolve"] > 0).all()


def changes(results):
    """What happened to the entries of a run's only stream, in order."""
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    (run,) = store.runs()
    return store.memory(run.run_id).to_dict("records")


def held(results):
    """What a memory held at the end of its stream: text by id."""
    texts = {}
    for row in changes(results):
        if row["op"] in ("added", "changed"):
            texts[row["entry_id"]] = row["text"]
        elif row["op"] == "removed":
            texts.pop(row["entry_id"])
    return texts


def test_a_run_that_was_killed_ends_as_one_that_was_not(package, tmp_path):
    """Before the first dump and behind two, while it acts and while it learns."""
    moments = (4, 5, 6, 5)
    with PackageServer() as server:
        done = harness(*asked(package, server, tmp_path / "whole"))
        assert done.returncode == 0, done.stderr
        calls = server.total
    with PackageServer() as server:
        arguments = asked(package, server, tmp_path / "killed")
        for at in moments:
            server.kill_with = signal.SIGKILL
            server.victim = start(*arguments)
            server.kill_at = server.total + at
            server.victim.communicate(timeout=120)
            server.kill_at = None
        done = harness(*arguments)
        assert done.returncode == 0, done.stderr
        assert comparable(tmp_path / "killed") == comparable(tmp_path / "whole")
        assert server.total <= calls + len(moments)  # nothing was asked twice, but what was cut


def test_what_an_agent_prunes_is_deleted_and_stays_so_after_a_kill(package, tmp_path):
    method = f"refine:prune_persists=true+{package.name}"

    def arguments(server, results):
        return [*asked(package, server, results, "-T", "items=8")[:-1], method]

    with PackageServer(junk=0) as server:
        done = harness(*arguments(server, tmp_path / "whole"))
        assert done.returncode == 0, done.stderr
        assert "removed" in {row["op"] for row in changes(tmp_path / "whole")}
        calls = server.total
    with PackageServer(junk=0) as server:
        again = arguments(server, tmp_path / "killed")
        server.victim = start(*again)
        server.kill_at = calls - 4
        server.victim.communicate(timeout=120)
        server.kill_at = None
        assert harness(*again).returncode == 0
        assert comparable(tmp_path / "killed") == comparable(tmp_path / "whole")


def test_streams_at_once_share_nothing(package, tmp_path):
    found = []
    for name, more in (("both", ()), ("single", ("--max-in-flight", "1"))):
        with PackageServer() as server:
            arguments = asked(package, server, tmp_path / name, *more, "-T", "items=4")
            done = harness(*arguments, "-T", "streams=2")
            assert done.returncode == 0, done.stderr
        (one,) = comparable(tmp_path / name).values()
        found.append(one)
    assert found[0] == found[1]
    # Each stream begins empty.
    table = rows(tmp_path / "both")
    first = table[table["step"] == 0]["metrics"].map(lambda one: dict(one)["retrieved"])
    assert len(first) == 2
    assert first.tolist() == [0, 0]


def test_junk_is_counted_and_stops_nothing(package, tmp_path):
    """Every kind of junk for one item: no JSON, other JSON, tools that do not exist."""
    kind = {"mem0ai": "mem0", "memoryos": "memos", "langmem": "calls"}[package.name]
    seen = {}

    class Junk(PackageServer):
        def says(self, prompt, body):
            if package.mark not in prompt and not body.get("tools"):
                return None
            return _junk(7 * seen.setdefault(prompt, len(seen)), kind)

    with Junk() as server:
        done = harness(*asked(package, server, tmp_path / "r", "-T", "items=6"))
        assert done.returncode == 0, done.stderr
    table = metrics(tmp_path / "r")
    assert len(seen) >= 6
    assert rows(tmp_path / "r")["status"].tolist() == ["ok"] * 6
    assert (table["memory_entries"] == 0).all()
    assert (table["memory_empty_writes"] == 1).all()
    assert table["memory_unreadable"].sum() + table["memory_swallowed_errors"].sum() > 0
    assert "kept nothing" in done.stdout


def test_a_model_that_fails_is_an_error_and_no_empty_write(package, tmp_path):
    with PackageServer(junk=0) as server:
        arguments = asked(package, server, tmp_path / "r", "-T", "items=3")
        server.broken = lambda prompt: package.mark in prompt
        assert harness(*arguments).returncode == 1
        assert server.total <= 1 + 2  # the answer, and the package's call with its one retry here
        server.broken = lambda _prompt: False
        done = harness(*arguments)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "r")["status"].tolist() == ["ok"] * 3
    assert metrics(tmp_path / "r")["memory_empty_writes"].sum() == 0


def test_an_embedder_without_vectors_is_refused_with_the_mend(package, tmp_path):
    with PackageServer() as server:
        done = harness(*asked(package, server, tmp_path / "r", "--embedder", "bm25"))
    assert done.returncode == 2
    assert "--embedder minilm" in done.stdout + done.stderr


def test_home_and_environment_are_left_alone(package, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "file").write_text("of somebody")
    before = folder_hash(home)
    elsewhere = "http://192.0.2.1/v1"
    env = {"HOME": str(home), "HTTPS_PROXY": elsewhere, "HTTP_PROXY": elsewhere}
    env |= {"OPENAI_BASE_URL": elsewhere, "OPENROUTER_API_KEY": "key", "LANGSMITH_TRACING": "true"}
    env |= {"MEM0_TELEMETRY": "True", "MEM0_DIR": str(home), "no_proxy": "127.0.0.1"}
    env |= {"MPLCONFIGDIR": str(tmp_path / "r")}  # a cache of the tasks' own
    with PackageServer(junk=0) as server:
        arguments = asked(package, server, tmp_path / "r", "-T", "items=2")
        done = harness(*arguments, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    # Whatever else a package had tried, to write or to reach, the fence would have failed the item.
    assert rows(tmp_path / "r")["status"].tolist() == ["ok"] * 2
    assert folder_hash(home) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home", "r"]
