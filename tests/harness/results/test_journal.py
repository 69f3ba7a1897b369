from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StorageError
from harness.results.journal import Journal, JournalHeld, read

RECORDS = [{"kind": "run", "n": 1}, {"kind": "sample", "text": "Zwölf\n鳥"}, {"kind": "end"}]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "01J.jsonl"


def append(path, *records):
    with Journal(path) as journal:
        for record in records:
            journal.append(record)


def child(code, *arguments, **settings):
    """A process that has the journal module; it prints what it wants to say."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **settings,
    )


def test_records_are_read_in_the_order_they_were_appended(path):
    append(path, *RECORDS)
    assert list(read(path)) == RECORDS
    with Journal(path) as journal:
        assert [one for _, one in journal.records()] == RECORDS


def test_a_record_is_there_for_other_readers_as_soon_as_it_is_appended(path):
    with Journal(path) as journal:
        assert list(read(path)) == []
        for n, record in enumerate(RECORDS, 1):
            journal.append(record)
            assert list(read(path)) == RECORDS[:n]


def test_a_later_process_continues_behind_what_is_there(path):
    append(path, *RECORDS[:2])
    append(path, *RECORDS[2:])
    assert list(read(path)) == RECORDS


def test_a_last_line_torn_at_any_byte_is_dropped_and_overwritten(path):
    append(path, *RECORDS)
    whole = path.read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    for end in range(begin, len(whole)):
        path.write_bytes(whole[:end])
        assert list(read(path)) == RECORDS[:-1]
        append(path, {"kind": "later"})
        assert list(read(path)) == [*RECORDS[:-1], {"kind": "later"}]


def test_a_file_of_one_torn_line_is_empty(path):
    path.write_bytes(b'{"kind"')
    with Journal(path) as journal:
        assert [one for _, one in journal.records()] == []
    assert not path.exists()  # an empty journal says nothing and is not kept


@pytest.mark.parametrize("length", [65535, 65536, 65537, 200_000])
def test_a_torn_line_longer_than_one_read_is_dropped_too(path, length):
    append(path, *RECORDS)
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" * length)
    with Journal(path):
        assert path.read_bytes() == whole
    path.write_bytes(b"x" * length)
    with Journal(path):
        assert path.read_bytes() == b""


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), min_size=1, max_size=5))
def test_any_json_object_comes_back(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("journal") / "run.jsonl"
    append(path, *records)
    assert list(read(path)) == records


@pytest.mark.parametrize(
    "text", ["", "\0", "a\0b", "\n\r\u2028\u2029\x85", "Zoë 鳥 🜚", "\ud83d", "\ufeff", '"\\"']
)
def test_awkward_texts_come_back_and_stay_on_one_line(path, text):
    append(path, {"text": text, text: 1}, {"next": True})
    assert list(read(path)) == [{"text": text, text: 1}, {"next": True}]
    assert path.read_bytes().count(b"\n") == 2


def test_what_is_no_json_leaves_the_journal_as_it_was(path):
    with Journal(path) as journal:
        journal.append(RECORDS[0])
        with pytest.raises(TypeError):
            journal.append({"what": object()})
        journal.append(RECORDS[1])
    assert list(read(path)) == RECORDS[:2]


HOLD = """
import sys
from pathlib import Path
from harness.results.journal import Journal, JournalHeld
try:
    with Journal(Path(sys.argv[1])) as journal:
        journal.append({"by": "child"})
        print("held", flush=True)
        sys.stdin.readline()
except JournalHeld as error:
    print(error, flush=True)
