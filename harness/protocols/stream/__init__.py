"""The stream protocol: a method meets tasks one after another and may remember.

Import from here what a task or a method needs; the loop itself is `harness.protocols.stream.loop`.
"""

from harness.protocols.stream.method import (
    Agent,
    AgentReport,
    Ask,
    EntryMemory,
    Memory,
    MemoryContext,
    MethodPair,
    Play,
)
from harness.protocols.stream.settings import (
    FeedbackLevel,
    IndexKey,
    ItemOrder,
    StorePolicy,
    StreamSettings,
    TieBreak,
)
from harness.protocols.stream.task import Episode, MetricInfo, StreamTask
from harness.protocols.stream.types import (
    Brief,
    Context,
    Delta,
    Entry,
    Experience,
    Feedback,
    Hit,
    Item,
    Observation,
    Query,
    Retrieval,
    Score,
    Turn,
)

__all__ = [
    "Agent",
    "AgentReport",
    "Ask",
    "Brief",
    "Context",
    "Delta",
    "Entry",
    "EntryMemory",
    "Episode",
    "Experience",
    "Feedback",
    "FeedbackLevel",
    "Hit",
    "IndexKey",
    "Item",
    "ItemOrder",
    "Memory",
    "MemoryContext",
    "MethodPair",
    "MetricInfo",
    "Observation",
    "Play",
    "Query",
    "Retrieval",
    "Score",
    "StorePolicy",
    "StreamSettings",
    "StreamTask",
    "TieBreak",
    "Turn",
]
