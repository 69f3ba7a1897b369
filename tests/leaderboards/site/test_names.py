from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from harness_leaderboards.site.names import Places, slug, slugs


def test_a_safe_name_is_its_own_file_name():
    assert slug("exprag") == "exprag"
    assert slug("01M8061AQ3P88PM704DTYXM8H0") == "01M8061AQ3P88PM704DTYXM8H0"


def test_other_names_keep_what_can_be_read_and_get_a_hash():
    assert re.fullmatch(r"npo-gu-[0-9a-f]{8}", slug("npo+gu"))
    assert slug("npo+gu") != slug("npo:gu")
    assert re.fullmatch(r"con-[0-9a-f]{8}", slug("con"))
    assert re.fullmatch(r"[0-9a-f]{8}", slug("../.."))


def test_names_that_differ_in_case_only_do_not_meet():
    found = slugs(["TRM", "trm", "Trm"])
    assert len({one.casefold() for one in found.values()}) == 3


def test_a_name_made_to_meet_the_hash_of_another_does_not():
    crafted = slug("npo+gu")
    found = slugs(["npo+gu", crafted])
    assert len(set(found.values())) == 2


@given(st.lists(st.text(st.characters()), max_size=8))
def test_any_names_have_safe_and_different_file_names(names):
    found = slugs(names)
    assert len({one.casefold() for one in found.values()}) == len(set(names))
    for one in found.values():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,140}", one)
        assert ".." not in one or one in names


def test_a_sample_of_any_name_has_an_address():
    places = Places(["b"], ["m"], ["t"], ["R"])
    assert places.run("R", "a/b&c=d#e") == "run/R.html#sample=a%2Fb%26c%3Dd%23e"
    assert places.run("unknown") == ""
