"""Saved states: the newest of each request, whole or not at all."""

from __future__ import annotations

import pytest
import torch

from harness.errors import StorageError
from harness.results.checkpoints import Checkpoints


def state(value):
    return {"step": value, "weights": {"a": torch.full((3,), float(value))}}


def test_newest_state_of_each_request_is_kept(tmp_path):
    saved = Checkpoints(tmp_path / "c")
    assert saved.load("one") is None
    for value in (1, 2):
        saved.save("one", state(value))
    saved.save("two", state(5))
    assert saved.load("one")["step"] == 2
    assert torch.equal(saved.load("two")["weights"]["a"], torch.full((3,), 5.0))
    assert len(list((tmp_path / "c").iterdir())) == 2
    saved.clear()
    saved.clear()
    assert saved.load("one") is None


def test_state_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    saved = Checkpoints(tmp_path / "c")
    saved.save("one", state(1))

    def full(_state, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(StorageError, match="it goes on from the one before"):
            saved.save("one", state(2))
    assert saved.load("one")["step"] == 1
    assert len(list((tmp_path / "c").iterdir())) == 1


@pytest.mark.parametrize("keep", [0, 20, 300])
def test_damaged_state_is_named(tmp_path, keep):
    saved = Checkpoints(tmp_path)
    saved.save("one", state(1))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StorageError, match="is damaged .*; remove it and run the same command"):
        saved.load("one")
