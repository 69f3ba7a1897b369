"""What a seed decides, and what decides nothing."""

from __future__ import annotations

import pytest
from adapt import DIGITS, SMALL, comparable, ended, metrics, rows, run, start_server

ROTTA = "rotta:capacity=8,every=6"
METHODS = ("--method", "tent", "--method", "tent+panda:patch=8", "--method", ROTTA)


@pytest.fixture(scope="module")
def usual(tmp_path_factory, adapt_cache):
    """Runs whose images a thread of this process makes."""
    del adapt_cache
    folder = tmp_path_factory.mktemp("usual")
    assert run(folder, *METHODS).code == 0
    return folder


def test_processes_that_make_images_decide_nothing(usual, tmp_path):
    done = run(tmp_path, "--method", "tent", "-T", "workers=2")
    assert done.code == 0, done.err
    assert comparable(tmp_path)["tent seed 0"] == comparable(usual)["tent seed 0"]
    # Their number is no part of what a run is: the same command with another finds it done.
    done = run(tmp_path, "--method", "tent", "-T", "workers=1")
    assert done.code == 0
    assert "loading" not in done.err
    assert len(rows(tmp_path, "tent")) == 60  # of one run, or `rows` would find two


def test_another_process_finds_the_same_saving_its_state_or_not(usual, tmp_path):
    words = ("run", "--task", "imagenet-c", *SMALL, "-T", "workers=0", *METHODS)
    results, said = tmp_path / "r", tmp_path / "said"
    assert ended(start_server(), None, (*words, "--results", str(results)), said) == 0
    assert comparable(results) == comparable(usual)


def test_another_seed_gives_another_order_other_bytes_and_the_same_photographs(usual, tmp_path):
    assert run(tmp_path, "--method", "tent", "--seeds", "1").code == 0
    one, other = rows(usual, "tent"), rows(tmp_path, "tent")
    assert {row["sample_id"] for row in one} == {row["sample_id"] for row in other}
    assert [row["sample_id"] for row in one] != [row["sample_id"] for row in other]
    bytes_of = [{row["sample_id"]: row["sample_hash"] for row in found} for found in (one, other)]
    for name in bytes_of[0]:
        # Fog is drawn; clean images and contrast are not.
        same = bytes_of[0][name] == bytes_of[1][name]
        assert same == (not name.startswith("fog")), name


def test_seeds_of_one_sweep_are_those_of_two(usual, tmp_path):
    assert run(tmp_path, "--method", "tent", "--seeds", "0,1").code == 0
    assert comparable(tmp_path)["tent seed 0"] == comparable(usual)["tent seed 0"]
    assert set(comparable(tmp_path)) == {"tent seed 0", "tent seed 1"}


def test_a_smaller_limit_has_some_of_the_photographs_of_a_larger_one(usual, tmp_path):
    assert run(tmp_path, "--method", "source", "--limit", "40").code == 0
    few = {row["sample_id"]: row["sample_hash"] for row in rows(usual, "tent")}
    many = {row["sample_id"]: row["sample_hash"] for row in rows(tmp_path, "source")}
    assert len(few) == 60
    assert len(many) == 120
    assert few.items() <= many.items()  # with the same bytes


def test_methods_are_independent_of_those_before_them(usual, tmp_path):
    """A method finds the source model, whatever ran before it."""
    assert run(tmp_path, *METHODS[4:], *METHODS[:2]).code == 0
    found = comparable(tmp_path)
    assert len(found) == 2
    assert found.items() <= comparable(usual).items()


def test_tent_adapts(usual, tmp_path):
    """Else all of this would hold of a method that does nothing."""
    world = (*DIGITS, "-T", "batch_size=20", "-T", "corruptions=contrast")
    given = ("--method", "source", "--method", "tent", "--limit", "100")
    assert run(tmp_path, *given, world=world).code == 0
    one, other = (metrics(tmp_path, name)["accuracy/contrast/5"] for name in ("source", "tent"))
    assert other > one + 0.2
    assert metrics(usual, "tent")["updates"] == 12
    assert metrics(usual, "tent")["resets_of_stream"] == 2
    assert metrics(usual, "tent")["images_forward"] == 60
