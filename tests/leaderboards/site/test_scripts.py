from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from harness_leaderboards.site.scripts import safe_json, script, trimmed

_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_VALUES)
def test_json_is_inert_in_a_script_and_says_the_same(value):
    text = safe_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert text.isascii()
    assert json.loads(text) == value


def test_what_is_no_number_is_null():
    assert safe_json([float("nan"), float("inf"), 1.5]) == "[null,null,1.5]"


def test_a_script_calls_one_function():
    assert script("samples-0", ["</script>"]) == (
        'harnessChunk("samples-0",["\\u003c/script\\u003e"]);\n'
    )


def test_long_texts_within_json_are_cut_and_say_so():
    cut = json.loads(trimmed(json.dumps([{"output": "x" * 100}, "y" * 100, "z"]), 50))
    assert cut[0] == {"output": "x" * 50 + " … (cut: 100 letters)"}
    assert cut[1:] == ["… (cut: 2 more)"]
    assert trimmed("no json " * 10, 8) == "no json  … (cut: 80 letters)"
    assert trimmed("[1]", 8) == "[1]"
    assert len(trimmed("[" * 5000, 100)) < 200
