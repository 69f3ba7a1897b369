"""The interpreter that has the other harnesses: a given one, or a virtual environment made once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = ("lm_eval", "inspect_ai", "openai", "aiohttp", "datasets", "torch")
_VERSIONS = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def made_once(folder: Path, requirements: Path) -> Path:
    """The interpreter of `folder`, made anew if the requirements are not those it was made with."""
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    wanted = requirements.read_text(encoding="utf-8")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing the other harnesses into {folder} (once) ...", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), *install, "-r", str(requirements)], check=True)
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"the other harnesses cannot be installed into {folder} ({error}); name an interpreter "
            "that has them with --peers, or leave them out with --no-peers."
        ) from error
    stamp.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path | str) -> dict[str, str]:
    """Versions of the packages that matter here, as an interpreter has them."""
    try:
        command = [str(python), "-c", _VERSIONS, *PACKAGES]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"--peers {python} does not run ({error}).") from error
    found: dict[str, str] = json.loads(done.stdout)
    for name in ("lm_eval", "inspect_ai", "openai"):
        if name not in found:
            raise SystemExit(f"--peers {python} has no {name}; see benchmarks/requirements.txt.")
    return found
