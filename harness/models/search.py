"""Similarity search over a memory's entries, with whatever embedder the run names.

`SimilaritySearch` keeps a ranker in step with the entries it is asked about, so that a memory has
no index of its own to maintain or to restore: a score depends on the query and the entries as they
are, to the last bit, and never on what was there before. Ties are decided by age after rounding
scores to six decimals, because the last bits of a floating-point sum depend on the order of its
terms.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from harness.errors import MethodError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TIE_DECIMALS = 6
_WORD = re.compile(r"\w+")


class Keyed(Protocol):
    """Anything with a text to compare; memory entries have one."""

    @property
    def key(self) -> str:
        """The text that a query is compared with."""
        ...


class Embedder(Protocol):
    """Texts to unit vectors."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as rows of length 1, shape (texts, dimensions)."""
        ...


class Ranker(ABC):
    """Scores a growing set of texts against a query; a slot is a text's position."""

    @abstractmethod
    async def write(self, slots: Sequence[int], texts: Sequence[str]) -> None:
        """Put texts into slots, which may be new (the next ones) or in use."""

    @abstractmethod
    async def scores(self, query: str, slots: NDArray[np.int64]) -> Sequence[float]:
        """Similarity of the query to the texts in these slots, larger is nearer."""

    def drop(self, slots: Sequence[int]) -> None:  # noqa: B027 - unused rows of a matrix do no harm
        """Forget the texts in these slots."""


class RecordedEmbedder:
    """An embedder whose answers are bought, so that a run journals them and asks for none twice.

    Args:
        embedder: the one that is asked.
        vectors: what is known already, by text.
        record: receives each new text with its vector.
    """

    def __init__(
        self,
        embedder: Embedder,
        vectors: dict[str, NDArray[np.float32]],
        record: Callable[[str, NDArray[np.float32]], None],
    ) -> None:
        self._embedder = embedder
        self._vectors = vectors
        self._record = record

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as rows of length 1, shape (texts, dimensions); each text once."""
        import numpy as np

        fresh = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if fresh:
            for text, vector in zip(fresh, await self._embedder.embed(fresh), strict=True):
                self._record(text, vector)
                self._vectors[text] = vector
        return np.stack([self._vectors[text] for text in texts])


class VectorRanker(Ranker):
    """Cosine similarity of embeddings, in one growing matrix."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._matrix: NDArray[np.float32] | None = None
        self._rows = 0

    async def write(self, slots: Sequence[int], texts: Sequence[str]) -> None:
        """Embed texts into rows."""
        import numpy as np

        vectors = await self._embedder.embed(texts)
        needed = max(self._rows, max(slots) + 1)
        matrix = self._matrix
        if matrix is None or len(matrix) < needed:
            grown = np.zeros((max(64, 2 * needed), vectors.shape[1]), dtype=np.float32)
            if matrix is not None:
                grown[: len(matrix)] = matrix
            self._matrix = matrix = grown
        matrix[list(slots)] = vectors
        self._rows = needed

    async def scores(self, query: str, slots: NDArray[np.int64]) -> Sequence[float]:
        """Dot products of unit vectors."""
        import numpy as np

        if self._matrix is None:
            return []
        vector = (await self._embedder.embed([query]))[0]
        # Not `@`: BLAS sums a row in an order that depends on how many rows there are, so a
        # restored index would differ from one that grew in the last bits of its scores.
        products = np.einsum("ij,j->i", self._matrix[: self._rows], vector)
        return products[slots]


class Bm25Ranker(Ranker):
    """Okapi BM25 with k1=1.2, b=0.75 and the idf ln(1 + (N - n + .5) / (n + .5)).

    Source: Robertson and Zaragoza 2009, eq. 3.15; this idf is never negative (as in Lucene).
    Written here because the packages at hand index a fixed corpus, and a memory grows at every
    step.
    """

    k1 = 1.2
    b = 0.75

    def __init__(self) -> None:
        self._terms: dict[int, Counter[str]] = {}
        self._documents: Counter[str] = Counter()

    async def write(self, slots: Sequence[int], texts: Sequence[str]) -> None:
        """Count the terms of texts."""
        for slot, text in zip(slots, texts, strict=True):
            self.drop([slot])
            self._terms[slot] = Counter(_WORD.findall(text.lower()))
            self._documents.update(self._terms[slot].keys())

    def drop(self, slots: Sequence[int]) -> None:
        """Take texts out of the counts that every score depends on."""
        for slot in slots:
            self._documents.subtract(self._terms.pop(slot, Counter[str]()).keys())

    async def scores(self, query: str, slots: NDArray[np.int64]) -> Sequence[float]:
        """BM25 of each text for the query's terms."""
        wanted = _WORD.findall(query.lower())
        total = len(self._terms)
        mean_length = sum(terms.total() for terms in self._terms.values()) / max(total, 1)
        idf = {
            term: math.log(
                1 + (total - self._documents[term] + 0.5) / (self._documents[term] + 0.5)
            )
            for term in wanted
        }

        def score(terms: Counter[str]) -> float:
            norm = self.k1 * (1 - self.b + self.b * terms.total() / (mean_length or 1))
            return sum(
                idf[term] * terms[term] * (self.k1 + 1) / (terms[term] + norm) for term in wanted
            )

        return [score(self._terms[slot]) for slot in slots.tolist()]


