"""Teach a causal language model a set of examples: how targets and references are made.

Plain maximum likelihood of the answer tokens, minibatches of like length, AdamW with a linear
schedule. What it made is kept in the cache under a key of everything that decides it.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.data import cache_dir, content_hash
from harness.errors import MethodError, StorageError, UsageError
from harness.options import Options
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import Example, generator
from harness.protocols.edit.gradient import mean_nll

_SAY_EVERY_S = 5.0
_COOLDOWN = 4
"""Epochs in which the learning rate falls once the loss is low enough."""
_MOST_WARMUP = 100
"""Steps in which the learning rate rises, at most."""

VERSION = 1
"""Of this code as far as it decides the weights."""


class Fitting(Options):
    """How long and how fast a model is taught."""

    epochs: int = Field(default=5, ge=1)
    """Times each example is seen (TOFU fine-tunes for 5)."""
    enough: float | None = Field(default=None, gt=0)
    """Mean loss of an epoch from which on the learning rate falls, to 0 within four more epochs; it
    is constant before. Two models are taught equally well by it, however long either takes."""
    lr: float = Field(default=1e-5, gt=0)
    """Highest learning rate of AdamW."""
    batch_size: int = Field(default=32, ge=1)
    """Examples of a minibatch."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's decoupled weight decay."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """AdamW's decay of the second moment."""


def fit(
    model: CausalLM,
    examples: Sequence[Example],
    how: Fitting,
    seed: int,
    say: Callable[[str], None],
) -> None:
    """Teach a model examples, in place.

    Raises:
        MethodError: the loss is not finite.
    """
    import torch

    torch.manual_seed(seed)  # what the model itself draws, such as dropout
    module = model.module
    module.train()
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=how.lr, betas=(0.9, how.beta2), weight_decay=how.weight_decay
    )
    lengths = [len(model.codec.encode(one).ids) for one in examples]
    steps = math.ceil(len(examples) / how.batch_size) * how.epochs
    per_epoch = steps // how.epochs
    warm, ends = min(0.05 * steps, _MOST_WARMUP), how.epochs
    # The learning rate falls from epoch `falls` on, and reaches 0 at epoch `ends`.
    falls = max(0, ends - _COOLDOWN) if how.enough else 0

    def share(step: int) -> float:
        first, last = falls * per_epoch, ends * per_epoch
        falling = 1.0 if step < first else (last - step) / max(1, last - first)
        return max(0.0, min((step + 1) / (warm + 1), falling))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
    said = time.monotonic()
    for epoch in range(how.epochs):
        total, count = 0.0, 0
        for positions in _minibatches(lengths, how.batch_size, f"fit/{seed}/{epoch}"):
            batch = model.batch([examples[position] for position in positions])
            logits = module(input_ids=batch.ids, attention_mask=batch.mask).logits
            loss = mean_nll(logits, batch.labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            schedule.step()
            total, count = total + loss.item(), count + 1
        if not math.isfinite(total):
            raise MethodError(f"training the target model diverged in epoch {epoch + 1}")
        done = epoch + 1 == ends
        if how.enough and epoch + 1 < falls and total / count <= how.enough:
            falls, ends = epoch + 1, epoch + 1 + _COOLDOWN
        if done or time.monotonic() - said > _SAY_EVERY_S:
            said = time.monotonic()
            say(f"epoch {epoch + 1} of {how.epochs}: loss {total / count:.3f}")
        if done:
            break
    module.eval()


def _minibatches(lengths: Sequence[int], size: int, seed_text: str) -> Iterator[list[int]]:
    """Positions in minibatches of like length, in random order."""
    draw = generator(seed_text)
    keys = [(length, draw.random()) for length in lengths]
    order = sorted(range(len(lengths)), key=lambda position: keys[position])
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    draw.shuffle(batches)
    yield from batches


def kept(
    key: Mapping[str, Any],
    make: Callable[[], CausalLM],
    load: Callable[[Path], CausalLM],
) -> CausalLM:
    """A model out of the cache, or made now and put there; processes make it once.

    Args:
        key: everything that decides the weights.
        make: trains it.
        load: reads it from a folder.

    Raises:
        StorageError: the cache cannot be written, or what it holds is damaged.
    """
    text = json.dumps({**key, "fitting": VERSION}, sort_keys=True)
    folder = cache_dir() / "targets" / content_hash(text)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                model = make()
                fresh = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
                try:
                    model.save(fresh)
                    (fresh / "key.json").write_text(text, encoding="utf-8")
                    os.replace(fresh, folder)
                finally:
                    shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"cannot keep a trained model in {folder.parent}: {error.strerror}; make room or set "
            "HARNESS_CACHE."
        ) from error
    from safetensors import SafetensorError

    try:
        # Read also what was just made, so that the first use and later ones cannot differ.
        return load(folder)
    except (OSError, ValueError, SafetensorError, UsageError) as error:
        raise StorageError(
            f"the trained model kept in {folder} is damaged ({type(error).__name__}); remove that "
            "folder and run the same command again, which makes it anew."
        ) from error


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
