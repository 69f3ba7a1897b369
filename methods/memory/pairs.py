"""The names of Evo-Memory (arXiv 2511.20857) as the pairs of agent and memory that they mean."""

from __future__ import annotations

from harness.protocols.stream import MethodPair
from harness.registry import About

_PAPER = "Evo-Memory, arXiv 2511.20857"

BASELINE = MethodPair(
    About("Task prompt and current observation only.", f"{_PAPER} (Baseline, not defined there)"),
    agent="direct:history=false",
    memory="none",
)
HISTORY = MethodPair(
    About(
        "The episode's own history; for questions, previous tasks and answers.",
        f"{_PAPER} (History, not defined there)",
    ),
    agent="direct",
    memory="history",
)
REACT = MethodPair(
    About("A thought before every action, no memory.", "ReAct, arXiv 2210.03629"),
    agent="react",
    memory="none",
)
EXPRECENT = MethodPair(
    About("The last k finished tasks.", f"{_PAPER} (ExpRecent)"), agent="direct", memory="exprecent"
)
EXPRAG = MethodPair(
    About("The k most similar past experiences.", f"{_PAPER}, section 3.2 (ExpRAG)"),
    agent="direct",
    memory="exprag",
)
REMEM = MethodPair(
    About("ExpRAG whose agent may think and prune before it acts.", f"{_PAPER}, section 3.3"),
    agent="refine",
    memory="exprag",
)
