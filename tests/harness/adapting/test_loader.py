"""Images are made ahead of the method, in order, never more of them than is needed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from adapt import Deadly, rows, run

from harness.adapting.loader import Loader
from harness.errors import InfrastructureError, InvalidSample
from harness.protocols.adapt.task import Picture

SUPPORT = Path(__file__).parents[2] / "_support"


class Counting:
    """Notes which pictures it made."""

    def __init__(self):
        self.made = []

    def read(self, picture, size):
        self.made.append(int(picture.sample_id))
        if picture.group == "broken":
            raise InvalidSample("it is broken")
        return np.full((size, size, 3), int(picture.sample_id) % 256, np.uint8)


def batches(number, size=3, group="fog"):
    return [
        [Picture(str(batch * size + place), "one", group, 1, 0, "") for place in range(size)]
        for batch in range(number)
    ]


def test_no_more_than_a_few_batches_are_made_ahead():
    reader, wanted, asked = Counting(), batches(200), []

    def asking():
        for batch in wanted:
            asked.append(batch)
            yield batch

    loader, ahead = Loader(reader, 4, 0).batches(asking()), []
    for taken, images in enumerate(loader, 1):
        assert [one.picture for one in images] == wanted[taken - 1]
        ahead.append(len(asked) - taken)
        assert len(reader.made) <= 3 * len(asked)
    assert taken == 200
    assert max(ahead) == 2
    assert reader.made == list(range(600))


@pytest.mark.parametrize(("workers", "size", "most"), [(1, 3, 2), (2, 1, 4), (2, 20, 2)])
def test_what_is_ahead_is_bounded_by_the_processes(workers, size, most, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(Loader, "_pool", lambda self: ThreadPoolExecutor(self._workers))
    wanted, asked = batches(60, size), []

    def asking():
        for batch in wanted:
            asked.append(batch)
            yield batch

    found = []
    for taken, images in enumerate(Loader(Counting(), 4, workers).batches(asking()), 1):
        assert [one.picture for one in images] == wanted[taken - 1]
        found.append(len(asked) - taken)
    assert max(found) == most


def test_a_loader_that_is_closed_makes_nothing_more():
    reader = Counting()
    loader = Loader(reader, 4, 0).batches(batches(200))
    next(loader)
    loader.close()
    made = len(reader.made)
    assert made <= 9
    assert list(loader) == []
    assert len(reader.made) == made


def test_broken_pictures_carry_the_reason_and_keep_their_place():
    good, bad = batches(1)[0], batches(1, group="broken")[0]
    (images,) = Loader(Counting(), 4, 0).batches([[good[0], bad[1], good[2]]])
    assert [one.problem for one in images] == ["", "it is broken", ""]
    assert images[1].pixels is None
    assert [one.picture.sample_id for one in images] == ["0", "1", "2"]
    assert images[0].content_hash != images[2].content_hash
    assert images[0].pixels.shape == (4, 4, 3)


def test_process_that_dies_is_the_machines_fault():
    with pytest.raises(InfrastructureError, match="run the same command again, with fewer"):
        list(Loader(Deadly(), 4, 1).batches(batches(4)))
    assert not multiprocessing.active_children()


KILLED = """
import multiprocessing, os, signal

from adapt import Deadly
from harness.adapting.loader import Loader
from harness.protocols.adapt.task import Picture

if __name__ == "__main__":
    wanted = [[Picture("0", "one", "fog", 1, 0, "")] for _ in range(9)]
    loader = Loader(Deadly(), 4, 1).batches(wanted)
    next(loader)
    print(multiprocessing.active_children()[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_end_with_a_command_that_is_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    # The process that makes images holds an end of the pipe, which closes when that process ends.
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(SUPPORT)},
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout) > 1


def test_a_process_that_dies_leaves_rows_that_are_tried_again(tmp_path, monkeypatch):
    from harness_tasks.imagenet_c.task import ImageNetC

    words = ("--method", "source", "-T", "workers=1")
    monkeypatch.setattr(ImageNetC, "reader", lambda _self, _seed: Deadly())
    done = run(tmp_path, *words)
    assert done.code == 1
    assert "Traceback" not in done.err
    found = rows(tmp_path, "source")
    assert {(row["status"], row["error_type"]) for row in found} == {
        ("error", "InfrastructureError")
    }
    assert "with fewer of them: -T workers=1" in found[0]["error"]
    monkeypatch.undo()
    assert run(tmp_path, *words).code == 0
    assert {row["status"] for row in rows(tmp_path, "source")} == {"ok"}
