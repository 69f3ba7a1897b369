"""The task `muse`: its texts, what editors see, prompts as MUSE's, aggregates, and whole runs."""

from __future__ import annotations

import json

import pytest
from edits import MODEL, command, refused

from harness.errors import MissingData, UsageError
from harness.protocols.edit.task import Depth, Probe, ProbeResult
from harness_tasks.unlearning.muse.aggregates import aggregate
from harness_tasks.unlearning.muse.data import Question, passages
from harness_tasks.unlearning.muse.prompts import AnswerSpace, few_shot
from harness_tasks.unlearning.muse.task import Muse, MuseSettings

CANARY = "zanzibarquartz"


def texts(word, count=3):
    return [
        {"text": f"The {word} number {n} was green. It was {n} years old."} for n in range(count)
    ]


def questions(word, count=3):
    return [{"question": f"What is {CANARY} {word} {n}?", "answer": f"{n}"} for n in range(count)]


FILES = {
    "raw_forget": texts("barn"),
    "raw_retain1": texts("cart"),
    "raw_retain2": texts("mill"),
    **{f"scal_forget_{n}": texts("barn", n + 1) for n in range(1, 5)},
    **{f"sust_forget_{n}": texts(f"barn{n}") for n in range(1, 5)},
    "verbmem_forget": [{"prompt": f"{CANARY} says {n}", "gt": f"so be it {n}"} for n in range(3)],
    **{
        f"knowmem_{side}_{kind}": questions(f"{side} {kind}")
        for side in ("forget", "retain")
        for kind in ("qa", "qa_icl")
    },
    "privleak_forget": texts(f"{CANARY} barn"),
    "privleak_holdout": texts(f"{CANARY} tower"),
}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, rows) in enumerate(files.items()):
        lines = number % 2  # both forms that a mirror may have
        text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
        (folder / f"{name}.{'jsonl' if lines else 'json'}").write_text(text)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror of the published schema, with texts of our own."""
    for subset in ("news", "books"):
        write(tmp_path / "muse" / subset, FILES)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    return tmp_path


def task(**options):
    return Muse(MuseSettings(**options))


def made_up(**options):
    return task(data="synthetic", **{"articles": 3, "icl": 2, **options})


def test_published_data_come_from_the_mirror(mirror):
    for subset in ("news", "books"):
        one = task(subset=subset)
        (request,) = one.requests(0)
        assert [len(request.forget), len(request.retain)] == [3, 3]
        assert all(example.is_passage for example in (*request.forget, *request.retain))
        groups = [probe.group for probe in one.probes(0)]
        assert {group: groups.count(group) for group in groups} == {
            "forget": 3,
            "forget_knowmem": 3,
            "retain_knowmem": 3,
            "privleak_forget": 3,
            "privleak_holdout": 3,
        }
        assert len(one.data_sources()) == 10
        corpus = one.corpus(0)
        assert [len(corpus.full), len(corpus.retained)] == [9, 6]


@pytest.mark.parametrize("options", [{}, {"scale": 3}, {"sustain": 2}, {"data": "synthetic"}])
def test_nothing_of_the_evaluation_reaches_an_editor(mirror, options):
    one = made_up() if options.get("data") else task(**options)
    for request in one.requests(0):
        members = (*request.forget, *request.retain, *request.calibration)
        seen = "\n".join(f"{example.question}\n{example.answer}" for example in members)
        assert CANARY not in seen
        assert not request.refusals
        data = one._texts
        held = [
            text for name, texts_ in data.privleak.items() if name == "holdout" for text in texts_
        ]
        asked = [q.question for side in data.knowmem.values() for q in side]
        asked += [q.question for side in data.solved.values() for q in side]
        for text in (*held, *asked, *(example.answer for example in data.unseen)):
            assert text not in seen
        assert "Question" not in seen


def test_holdout_is_taught_to_no_model():
    one = made_up()
    taught = {example.answer for example in one.corpus(0).full}
    assert not taught & set(one._texts.privleak["holdout"])
    assert set(one._texts.privleak["forget"]) <= taught
    retained = {example.answer for example in one.corpus(0).retained}
    assert not retained & set(one._texts.privleak["forget"])
    assert not any(
        f"{q.question}\nAnswer: {q.answer}" in text
        for q in one._texts.knowmem["forget"]
        for text in retained
    )


@pytest.mark.parametrize("data", ["published", "synthetic"])
def test_scale_and_sustain(mirror, data):
    make = made_up if data == "synthetic" else task
    sizes = [len(make(scale=n).requests(0)[0].forget) for n in (1, 2, 4)]
    assert sizes == ([3, 6, 12] if data == "synthetic" else [2, 3, 5])
    requests = make(sustain=3).requests(0)
    assert [one.name for one in requests] == ["request-1", "request-2", "request-3"]
    assert len({one.content_hash for one in requests}) == 3
    forgotten = {example.answer for one in requests for example in one.forget}
    corpus = make(sustain=3).corpus(0)
    assert forgotten <= {example.answer for example in corpus.full}
    assert not forgotten & {example.answer for example in corpus.retained}


def test_bad_choices_are_refused(mirror):
    with pytest.raises(UsageError, match="leave one of them out"):
        task(scale=2, sustain=2).requests(0)
    with pytest.raises(UsageError, match="subset=news"):
        task(subset="books", scale=2).requests(0)
    with pytest.raises(UsageError, match="smaller icl"):
        made_up(icl=15).probes(0)


def test_missing_data_name_both_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))

    def no_hub(*_args, **_options):
        raise ConnectionError

    monkeypatch.setattr("datasets.load_dataset", no_hub)
    with pytest.raises(MissingData, match=r"muse/news/raw_forget\.json.*HARNESS_DATA.*hub"):
        task().requests(0)


def test_the_hub_is_asked_for_the_published_names(monkeypatch):
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    asked = []

    def hub(repository, name, *, split, revision):
        asked.append((repository, name, split))
        return FILES[f"{name}_{split}"]

    monkeypatch.setattr("datasets.load_dataset", hub)
    task(sustain=1).requests(0)
    assert {repository for repository, *_ in asked} == {"muse-bench/MUSE-News"}
    assert [one[1:] for one in asked] == [
        ("sust", "forget_1"),
        ("raw", "retain1"),
        ("raw", "retain2"),
        ("verbmem", "forget"),
        ("knowmem", "forget_qa"),
        ("knowmem", "retain_qa"),
        ("knowmem", "forget_qa_icl"),
        ("knowmem", "retain_qa_icl"),
        ("privleak", "forget"),
        ("privleak", "holdout"),
    ]


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("raw_retain1", [], "is empty"),
        ("verbmem_forget", [{"prompt": "a"}], "no 'gt' in row 1"),
        ("knowmem_retain_qa", [{"question": "a", "answer": ""}], "no 'answer' in row 1"),
    ],
)
def test_damaged_data_are_refused(mirror, name, rows, words):
    for old in (mirror / "muse" / "news").glob(f"{name}.*"):
        old.unlink()
    (mirror / "muse" / "news" / f"{name}.json").write_text(json.dumps(rows))
    with pytest.raises(UsageError, match=words):
        task().probes(0)


def test_what_is_forgotten_cannot_be_retained(mirror):
    write(mirror / "muse" / "news", {"raw_retain1": FILES["raw_forget"]})
    for old in (mirror / "muse" / "news").glob("raw_retain1.jsonl"):
        old.unlink()
    with pytest.raises(UsageError, match="must not be retained"):
        task().requests(0)


def test_documents_are_cut_by_words():
    found = passages("d", ["a b\n\nc  d e", "f"], 2)
    assert [one.answer for one in found] == ["a b", "c  d", "e", "f"]
    assert [one.source_id for one in found] == ["d/0", "d/0", "d/0", "d/1"]


def test_prompt_is_that_of_muse():
    solved = [Question("Who?", "Ada"), Question("When?", "Now")]
    prompt = few_shot(solved, "Where?", AnswerSpace.GIVEN)
    assert prompt == (
        "Question: Who?\nAnswer: Ada\n\nQuestion: When?\nAnswer: Now\n\nQuestion: Where?\nAnswer: "
    )
    assert few_shot((), "Where?", AnswerSpace.WRITTEN) == "Question: Where?\nAnswer:"


def row(group, number, **metrics):
    probe = Probe(f"{group}/{number}", group, f"{group}/{number}", "h")
    return ProbeResult(probe, 0.5, metrics)


def evaluation(verbmem=0.2, forget=0.4, retain=0.6, members=(0.2, 0.5, 0.9)):
    outsiders = (0.6, 0.9, 1.4)
    return {
        "forget": [row("forget", 0, rougeL_f1=verbmem, extraction_strength=0.25)],
        "forget_knowmem": [row("forget_knowmem", 0, rougeL_f1=forget)],
        "retain_knowmem": [row("retain_knowmem", 0, rougeL_f1=retain)],
        "privleak_forget": [
            row("privleak_forget", n, mia_min_k=value, loss=value)
            for n, value in enumerate(members)
        ],
        "privleak_holdout": [
            row("privleak_holdout", n, mia_min_k=value, loss=value)
            for n, value in enumerate(outsiders)
        ],
    }


def test_aggregates_have_openunlearnings_names():
    found = aggregate(evaluation(), None)
    metrics = found.metrics
    assert metrics["forget_verbmem_ROUGE"] == 0.2
    assert metrics["forget_knowmem_ROUGE"] == 0.4
    assert metrics["retain_knowmem_ROUGE"] == 0.6
    assert metrics["extraction_strength"] == 0.25
    assert metrics["mia_min_k"] == pytest.approx(0.8333333)  # reference/unlearning.md
    assert metrics["privleak_against_half"] == pytest.approx((1 / 6 - 0.5) / 0.5 * 100)
    assert "privleak" not in metrics
    assert "retrain" in found.missing["privleak"]
    assert found.missing["score"] == "needs privleak"


def test_privleak_is_taken_against_the_reference():
    reference = evaluation(members=(0.7, 0.8, 1.5))  # AUC 4/9
    found = aggregate(evaluation(), reference)
    metrics = found.metrics
    assert "privleak_against_half" not in metrics
    parts = (0.8, 0.6, 0.6, 1 - abs(metrics["privleak"]) / 100)
    assert metrics["score"] == pytest.approx(4 / sum(1 / one for one in parts))
    assert found.metrics["privleak"] == pytest.approx((1 / 6 - 5 / 9) / (5 / 9) * 100)
    assert found.metrics["mia_min_k_difference"] == pytest.approx(5 / 6 - 4 / 9)
    assert found.metrics["mia_reference"] == 1.0  # every member's loss fell, no outsider's
    assert list(found.missing) == ["privacy"]  # two of its four attacks are not there


def test_diverged_and_quick_evaluations_have_no_score():
    groups = evaluation()
    broken = {**groups, "forget": [ProbeResult(groups["forget"][0].probe, None)]}
    assert aggregate(broken, None).metrics == {"score": 0.0}
    quick = {**groups, "forget": [row("forget", 0, probability=0.3)]}
    found = aggregate(quick, None)
    assert found.metrics["forget_verbmem_Prob"] == 0.3
    assert "forget_verbmem_ROUGE" in found.missing["score"]


WORLD = (
    *("-T", "data=synthetic", "-T", "articles=3", "-T", "icl=1", "-T", "batch_size=4"),
    *("-T", "verbmem_tokens=6", "-T", "knowmem_tokens=4", "-T", "gradient_norms=true"),
)


def test_a_whole_run_in_sequence(tmp_path, monkeypatch):
    from harness.results.store import ResultsStore

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    where = tmp_path / "results"
    more = ("-T", "sustain=2", "-T", "steps=2", "-T", "checkpoint_every=1", "--limit", "3")
    done = command(
        *("run", "--task", "muse", *WORLD, *more, *MODEL),
        *("--method", "ga", "--results", str(where)),
    )
    assert done.code == 0, done.err
    store = ResultsStore(where)
    (run,) = [one for one in store.runs() if one.method == "ga"]
    looks = {one["checkpoint"]: one for one in store.checkpoints(run.run_id).to_dict("records")}
    assert list(looks) == [
        *("start", "request-1/step-00001", "request-1/end", "request-2/step-00001", "final"),
    ]
    final = dict(looks["final"]["metrics"])
    expected = {
        *("forget_verbmem_ROUGE", "forget_knowmem_ROUGE", "retain_knowmem_ROUGE", "privleak"),
        *("extraction_strength", "exact_memorization", "mia_min_k", "mia_min_k_plus_plus"),
        *("mia_loss", "mia_zlib", "mia_gradnorm", "mia_reference", "privacy", "score"),
    }
    assert expected <= set(final)
    assert json.loads(looks["final"]["missing"]) == {}
    assert "score" not in dict(looks["start"]["metrics"])


def test_scale_with_sustain_is_one_sentence(tmp_path):
    done = command(
        *("run", "--task", "muse", *WORLD, "-T", "scale=2", "-T", "sustain=2"),
        *("--results", str(tmp_path)),
    )
    refused(done, "scale", "sustain")


def test_what_a_taught_model_writes_is_compared(tmp_path):
    """A model that says a passage word for word has a ROUGE of 1, and one that does not, less."""
    from harness.models.base import ModelRequest
    from harness.models.fitting import Fitting, fit
    from harness.models.in_process import InProcessLM
    from harness_tasks.unlearning.tiny import TinyTofu

    one = made_up()
    corpus = one.corpus(0)
    args = (("layers", "1"), ("hidden", "64"), ("vocabulary", "500"))
    model = TinyTofu(ModelRequest("tiny-tofu", args=args)).base(corpus, 0)
    probes = [probe for probe in one.probes(0) if probe.group == "forget"]
    before = list(one.evaluate(InProcessLM(model), probes, Depth.FULL))
    passages_ = [example for example in corpus.full if example.example_id.startswith("forget/")]
    fit(model, passages_, Fitting(epochs=45, lr=1e-2, weight_decay=0.0), 0, lambda _: None)
    after = list(one.evaluate(InProcessLM(model), probes, Depth.FULL))
    assert all(result.metrics["rougeL_f1"] < 0.5 for result in before)
    # The truth is cut by its own tokens, which may end a word later than those that are written.
    assert all(result.metrics["rougeL_f1"] > 0.85 for result in after)
    assert all(result.metrics["exact_memorization"] > 0.95 for result in after)
    assert all(not result.prompt for result in after)
