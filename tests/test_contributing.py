"""CONTRIBUTING.md works as it is written: its files are built, installed and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import MODEL, Server, harness

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^(?:harness|python -m harness\S*|pip) .*$", TEXT, re.MULTILINE)


def capital(prompt: str) -> str:
    """Knows two capitals."""
    return next((city for land, city in KNOWN.items() if land in prompt.splitlines()[-3]), "Rome")


KNOWN = {"France": "Paris", "Japan": "Tokyo"}


def words(start: str) -> list[str]:
    """A command of the text that starts so, without the program."""
    command = next(one for one in COMMANDS if one.startswith(start))
    return command.split()


def conformance(*arguments: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "harness.conformance", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | env,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_solver_in_a_file_runs_and_conforms(tmp_path):
    (tmp_path / "palette.py").write_text(FILES["palette.py"])
    name = "file:./palette.py#Palette"
    assert conformance("method", name, folder=tmp_path, env={}) == f"method {name}: fine\n"
    command = words("harness run --task arc-agi -T subset=1-training -T max_side=3")[1:]
    done = harness(*command, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = {one["method"]: one for one in json.loads(done.stdout)}
    assert len(runs) == 3
    assert {one["status"] for one in runs.values()} == {"complete"}
    # A few of these puzzles only recolour.
    assert runs[name]["score"] > runs["copy-input"]["score"] == 0


def test_an_editor_in_a_file_runs_and_conforms(tmp_path):
    (tmp_path / "floor.py").write_text(FILES["floor.py"])
    name = "file:./floor.py#Floor"
    assert conformance("method", name, folder=tmp_path, env={}) == f"method {name}: fine\n"
    command = words("harness run --task tofu --model tiny-tofu")[1:]
    tiny = ("layers=1", "hidden=32", "vocabulary=300", "epochs=2")
    small = ("drawn_forget=1", "drawn_retain=2", "drawn_held=1", "questions=4", "steps=2")
    done = harness(
        *command,
        *(word for one in tiny for word in ("--model-arg", one)),
        *(word for one in (*small, "max_new_tokens=8") for word in ("-T", one)),
        *("--limit", "4", "--json"),
        env={"HARNESS_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)
    assert [one["method"] for one in runs] == ["retrain", name, f"{name}+gu"]
    assert all(one["status"] == "complete" and one["n_failed"] == 0 for one in runs)


def test_an_adapter_in_a_file_runs_and_conforms(tmp_path):
    (tmp_path / "steady.py").write_text(FILES["steady.py"])
    name = "file:./steady.py#Steady"
    assert conformance("method", name, folder=tmp_path, env={}) == f"method {name}: fine\n"
    command = words("harness run --task imagenet-c -T data=digits --model tiny-digits")[1:]
    done = harness(
        *command,
        *("--model-arg", "epochs=1", "--limit", "20", "-T", "corruptions=fog", "--json"),
        env={"HARNESS_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)
    assert [one["method"] for one in runs] == ["source", name, f"{name}+panda:patch=8"]
    assert all(one["status"] == "complete" and one["n_failed"] == 0 for one in runs)


def test_a_method_in_a_file_runs_and_conforms(tmp_path):
    (tmp_path / "shortest.py").write_text(FILES["shortest.py"])
    name = "file:./shortest.py#Shortest"
    assert conformance("method", name, folder=tmp_path, env={}) == f"method {name}: fine\n"
    with Server() as server:
        command = words("harness run --task evo-memory --method baseline --method file:")[1:]
        done = harness(
            *command,
            *("--model", f"openai:{MODEL}", "--base-url", server.url, "-T", "streams=2", "--json"),
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)
    assert [run["method"] for run in runs] == ["baseline", name]
    assert {run["status"] for run in runs} == {"complete"}


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The package of the text, built and installed into a folder of its own."""
    source = tmp_path_factory.mktemp("source")
    (source / "capitals").mkdir()
    (source / "capitals" / "__init__.py").write_text("")
    (source / "capitals" / "shortest.py").write_text(FILES["shortest.py"])
    (source / "capitals" / "task.py").write_text(FILES["capitals/task.py"])
    (source / "pyproject.toml").write_text(FILES["pyproject.toml"])
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, str(source)], check=True, capture_output=True)
    return target


@pytest.mark.install
def test_a_package_with_a_task_and_a_method_is_found_runs_and_conforms(package, tmp_path):
    env = {"PYTHONPATH": str(package)}
    listed = json.loads(harness("ls", "--json", env=env).stdout)
    assert {row["name"] for row in listed if row["package"] == "capitals"} == {
        "capitals",
        "shortest",
    }
    arguments = words("python -m harness.conformance task capitals")[3:]
    assert conformance(*arguments, folder=tmp_path, env=env) == "task capitals: fine\n"
    with Server(capital) as server:
        command = words("harness run --task capitals")[1:]
        done = harness(
            *command,
            *("--model", f"openai:{MODEL}", "--base-url", server.url),
            env=env,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        board = harness(*words("harness leaderboard capitals")[1:], env=env, cwd=tmp_path)
    assert board.returncode == 0, board.stderr
    assert re.search(r"baseline +4/4 +2 +\.50", board.stdout), board.stdout
    assert "inconclusive" in board.stdout


@pytest.mark.install
def test_a_broken_package_is_a_named_warning_and_the_others_work(package, tmp_path):
    broken = tmp_path / "site" / "broken-1.dist-info"
    broken.mkdir(parents=True)
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (broken / "entry_points.txt").write_text(
        "[harness.tasks]\nwreck = no_such_module:Task\n"
        "[harness.methods]\nstream.memory.odd = json:dumps\nstream.memory.exprag = json:dumps\n"
        "[harness.commands]\nrun = json:dumps\n[harness.models]\nchat.odd = json:dumps\n"
    )
    env = {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{package}"}
    done = harness("ls", env=env)
    assert done.returncode == 0
    assert "capitals" in done.stdout
    assert "warning: task 'wreck' of package 'broken' cannot be loaded" in done.stderr
    assert "warning: method 'odd' of package 'broken'" in done.stderr
    assert "'exprag' of package 'broken' is hidden by the one of package" in done.stderr
    assert "verb 'run' of package 'broken' exists already" in done.stderr
    odd = harness("run", "--task", "evo-memory", "--model", "odd", env=env, cwd=tmp_path)
    assert odd.returncode == 2
    assert "registered as chat but is no ChatModel" in odd.stderr
    used = harness("run", "--task", "wreck", env=env, cwd=tmp_path)
    assert used.returncode == 2
    assert "package 'broken'" in used.stderr
    assert "Traceback" not in used.stderr
