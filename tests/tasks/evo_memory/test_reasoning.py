from __future__ import annotations

import pytest

from harness.errors import UnknownName, UsageError
from harness_tasks.evo_memory.reasoning import FAMILIES, Reasoning
from harness_tasks.evo_memory.subset import EvoMemoryOptions

pytest.importorskip("reasoning_gym")

DEFAULT = [name for name, family in FAMILIES.items() if family.default]


def reasoning(**options):
    return Reasoning(EvoMemoryOptions(**options))


def texts(subset, data_seed=0):
    return [subset.episode(item).brief.goal for item in subset.items(data_seed)]


def score(subset, item, output):
    episode = subset.episode(item)
    episode.reset()
    seen = episode.step(output)
    return episode.score(), seen


@pytest.fixture(scope="module")
def default():
    return reasoning()


def test_ten_streams_of_six_questions_that_are_all_different(default):
    items = default.items(0)
    streams = [item.stream_id for item in items]
    assert [streams.count(one) for one in dict.fromkeys(streams)] == [6] * 10
    assert streams == sorted(streams)
    assert len({item.sample_id for item in items}) == 60
    assert len(set(texts(default))) == 60


def test_items_are_the_same_in_every_execution(default):
    again = reasoning()
    texts(again, 5)
    assert again.items(0) == default.items(0)
    assert texts(again) == texts(default)


def test_the_data_seed_changes_the_questions(default):
    first, second = texts(default), texts(default, 1)
    assert len(set(first) & set(second)) < len(first) / 2
    assert {item.sample_id for item in default.items(0)}.isdisjoint(
        item.sample_id for item in default.items(1)
    )


def test_a_stream_mixes_two_families_and_all_families_have_their_turn(default):
    groups = {}
    for item in default.items(0):
        groups.setdefault(item.stream_id, []).append(item.group)
    for families in groups.values():
        assert sorted(map(families.count, set(families))) == [3, 3]
    assert {name for families in groups.values() for name in families} == set(DEFAULT)


def test_families_can_be_chosen():
    subset = reasoning(families=("gcd",), streams=2, items=3)
    assert {item.group for item in subset.items(0)} == {"gcd"}
    assert len(subset.items(0)) == 6
    mixed = reasoning(streams=1, items=9, families_per_stream=3)
    assert len({item.group for item in mixed.items(0)}) == 3


def test_an_unknown_family_gets_the_nearest_name():
    with pytest.raises(UnknownName, match="did you mean syllogism"):
        reasoning(families=("sylogism",))


def test_more_items_than_a_family_has_questions_is_one_sentence():
    # Sums and differences of two one-digit numbers: there are fewer than 400.
    with pytest.raises(UsageError, match="family chain_sum has too few different questions"):
        reasoning(families=("chain_sum",), streams=4, items=200).items(0)


def test_demonstrations_are_solved_and_none_of_the_items(default):
    shown = default.demonstrations(12, 0)
    assert len({one.goal for one in shown}) == 12
    assert {one.goal for one in shown}.isdisjoint(texts(default))
    assert {one.feedback.correct for one in shown} == {True}
    assert [one.goal for one in reasoning().demonstrations(4, 0)] == [one.goal for one in shown[:4]]


def test_demonstrations_do_not_depend_on_what_was_asked_before(default):
    fresh = reasoning()
    for seed in range(1, 4):
        fresh.items(seed)
    assert fresh.demonstrations(6, 0) == reasoning().demonstrations(6, 0)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_librarys_own_answer_is_right_and_its_own_verifier_decides(name):
    import reasoning_gym

    subset = reasoning(families=(name,), streams=1, items=5)
    library = reasoning_gym.create_dataset(name, seed=0, size=1, **FAMILIES[name].settings)
    for item in subset.items(0):
        gold = score(subset, item, "?")[0].gold
        right, seen = score(subset, item, f"The answer is {gold}.")
        assert (right.value, right.success, seen.done, seen.valid) == (1.0, True, True, True)
        choices = FAMILIES[name].choices
        wrong = next(c for c in choices if c != gold) if choices else str(int(gold) + 1)
        judged, seen = score(subset, item, wrong)
        entry = subset._questions[item.sample_id].entry
        assert judged.metrics["verifier"] == library.score_answer(wrong, entry)
        assert (judged.value, judged.success, seen.valid) == (0.0, False, True)


def test_an_output_without_an_answer_is_invalid_and_scores_nothing(default):
    found, seen = score(default, default.items(0)[0], "I do not think so")
    assert (found.value, found.success, seen.valid) == (0.0, False, False)


def test_gold_is_in_nothing_that_is_shown(default):
    for item in default.items(0):
        brief = default.episode(item).brief
        assert brief.single_turn
        assert brief.max_turns == 1
        assert "answer" in brief.instructions


def test_a_question_that_is_asked_again_starts_over(default):
    episode = default.episode(default.items(0)[0])
    episode.reset()
    gold = episode.score().gold
    episode.step(gold)
    assert episode.score().success
    episode.reset()
    assert not episode.score().success


def test_sources_name_the_librarys_version_and_change_with_the_families(default):
    (source,) = default.data_sources()
    (other,) = reasoning(families=("gcd",)).data_sources()
    assert (source.id, source.revision) == ("reasoning-gym", "0.1.25")
    assert source.content_hash != other.content_hash
    assert default.version == "reasoning-2+reasoning-gym-0.1.25"
