"""Imported once by the server that children of `edits.ended` are forked from."""

import asyncio  # noqa: F401

import pandas  # noqa: F401
import torch  # noqa: F401
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: F401

import harness.cli
import harness.commands  # noqa: F401
