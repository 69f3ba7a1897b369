"""The report's files: what is in them, and that no foreign text can break out."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as Xml

import pytest
from comparing_support import call, streams

from harness.errors import ResultsError

HOSTILE = (
    "@team #1 http://x.y x|<img src=x onerror=alert(1)>](javascript:a)`**\n\x1b[31m\u202e]]>\x00&"
)


@pytest.fixture
def regressed(sides):
    before, after = sides
    before.run("exprag", streams())
    after.run("exprag", streams(lost=0.4))
    return sides


def written(sides, tmp_path, *words):
    files = [tmp_path / "deep" / name for name in ("r.md", "r.json", "r.xml")]
    options = zip(("--markdown", "--json-file", "--junit"), files, strict=True)
    done = call(*sides, *(word for pair in options for word in pair), *words)
    return done, [file.read_text() for file in files]


def test_every_file_has_the_verdict_and_no_scratch_is_left(regressed, tmp_path):
    done, (markdown, report, junit) = written(regressed, tmp_path)
    assert done.code == 3
    assert markdown.startswith("## REGRESSED: ")
    assert json.loads(report)["verdict"] == "regressed"
    (suite,) = Xml.fromstring(junit)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    assert suite[0][0].tag == "failure"
    assert len(list((tmp_path / "deep").iterdir())) == 3


def test_inconclusive_is_an_error_of_junit_and_no_pass(sides, tmp_path):
    for side in sides:
        side.run("exprag", streams(groups=2))
    done, (_, _, junit) = written(sides, tmp_path)
    assert done.code == 4
    assert Xml.fromstring(junit)[0][0][0].tag == "error"


def test_changed_samples_are_listed_worst_first_with_links(sides, tmp_path):
    before, after = sides
    one = before.run("exprag", {f"s{k}": [0.9, 0.5] for k in range(8)})
    scores = {f"s{k}": [0.8, 0.5 + (k == 3) * 0.5] for k in range(8)}
    two = after.run("exprag", {**scores, "s5": [0, 0.5]})
    done, (markdown, report, _) = written(sides, tmp_path, "--site", "https://h.example/site/")
    changes = json.loads(report)["comparisons"][0]["changes"]
    assert [c["sample_id"] for c in changes[:1] + changes[-1:]] == ["s5/0", "s3/1"]
    assert changes[0]["candidate_link"] == f"https://h.example/site/run/{two}.html#sample=s5%2F0"
    assert f"](<https://h.example/site/run/{one}.html#sample=s5%2F0>)" in markdown
    assert f"harness results {two} --item s5/0 --results {after.root}" in done.out


def test_a_link_cannot_be_broken_out_of(sides, tmp_path):
    bad = f"s>){HOSTILE}"
    for side, score in zip(sides, (1, 0), strict=True):
        side.run("exprag", {bad: [score] * 9})
    _, (markdown, _, _) = written(sides, tmp_path, "--site", "https://h.example")
    assert "<img" not in markdown
    for line in markdown.splitlines():
        for link in line.split("](<")[1:]:
            address = link.partition(">)")[0]
            assert address.startswith("https://h.example/run/")
            assert not set(address) & set("<> \n|`")


def test_hostile_names_show_as_themselves_everywhere(sides, tmp_path):
    for side, lost in zip(sides, (0.0, 0.4), strict=True):
        side.run(HOSTILE, streams(lost=lost), subset=HOSTILE, model=HOSTILE, method_parts="[]")
        side.run(
            HOSTILE, streams(lost=lost), subset="b" + HOSTILE, model=HOSTILE, method_parts="[]"
        )
    done, (markdown, report, junit) = written(sides, tmp_path)
    assert not set(done.out) & {"\x1b", "\u202e", "\x00"}
    assert "<img" not in markdown
    assert not re.search(r"(?<!\\)\]\(javascript", markdown)
    assert "@team" not in markdown
    assert "http://" not in markdown
    tables = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert all(line.endswith(" |") for line in tables)
    assert json.loads(report)["comparisons"][0]["candidate_method"] == HOSTILE
    assert "\ufffd" in Xml.fromstring(junit)[0].get("name")


def test_texts_of_a_megabyte_are_cut(sides, tmp_path):
    long = "y" * 1_000_000
    for side, lost in zip(sides, (0.0, 0.4), strict=True):
        side.run(long, streams(lost=lost), subset="babyai", model=long)
    done, texts = written(sides, tmp_path)
    assert len(done.out) < 20_000
    assert len(texts[0]) < 40_000
    assert len(texts[1]) < 200_000
    assert len(texts[2]) < 20_000


def test_equal_rows_give_equal_bytes(regressed, tmp_path):
    _, one = written(regressed, tmp_path)
    _, two = written(regressed, tmp_path)
    assert one == two


def test_a_file_that_cannot_be_written_is_one_sentence(regressed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="choose another file with --junit"):
        call(*regressed, "--junit", tmp_path / "file" / "r.xml")


def test_times_are_compared_between_equal_known_machines_only(sides):
    before, after = sides
    before.run("exprag", streams(), machine='{"cores": 2}')
    after.run("exprag", streams(), machine='{"cores": 2}')
    ratios = {one["name"]: one["ratio"] for one in call(*sides, "--json").one["performance"]}
    assert ratios["seconds per sample"] == 1.0
    after.run("exprag", streams(), machine='{"cores": 4}')
    seconds = call(*sides, "--json").one["performance"][0]
    assert seconds["ratio"] is None
    assert "different machines" in seconds["why_not"]


@pytest.mark.parametrize("option", ["--markdown", "--json-file", "--junit"])
def test_a_folder_is_no_file(regressed, tmp_path, option):
    for folder in ("/", tmp_path):
        with pytest.raises(ResultsError, match=f"is a folder; name a file with {option}"):
            call(*regressed, option, folder)
