"""A code hash changes with the code that decides samples, and with nothing else."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest

from harness.registry import Need
from harness.results.provenance import code_hash, machine

PARTS = {
    "__init__.py": "",
    "task.py": "from parts.used import helper\n\n\nclass Task:\n    pass\n",
    "used.py": "def helper():\n    from . import lazy\n\n    return lazy\n",
    "lazy.py": "VALUE = 1\n",
    "unused.py": "VALUE = 1\n",
}


@pytest.fixture
def hashed(tmp_path, monkeypatch):
    """Hash a class of a small package after changing one of its files."""
    monkeypatch.syspath_prepend(tmp_path)

    def measure(name: str = "", text: str = "", *, run: bool = False) -> str:
        shutil.rmtree(tmp_path / "parts", ignore_errors=True)
        (tmp_path / "parts").mkdir()
        for file, content in PARTS.items():
            (tmp_path / "parts" / file).write_text(text if file == name else content)
        for module in [one for one in sys.modules if one.partition(".")[0] == "parts"]:
            del sys.modules[module]
        importlib.invalidate_caches()
        task = importlib.import_module("parts.task")
        if run:
            task.helper()
        return code_hash([task.Task], [])

    return measure


def test_the_hash_does_not_depend_on_what_was_imported(hashed):
    assert hashed() == hashed(run=True)


@pytest.mark.parametrize("name", ["task.py", "used.py", "lazy.py"])
def test_a_changed_line_changes_the_hash_also_in_what_is_imported_late(hashed, name):
    assert hashed(name, PARTS[name] + "\nMORE = 2\n") != hashed()


def test_comments_docstrings_and_other_modules_do_not(hashed):
    commented = '"""Says more."""\n# a comment\n' + PARTS["task.py"]
    assert hashed("task.py", commented) == hashed()
    assert hashed("unused.py", "VALUE = 2\n") == hashed()


def test_versions_of_declared_packages_count():
    assert code_hash([Path], [Need("pytest", "dev")]) != code_hash([Path], [])


@pytest.mark.parametrize(
    ("subset", "module"),
    [
        ("reasoning", "harness_tasks.evo_memory.extraction"),
        ("reasoning", "harness_tasks.evo_memory.question"),
        ("babyai", "harness_tasks.evo_memory.babyai.progress"),
        ("babyai", "harness_tasks.evo_memory.babyai.actions"),
    ],
)
def test_the_scoring_code_of_a_subset_is_part_of_its_hash(subset, module, monkeypatch):
    from harness.results import provenance
    from harness_tasks.evo_memory.task import EvoMemory

    task = EvoMemory(EvoMemory.Options(subset=subset))
    before = code_hash(task.code(), [])
    found = importlib.import_module(module).__file__
    read = Path.read_text

    def edited(path, *arguments, **options):
        text = read(path, *arguments, **options)
        return text + "\nEDITED = True\n" if str(path) == found else text

    monkeypatch.setattr(provenance.Path, "read_text", edited)
    assert code_hash(task.code(), []) != before


def test_a_machine_is_told_without_running_anything(monkeypatch):
    import subprocess

    monkeypatch.setattr(subprocess, "run", None)
    monkeypatch.setattr(subprocess, "Popen", None)
    machine.cache_clear()
    found = machine()
    assert found["cores"] >= 1
    assert set(found) <= {"cores", "processor", "memory_gib", "gpus"}
