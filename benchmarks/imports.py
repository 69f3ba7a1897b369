"""Which heavy packages a run of the harness imports when the model is remote; there should be none.

The run happens in a process that lists ``sys.modules`` when the command has ended.
"""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.tools import Job, harness_arguments

HEAVY = ("torch", "pandas", "datasets")
_CODE = """
import sys
from harness.cli import main
try:
    main(sys.argv[2:])
except SystemExit as end:
    if end.code:
        raise
with open(sys.argv[1], "w") as file:
    file.write(" ".join(sys.modules))
"""


def heavy_imports(job: Job, env: dict[str, str], cwd: str | os.PathLike[str]) -> tuple[str, ...]:
    """Execute a job with the harness's baseline; returns what of `HEAVY` it imported."""
    listed = job.folder / "modules.txt"
    command = [sys.executable, "-c", _CODE, str(listed), *harness_arguments(job, "baseline")]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the harness failed:\n{done.stderr}")
    loaded = set(listed.read_text().split())
    return tuple(name for name in HEAVY if name in loaded)
