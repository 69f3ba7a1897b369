"""`tiny-tofu`: a transformer of 0.7 million weights that is taught a task's corpus in minutes.

For machines without a GPU and without the hub. It knows nothing but what the task teaches it, so
target and retrained reference differ in the forget set alone. Its byte-level tokenizer is made of
the full corpus for both. Numbers hold for this setting only: they compare methods, not models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from harness import options
from harness.data import content_hash
from harness.errors import UsageError
from harness.models.base import ModelIdentity, ModelRequest
from harness.models.causal import CausalLMModel, Corpus
from harness.models.fitting import Fitting
from harness.options import Options
from harness.protocols.edit import CausalLM, Codec
from harness.registry import About, Need

VERSION = "1"
_BATCH_SIZE = 16
"""With 32, four layers and twice the vocabulary, 24 epochs left 717 questions at an answer
probability of .53. With a fixed number of epochs two of six trainings ended at .5, four at .97."""


class TinyOptions(Options):
    """Engine arguments (``--model-arg``): the shape of the model, and its training."""

    layers: int = Field(default=2, ge=1)
    """Transformer blocks."""
    hidden: int = Field(default=128, ge=8)
    """Width; heads are 32 wide."""
    vocabulary: int = Field(default=2048, ge=300)
    """Tokens of the byte-level vocabulary."""
    epochs: int = Field(default=60, ge=1)
    """Passes over the corpus, at most."""
    enough: float = Field(default=0.3, gt=0)
    """Mean loss of a pass after which the learning rate falls and training ends, four passes on."""
    lr: float = Field(default=3e-3, gt=0)
    """Highest learning rate of its training."""


class TinyTofu(CausalLMModel):
    """``tiny-tofu``."""

    about: ClassVar[About] = About(
        "a small transformer, trained here on the task's own corpus, and its retrained reference",
        "a Llama of 2 layers and width 128 (transformers), byte-level BPE (tokenizers)",
    )
    Options: ClassVar[type[Options]] = TinyOptions
    needs: ClassVar[tuple[Need, ...]] = (*CausalLMModel.needs, Need("tokenizers", "local"))
    recommended_lr: ClassVar[float] = 5e-4
    trained_for_the_task: ClassVar[bool] = True

    def __init__(self, request: ModelRequest) -> None:
        if request.target or request.revision:
            raise UsageError("tiny-tofu takes no name after ':' and has one revision.")
        self.chosen: Any = options.build(TinyOptions, dict(request.args), "model 'tiny-tofu'")
        hidden = self.chosen.hidden
        if hidden % (2 * max(1, hidden // 32)):
            raise UsageError(
                f"tiny-tofu cannot share hidden={hidden} among its heads; take a multiple of 64."
            )

    def identify(self) -> ModelIdentity:
        """Its shape is its revision."""
        import torch
        import transformers

        version = f"{transformers.__version__} (torch {torch.__version__})"
        revision = f"{VERSION}-{content_hash(self.key(), self.chosen.given())}"
        return ModelIdentity(
            "tiny-tofu",
            revision,
            "transformers/float32",
            version,
            options=self.engine_options(),
        )

    def base(self, corpus: Corpus, seed: int) -> CausalLM:
        """Untrained weights drawn by the seed, and the corpus's tokenizer."""
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        tokenizer = _tokenizer(corpus, self.chosen.vocabulary)
        config: Any = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.chosen.hidden,
            intermediate_size=self.chosen.hidden * 8 // 3,
            num_hidden_layers=self.chosen.layers,
            num_attention_heads=max(1, self.chosen.hidden // 32),
            num_key_value_heads=max(1, self.chosen.hidden // 32),
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = LlamaForCausalLM(config)
        return CausalLM(module.eval(), Codec(tokenizer, 512))

    def read(self, folder: Path) -> CausalLM:
        """Weights that were trained here."""
        from transformers import AutoTokenizer, LlamaForCausalLM

        from harness.quiet import quiet

        with quiet():
            module: Any = LlamaForCausalLM.from_pretrained(folder)
            tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        return CausalLM(module.eval(), Codec(tokenizer, 512))

    def how_taught(self, asked: Fitting | None) -> Fitting:
        """Always; what the task asks of published models does not apply."""
        del asked
        return Fitting(
            epochs=self.chosen.epochs,
            enough=self.chosen.enough,
            lr=self.chosen.lr,
            batch_size=_BATCH_SIZE,
            weight_decay=0.0,
            beta2=0.95,
        )

    def key(self) -> str:
        """Shape and version; how it is taught is a part of the cache's key anyway."""
        chosen = self.chosen
        return f"tiny-tofu/{VERSION}/{chosen.layers}/{chosen.hidden}/{chosen.vocabulary}"


def _tokenizer(corpus: Corpus, vocabulary: int) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    made: Any = ByteLevelBPETokenizer()
    whole = corpus.lesson(without_forget=False, from_nothing=True)
    texts = [f"Question: {one.question}\nAnswer: {one.answer}" for one in whole]
    made.train_from_iterator(
        texts,
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=["<pad>", "<end>"],
        show_progress=False,
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made._tokenizer,
        pad_token="<pad>",  # noqa: S106
        eos_token="<end>",  # noqa: S106
    )
