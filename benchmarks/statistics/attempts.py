"""Attempts of one command, compared with each other: how often does a comparison cry wolf?

    python -m benchmarks.statistics.attempts --pairs 200

Real runs of the stream task, made in this process by a chat model whose answers are sampled: half
of the time it copies the answer of an experience that it is shown, so that the items of a stream
depend on each other as those of a method that learns do. Both attempts of a pair are the same
command, so every regression and every improvement that is found is false. The rate has to agree
with alpha within the error of the simulation.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import math
import random
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness.models.chat import ChatRequest, ChatResponse
from harness.models.scripted import Scripted
from harness.sweep import Sweep

ALPHA = 0.05
_ANSWER = re.compile(r"Answer: *(\S+)")
_GUESSES = ("Yes", "No", "1", "2", "3", "True", "False")


@dataclass(frozen=True)
class Alarms:
    """What came of comparing attempts of one command."""

    pairs: int
    significant: int
    regressed: int
    streams: int

    @property
    def allowed(self) -> tuple[float, float]:
        """Two standard errors of the simulation around alpha; a test with steps may be below."""
        error = 2 * math.sqrt(ALPHA * (1 - ALPHA) / self.pairs)
        return 0.0, ALPHA + error


class _Noise:
    """Answers that are drawn, not computed; one generator for all attempts."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    async def chat(self, request: ChatRequest) -> ChatResponse:
        prompt = "\n".join(message.content for message in request.messages)
        shown = _ANSWER.findall(prompt)
        if shown and self.random.random() < 0.5:
            text = self.random.choice(shown)
        else:
            text = self.random.choice(_guesses(prompt))
        if "'Answer:'" in prompt:
            text = f"Answer: {text}"
        return ChatResponse(text, len(prompt.split()), len(text.split()), 0.0)


def _guesses(prompt: str) -> tuple[str, ...]:
    if "Yes or No" in prompt:
        return ("Yes", "No")
    if "True or False" in prompt:
        return ("True", "False")
    return ("1", "2", "3")


def attempt(folder: Path, method: str, streams: int, items: int) -> None:
    """Make one attempt of the command."""
    from harness import commands

    rules = folder / "rules.jsonl"
    rules.write_text(json.dumps({"match": "", "text": "no"}) + "\n")
    sweep = Sweep(
        task="evo-memory",
        method=(method,),
        model=(f"scripted:{rules}",),
        task_options={
            "subset": "reasoning",
            "streams": streams,
            "items": items,
            "families": "course_schedule,syllogism,letter_counting",
        },
        sampling={"temperature": 1.0},
        embedder="bm25",
        results=str(folder),
        fresh=True,
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = asyncio.run(commands.run_sweep(sweep, as_json=True))
    if code:
        raise SystemExit(f"an attempt ended with exit code {code}")


def alarms(pairs: int, streams: int = 12, items: int = 4, seed: int = 1) -> Alarms:
    """Compare pairs of attempts and count what is found."""
    from harness.results.store import ResultsStore
    from harness.statistics import Verdict
    from harness_leaderboards.comparing.build import build_report
    from harness_leaderboards.comparing.matching import Choice
    from harness_leaderboards.comparing.model import Rules
    from harness_leaderboards.comparing.runs import read_side

    noise, plain = _Noise(seed), Scripted.chat
    significant = regressed = 0
    began = time.perf_counter()
    try:
        Scripted.chat = lambda _self, request: noise.chat(request)  # type: ignore[method-assign]
        for number in range(pairs):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                attempt(folder, "exprag", streams, items)
                attempt(folder, "exprag", streams, items)
                one, two = (run.run_id for run in ResultsStore(folder).runs())
                sides = read_side(one, folder), read_side(two, folder)
                report = build_report(*sides, Choice(), Rules(alpha=ALPHA, min_effect=0.0))
            (found,) = report.comparisons
            significant += found.total.p is not None and found.total.p < ALPHA
            regressed += report.verdict is Verdict.REGRESSED
            if (number + 1) % 20 == 0:
                spent = time.perf_counter() - began
                print(f"{number + 1} pairs, {spent:.0f} s", file=sys.stderr)
    finally:
        Scripted.chat = plain  # type: ignore[method-assign]
    return Alarms(pairs, significant, regressed, streams)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics.attempts")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--streams", type=int, default=12)
    parser.add_argument("--items", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    found = alarms(chosen.pairs, chosen.streams, chosen.items, chosen.seed)
    low, high = found.allowed
    print(f"pairs of attempts of one command: {found.pairs}, {found.streams} streams each")
    print(f"significant at {ALPHA}: {found.significant} ({found.significant / found.pairs:.1%})")
    print(f"called regressed: {found.regressed} ({found.regressed / found.pairs:.1%})")
    print(f"expected: {low:.1%} to {high:.1%}")


if __name__ == "__main__":
    main()
