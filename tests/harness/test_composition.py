from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import composition
from harness.composition import Part, parse
from harness.errors import UsageError

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
option_names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
values = st.text() | st.text('+,:="\\#\n file', max_size=8)
paths = st.from_regex(r'[./~a-z][./~a-z+#:,=" -]{0,12}\.py', fullmatch=True)
files = st.builds("file:{}#{}".format, paths, st.from_regex(r"[A-Z][a-z]{0,6}", fullmatch=True))
parts = st.builds(Part, names | files, st.dictionaries(option_names, values, max_size=3))


@given(st.lists(parts, min_size=1, max_size=3))
def test_what_is_written_is_read_back(composed):
    text = "+".join(str(part) for part in composed)
    assert parse(text) == tuple(composed)
    assert "+".join(str(part) for part in parse(text)) == text


@given(st.text('ab+:,="\\# file', max_size=30))
def test_any_text_is_read_or_refused_in_one_sentence(text):
    try:
        found = parse(text)
    except UsageError:
        return
    assert parse("+".join(str(part) for part in found)) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exprag", [Part("exprag")]),
        ("react+exprag:k=8", [Part("react"), Part("exprag", {"k": "8"})]),
        (" react + exprag : k = 8 , top-p = 1 ", None),
        ("exprag:", [Part("exprag")]),
        ("npo:beta=0.1+gu:rank=8", [Part("npo", {"beta": "0.1"}), Part("gu", {"rank": "8"})]),
        ('a:x="1+1=2, ok: yes"+b', [Part("a", {"x": "1+1=2, ok: yes"}), Part("b")]),
        (r'a:x="say \"hi\" \\"', [Part("a", {"x": 'say "hi" \\'})]),
        ('a:x=""', [Part("a", {"x": ""})]),
        ("a:x=", [Part("a", {"x": ""})]),
        ("a:x=y=z", [Part("a", {"x": "y=z"})]),
        ("file:./m.py#Mine", [Part("file:./m.py#Mine")]),
        ("react+file:./m.py#Mine:k=8", [Part("react"), Part("file:./m.py#Mine", {"k": "8"})]),
        ('file:"./c++/m.py"#Mine', [Part("file:./c++/m.py#Mine")]),
    ],
)
def test_the_grammar_by_example(text, expected):
    if expected is None:
        expected = [Part("react"), Part("exprag", {"k": "8", "top_p": "1"})]
    assert parse(text) == tuple(expected)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("8", "8"),
        ("0.5", "0.5"),
        ("a/b-c_d", "a/b-c_d"),
        ("a+b", '"a+b"'),
        ("a,b", '"a,b"'),
        ("a:b", '"a:b"'),
        ("a=b", '"a=b"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("a b", '"a b"'),
        ("", '""'),
    ],
)
def test_a_value_is_quoted_only_where_the_grammar_needs_it(value, written):
    assert composition.quote(value) == written


def test_options_are_written_in_the_order_given():
    assert str(Part("a", {"z": "1", "b": "2"})) == "a:z=1,b=2"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty part"),
        ("  ", "empty part"),
        ("react+", "empty part"),
        ("+exprag", "empty part"),
        (":k=8", "empty part"),
        ("exprag:k", "'k' is not NAME=VALUE"),
        ("exprag:=8", "'=8' is not NAME=VALUE"),
        ("exprag:k=8,", "'' is not NAME=VALUE"),
        ('exprag:k="8', "a quote that is not closed"),
        ('exprag:k="8\\"', "a quote that is not closed"),
        ("exprag:k=8,k=9", "option k is given twice"),
        ("file:./m.py", "a file needs the class after '#'"),
        ("file:./m.py#", "a file needs the class after '#'"),
        ("file:./m.py#:k=8", "a file needs the class after '#'"),
        ("file:#Mine", "a file needs the class after '#'"),
    ],
)
def test_a_refused_string_is_quoted_with_the_reason(text, reason):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"method '{text}'")
    assert reason in str(caught.value)