"""


def test_a_second_process_is_told_that_the_journal_is_held(path):
    with Journal(path), child(HOLD, path) as second:
        assert second.stdout.readline() == f"another process is executing the run of {path}.\n"
    with child(HOLD, path) as second:
        assert second.stdout.readline() == "held\n"
        with pytest.raises(JournalHeld):
            Journal(path)
        assert list(read(path)) == [{"by": "child"}]
        second.stdin.write("\n")
    with Journal(path) as journal:
        assert [one for _, one in journal.records()] == [{"by": "child"}]


def test_a_refused_journal_does_not_touch_the_line_being_written(path):
    with Journal(path) as journal:
        journal.append(RECORDS[0])
        with path.open("ab") as other:
            other.write(b'{"half')
        with pytest.raises(JournalHeld):
            Journal(path)
        assert path.read_bytes().endswith(b'{"half')


def test_a_held_journal_is_a_storage_error():
    assert issubclass(JournalHeld, StorageError)


def test_a_journal_deleted_while_another_process_waited_for_it_is_not_taken(path, monkeypatch):
    # The holder publishes and deletes between the other one's opening and its locking.
    import fcntl

    holder, real = Journal(path), fcntl.flock
    monkeypatch.setattr(fcntl, "flock", lambda *args: (holder.delete(), real(*args)))
    with pytest.raises(JournalHeld, match="has just finished"):
        Journal(path)
    assert not path.exists()


def test_deleting_removes_the_file_and_releases_the_lock(path):
    journal = Journal(path)
    journal.append(RECORDS[0])
    journal.delete()
    assert not path.exists()
    append(path, RECORDS[1])
    assert list(read(path)) == [RECORDS[1]]


def test_a_journal_that_cannot_be_opened_names_the_path(tmp_path):
    with pytest.raises(StorageError, match=r"cannot open the journal .*No such file"):
        Journal(tmp_path / "absent" / "run.jsonl")
    with pytest.raises(StorageError, match="Is a directory"):
        Journal(tmp_path)


def test_a_closed_journal_takes_nothing_and_can_be_closed_again(path):
    journal = Journal(path)
    journal.append(RECORDS[0])
    journal.close()
    journal.close()
    with pytest.raises(StorageError):
        journal.append(RECORDS[1])
    assert list(read(path)) == RECORDS[:1]


FULL = """
import json, resource, signal, sys
from pathlib import Path
from harness.errors import StorageError
from harness.results.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
with Journal(path) as journal:
    journal.append({"n": 1})
    before = path.read_bytes()
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    outcomes = []
    for room in range(9):
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, hard))
        try:
            journal.append({"n": 2})
        except StorageError as error:
            outcomes.append([str(error), path.read_bytes() == before])
        else:
            outcomes.append("written")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    journal.append({"n": 3})
print(json.dumps(outcomes))
"""


def test_a_full_disk_leaves_the_journal_as_it_was_and_it_goes_on_when_there_is_room(path):
    with child(FULL, path) as process:
        *refused, last = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert last == "written"
    assert len(refused) == len('{"n":2}\n')
    for message, unchanged in refused:
        assert message.startswith(f"cannot write to {path}: {os.strerror(errno.EFBIG)}; make room")
        assert unchanged
    assert list(read(path)) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_an_interrupted_append_leaves_no_half_line(path, monkeypatch):
    real = os.write

    def interrupted(file, data):
        real(file, data[:5])
        raise KeyboardInterrupt

    with Journal(path) as journal:
        journal.append(RECORDS[0])
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, "write", interrupted)
            journal.append(RECORDS[1])
        journal.append(RECORDS[2])
    assert list(read(path)) == [RECORDS[0], RECORDS[2]]


ENDLESS = """
import sys
from pathlib import Path
from harness.results.journal import Journal
journal = Journal(Path(sys.argv[1]))
n = 0
while True:
    journal.append({"n": n, "text": "x" * (n % 5000)})
    print(n, flush=True)
    n += 1
"""


@pytest.mark.parametrize("lines", [1, 57, 400])
def test_killed_while_appending_keeps_every_line_that_was_appended(path, lines):
    with child(ENDLESS, path) as process:
        said = -1
        for line in process.stdout:
            said = int(line)
            if said == lines:
                process.send_signal(signal.SIGKILL)
                break
        said = max([said, *(int(line) for line in process.stdout if line.endswith("\n"))])
    assert process.returncode == -signal.SIGKILL
    with Journal(path) as journal:
        kept = [one for _, one in journal.records()]
    assert [record["n"] for record in kept] == list(range(len(kept)))
    assert len(kept) in (said + 1, said + 2)
    append(path, {"n": len(kept)})
    assert len(list(read(path))) == len(kept) + 1
