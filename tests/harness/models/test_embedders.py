from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.embedders import Bm25, HubEncoder, MiniLM
from harness.models.search import Bm25Ranker, SimilaritySearch
from harness.models.wheels import MINILM, unpack

needs_model = pytest.mark.local_model


@dataclass(frozen=True)
class Entry:
    key: str


def started(encoder):
    identity = asyncio.run(encoder.start())
    return encoder, identity


@pytest.fixture(scope="module")
def minilm():
    return started(MiniLM(ModelRequest("minilm")))[0]


@pytest.fixture
def copied(tmp_path):
    """The model as a folder of the user's own."""
    return shutil.copytree(unpack(MINILM), tmp_path / "my encoder")


def embed(encoder, *texts):
    return asyncio.run(encoder.embed(texts))


@needs_model
def test_vectors_have_384_dimensions_and_length_one(minilm):
    found = embed(minilm, "a red door", "", "鳥 🜚", "word " * 2000, "a red door")
    assert found.shape == (5, 384)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found[0], found[4])


@needs_model
def test_similarities_are_the_published_ones(minilm):
    # sbert.net, quickstart of sentence-transformers with all-MiniLM-L6-v2.
    found = embed(
        minilm,
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    )
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(found @ found.T, published, atol=1e-4)


@needs_model
def test_a_vector_does_not_depend_on_its_companions():
    text, others = "pick up the blue key", ["x", "a much longer text " * 20, "go"]
    alone, _ = started(MiniLM(ModelRequest("minilm")))
    together, _ = started(MiniLM(ModelRequest("minilm")))
    np.testing.assert_array_equal(embed(alone, text)[0], embed(together, *others, text)[3])


@needs_model
def test_a_text_beyond_the_window_is_its_beginning(minilm):
    beginning = "key " * 254  # and the two tokens around it: 256, the model's window
    np.testing.assert_array_equal(*embed(minilm, beginning, beginning + "door " * 500))


@needs_model
def test_streams_that_embed_at_once_get_what_each_would_get_alone(minilm):
    texts = [f"open door {n}" for n in range(6)]

    async def at_once():
        encoder = MiniLM(ModelRequest("minilm"))
        await encoder.start()
        return await asyncio.gather(*(encoder.embed([text, texts[0]]) for text in texts))

    for found, text in zip(asyncio.run(at_once()), texts, strict=True):
        np.testing.assert_array_equal(found, embed(minilm, text, texts[0]))


@needs_model
def test_a_search_finds_what_is_near_in_meaning(minilm):
    stored = {
        name: Entry(text)
        for name, text in [
            ("money", "The bank raised its interest rates."),
            ("music", "She plays the violin in an orchestra."),
            ("pets", "My cat sleeps on the sofa all day."),
        ]
    }
    search = SimilaritySearch(minilm.ranker())
    for query, nearest in [("a kitten naps", "pets"), ("a cello concert", "music")]:
        assert asyncio.run(search.nearest(stored, query, 1))[0][0] == nearest


@needs_model
def test_a_local_folder_is_the_same_encoder(minilm, copied):
    local, identity = started(HubEncoder(ModelRequest.parse(f"hf:{copied}")))
    assert identity.id == str(copied)
    texts = ("a red door", "go to the key")
    np.testing.assert_array_equal(embed(local, *texts), embed(minilm, *texts))


@needs_model
def test_an_encoder_may_pool_by_its_first_token(minilm, copied):
    config = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (copied / "1_Pooling/config.json").write_text(json.dumps(config))
    first, _ = started(HubEncoder(ModelRequest.parse(f"hf:{copied}")))
    (vector,) = embed(first, "a red door")
    assert np.linalg.norm(vector) == pytest.approx(1, rel=1e-6)
    assert np.abs(vector - embed(minilm, "a red door")[0]).max() > 0.01


def test_an_unknown_pooling_is_refused(tmp_path):
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode_lasttoken": true}')
    with pytest.raises(UsageError, match="pooling other than mean or first token"):
        started(HubEncoder(ModelRequest.parse(f"hf:{tmp_path}")))


def test_a_folder_without_an_encoder_is_named(tmp_path):
    with pytest.raises(UsageError, match=f"{tmp_path} holds no encoder"):
        started(HubEncoder(ModelRequest.parse(f"hf:{tmp_path}")))


OFFLINE = """
import asyncio, sys
from harness.errors import MissingData
from harness.models.base import ModelRequest
from harness.models.embedders import HubEncoder
for name in sys.argv[1:]:
    try:
        HubEncoder(ModelRequest.parse(name)).folder()
    except MissingData as error:
        print(error)
"""


@pytest.mark.parametrize("reach", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:1"}])
def test_an_encoder_that_cannot_be_fetched_is_one_sentence_with_the_mend(tmp_path, reach):
    names = ["hf:no-such/encoder", "hf:no-such/encoder@abc", "hf:not a name!"]
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, *names],
        env={**os.environ, "HF_HOME": str(tmp_path), **reach},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    for line in lines:
        assert line.startswith("cannot load the encoder '")
        assert line.endswith("check the name and the network, or give a local folder.")


def test_an_encoder_without_a_name_shows_the_form():
    with pytest.raises(UsageError, match="--embedder hf:BAAI/bge-base-en-v1.5"):
        HubEncoder(ModelRequest("hf"))


@pytest.mark.parametrize("kind", [Bm25, MiniLM])
def test_what_takes_no_arguments_refuses_them(kind):
    with pytest.raises(UsageError, match="option of embedder '.*' 'k1'"):
        kind(ModelRequest("x", args=(("k1", "2"),)))


def test_every_stream_has_its_own_index_of_words():
    bm25, identity = started(Bm25(ModelRequest("bm25")))
    one, other = bm25.ranker(), bm25.ranker()
    assert isinstance(one, Bm25Ranker)
    assert one is not other
    assert (identity.id, identity.revision) == ("bm25", "k1=1.2,b=0.75")
