from __future__ import annotations

from enum import StrEnum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from harness import options
from harness.errors import UnknownName, UsageError
from harness.options import NoOptions, OptionInfo, Options


class Store(StrEnum):
    SUCCESSES = "success_only"
    ALL = "all"


class Settings(Options):
    k: int = Field(default=4, ge=1)
    """How many entries
    are shown."""
    threshold: float | None = None
    """Least similarity."""
    store: Store = Store.ALL
    """Which experiences are kept."""
    order: Literal["desc", "asc"] = "desc"
    """Order of the items."""
    subsets: tuple[str, ...] = ("babyai", "gsm")
    """Names."""
    levels: list[int] = Field(default_factory=lambda: [1, 2])
    """Numbers."""
    keys: list[str] | None = None
    legacy: bool = False
    """Keep the old bug."""


class Demanding(Options):
    path: str
    """Where it is."""


def read(**raw):
    return options.build(Settings, raw, "method 'exprag'")


def test_text_becomes_typed_values():
    found = read(
        k="8", threshold="0.25", store="success_only", order="asc", levels="3, 4,", legacy="true"
    )
    assert (found.k, found.threshold, found.store) == (8, 0.25, Store.SUCCESSES)
    assert (found.order, found.levels, found.legacy) == ("asc", [3, 4], True)


def test_plain_values_from_python_are_taken_as_they_are():
    found = read(k=8, threshold=None, subsets=["a,b", "c"], store=Store.ALL)
    assert found.subsets == ("a,b", "c")
    assert (found.k, found.threshold) == (8, None)


@pytest.mark.parametrize("text", ["none", "None", "NONE"])
def test_none_is_a_value_where_the_option_may_be_absent(text):
    assert read(threshold=text).threshold is None
    assert read(keys=text).keys is None


def test_none_is_an_ordinary_text_where_the_option_needs_one():
    assert options.build(Demanding, {"path": "none"}, "task 't'").path == "none"


def test_lists_are_split_at_commas_and_blanks_are_dropped():
    assert read(subsets=" babyai , ,gsm,").subsets == ("babyai", "gsm")
    assert read(subsets="").subsets == ()
    assert read(keys="a").keys == ["a"]


@given(st.lists(st.text(st.characters(exclude_characters=","), min_size=1).map(str.strip)))
def test_joined_lists_come_back(names):
    names = [name for name in names if name]
    assert list(read(subsets=",".join(names)).subsets) == names


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"k": "many"}, "k='many'"),
        ({"k": "0"}, "k='0'"),
        ({"k": ""}, "k=''"),
        ({"threshold": "nan"}, "threshold='nan'"),
        ({"store": "some"}, "store='some'"),
        ({"order": "up"}, "order='up'"),
        ({"levels": "1,x"}, "levels='x'"),
        ({"legacy": "perhaps"}, "legacy='perhaps'"),
    ],
)
def test_a_refused_value_is_one_sentence_that_names_the_option(raw, named):
    with pytest.raises(UsageError) as caught:
        read(**raw)
    text = str(caught.value)
    assert text.startswith(f"method 'exprag': option {named} is refused: ")
    assert "\n" not in text
    assert text.count(".") == 1
    assert text.endswith(".")


def test_a_missing_required_option_is_named():
    with pytest.raises(UsageError, match="task 't': option path"):
        options.build(Demanding, {}, "task 't'")


def test_an_unknown_option_gets_the_nearest_names():
    with pytest.raises(UnknownName, match=r"option of method 'exprag' 'treshold'.*threshold"):
        read(treshold="1")
    with pytest.raises(UnknownName, match="there is none"):
        options.build(NoOptions, {"k": "1"}, "embedder 'bm25'")


def test_describe_lists_types_defaults_and_help():
    found = {one.name: one for one in options.describe(Settings)}
    assert found["k"] == OptionInfo("k", "int", "4", "How many entries are shown.")
    assert found["threshold"] == OptionInfo(
        "threshold", "float | none", "none", "Least similarity."
    )
    assert found["store"].type == "success_only | all"
    assert found["store"].default == "all"
    assert found["order"].type == "desc | asc"
    assert (found["subsets"].type, found["subsets"].default) == ("list of str", "babyai,gsm")
    assert (found["levels"].type, found["levels"].default) == ("list of int", "1,2")
    assert found["keys"].type == "list of str | none"
    assert found["keys"].help == ""
    assert [one.name for one in options.describe(Settings)] == list(Settings.model_fields)
    assert options.describe(Demanding)[0].default == "required"


def test_every_described_default_is_text_that_means_the_default():
    texts = {one.name: one.default for one in options.describe(Settings)}
    assert read(**texts) == Settings()


def test_given_values_are_plain_json_and_rebuild_the_options():
    chosen = read(store="success_only", subsets="x,y", threshold="0.5")
    assert chosen.given()["store"] == "success_only"
    assert chosen.given()["subsets"] == ["x", "y"]
    assert read(**chosen.given()) == chosen


def test_options_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError):
        Settings().k = 5


def test_assignments_of_a_flag():
    found = options.parse_assignments(["k=4", "data-path= a=b ", "empty="], "-T")
    assert found == {"k": "4", "data_path": "a=b", "empty": ""}


@pytest.mark.parametrize("text", ["k", "", "=4", " =4"])
def test_an_assignment_without_name_or_value_shows_the_form(text):
    with pytest.raises(UsageError, match=r"-T takes NAME=VALUE, got .*-T k=4"):
        options.parse_assignments([text], "-T")


def test_what_differs_from_the_defaults_is_told_apart():
    assert read().differing() == {}
    assert read(k="4", levels="1,2").differing() == {}
    assert read(k="5", subsets="gsm").differing() == {"k": 5, "subsets": ["gsm"]}
    assert Demanding(path="here").differing() == {"path": "here"}
