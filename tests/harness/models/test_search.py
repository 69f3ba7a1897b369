from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.search import Bm25Ranker, SimilaritySearch, VectorRanker


@dataclass(frozen=True)
class Entry:
    key: str


class CountVectors:
    """Unit vectors of word counts over a vocabulary: similarities that can be computed by hand."""

    def __init__(self, vocabulary="abcd"):
        self.vocabulary = vocabulary
        self.asked = []

    async def embed(self, texts):
        self.asked.extend(texts)
        counts = np.array(
            [[text.split().count(word) for word in self.vocabulary] for text in texts]
        )
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


class Vectors:
    """Given vectors by name."""

    def __init__(self, vectors):
        self.vectors = vectors

    async def embed(self, texts):
        return np.stack([self.vectors[text] for text in texts])


def by_counts(**settings):
    return SimilaritySearch(VectorRanker(CountVectors()), **settings)


def by_words(**settings):
    return SimilaritySearch(Bm25Ranker(), **settings)


def entries(**keys):
    return {name: Entry(key) for name, key in keys.items()}


def nearest(search, stored, query, k):
    return asyncio.run(search.nearest(stored, query, k))


def ids(found):
    return [one for one, _ in found]


THREE = entries(x1="a a b", x2="a b b", x3="c d")


def test_cosines_of_the_reference_case():
    # 3 / sqrt(5) / sqrt(2) = .94868 for both x1 and x2, which tie.
    found = nearest(by_counts(), THREE, "a b", 4)
    assert ids(found) == ["x1", "x2", "x3"]
    assert [score for _, score in found] == pytest.approx([0.94868, 0.94868, 0], abs=5e-6)


def test_ties_are_decided_for_the_older_or_for_the_newer():
    assert ids(nearest(by_counts(), THREE, "a b", 2)) == ["x1", "x2"]
    assert ids(nearest(by_counts(older_first=False), THREE, "a b", 2)) == ["x2", "x1"]
    assert ids(nearest(by_words(), THREE, "zzz", 3)) == ["x1", "x2", "x3"]
    assert ids(nearest(by_words(older_first=False), THREE, "zzz", 3)) == ["x3", "x2", "x1"]


def test_there_is_no_threshold():
    assert ids(nearest(by_counts(), THREE, "d", 4)) == ["x3", "x1", "x2"]


@pytest.mark.parametrize("make", [by_counts, by_words])
def test_nothing_is_found_in_nothing(make):
    assert nearest(make(), {}, "a", 3) == []
    assert nearest(make(), THREE, "a", 0) == []


def test_removed_entries_are_gone_and_changed_ones_are_found_by_their_new_text():
    search = by_counts()
    assert ids(nearest(search, THREE, "a b", 1)) == ["x1"]
    assert ids(nearest(search, entries(x2="a b b", x3="c d"), "a b", 3)) == ["x2", "x3"]
    changed = entries(x2="d", x3="a b", x4="c c d")
    found = nearest(search, changed, "a b", 3)
    assert ids(found) == ["x3", "x2", "x4"]
    assert found[0][1] == pytest.approx(1)
    assert nearest(search, {}, "a b", 3) == []
    assert ids(nearest(search, THREE, "d", 1)) == ["x3"]


def test_an_entry_whose_text_stayed_is_not_embedded_again():
    embedder = CountVectors()
    search = SimilaritySearch(VectorRanker(embedder))
    nearest(search, THREE, "a", 1)
    nearest(search, {**THREE, "x1": Entry("a a b")}, "b", 1)
    assert embedder.asked == ["a a b", "a b b", "c d", "a", "b"]


def test_a_failed_embedding_is_made_up_for_at_the_next_search():
    class Failing(CountVectors):
        broken = True

        async def embed(self, texts):
            if self.broken:
                raise OSError("gone")
            return await super().embed(texts)

    embedder = Failing()
    search = SimilaritySearch(VectorRanker(embedder))
    with pytest.raises(OSError, match="gone"):
        nearest(search, THREE, "a b", 2)
    embedder.broken = False
    assert ids(nearest(search, THREE, "a b", 2)) == ["x1", "x2"]
    embedder.broken = True
    changed = {**THREE, "x3": Entry("a b")}
    with pytest.raises(OSError, match="gone"):
        nearest(search, changed, "a b", 1)
    embedder.broken = False
    assert ids(nearest(search, changed, "a b", 1)) == ["x3"]


words = st.lists(st.sampled_from("abcd"), min_size=1, max_size=5).map(" ".join)
memories = st.dictionaries(st.sampled_from("pqrstu"), words.map(Entry), min_size=1, max_size=6)


@pytest.mark.parametrize("make", [by_counts, by_words])
@given(history=st.lists(memories, max_size=5), now=memories, query=words)
def test_a_restored_search_finds_what_one_that_saw_everything_finds(make, history, now, query):
    old = make()
    for stored in history:
        nearest(old, stored, query, 2)
    assert nearest(old, now, query, 6) == nearest(make(), now, query, 6)


