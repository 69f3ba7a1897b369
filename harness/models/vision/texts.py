"""Features of class texts by CLIP's text encoder, which is frozen, and their cache on disk."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.data import cache_dir, content_hash
from harness.errors import StorageError, UsageError
from harness.models.vision.prompts import Prompts

if TYPE_CHECKING:
    import torch

_BATCH = 100
"""Texts that go through the encoder together."""
_VERSION = 1
"""Of how features are computed; a change makes cached ones worthless."""


class Texts:
    """The text encoder with the prompts of the classes.

    It never learns, so copies of a classifier share it.

    Args:
        encoder: transformers' ``CLIPTextModel``.
        projection: from its output to features.
        tokenizer: of the prompts.
        prompts: templates and classes.
    """

    def __init__(self, encoder: Any, projection: Any, tokenizer: Any, prompts: Prompts) -> None:
        self._encoder = encoder.eval().requires_grad_(False)
        self._projection = projection.eval().requires_grad_(False)
        self._tokenizer, self._prompts = tokenizer, prompts
        self._ids = dict[str, Any]()

    def __deepcopy__(self, memo: dict[int, Any]) -> Texts:
        return self

    def weights(self) -> torch.Tensor:
        """Class features, (classes, dimensions), each of length 1.

        With several templates a class's is the mean of theirs, at length 1 again, as CLIP's authors
        do it.
        """
        import torch

        with torch.no_grad():
            each = [self._features(self._tokens(one)) for one in self._prompts.templates]
            return torch.nn.functional.normalize(torch.stack(each).mean(0), dim=1)

    def context(self) -> torch.Tensor:
        """Embeddings of the words before the class's name, (words, width), copied.

        Raises:
            UsageError: the template has no such words.
        """
        import torch

        with torch.no_grad():
            return self._embedding(self._context_ids()).clone()

    def class_features(self, context: torch.Tensor) -> torch.Tensor:
        """Class features, (classes, dimensions), with other embeddings of the words before.

        A gradient flows to them, through the encoder.
        """
        from torch import cat

        def put(_layer: Any, _ids: Any, found: torch.Tensor) -> torch.Tensor:
            words = context.expand(len(found), -1, -1)
            return cat([found[:, :1], words, found[:, 1 + context.shape[0] :]], 1)

        handle = self._embedding.register_forward_hook(put)
        try:
            return self._features(self._tokens(self._prompts.templates[0]))
        finally:
            handle.remove()

    @property
    def _embedding(self) -> Any:
        return self._encoder.embeddings.token_embedding

    @property
    def _device(self) -> torch.device:
        return self._projection.weight.device

    def _features(self, tokens: torch.Tensor) -> torch.Tensor:
        import torch

        found = [
            self._projection(self._encoder(input_ids=batch).pooler_output)
            for batch in tokens.split(_BATCH)
        ]
        return torch.nn.functional.normalize(torch.cat(found), dim=1)

    def _tokens(self, template: str) -> torch.Tensor:
        """Ids of the texts of a template, (classes, longest).

        What is padded comes after the end, where CLIP's encoder does not look back from.

        Raises:
            UsageError: a text is longer than the encoder's window.
        """
        if template in self._ids:
            return self._ids[template]
        texts = self._prompts.texts(template)
        found = self._tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
        window = self._encoder.config.max_position_embeddings
        if found.shape[1] > window:
            longest = max(texts, key=len)
            raise UsageError(
                f"'{longest}' has {found.shape[1]} tokens and the text encoder takes {window}; "
                "shorten the class's name or the template."
            )
        self._ids[template] = found.to(self._device)
        return self._ids[template]

    def _context_ids(self) -> torch.Tensor:
        words = self._prompts.context()
        ids = self._tokenizer(words, add_special_tokens=False, return_tensors="pt")["input_ids"]
        return ids[0].to(self._device)


def kept(key: tuple[object, ...], make: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Features out of the cache, or made and kept.

    Args:
        key: everything that decides them.
        make: computes them.

    Raises:
        StorageError: they cannot be kept.
    """
    import numpy as np
    import torch

    path = cache_dir() / "class-texts" / f"{content_hash(_VERSION, *key)}.npy"
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError):
        pass  # not there, or torn
    found = make().cpu()
    fresh = path.with_name(f".{uuid.uuid4().hex}.npy")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            np.save(fresh, found.numpy())
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot keep features of class texts in {path.parent} ({error}); make room or set "
            "HARNESS_CACHE."
        ) from error
    return found
