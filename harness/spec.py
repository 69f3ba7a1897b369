"""`RunSpec`: what one run is, and its work key.

The work key hashes a versioned, explicit list of fields, so that an upgrade that adds a field
does not make finished work look new. Options enter with the values that differ from their
defaults; a changed default is caught by the code hash.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

KEY_VERSION = 1
KEY_FIELDS_V1 = (
    "task",
    "task_version",
    "task_options",
    "method",
    "model",
    "embedder",
    "sampling",
    "limit",
    "order",
    "data_seed",
    "sample_seed",
    "train_seed",
)


class RunSpec(BaseModel):
    """One task subset x method x model x seed x order: everything that decides its samples."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    task: str
    task_version: str
    subset: str
    task_options: dict[str, Any]
    """Options of the task that differ from their defaults."""
    method: str
    """Both parts with the options that differ from their defaults."""
    label: str
    """The method as the user named it; not part of the key."""
    model: str
    embedder: str
    sampling: dict[str, Any]
    """Every sampling setting, resolved."""
    limit: int | None = None
    order: str = "native"
    data_seed: int = 0
    sample_seed: int = 0
    train_seed: int | None = None

    @property
    def seed(self) -> int:
        """The seed that the user gave: of training where there is training, else of sampling."""
        return self.sample_seed if self.train_seed is None else self.train_seed

    def work_key(self) -> str:
        """Hash of what decides the samples; equal keys are the same work."""
        fields = {name: getattr(self, name) for name in KEY_FIELDS_V1}
        text = json.dumps({"version": KEY_VERSION, **fields}, sort_keys=True)
        return f"v{KEY_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    @property
    def order_seed(self) -> int | None:
        """The seed inside ``shuffle:SEED``."""
        kind, _, seed = self.order.partition(":")
        return int(seed) if kind == "shuffle" else None

    def seed_text(self, stream_id: str) -> str:
        """Source of the randomness of a stream."""
        return f"{self.data_seed}/{self.sample_seed}/{self.order}/{stream_id}"