def test_scores_are_equal_to_the_last_bit_however_the_index_grew():
    # Sums of 384 products: a matrix product would differ in the last bits with the row count.
    vectors = unit_vectors(300, 384)
    names = list(vectors)
    all_entries = {name: Entry(name) for name in names}
    old = SimilaritySearch(VectorRanker(Vectors(vectors)))
    for size in (1, 3, 64, 65, 200):
        nearest(old, {name: all_entries[name] for name in names[:size]}, "e7", 3)
    later = {name: all_entries[name] for name in names[101::2]}
    fresh = SimilaritySearch(VectorRanker(Vectors(vectors)))
    assert nearest(old, later, "e7", 100) == nearest(fresh, later, "e7", 100)


def unit_vectors(count, dimensions):
    drawn = np.random.default_rng(5).normal(size=(count, dimensions)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return {f"e{row}": vector for row, vector in enumerate(drawn)}


def test_ten_thousand_entries_are_ranked_like_brute_force():
    vectors = unit_vectors(10_000, 384)
    stored = {name: Entry(name) for name in vectors if name != "e0"}
    search = SimilaritySearch(VectorRanker(Vectors(vectors)))
    found = nearest(search, stored, "e0", 50)
    matrix = np.stack([vectors[name] for name in stored]).astype(np.float64)
    exact = matrix @ vectors["e0"].astype(np.float64)
    order = np.argsort(-exact)[:50]
    assert [score for _, score in found] == pytest.approx(exact[order].tolist(), abs=1e-6)
    assert set(ids(found)) == {f"e{row + 1}" for row in order}


# Documents a: "the cat sat" (3 words), b: "the dog" (2), c: "cat cat" (2); mean length 7/3.
CATS = entries(a="The cat sat.", b="the dog", c="Cat, cat!")


def test_bm25_computed_by_hand():
    found = dict(nearest(by_words(), CATS, "cat", 3))
    # cat is in 2 of 3: idf = ln(1 + 1.5/2.5) = .470004.
    # a: norm 1.2 (.25 + .75 * 9/7) = 1.457143; .470004 * 2.2 / 2.457143 = .420818
    # c: norm 1.2 (.25 + .75 * 6/7) = 1.071429; .470004 * 2 * 2.2 / 3.071429 = .673308
    assert found["a"] == pytest.approx(0.420818, abs=1e-6)
    assert found["b"] == 0
    assert found["c"] == pytest.approx(0.673308, abs=1e-6)


def test_bm25_adds_the_words_of_the_query():
    found = dict(nearest(by_words(), CATS, "dog cat dog", 3))
    # dog is in 1 of 3: idf = ln(1 + 2.5/1.5) = .980829; b: norm 1.071429,
    # twice in the query: 2 * .980829 * 2.2 / 2.071429 = 2.083417.
    assert found["b"] == pytest.approx(2.083417, abs=1e-6)
    assert found["c"] == pytest.approx(0.673308, abs=1e-6)


def test_bm25_forgets_removed_and_changed_texts():
    search = by_words()
    nearest(search, {**CATS, **entries(d="cat dog", e="cat " * 40)}, "cat", 3)
    nearest(search, {**CATS, "b": Entry("cat")}, "cat", 3)
    assert nearest(search, CATS, "cat", 3) == nearest(by_words(), CATS, "cat", 3)


def test_bm25_splits_words_of_any_script():
    stored = entries(a="Straße nach Köln", b="東京 の 天気", c="naïve café")
    assert ids(nearest(by_words(), stored, "KÖLN", 1)) == ["a"]
    assert ids(nearest(by_words(), stored, "天気", 1)) == ["b"]


def test_bm25_of_texts_without_words():
    found = nearest(by_words(), entries(a="...", b="!"), "? cat", 2)
    assert found == [("a", 0.0), ("b", 0.0)]


def okapi(documents, query):
    """BM25 as in Robertson and Zaragoza 2009, eq. 3.15, with the idf of Lucene."""
    split = [document.split() for document in documents]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for document in split:
        score = 0.0
        for term in query.split():
            n = sum(term in other for other in split)
            tf = document.count(term)
            norm = 1.2 * (0.25 + 0.75 * len(document) / mean)
            score += math.log(1 + (len(split) - n + 0.5) / (n + 0.5)) * tf * 2.2 / (tf + norm)
        scores.append(score)
    return scores


@settings(max_examples=50)
@given(st.lists(words, min_size=1, max_size=8), words)
def test_bm25_is_the_published_formula(documents, query):
    stored = {str(n): Entry(document) for n, document in enumerate(documents)}
    found = dict(nearest(by_words(), stored, query, 99))
    expected = dict(zip(stored, okapi(documents, query), strict=True))
    assert found == pytest.approx(expected)


def test_the_order_of_entries_is_their_age_not_their_name():
    names = [f"n{row}" for row in range(20)]
    random.Random(3).shuffle(names)
    stored = {name: Entry("a") for name in names}
    assert ids(nearest(by_counts(), stored, "a", 20)) == names
