"""What a worker may touch: its own folder, and addresses of this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BEGIN = """
import os, shutil, socket, sqlite3, subprocess, sys
from pathlib import Path
from harness.isolation.fence import Fence

own, other = Path(sys.argv[1]), Path(sys.argv[2])
inside, outside = os.open(own, os.O_RDONLY), os.open(other, os.O_RDONLY)
listening = socket.create_server(("127.0.0.1", 0))
fence = Fence(own)
fence.raise_it()
"""


def tried(tmp_path, code):
    """What a fenced process says of its breach after some code; empty if there was none."""
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        (folder / "deep").mkdir(parents=True)
        (folder / "file").write_text("text")
    swallowed = f"try:\n    {code}\nexcept PermissionError as error:\n    assert fence.breach\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}{swallowed}print(fence.breach)", str(own), str(other)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (other / "file").read_text() == "text"
    assert sorted(os.listdir(other)) == ["deep", "file"]
    return done.stdout.strip()


@pytest.mark.parametrize(
    "code",
    [
        "(own / 'new').write_text('text')",
        "shutil.rmtree(own)",
        "os.remove('file', dir_fd=inside)",
        "os.mkdir('new', dir_fd=inside)",
        "os.rename('file', 'new', src_dir_fd=inside, dst_dir_fd=inside)",
        "os.symlink(other, own / 'link')",
        "sqlite3.connect(own / 'base').close()",
        "sqlite3.connect(':memory:').close()",
        "(other / 'file').read_text()",
        "socket.create_connection(listening.getsockname()).close()",
        "socket.getaddrinfo('localhost', 80)",
        "socket.socketpair()",
    ],
)
def test_what_is_its_own_is_allowed(tmp_path, code):
    assert tried(tmp_path, code) == ""


@pytest.mark.parametrize(
    ("code", "verb"),
    [
        ("(other / 'new').write_text('text')", "write"),
        ("shutil.rmtree(other)", "change"),
        ("os.remove('file', dir_fd=outside)", "change"),
        ("os.mkdir('new', dir_fd=outside)", "change"),
        ("os.rename('file', 'new', src_dir_fd=inside, dst_dir_fd=outside)", "change"),
        ("os.rename(other / 'file', own / 'new')", "change"),
        ("os.symlink(own, other / 'link')", "write"),
        ("os.symlink(own, 'link', dir_fd=outside)", "write"),
        ("sqlite3.connect(other / 'base')", "write"),
        ("subprocess.run(['true'])", "start another process (true)"),
        ("socket.create_connection(('192.0.2.1', 443), 1)", "connect to 192.0.2.1"),
        ("socket.create_connection(('telemetry.example', 443), 1)", "connect to telemetry.example"),
        ("socket.getaddrinfo('telemetry.example', 443)", "connect to telemetry.example"),
        ("socket.gethostbyname('telemetry.example')", "connect to telemetry.example"),
        (
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
            "connect to 192.0.2.1",
        ),
    ],
)
def test_what_is_not_its_own_is_refused_and_remembered(tmp_path, code, verb):
    assert tried(tmp_path, code).startswith(verb)
