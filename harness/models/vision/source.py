"""Where the files of a transformers model are, a folder or the hub, and how they are read.

Every failure ends as one sentence: what was named, what is wrong, and what to do instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.files import folder_hash
from harness.models.vision.torchvision import prepare_torchvision
from harness.quiet import quiet

_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_FAILURES = (OSError, ValueError, RuntimeError, KeyError, ImportError)
"""What transformers raises where a model, or a package for it, cannot be had."""
_PATHS = ("/", ".", "~")
"""How a name begins that can be no model's of the hub."""


@dataclass(frozen=True)
class Source:
    """A model that a user named.

    Attributes:
        request: the name.
        trust_remote_code: run code that the model's repository brings.
    """

    request: ModelRequest
    trust_remote_code: bool = False

    @property
    def name(self) -> str:
        """The folder, or the name on the hub."""
        folder = self.folder
        return self.request.target if folder is None else str(folder)

    @property
    def folder(self) -> Path | None:
        """The folder; None for a model of the hub.

        Raises:
            UsageError: it is not there.
        """
        folder = Path(self.request.target).expanduser()
        if folder.is_dir():
            return folder
        if self.request.target.startswith(_PATHS):
            raise UsageError(
                f"model '{self.request}' cannot be loaded: there is no folder {folder}; name one "
                "that holds a model, or a model of the hub."
            )
        return None

    def config(self) -> Any:
        """The model's configuration.

        Raises:
            UsageError: there is none, or the hub cannot be reached.
        """
        return self._read("AutoConfig")

    def tokenizer(self) -> Any:
        """The model's tokenizer.

        Raises:
            UsageError: there is none.
        """
        return self._read("AutoTokenizer")

    def weights(self, kind: str) -> Any:
        """The network with its weights, in 32 bits.

        Args:
            kind: name of a class of transformers.

        Raises:
            UsageError: weights are missing, or belong to another network.
        """
        import torch

        module, report = self._read(kind, dtype=torch.float32, output_loading_info=True)
        lacking = sorted(report["missing_keys"])
        if lacking:
            raise UsageError(
                f"model '{self.request}' cannot be loaded: it has no weights for {lacking[0]} "
                f"({len(lacking)} in all), which would be random; name one that was trained for "
                "this."
            )
        return module

    def processor(self) -> Mapping[str, Any] | None:
        """The configuration of its image processor; None if it has none.

        Raises:
            UsageError: it cannot be read.
        """
        for name in _PROCESSORS:
            path = self._file(name)
            if path is None:
                continue
            try:
                found = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise UsageError(f"{path} is no JSON ({error}); restore it.") from error
            return found.get("image_processor", found)
        return None

    def revision(self, config: Any) -> str:
        """A hash of the folder, or the commit on the hub."""
        folder = self.folder
        if folder is not None:
            return folder_hash(folder)
        return getattr(config, "_commit_hash", None) or self.request.revision

    def _file(self, name: str) -> Path | None:
        folder = self.folder
        if folder is not None:
            return folder / name if (folder / name).is_file() else None
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        try:
            with quiet():
                return Path(
                    hf_hub_download(self.name, name, revision=self.request.revision or None)
                )
        except LocalEntryNotFoundError as error:
            raise self._refusal(error) from error
        except EntryNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._refusal(error) from error

    def _read(self, kind: str, **how: Any) -> Any:
        from safetensors import SafetensorError

        prepare_torchvision()
        import transformers

        try:
            with quiet():
                return getattr(transformers, kind).from_pretrained(
                    self.name,
                    revision=self.request.revision or None,
                    trust_remote_code=self.trust_remote_code,
                    **how,
                )
        except (*_FAILURES, SafetensorError) as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> UsageError:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return UsageError(
            f"model '{self.request}' cannot be loaded ({reason}); name a model of the hub, a "
            "folder that holds one, or --model efficientnet-lite0, which needs neither."
        )
