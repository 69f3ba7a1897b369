"""The wheel holds everything that the checkout has, under the import names."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "harness": "harness",
    "tasks": "harness_tasks",
    "methods": "harness_methods",
    "leaderboards": "harness_leaderboards",
}


def test_every_constraint_pins_a_package_of_the_index():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []


@pytest.mark.install
def test_the_wheel_holds_every_module_and_its_command_works(tmp_path):
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    (wheel,) = tmp_path.glob("method_harness-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.endswith((".py", "py.typed"))}
        archive.extractall(tmp_path / "site")
    expected = {
        f"{package}/{path.relative_to(ROOT / folder)}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert packed == expected
    code = (
        "import harness, sys; from harness.cli import main; print(harness.__file__); main(['ls'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        check=True,
        cwd=tmp_path,
    )
    assert str(tmp_path / "site") in done.stdout.splitlines()[0]
    assert "remem" in done.stdout
    assert not done.stderr
