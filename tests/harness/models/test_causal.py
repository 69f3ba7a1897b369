"""Causal models, their codec, and `hf:` models out of a folder."""

from __future__ import annotations

import json

import pytest
import torch
from edits import WORLD, run, save_folder_model

from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.causal import Corpus, HubCausalLM
from harness.protocols.edit import IGNORED, Codec, Example
from harness.protocols.edit.causal import Encoded, padded
from harness.results.store import ResultsStore

NOTHING = Corpus((), ())
EDITED = ("graddiff:lr=1e-2", "graddiff:lora_rank=4,lr=1e-2")
EVERY_ATTACK = ("-T", "attacks=quantise8,quantise4,relearn", "-T", "relearn_steps=2")


class Words:
    """A tokenizer whose tokens are words, with a chat template or none."""

    eos_token_id = 2
    pad_token_id = None
    bos_token_id = 1

    def __init__(self, template=None):
        self.chat_template = template
        self.words = ["<unk>", "<s>", "</s>"]

    def __len__(self):
        return 100

    def __call__(self, text, add_special_tokens=True):
        ids = []
        for word in text.split():
            if word not in self.words:
                self.words.append(word)
            ids.append(self.words.index(word))
        return {"input_ids": [1, *ids] if add_special_tokens else ids}

    def apply_chat_template(self, messages, add_generation_prompt, tokenize, date_string):
        assert date_string == "26 Jul 2024"
        assert add_generation_prompt
        assert not tokenize
        return f"<user> {messages[0]['content']} <assistant>"

    def decode(self, ids, skip_special_tokens=True):
        return " ".join(self.words[one] for one in ids)


EXAMPLE = Example("e", "s", "who wrote it?", "she did")


def test_questions_are_prompts_and_answers_end():
    codec = Codec(Words(), 64)
    found = codec.encode(EXAMPLE)
    assert codec.decode(found.context) == "<s> Question: who wrote it? Answer:"
    assert codec.decode(found.continuation) == "she did </s>"
    assert codec.decode(codec.encode(EXAMPLE, "he did").continuation) == "he did </s>"
    assert codec.pad == codec.eos == 2


def test_chat_templates_are_used_where_there_is_one():
    codec = Codec(Words("a template"), 64)
    found = codec.encode(EXAMPLE)
    assert codec.decode(found.context) == "<user> who wrote it? <assistant>"
    assert codec.decode(found.continuation) == "she did </s>"


def test_passages_are_labels_but_for_their_first_token():
    codec = Codec(Words(), 64)
    found = codec.encode(Example("p", "s", "", "all of it"))
    assert codec.decode(found.context) == "<s>"
    assert codec.decode(found.continuation) == "all of it"


def test_long_sequences_are_cut_at_the_end_and_long_prompts_refused():
    short = Codec(Words(), 7)
    assert short.decode(short.encode(EXAMPLE).continuation) == "she"
    with pytest.raises(UsageError, match="the prompt of e takes 6 tokens.*window is 6"):
        Codec(Words(), 6).encode(EXAMPLE)


def test_batches_are_padded_on_the_right():
    batch = padded([Encoded((5, 6, 7), 1), Encoded((8, 9), 1)], 2, torch.device("cpu"), ["a", "b"])
    assert batch.ids.tolist() == [[5, 6, 7], [8, 9, 2]]
    assert batch.mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.labels.tolist() == [[IGNORED, 6, 7], [IGNORED, 9, IGNORED]]
    assert batch.example_ids == ("a", "b")


def opened(folder, **args):
    return HubCausalLM(ModelRequest("hf", str(folder), args=tuple(args.items())))


def test_folders_are_known_by_their_content(tmp_path, folder_model):
    identity = opened(folder_model).identify()
    assert identity.id == str(folder_model)
    assert identity.engine == "transformers/float32"
    assert opened(folder_model).identify().revision == identity.revision
    other = save_folder_model(tmp_path / "other", seed=1)
    assert opened(other).identify().revision != identity.revision