class NoRanker(Ranker):
    """Stands where no method of a sweep said that it needs similarities."""

    async def write(self, slots: Sequence[int], texts: Sequence[str]) -> None:
        """Refuse."""
        del slots, texts
        raise MethodError(
            "the memory asked for similarities but declares needs_similarity = False; set it True"
        )

    async def scores(self, query: str, slots: NDArray[np.int64]) -> Sequence[float]:
        """Refuse."""
        del query, slots
        raise MethodError("no embedder was started")


class SimilaritySearch:
    """The k entries nearest to a query."""

    def __init__(self, ranker: Ranker, *, older_first: bool = True) -> None:
        self._ranker = ranker
        self._older_first = older_first
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._written: dict[str, Keyed] = {}
        self._ids: list[str] = []
        """Entries as they stood at the last search, and their slots."""
        self._in_order: NDArray[np.int64] | None = None
        self._freed = False
        """Whether slots were freed since, so that they may belong to others now."""

    async def nearest(
        self, entries: Mapping[str, Keyed], query: str, k: int
    ) -> list[tuple[str, float]]:
        """Rank entries (id to entry, oldest first) by similarity of their keys to `query`.

        Returns:
            At most `k` pairs (id, score), best first; no threshold, so that a similarity of zero
            is still returned when there are fewer than `k` better ones.
        """
        import numpy as np

        if not entries or k <= 0:
            return []
        await self._follow(entries)
        slots = self._placed(entries)
        scores = np.asarray(await self._ranker.scores(query, slots), dtype=np.float64)
        rounded = np.round(scores, _TIE_DECIMALS)
        k = min(k, len(scores))
        # Only those that reach the k-th best score are sorted; ties of it are among them.
        least = np.partition(rounded, len(rounded) - k)[len(rounded) - k]
        (places,) = np.nonzero(rounded >= least)
        ages = places if self._older_first else -places
        best = places[np.lexsort((ages, -rounded[places]))[:k]]
        return [(self._ids[place], float(scores[place])) for place in best.tolist()]

    def _placed(self, entries: Mapping[str, Keyed]) -> NDArray[np.int64]:
        """The slots of entries in their order; found anew only where the order changed."""
        import numpy as np

        ids = list(entries)
        known = len(self._ids)
        slots = self._in_order
        if slots is None or self._freed or ids[:known] != self._ids:
            known, self._freed, slots = 0, False, np.empty(0, dtype=np.int64)
        if known < len(ids):
            fresh = np.array([self._slots[one] for one in ids[known:]], dtype=np.int64)
            slots = np.concatenate([slots, fresh])
        self._ids, self._in_order = ids, slots
        return slots

    async def _follow(self, entries: Mapping[str, Keyed]) -> None:
        """Bring the ranker up to the entries as they are now."""
        written, changed, fresh = self._written, list[tuple[str, Keyed]](), 0
        known = written.get
        for one, entry in entries.items():
            before = known(one)
            if before is entry:
                continue
            if before is None or before.key != entry.key:
                fresh += before is None
                changed.append((one, entry))
            else:
                written[one] = entry
        if len(written) + fresh > len(entries):
            self._forget([one for one in written if one not in entries])
        if not changed:
            return
        for one, _ in changed:
            if one not in self._slots:
                self._slots[one] = self._free.pop() if self._free else len(self._slots)
        slots = [self._slots[one] for one, _ in changed]
        await self._ranker.write(slots, [entry.key for _, entry in changed])
        written.update(changed)

    def _forget(self, gone: Sequence[str]) -> None:
        freed = [self._slots.pop(one) for one in gone]
        self._ranker.drop(freed)
        self._free.extend(freed)
        self._freed = True
        for one in gone:
            del self._written[one]
