"""Folders with tiny classifiers, made once."""

from __future__ import annotations

import pytest
import torch
from tiny_vision import ARCHITECTURES, save_classifier, save_clip


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, request):
    if not request.node.get_closest_marker("local_model"):
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A folder with a classifier of each architecture."""
    root = tmp_path_factory.mktemp("classifiers")
    return {name: save_classifier(root / name, name) for name in ARCHITECTURES}


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    return save_clip(tmp_path_factory.mktemp("clip") / "tiny")