def test_saved_model_comes_back(tmp_path, folder_model):
    model = opened(folder_model).base(NOTHING, 0)
    model.save(tmp_path / "copy")
    again = opened(tmp_path / "copy").base(NOTHING, 0)
    pairs = zip(model.module.parameters(), again.module.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert again.codec.encode(EXAMPLE) == model.codec.encode(EXAMPLE)
    assert opened(folder_model, dtype="bfloat16").base(NOTHING, 0).module.dtype is torch.bfloat16


def test_a_published_model_has_no_reference_of_its_own(folder_model):
    with pytest.raises(UsageError, match="name one that was published.*-T finetune=true"):
        opened(folder_model).retrained(NOTHING, 0, None, lambda _text: None)


@pytest.fixture(scope="module")
def taught(tmp_path_factory, folder_model):
    """Target and reference made of a folder's model, edited and attacked, with and without LoRA."""
    folder = tmp_path_factory.mktemp("taught")
    words = (
        *(*WORLD, "-T", "steps=2", "-T", "checkpoint_every=2", "--limit", "2"),
        *("--model", f"hf:{folder_model}", "-T", "finetune=true", "-T", "finetune_epochs=2"),
        *("-T", "finetune_lr=1e-2", "-T", "keep_weights=true", *EVERY_ATTACK),
    )
    methods = (*EDITED, "whp:lr=1e-2")
    done = run(folder, *(word for one in methods for word in ("--method", one)), world=words)
    assert done.code == 0, done.err
    return folder, done


def rows(results):
    store = ResultsStore(results)
    return {one.method: store.row(one.run_id) for one in store.runs()}


def test_folder_model_is_taught_edited_and_attacked(taught, folder_model):
    folder, _ = taught
    found = rows(folder)
    store = ResultsStore(folder)
    assert "retrain" in found
    for method, row in found.items():
        assert (row["status"], row["n_failed"]) == ("complete", 0), method
        looks = store.checkpoints(row["run_id"])
        assert list(looks.checkpoint)[-4:] == ["final", "quantise8", "quantise4", "relearn"]
        losses = {
            look["checkpoint"]: look["metrics"]["forget_Q_A_Prob"]
            for look in looks.to_dict("records")
        }
        assert losses["quantise4"] != losses["final"]
        assert losses["relearn"] != losses["final"]
        samples = store.samples("tofu", [row["run_id"]])
        assert set(samples.checkpoint) >= {"final", "quantise8", "quantise4", "relearn"}
        # The run's metrics are those of the edit, not of the last attack.
        assert dict(row["metrics"])["forget_Q_A_Prob"] == losses["final"]


def test_kept_weights_are_the_edited_ones(taught):
    """Those of adapters are merged; a combination of models has none."""
    folder, _ = taught
    found, store = rows(folder), ResultsStore(folder)
    for method in EDITED:
        row = found[method]
        weights = folder / "artifacts" / row["run_id"] / "model"
        model = opened(weights).base(NOTHING, 0)
        samples = store.samples("tofu", [row["run_id"]])
        final = samples[(samples.checkpoint == "final") & (samples.group == "forget")]
        import harness_tasks.unlearning.tofu.task as tofu
        from harness.models.in_process import InProcessLM

        settings = {"subset": "drawn", "data": "generated", "drawn_forget": 2}
        sizes = {"drawn_retain": 4, "drawn_held": 2, "questions": 4}
        task = tofu.Tofu(tofu.TofuSettings.model_validate({**settings, **sizes}))
        asked = {one.sample_id: one.question.example for one in task.probes(0)}
        for sample in final.to_dict("records"):
            encoded = model.codec.encode(asked[sample["sample_id"]])
            (scores,) = InProcessLM(model).score([encoded])
            assert scores.loss == pytest.approx(sample["metrics"]["loss"], abs=1e-4)
    combined = next(one for name, one in found.items() if name.startswith("whp"))
    assert not (folder / "artifacts" / combined["run_id"] / "model").exists()


def test_attacks_are_a_table_of_the_board(taught):
    from edits import command

    done = command("leaderboard", "tofu", "--results", taught[0], "--json")
    assert done.code == 0, done.err
    assert "quantise4" in json.dumps(done.json)


def test_retrain_may_name_a_published_model(tmp_path, folder_model):
    words = (*WORLD, "--limit", "2", "--model", f"hf:{folder_model}")
    named = ("--method", f"retrain:model=hf:{folder_model}", "--method", "identity")
    done = run(tmp_path / "r", *named, world=words)
    assert done.code == 0, done.err
    found = rows(tmp_path / "r")
    reference = next(row for name, row in found.items() if name.startswith("retrain"))
    assert found["identity"]["reference_run_id"] == reference["run_id"]
    # It is the same model here.
    assert dict(found["identity"]["metrics"])["forget_quality"] == 1.0
    done = run(tmp_path / "r2", "--method", "retrain", "--method", "identity", world=words)
    assert "needs a model that never saw the forget set" in done.out
    assert set(rows(tmp_path / "r2")) == {"identity"}
