"""A model that answers from a file of rules, for exact tests and examples.

Each line of the file is ``{"match": REGEX, "text": ANSWER, "delay_s": 0.0}``. The first rule whose
regular expression is found in the conversation answers; groups fill the answer as in ``re``'s
expand. The answer depends on the request alone, never on what was asked before.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness import options
from harness.data import content_hash
from harness.errors import UsageError
from harness.models.base import NO_HOST, Host, ModelIdentity, ModelRequest
from harness.models.chat import ChatModel, ChatRequest, ChatResponse
from harness.options import NoOptions
from harness.registry import About


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    text: str
    delay_s: float


class Scripted(ChatModel):
    """``scripted:FILE.jsonl``."""

    about: ClassVar[About] = About(
        "Answers from a file of rules, for exact tests: scripted:FILE.jsonl, with lines such as "
        '{"match": "capital of (\\\\w+)", "text": "I do not know \\\\1.", "delay_s": 0}; the first '
        "whose regular expression is found in the conversation answers.",
        "harness.models.scripted",
    )

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("scripted needs a file: --model scripted:FILE.jsonl")
        # A path may hold an '@', which stands before the revision in other models' names.
        path = f"{request.target}@{request.revision}" if request.revision else request.target
        options.build(NoOptions, dict(request.args), f"model '{request}'")
        self._path = Path(path).expanduser()
        self._rules: list[_Rule] = []

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Read the rules."""
        del host
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise UsageError(f"cannot read {self._path}: {reason}.") from error
        self._rules = [
            _read_rule(line, f"{self._path} line {number}")
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
        return ModelIdentity(self._path.name, content_hash(text), "scripted", "1")

    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer with the first rule that matches; empty where none does."""
        started = time.perf_counter()
        prompt = "\n".join(message.content for message in request.messages)
        text = ""
        for rule in self._rules:
            found = rule.pattern.search(prompt)
            if found:
                await asyncio.sleep(rule.delay_s)
                text = found.expand(rule.text)
                break
        spent = time.perf_counter() - started
        return ChatResponse(text, len(prompt.split()), len(text.split()), spent)


def _read_rule(line: str, where: str) -> _Rule:
    try:
        values = json.loads(line)
        match, text = values.get("match", ""), str(values["text"])
        # With an empty alternative the expression matches, so that the answer's groups are checked.
        probe = re.compile(f"{match}|", re.DOTALL).search("")
        if probe:
            probe.expand(text)
        return _Rule(re.compile(match, re.DOTALL), text, float(values.get("delay_s", 0.0)))
    except (ValueError, LookupError, TypeError, AttributeError, re.error) as error:
        raise UsageError(
            f'{where} is no rule ({error}); write {{"match": REGEX, "text": ANSWER}}.'
        ) from error
