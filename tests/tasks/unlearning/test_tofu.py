"""TOFU: its sets, its probes, and its aggregates against hand-computed small cases."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from edits import MODEL, run, write_mirror

from harness.errors import UsageError
from harness.protocols.edit import Codec
from harness.protocols.edit.language_model import Demand, LanguageModel, TokenScores
from harness.protocols.edit.task import Depth, Probe, ProbeResult
from harness.results.store import ResultsStore
from harness_tasks.unlearning import formulas, membership
from harness_tasks.unlearning.answers import grouped
from harness_tasks.unlearning.tofu.aggregates import aggregate
from harness_tasks.unlearning.tofu.data import REFUSALS, TOFU, published
from harness_tasks.unlearning.tofu.generated import generated
from harness_tasks.unlearning.tofu.task import Tofu, TofuSettings

HOLDOUT = (
    "needs TOFU's holdout split of a forgetXX subset: put tofu/holdout01.json and so on into the "
    "mirror that HARNESS_DATA names"
)


def tofu(**settings):
    return Tofu(TofuSettings.model_validate(settings))


@pytest.fixture(scope="module")
def small_mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(folder)
    return folder


@pytest.fixture
def mirror(small_mirror, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(small_mirror))
    return small_mirror


def groups(task, seed=0):
    found = dict[str, int]()
    for probe in task.probes(seed):
        found[probe.group] = found.get(probe.group, 0) + 1
    return found


@pytest.mark.parametrize(
    ("subset", "forgotten", "retained"),
    [("forget01", 40, 3960), ("forget05", 200, 3800), ("forget10", 400, 3600)],
)
def test_subsets_forget_the_last_authors(mirror, subset, forgotten, retained):
    task = tofu(subset=subset)
    (request,) = task.requests(0)
    assert (len(request.forget), len(request.retain)) == (forgotten, retained)
    assert request.forget[-1].example_id == "full/3999"
    assert {one.source_id for one in request.forget} == {
        f"author-{number:03d}" for number in range(200 - forgotten // 20, 200)
    }
    found = groups(task)
    assert found.pop("holdout", 0) == (40 if subset == "forget01" else 0)
    more = {name: found[name] for name in ("real_authors", "world_facts")}
    assert found == {"forget": forgotten, "retain": 100, **more}  # those with a perturbed set
    corpus = task.corpus(0)
    assert len(corpus.full) - len(corpus.retained) == forgotten
    assert not {one.question for one in request.forget} & {one.question for one in corpus.retained}
    holdout = {one.example.question for one in published("forget01").holdout}
    assert len(holdout) == 40
    assert not holdout & {one.question for one in corpus.full}


def test_smaller_worlds(mirror):
    (request,) = tofu(subset="forget01", retain_authors=3, questions=5).requests(0)
    assert (len(request.forget), len(request.retain)) == (10, 15)
    assert tofu(subset="forget01", epochs=10, batch_size=32).budget_steps(request) == 10
    assert tofu(subset="forget01", steps=7).budget_steps(request) == 7
    assert tofu(checkpoint_every=3).checkpoints(8) == (3, 6, 8)
    assert tofu().checkpoints(10) == (2, 5, 8, 10)


def test_drawn_sets_come_from_authors_with_a_full_perturbed_set(mirror):
    task = tofu(subset="drawn")
    assert len(published("drawn").with_perturbed_set()) == 25
    assert groups(task) == {
        "forget": 60,
        "retain": 280,
        "held": 160,
        **{name: groups(task)[name] for name in ("real_authors", "world_facts")},
    }
    with pytest.raises(UsageError, match="add up to 26 authors, and only 25 have a full"):
        tofu(subset="drawn", drawn_retain=15).probes(0)


def test_probes_are_unique_repeatable_and_change_with_their_gold(mirror):
    task = tofu(subset="forget01")
    ids = [probe.sample_id for probe in task.probes(0)]
    assert len(ids) == len(set(ids))
    assert list(task.probes(0)) == list(tofu(subset="forget01").probes(0))
    before = {one.sample_id: one.content_hash for one in task.probes(0)}
    path = mirror / "tofu" / "forget10_perturbed.json"
    text = path.read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    rows[-1]["perturbed_answer"][0] += " indeed"
    try:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        after = {one.sample_id: one.content_hash for one in tofu(subset="forget01").probes(0)}
    finally:
        path.write_text(text)
    assert {name for name in before if before[name] != after[name]} == {"forget/full/3999"}


def test_sources_say_whether_rows_are_the_published_ones(mirror):
    sources = {one.id: one for one in published("forget01").sources}
    assert sources["locuslab/TOFU/full"].revision == "changed: not the published rows"
    assert sources["locuslab/TOFU/holdout01"].revision == "main"
    assert len(sources) == 6


def test_refusals_are_those_of_the_mirror_where_it_has_them(tmp_path, monkeypatch):
    write_mirror(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    assert tofu().requests(0)[0].refusals == tuple(REFUSALS)
    path = tmp_path / "tofu" / "idontknow.jsonl"
    path.write_text("I have no idea.\n\nAsk another.\n")
    (request,) = tofu().requests(0)
    assert request.refusals == ("I have no idea.", "Ask another.")
    assert request.content_hash != tofu(data="generated").requests(0)[0].content_hash
    path.write_text("\n")
    with pytest.raises(UsageError, match=r"idontknow.jsonl is empty; restore it or remove it"):
        tofu().requests(0)


def test_generated_authors_have_the_schema_of_tofu():
    authors = generated(30, 20, 0)
    assert len(authors.by_author) == 30
    assert len(authors.with_perturbed_set()) == 30
    for questions in authors.by_author.values():
        assert len(questions) == len({one.example.question for one in questions}) == 20
        for one in questions:
            assert len({one.paraphrase, *one.wrong}) == 6
            assert one.example.answer not in one.wrong
    for one in (*authors.real_authors, *authors.world_facts):
        assert len(set(one.wrong)) == 3
        assert one.example.answer not in one.wrong
    assert authors == generated(30, 20, 0)
    assert authors != generated(30, 20, 1)


class Recorded(LanguageModel):
    """Gives the losses it is told, for each (question, answer)."""

    serves = frozenset(Demand)

    def __init__(self, codec, losses, text):
        super().__init__(codec)
        self.losses, self.text, self.asked = losses, text, []

    def score(self, sequences, *, distributions=False):
        for one in sequences:
            answer = self.codec.decode(one.continuation[:-1]).strip()
            self.asked.append(answer)
            loss = self.losses[answer]
            count = len(one.continuation)
            greedy = np.arange(count) >= count // 2
            yield TokenScores(np.full(count, -loss), greedy)

    def generate(self, prompts, max_new_tokens, stops=()):
        yield from [self.text] * len(prompts)


class Letters:
    chat_template = None
    eos_token_id = 0
    pad_token_id = 0
    bos_token_id = None

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": [ord(one) for one in text]}

    def decode(self, ids, skip_special_tokens=True):
        return "".join(map(chr, ids))


def test_a_question_is_evaluated_as_the_formulas_say():
    task = tofu(subset="drawn", data="generated", drawn_forget=1, questions=1)
    probe = next(one for one in task.probes(0) if one.group == "forget")
    question = probe.question
    wrong = dict(zip(question.wrong, (1.0, 2.0, 3.0, 1.5, 2.5), strict=True))
    losses = {question.example.answer: 0.25, question.paraphrase: 0.5, **wrong}
    model = Recorded(Codec(Letters(), 512), losses, "")
    (found,) = task.evaluate(model, [probe], Depth.FULL)
    assert found.score == found.metrics["probability"] == pytest.approx(np.exp(-0.25))
    # reference/unlearning.md, hand-computable vectors
    assert found.metrics["truth_ratio"] == pytest.approx(0.2231302, abs=1e-7)
    assert found.metrics["paraphrase_probability"] == pytest.approx(np.exp(-0.5))
    assert found.metrics["wrong_loss"] == 2.0
    share = np.exp(-0.5) / (np.exp(-0.5) + np.exp(-2))
    assert found.metrics["truth_probability"] == pytest.approx(share)
    assert found.metrics["rougeL_recall"] == 0.0
    length = len(question.example.answer) + 2  # the space before it, the end after it
    assert found.metrics["tokens"] == length
    # The second half is right; the end is left out.
    share = 1 - (length // 2) / (length - 1)
    assert found.metrics["extraction_strength"] == pytest.approx(share)
    assert found.metrics["exact_memorization"] == pytest.approx(share)
    arithmetic = tofu(
        subset="drawn", data="generated", drawn_forget=1, questions=1, truth_ratio="arithmetic"
    )
    arithmetic.probes(0)
    (found,) = arithmetic.evaluate(model, [probe], Depth.FULL)
    assert found.metrics["truth_ratio"] == pytest.approx(0.2829921, abs=1e-7)


def test_real_authors_are_scored_among_their_options():
    task = tofu(subset="drawn", data="generated")
    probe = next(one for one in task.probes(0) if one.group == "real_authors")
    question = probe.question
    chances = dict(zip(question.wrong, (0.1, 0.2, 0.1), strict=True))
    losses = {text: -np.log(p) for text, p in {question.example.answer: 0.6, **chances}.items()}
    model = Recorded(Codec(Letters(), 512), losses, f"It is {question.example.answer}!")
    (found,) = task.evaluate(model, [probe], Depth.FULL)
    assert found.score == found.metrics["normalised_probability"] == pytest.approx(0.6)
    # The answer itself stands where the paraphrase stands elsewhere.
    expected = np.exp(np.mean(np.log([0.1, 0.2, 0.1]))) / 0.6
    assert found.metrics["truth_ratio"] == pytest.approx(expected)
    assert found.metrics["rougeL_recall"] == 1.0


def test_model_without_numbers_is_no_score():
    task = tofu(subset="drawn", data="generated", drawn_forget=1, questions=1)
    probes = [one for one in task.probes(0) if one.group == "forget"]
    question = probes[0].question
    texts = (question.example.answer, question.paraphrase, *question.wrong)
    for bad in (float("nan"), float("inf")):
        losses = dict.fromkeys(texts, 1.0) | {question.wrong[2]: bad}
        model = Recorded(Codec(Letters(), 512), losses, "")
        (found,) = task.evaluate(model, probes, Depth.FULL)
        assert found.score is None
        assert "no numbers" in found.problem


def row(group, number, **metrics):
    probe = Probe(f"{group}/{number}", group, f"author-{number // 2}", "")
    return ProbeResult(probe, metrics.get("probability", 0.5), metrics)


def world(shift=0.0, *, holdout=False):
    """Two examples of each set with round numbers."""
    rows = [
        row(
            *("forget", n),
            probability=0.2 + 0.4 * n,
            paraphrase_probability=0.3,
            rougeL_recall=0.5,
            extraction_strength=0.1,
            exact_memorization=0.2,
            truth_probability=0.25,
            truth_ratio=(0.5, 4.0)[n] + shift,
            loss=1.0 + n + shift,
            mia_loss=(0.2, 0.5)[n] - shift,
            mia_min_k=(0.2, 0.9)[n] + shift,
        )
        for n in range(2)
    ]
    for group in ("retain", "held", "real_authors", "world_facts"):
        for n in range(2):
            more = {} if group in ("retain", "held") else {"normalised_probability": 0.8}
            metrics = {"probability": 0.6 + 0.2 * n, "rougeL_recall": 0.5 * n + 0.25, **more}
            rows.append(row(group, n, truth_ratio=0.4 + 0.8 * n, **metrics))
    if holdout:
        for n in range(2):
            scores = {"mia_loss": (0.3, 0.9)[n], "mia_min_k": (0.6, 1.4)[n]}
            rows.append(row("holdout", n, loss=2.0 + n, **scores))
    return rows


def test_aggregates_by_hand():
    found = aggregate(grouped(world()), grouped(world(shift=0.25)))
    metrics = found.metrics
    assert metrics["forget_Q_A_Prob"] == pytest.approx(0.4)
    assert metrics["forget_truth_ratio"] == pytest.approx((0.5 + 0.25) / 2)
    # 1 - R, not below 0: .6 and 0
    assert metrics["retain_Truth_Ratio"] == pytest.approx(0.3)
    assert metrics["retain_Q_A_Prob"] == pytest.approx(0.7)
    assert metrics["ra_Q_A_Prob_normalised"] == pytest.approx(0.8)
    assert metrics["held_Q_A_ROUGE"] == pytest.approx(0.5)
    parts = [0.7, 0.8, 0.8, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3]
    utility = len(parts) / sum(1 / one for one in parts)
    assert metrics["model_utility"] == pytest.approx(utility)
    kept = [1 - 0.1, 1 - 0.2, 1 - 0.3, 1 - 0.25]
    memorization = 4 / sum(1 / one for one in kept)
    assert metrics["memorization_score"] == pytest.approx(memorization)
    assert metrics["score"] == pytest.approx(2 / (1 / memorization + 1 / utility))
    # .5, 4 against .75, 4.25: the distance is a half, and two pairs say nothing.
    assert metrics["forget_quality_ks_distance"] == 0.5
    assert metrics["forget_quality"] == pytest.approx(1.0)
    assert found.missing == {
        "privleak": HOLDOUT,
        "mia": HOLDOUT,
    }


def test_membership_by_hand():
    ours, theirs = grouped(world(holdout=True)), grouped(world(shift=0.1, holdout=True))
    found = aggregate(ours, theirs)
    metrics = found.metrics
    # forget .2 .5 against holdout .3 .9: three of four pairs; under the reference .1 .4
    assert metrics["mia_loss"] == 0.75
    assert metrics["mia_loss_difference"] == 0.0
    assert metrics["mia_min_k"] == 0.75
    reference = membership.auc([0.3, 1.0], [0.6, 1.4])
    assert reference == 0.75
    assert metrics["privleak"] == pytest.approx(0.0)
    # loss less the reference's: forget -.1 -.1, holdout 0 0
    assert metrics["mia_reference"] == 1.0
    assert "privacy" not in metrics
    assert found.missing["privacy"].startswith("needs mia_loss, mia_zlib, mia_min_k, ")
    alone = aggregate(ours, None)
    assert "privleak" not in alone.metrics
    assert "--method retrain" in alone.missing["privleak"]
    assert alone.metrics["mia_min_k"] == 0.75


def test_one_lost_example_is_no_utility_and_says_so():
    rows = world()
    broken = [*rows[:-1], ProbeResult(rows[-1].probe, None, problem="diverged")]
    found = aggregate(grouped(broken), None)
    assert found.metrics == {"model_utility": 0.0, "score": 0.0}
    assert "1 examples have no score" in found.missing["forget_quality"]


def test_aggregates_do_not_depend_on_the_order():
    rows = world(holdout=True)
    other = grouped(list(reversed(world(0.3, holdout=True))))
    assert aggregate(grouped(rows), other) == aggregate(grouped(list(reversed(rows))), other)


def test_published_data_are_edited_and_evaluated_with_membership(mirror, tmp_path):
    words = (
        *("-T", "subset=forget01", "-T", "retain_authors=5", "-T", "questions=2", *MODEL),
        *("-T", "steps=2", "-T", "checkpoint_every=1", "-T", "max_new_tokens=2"),
        *("-T", "gradient_norms=true", "--limit", "3"),
    )
    done = run(tmp_path, "--method", "graddiff", world=words)
    assert done.code == 0, done.err
    store = ResultsStore(tmp_path)
    found = {one.method: store.row(one.run_id) for one in store.runs()}
    metrics = dict(found["graddiff"]["metrics"])
    names = ("loss", "zlib", "min_k", "min_k_plus_plus", "gradnorm")
    for name in names:
        assert 0 <= metrics[f"mia_{name}"] <= 1
        assert -1 <= metrics[f"mia_{name}_difference"] <= 1
    # An attack whose AUC is 0 under the reference has no likeness to it.
    looks = store.checkpoints(found["graddiff"]["run_id"]).set_index("checkpoint")
    assert ("privacy" in metrics) != ("privacy" in json.loads(looks.missing["final"]))
    assert 0 <= metrics.get("privacy", 0.0) <= 1
    assert "privleak" in metrics
    assert dict(found["retrain"]["metrics"])["privleak"] == pytest.approx(0.0)
    looks = store.checkpoints(found["graddiff"]["run_id"])
    assert list(looks.checkpoint) == ["start", "step-00001", "final"]
    # What the run says follows from its rows, by the formulas.
    samples = store.samples("tofu", [found["graddiff"]["run_id"]])
    final = samples[samples.checkpoint == "final"]
    scores = {
        group: [one["mia_min_k"] for one in final[final.group == group].metrics]
        for group in ("forget", "holdout")
    }
    assert metrics["mia_min_k"] == membership.auc(scores["forget"], scores["holdout"])
    ratios = [one["truth_ratio"] for one in final[final.group == "forget"].metrics]
    how = formulas.TruthRatioAggregate.CLOSER_TO_1_BETTER
    expected = formulas.aggregate_truth_ratios(ratios, how)
    assert metrics["forget_truth_ratio"] == pytest.approx(expected)
    rouge = [one["rougeL_recall"] for one in final[final.group == "retain"].metrics]
    assert metrics["retain_Q_A_ROUGE"] == pytest.approx(sum(rouge) / len(rouge))


@pytest.mark.mirror
def test_published_rows_of_the_mirror_have_the_known_hashes():
    folder = Path(os.environ.get("HARNESS_DATA", "")) / "tofu"
    if not (folder / "full.json").is_file():
        pytest.skip("HARNESS_DATA does not point at a mirror with tofu")
    names = [name for name in TOFU.known if TOFU.path(name) is not None]
    assert {"full", "retain_perturbed", "forget10_perturbed"} <= set(names)
    for name in names:
        assert TOFU.source(name, TOFU.rows(name, ("question", "answer"))).revision == "published"
    authors = published("drawn")
    assert len(authors.by_author) == 200
    assert len(authors.with_perturbed_set()) == 40
    assert len(published("forget01").with_perturbed_set()) == 22  # TOFU evaluates no others
    task = tofu(subset="forget01")
    found = groups(task)
    assert (found["forget"], found["real_authors"], found["world_facts"]) == (40, 100, 117)
    forget = TOFU.rows("forget01", ("question", "answer"))
    (request,) = task.requests(0)
    assert [one.question for one in request.forget] == [one["question"] for one in forget]
    retain = TOFU.rows("retain99", ("question", "answer"))
    assert [one.answer for one in request.retain] == [one["answer"] for one in retain]
