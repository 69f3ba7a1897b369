"""The life of a server that the harness starts: one for a sweep, watched, restarted, ended.

A small stand-in takes vLLM's place here (`fake_vllm`), started by the same command line through the
same guard; `test_vllm.py` does the essentials with the real one.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support import Server, comparable, harness, run_arguments, start

from harness.results.store import ResultsStore

SUPPORT = Path(__file__).parent / "_support"
QUESTIONS = ("-T", "streams=3", "-T", "items=5", "-T", "store=all")
CANARY = "sk-canary-7f3a9b2c55d1"


class Fake:
    """A stand-in interpreter in a folder, and what its processes noted there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "python"
        self.python.write_text(
            f"#!{sys.executable}\n"
            f"import sys; sys.path.insert(0, {str(SUPPORT)!r})\n"
            "from fake_vllm import main; main()\n"
        )
        self.python.chmod(self.python.stat().st_mode | stat.S_IXUSR)

    @property
    def env(self) -> dict[str, str]:
        return {"FAKE_VLLM": str(self.folder), "OPENAI_API_KEY": CANARY}

    @property
    def starts(self) -> list[dict]:
        files = sorted(self.folder.glob("start-*.json"))
        texts = [file.read_text() for file in files]
        return [json.loads(text) for text in texts if text]  # one may be about to be written

    @property
    def asked(self) -> Counter[str]:
        return Counter((self.folder / "asked").read_text().splitlines())

    def arguments(self, results: Path, *more: str) -> list[str]:
        return [
            *("run", "--task", "evo-memory", "--model", "vllm:org/tiny@v2", "--embedder", "bm25"),
            *("--model-arg", f"python={self.python}", "--model-arg", "backoff_s=0.01"),
            *("--model-arg", "retries=1", "--results", str(results), *QUESTIONS, *more),
        ]

    def wait_for_start(self) -> dict:
        while not self.starts:
            time.sleep(0.01)
        return self.starts[0]

    def assert_no_orphans(self) -> None:
        """Whatever was started ends: the server, its child, and the guard between."""
        pids = [pid for one in self.starts for pid in (*one["pids"], one["ppid"])]
        until = time.monotonic() + 30
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < until, [pid for pid in pids if alive(pid)]
            time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def fake(tmp_path):
    folder = tmp_path / "fake"
    folder.mkdir()
    return Fake(folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same run on a server that is simply there."""
    folder = tmp_path_factory.mktemp("undisturbed")
    methods = ("--method", "baseline", "--method", "exprag")
    with Server() as server:
        done = harness(*run_arguments(server, folder, *QUESTIONS, *methods))
        assert done.returncode == 0, done.stderr
    return comparable(folder)


def test_one_server_serves_a_sweep_and_ends_with_it(fake, tmp_path, undisturbed):
    engine = ("--model-arg", "max_model_len=4096", "--model-arg", "enforce_eager=true")
    more = ("--model-arg", "enable_prefix_caching=false", "--method", "baseline")
    arguments = fake.arguments(tmp_path / "r", *engine, *more, "--method", "exprag")
    done = harness(*arguments, env=fake.env)
    assert done.returncode == 0, done.stderr
    assert comparable(tmp_path / "r") == undisturbed
    (only,) = fake.starts
    text = " ".join(only["argv"])
    assert "--model org/tiny --served-model-name org/tiny --host 127.0.0.1 --port" in text
    assert "--revision v2" in text
    assert "--max-model-len 4096 --enforce-eager" in text
    assert "--no-enable-prefix-caching" in text
    assert "--gpu-memory-utilization 0.4" in text
    assert "OPENAI_API_KEY" not in only["variables"]
    row = ResultsStore(tmp_path / "r").run_rows().iloc[0]
    assert (row.engine, row.engine_version) == ("vllm", "0.0.fake")
    assert (row.model_id, row.model_revision, row.batch_invariant) == ("org/tiny", "v2", False)
    settings = json.loads(row.engine_settings)
    assert settings["max_model_len"] == 4096
    assert "loading weights" in (tmp_path / "r" / settings["log"]).read_text()
    fake.assert_no_orphans()


def test_servers_of_different_models_take_turns(fake, tmp_path):
    more = ("--model", "vllm:org/other", "--method", "baseline", "--limit", "2")
    done = harness(*fake.arguments(tmp_path / "r", *more), env=fake.env)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    first = next(n for n, line in enumerate(lines) if "baseline: 2 of 2" in line)
    second = next(n for n, line in enumerate(lines) if "vLLM starts org/other" in line)
    assert first < second
    fake.assert_no_orphans()


def test_batch_invariance_is_in_the_row(fake, tmp_path):
    arguments = fake.arguments(tmp_path / "r", "--method", "baseline", "--limit", "1")
    done = harness(*arguments, env=fake.env | {"VLLM_BATCH_INVARIANT": "1"})
    assert done.returncode == 0, done.stderr
    assert ResultsStore(tmp_path / "r").run_rows().iloc[0].batch_invariant


def test_a_server_that_is_killed_is_started_again_and_the_run_goes_on(fake, tmp_path, undisturbed):
    arguments = fake.arguments(tmp_path / "r", "--method", "baseline", "--method", "exprag")
    process = start(*arguments, env=fake.env)
    server = fake.wait_for_start()["pids"][0]
    while not (fake.folder / "asked").exists():
        assert process.poll() is None
    os.kill(server, signal.SIGKILL)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert len(fake.starts) == 2
    assert "was ended by signal 9; starting it again (1 of 3)" in err
    assert comparable(tmp_path / "r") == undisturbed
    fake.assert_no_orphans()


def test_a_restart_costs_no_request_a_try(fake, tmp_path, undisturbed):
    (fake.folder / "die_once_after").write_text("4")
    methods = ("--method", "baseline", "--method", "exprag")
    done = harness(
        *fake.arguments(tmp_path / "r", *methods, "--model-arg", "retries=0"), env=fake.env
    )
    assert done.returncode == 0, done.stdout
    assert len(fake.starts) == 2
    assert comparable(tmp_path / "r") == undisturbed


def test_restarts_are_bounded_and_the_log_says_why(fake, tmp_path, undisturbed):
    (fake.folder / "die_after").write_text("3")
    methods = ("--method", "baseline", "--method", "exprag")
    arguments = fake.arguments(tmp_path / "r", *methods, "--model-arg", "restarts=2")
    done = harness(*arguments, env=fake.env)
    assert done.returncode == 1
    assert len(fake.starts) == 3
    errors = [one for run in ResultsStore(tmp_path / "r").runs() for one in [run.n_error]]
    assert sum(errors) > 0
    assert "ended with exit code 17 and was restarted 2 times before" in done.stdout
    assert "CUDA error: an illegal memory access" in done.stdout
    fake.assert_no_orphans()
    (fake.folder / "die_after").unlink()
    assert harness(*arguments, env=fake.env).returncode == 0
    assert comparable(tmp_path / "r") == undisturbed
    # What was under way when a server died may be asked again: 15 items and 3 streams at most.
    calls = sum(len(one["texts"]) for one in undisturbed.values())
    assert calls <= fake.asked.total() <= calls + 3 * 18


def test_a_server_that_does_not_start_shows_the_end_of_its_log(fake, tmp_path):
    (fake.folder / "refuse").touch()
    done = harness(*fake.arguments(tmp_path / "r", "--method", "baseline"), env=fake.env)
    assert done.returncode == 2
    assert "the vLLM server for 'org/tiny' ended with exit code 1" in done.stderr
    assert "ValueError: not enough memory on node 0" in done.stderr
    assert "Traceback" not in done.stderr
    fake.assert_no_orphans()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_the_harness_ends_no_process_is_left(fake, tmp_path, how):
    process = start(*fake.arguments(tmp_path / "r", "--method", "baseline"), env=fake.env)
    noted = fake.wait_for_start()
    assert all(alive(pid) for pid in noted["pids"])
    process.send_signal(how)
    process.communicate(timeout=60)
    fake.assert_no_orphans()


def test_a_server_that_is_not_healthy_in_time_is_ended(fake, tmp_path):
    (fake.folder / "hang").touch()
    limits = ("--model-arg", "start_timeout_s=2")
    done = harness(*fake.arguments(tmp_path / "r", "--method", "baseline", *limits), env=fake.env)
    assert done.returncode == 2
    assert "was not healthy after" in done.stderr
    fake.assert_no_orphans()


def test_the_server_dies_with_its_guard(fake, tmp_path):
    process = start(*fake.arguments(tmp_path / "r", "--method", "baseline"), env=fake.env)
    noted = fake.wait_for_start()
    os.kill(noted["ppid"], signal.SIGKILL)
    until = time.monotonic() + 30
    while alive(noted["pids"][0]):
        assert time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.communicate()
    for one in fake.starts:
        for pid in one["pids"]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_finished_run_does_not_answer_for_other_engine_options(fake, tmp_path):
    given = fake.arguments(tmp_path / "r", "--method", "baseline", "--limit", "1")
    first = harness(*given, "--model-arg", "dtype=float32", env=fake.env)
    assert first.returncode == 0, first.stderr
    same = ("--model-arg", "dtype=float32", "--model-arg", "max_num_seqs=4")
    again = harness(*given, *same, env=fake.env)
    assert (again.returncode, len(fake.starts)) == (0, 1)
    for other in (("--model-arg", "dtype=bfloat16"), ()):
        refused = harness(*given, *other, env=fake.env)
        assert refused.returncode == 2
        assert "was finished with dtype=float32" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model-arg", "port=80"), "engine option port is the harness's own"),
        (("--model-arg", "hf_token=x"), "engine option hf_token is a secret"),
        (("--base-url", "http://127.0.0.1:9"), "engine option dtype cannot reach a server"),
        (("--model", "vllm"), "vllm needs a model: --model vllm:ORG/NAME or vllm:FOLDER"),
        (("--model", "vllm:./nowhere"), "there is no folder nowhere"),
        (("--model-arg", "python=/no/such/python"), "python=/no/such/python is no program"),
        (("--model-arg", "restarts=-1"), "restarts='-1' is refused"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(fake, tmp_path, arguments, message):
    given = [*fake.arguments(tmp_path / "r"), "--model-arg", "dtype=float32"]
    if "--model" in arguments:
        at = given.index("--model")
        del given[at : at + 2]
    done = harness(*given, *arguments, env=fake.env)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not fake.starts


def test_no_key_is_written_anywhere(fake, tmp_path):
    arguments = fake.arguments(tmp_path / "r", "--method", "baseline", "--limit", "2")
    done = harness(*arguments, env=fake.env)
    assert done.returncode == 0, done.stderr
    assert CANARY not in done.stdout + done.stderr
    files = [path for path in (tmp_path / "r").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
