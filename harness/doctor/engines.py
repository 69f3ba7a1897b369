"""Engines that models run on: torch, NVIDIA's processors, vLLM, and what breaks them.

Read from the metadata of installed distributions and from small text files. Nothing is imported,
except by `imports`, in processes of their own.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from harness.doctor.finding import Asked, Finding, State, guarded
from harness.doctor.installed import found, plain, requirements, unmet
from harness.registry import OWN_DISTRIBUTION

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
"""Packages that are compiled against one build of torch, and that transformers imports if there."""
_GPU_QUERY = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
_PATIENCE_S = 10
_IMPORT_PATIENCE_S = 300
_FURTHER = {"transformers": "transformers.models.llama.modeling_llama"}
"""Modules to import as well, of packages that import their parts only when they are used."""
_TRY_IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        reason = " ".join(str(error).split())
        print(f"\\nfailed: {name} ({type(error).__name__}: {reason})")
"""


def torch(asked: Asked) -> Iterator[Finding]:
    """PyTorch, and what it was built for."""
    del asked
    there = found("torch")
    if there:
        yield Finding("engines", "torch", State.OK, f"{there[1]}, built for {_hardware('torch')}")
    else:
        yield Finding("engines", "torch", State.MISSING, "not installed", _install("torch"))


def gpus(asked: Asked) -> Iterator[Finding]:
    """Processors of NVIDIA, as their driver lists them."""
    del asked
    tool = shutil.which("nvidia-smi")
    if tool is None:
        yield Finding("engines", "gpu", State.NOTE, "no NVIDIA driver here (no nvidia-smi)")
        return
    done = subprocess.run(  # noqa: S603 - the driver's own tool
        [tool, *_GPU_QUERY], capture_output=True, text=True, check=False, timeout=_PATIENCE_S
    )
    listed = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0 or not listed:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        yield Finding("engines", "gpu", State.NOTE, f"nvidia-smi finds none: {said}")
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    limit = "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible})"
    yield Finding("engines", "gpu", State.OK, f"{'; '.join(listed)}{limit}")
    if found("torch") and _build("torch") == "cpu":
        yield Finding(
            *("engines", "gpu", State.NOTE, "the installed torch is a build without CUDA"),
            "pip install --force-reinstall torch (from an index with CUDA builds)",
        )


def vllm(asked: Asked) -> Iterator[Finding]:
    """vLLM, under the name of either of its distributions."""
    del asked
    there = found("vllm")
    if not there:
        yield Finding("engines", "vllm", State.MISSING, "not installed", _install("vllm"))
    elif importlib.util.find_spec("vllm") is None:
        yield Finding(
            *("engines", "vllm", State.BROKEN, f"{' '.join(there)} is installed without its files"),
            f"pip install --force-reinstall --no-deps {there[0]}",
        )
    else:
        yield Finding("engines", "vllm", State.OK, " ".join(there))


def companions(asked: Asked) -> Iterator[Finding]:
    """Packages built for another torch: they break the import of transformers, and so of vLLM."""
    del asked
    if not found("torch"):
        return
    wrong = {name: reason for name in _COMPANIONS if (reason := _misfit(name))}
    if wrong:
        yield Finding(
            "engines",
            ", ".join(wrong),
            State.BROKEN,
            f"{'; '.join(wrong.values())}, which breaks transformers and vLLM",
            f"pip uninstall {' '.join(wrong)}",
        )


def imports(asked: Asked) -> Iterator[Finding]:
    """Import what is installed of each extra, in a process of its own (``--deep``)."""
    if not asked.deep:
        return
    for extra, needed in requirements().items():
        name = extra or "core"
        yield from guarded("imports", name, lambda name=name, needed=needed: _extra(name, needed))


def _extra(name: str, needed: Iterable[Requirement]) -> Iterator[Finding]:
    installed = [there[0] for one in needed if (there := found(one.name))]
    modules = [module for one in installed if (module := _module(one))]
    modules += [_FURTHER[one] for one in modules if one in _FURTHER]
    if modules:
        yield _import(name, modules)


def _install(package: str) -> str:
    """The command that brings a package: an extra of the harness where one has it."""
    for extra, needed in requirements().items():
        if extra and any(plain(one.name) == package for one in needed):
            return f"pip install '{OWN_DISTRIBUTION}[{extra}]'"
    return f"pip install {package}"


def _build(package: str) -> str:
    """What a compiled package was built for: ``cpu``, ``cu130`` and the like; empty if unknown.

    Packages of the index have it in their own version only, not in their metadata.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    file = Path(spec.origin).parent / "version.py"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    told = re.search(r"""^__version__\s*(?::[^=]*)?=\s*['"][^'"+]*\+([^'"]+)['"]""", text, re.M)
    return told[1] if told else ""


def _hardware(package: str) -> str:
    build = _build(package)
    if build == "cpu":
        return "the CPU alone"
    cuda = re.fullmatch(r"cu(\d+)(\d)", build)
    return f"CUDA {cuda[1]}.{cuda[2]}" if cuda else build or "unknown hardware"


def _misfit(companion: str) -> str:
    """Why a companion does not fit the installed torch; empty if it does, or is not there."""
    from packaging.requirements import Requirement

    there = found(companion)
    if there is None:
        return ""
    for text in metadata.requires(companion) or ():
        wanted = Requirement(text)
        if wanted.name == "torch" and wanted.marker is None and unmet(wanted):
            return f"{companion} {there[1]} wants torch {wanted.specifier}"
    build, of_torch = _build(companion), _build("torch")
    # Builds for two versions of CUDA fit where the major version is the same.
    if build and of_torch and build[:-1] != of_torch[:-1]:
        return f"{companion} {there[1]} was built for {_hardware(companion)}"
    return ""


def _module(distribution: str) -> str:
    """The module that a distribution is imported by: its namesake, else its shortest public one."""
    there = metadata.distribution(distribution)
    declared = (there.read_text("top_level.txt") or "").split()
    files = there.files or () if not declared else ()
    packages = {one.parts[0] for one in files if one.name == "__init__.py" and len(one.parts) == 2}
    names = [one for one in (*declared, *packages) if one.isidentifier() and one[0] != "_"]
    wanted = plain(distribution)
    return min(names, key=lambda one: (plain(one) != wanted, len(one), one), default="")


def _import(name: str, modules: Sequence[str]) -> Finding:
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-P", "-c", _TRY_IMPORTS, *modules],
            capture_output=True,
            text=True,
            check=False,
            timeout=_IMPORT_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        said = f"importing {', '.join(modules)} takes more than {_IMPORT_PATIENCE_S} s"
        return Finding("imports", name, State.BROKEN, said)
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    if done.returncode != 0:
        failed.append(f"importing {', '.join(modules)} ends Python with code {done.returncode}")
    if failed:
        said = "; ".join(line.removeprefix("failed: ") for line in failed)
        return Finding("imports", name, State.BROKEN, said)
    return Finding("imports", name, State.OK, ", ".join(modules))
