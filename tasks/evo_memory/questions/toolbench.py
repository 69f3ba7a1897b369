"""Subset `toolbench`: choose one of fifty APIs and its arguments for a request.

The set is StreamBench's ToolBench (Wu et al. 2024, arXiv 2406.08747): 50 APIs x 15 requests of
simulated trial and error (Wang et al. 2024, arXiv 2403.04746; microsoft/simulated-trial-and-error,
MIT). Two measures: the API is right (`api`), and the arguments too (the score). StreamBench
compares the arguments of 31 APIs as texts, ``str().strip().lower()`` of the gold keys alone, so
that further keys pass, and asks gpt-3.5 about the other 19. Here all are compared as texts; what
StreamBench judges is marked (`judged`) and its score is a lower bound, `string_accuracy` is the
score of the others alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

from harness.data import MirrorFile
from harness.errors import UsageError
from harness.protocols.stream import Score
from harness_tasks.evo_memory.questions.bank import Question, QuestionBank
from harness_tasks.published import Published, Row

COMPARED = frozenset(
    {
        "BART%%Advisory information",
        "Car database%%Makes",
        "F1 Latest News%%GET recent F1 news from all sources",
        "Fluximmo%%get_portail_api",
        "Football Dolphin%%Head to head statistics",
        "Global Email V4%%Global Email V4",
        "Handball Data%%Daily Match List-Scheduled",
        "JAK_API%%Ben 10",
        "JAK_API%%Brawl Stars",
        "JAK_API%%Genshin Impact",
        "JAK_API%%Miraculous",
        "Marvel Vs Capcom 2%%All Characters",
        "MikuAPI%%getRandomImage",
        "Numbers Translator%%Numbers Translator",
        "Numbers%%Get math fact",
        "NumbersToLetters%%Convertir cantidad a letra Moneda MXN Español",
        "NumbersToLetters%%Convertir cantidad a letra Moneda MXN Ingles",
        "Password Generator API%%Base",
        "Password Generator API%%Password of length 50",
        "Places%%Geographic coordinates by placename",
        "Soccer Data%%Tournament List",
        "Token API%%generate",
        "add_date",
        "colegiosantaana%%Disciplina-1",
        "colegiosantaana%%Evaluaciones-1",
        "colegiosantaana%%Mensajes-1",
        "forecast_weather",
        "get_today_date",
        "pizzaallapala%%Get Producto Promo",
        "siteDomain%%language list",
        "thailand%%thai4",
    }
)
"""APIs whose arguments StreamBench compares as texts: 31 of 50, 465 of 750 requests."""


class ToolBench(QuestionBank):
    """Requests, with the descriptions of all APIs before each."""

    name: ClassVar[str] = "toolbench"
    file: ClassVar[str] = "tool_test"
    published: ClassVar[Published] = Published(
        "appier-ai-research/StreamBench", "toolbench", ("query", "action", "action_input"), {}
    )
    options_used: ClassVar[frozenset[str]] = frozenset({"streams", "items", "apis"})
    max_tokens: ClassVar[int] = 128

    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (
        MirrorFile("toolbench/tool_test.json", "the requests, else the hub's StreamBench"),
    )

    def read(self) -> tuple[Row, ...]:
        """All rows: the mirror's file has the requests by API."""
        path = self.published.path(self.file)
        if path is None:
            rows = self.published.rows(self.file, ("query",), "test", "toolbench")
            return tuple(
                {**row, "action": row["api_name"], "action_input": row["api_input"]} for row in rows
            )
        try:
            loaded: Any = json.loads(path.read_text(encoding="utf-8"))
            return tuple(dict(row) for rows in dict(loaded).values() for row in rows)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{path} cannot be read ({error}); restore it.") from error

    def question(self, number: int, row: Row) -> Question:
        """Make a question of a row."""
        arguments = _object(row["action_input"])
        api = str(row["action"])
        extra = (str(row.get("api_descriptions", "")), json.dumps(arguments, sort_keys=True))
        return Question(f"{number:03d}", str(row["query"]).strip(), api, api, extra=extra)

    @cached_property
    def descriptions(self) -> dict[str, str]:
        """What is said of each API, in the data's order."""
        return {one.gold: one.extra[0] for one in self.questions.values()}

    def told(self, question: Question) -> str:
        """The APIs to choose from: all, or the right one among some that are drawn."""
        names = list(self.descriptions)
        count = self.options.apis
        if count is not None and count < len(names):
            rng = random.Random(f"toolbench/{question.id}")
            others = rng.sample([one for one in names if one != question.gold], count - 1)
            names = [one for one in names if one == question.gold or one in others]
        docs = "\n\n".join(self.descriptions[one] for one in names)
        return f"Answer the request with one call of one of these APIs.\n\n{docs}"

    def format(self) -> str:
        """A call as JSON."""
        return 'one JSON object {"action": API_name, "action_input": {argument: value}}'

    def extract(self, question: Question, text: str) -> str | None:
        """The first JSON object with an action and its input, in canonical form."""
        del question
        for start, letter in enumerate(text):
            if letter != "{":
                continue
            try:
                found, _ = json.JSONDecoder().raw_decode(text[start:])
                call = cast("dict[str, Any]", found)
                arguments = _object(call["action_input"])
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            return json.dumps({"action": str(call["action"]), "action_input": arguments})
        return None

    def verify(self, question: Question, answer: str | None) -> Score:
        """Compare the API, then the gold arguments as texts."""
        gold: Mapping[str, Any] = json.loads(question.extra[1])
        call: Mapping[str, Any] = json.loads(answer) if answer else {}
        api = call.get("action") == question.gold
        given = call.get("action_input", {})
        right = api and all(
            key in given and _plain(given[key]) == _plain(value) for key, value in gold.items()
        )
        judged = question.gold not in COMPARED
        metrics = {"api": float(api), "judged": float(judged)}
        if not judged:
            metrics["string_accuracy"] = float(right)
        words = json.dumps({"action": question.gold, "action_input": gold})
        return Score(float(right), right, metrics, gold=words, answer=answer or "")


def _object(value: Any) -> dict[str, Any]:
    """Arguments, which may be JSON text.

    Raises:
        ValueError: they are no object.
    """
    found: Any = json.loads(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise ValueError("the arguments are no JSON object")
    return cast("dict[str, Any]", found)


def _plain(value: Any) -> str:
    return str(value).strip().lower()
