"""Tiny random Llamas with tokenizers of three kinds, and harmless items in lm-eval's schemas."""

from __future__ import annotations

import json
import random

import pytest
import torch
from tokenizers import ByteLevelBPETokenizer, processors
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from harness.models.in_process import InProcessLM
from harness.protocols.edit import CausalLM, Codec

COLOURS = ["red", "dark green", "pale blue", "grey", "white with spots", "amber"]
THINGS = ["teapot", "ladder", "kite", "barrel", "mitten", "spoon", "wagon"]


def items(count, seed=0):
    """Four-choice questions in the schema of cais/wmdp and cais/mmlu."""
    draw = random.Random(seed)
    return [
        {
            "question": f" What is the colour of the {draw.choice(THINGS)} in room {n}? ",
            "choices": draw.sample(COLOURS, 4),
            "answer": draw.randrange(4),
        }
        for n in range(count)
    ]


def arc_items(count, seed=1):
    """The same in the schema of allenai/ai2_arc; some have labels 1-4, some three choices."""
    found = []
    for n, row in enumerate(items(count, seed)):
        labels = list("1234" if n % 3 == 0 else "ABCD")[: 3 if n % 4 == 1 else 4]
        found.append(
            {
                "id": f"made-{n}",
                "question": row["question"].strip(),
                "choices": {"text": row["choices"][: len(labels)], "label": labels},
                "answerKey": labels[row["answer"] % len(labels)],
            }
        )
    return found


class Lab:
    items = staticmethod(items)
    arc_items = staticmethod(arc_items)

    @staticmethod
    def tokenizer(begin):
        """Byte-level BPE; with or without a token that begins every text."""
        made = ByteLevelBPETokenizer()
        texts = [json.dumps(row) for row in items(60)] + ["Question: a\nAnswer: A B C D"] * 9
        specials = ["<pad>", "<end>", "<begin>"]
        made.train_from_iterator(
            texts, vocab_size=420, min_frequency=2, special_tokens=specials, show_progress=False
        )
        if begin:
            made._tokenizer.post_processor = processors.TemplateProcessing(
                single="<begin> $A", special_tokens=[("<begin>", 2)]
            )
        return PreTrainedTokenizerFast(
            tokenizer_object=made._tokenizer,
            pad_token="<pad>",
            eos_token="<end>",
            **({"bos_token": "<begin>"} if begin else {}),
        )

    def model(self, begin=False, window=512, absolute=False):
        tokenizer = self.tokenizer(begin)
        torch.manual_seed(0)
        if absolute:
            config = GPT2Config(
                n_embd=32, n_layer=2, n_head=2, n_positions=window, vocab_size=len(tokenizer)
            )
            module = GPT2LMHeadModel(config)
        else:
            config = LlamaConfig(
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=64,
                vocab_size=len(tokenizer),
                max_position_embeddings=window,
                initializer_range=0.4,
            )
            module = LlamaForCausalLM(config)
        return CausalLM(module.eval(), Codec(tokenizer, window))

    def served(self, **shape):
        return InProcessLM(self.model(**shape))


@pytest.fixture(scope="session")
def lab():
    return Lab()


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """Data sets are cached in a folder of the test's own."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "hub"))
