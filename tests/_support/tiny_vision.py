"""Tiny classifiers of transformers with random weights, in folders as the hub has them."""

from __future__ import annotations

import json

import torch
import transformers

from harness.models.base import ModelRequest
from harness.models.vision.clip import Clip
from harness.models.vision.hub import HubClassifier
from harness.models.vision.torchvision import prepare_torchvision

prepare_torchvision()  # transformers would break on one that cannot be imported

MEAN, STD = [0.48, 0.46, 0.41], [0.22, 0.25, 0.28]
SIZE = 32
LABELS = ("cat", "dog", "tin opener", "hen", "lorry")
HEADS = {
    "resnet": transformers.ResNetForImageClassification,
    "convnext": transformers.ConvNextForImageClassification,
    "convnextv2": transformers.ConvNextV2ForImageClassification,
    "vit": transformers.ViTForImageClassification,
    "deit": transformers.DeiTForImageClassification,
    "swin": transformers.SwinForImageClassification,
    "beit": transformers.BeitForImageClassification,
}
ARCHITECTURES = tuple(HEADS)
SWIN = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 2}


def config_of(architecture, labels=LABELS):
    blocks = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    blocks |= {"intermediate_size": 32, "image_size": SIZE, "patch_size": 8}
    stages = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 2, 1]}
    kinds = {
        "resnet": (transformers.ResNetConfig, {**stages, "embedding_size": 8}),
        "convnext": (transformers.ConvNextConfig, {**stages, "patch_size": 2}),
        "convnextv2": (transformers.ConvNextV2Config, {**stages, "patch_size": 2}),
        "vit": (transformers.ViTConfig, blocks),
        "deit": (transformers.DeiTConfig, blocks),
        "swin": (transformers.SwinConfig, {**SWIN, "image_size": SIZE, "patch_size": 2}),
        "beit": (transformers.BeitConfig, blocks),
    }
    kind, given = kinds[architecture]
    names = dict(enumerate(labels))
    return kind(**given, id2label=names, label2id={one: place for place, one in names.items()})


def shaken(module):
    """Random weights that tell layers apart: the libraries' own start at 0 or 1 in places."""
    draws = torch.Generator().manual_seed(5)
    for one in module.parameters():
        one.data += 0.1 * torch.randn(one.shape, generator=draws)
    for name, one in module.named_buffers():
        if name.endswith("running_mean"):
            one.data += 0.1 * torch.randn(one.shape, generator=draws)
    return module.eval()


def processor(**changes):
    usual = {"do_normalize": True, "do_resize": True, "size": SIZE}
    return {**usual, "image_mean": MEAN, "image_std": STD, **changes}


def save_classifier(folder, architecture="resnet", labels=LABELS, **changes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = HEADS[architecture](config_of(architecture, labels))
    shaken(made).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor(**changes)))
    return folder


def vocabulary():
    """CLIP's tokens in small: every letter, inside and at the end of a word, and two merges."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{one}</w>" for one in letters), "ph", "a</w>", "do"]
    found = {one: place for place, one in enumerate(dict.fromkeys(words))}
    for one in ("<|startoftext|>", "<|endoftext|>"):
        found[one] = len(found)
    return found


def save_clip(folder, seed=0, window=40):
    words = vocabulary()
    tokenizer = transformers.CLIPTokenizer(vocab=words, merges=[("p", "h"), ("d", "o")])
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4}
    tower |= {"num_attention_heads": 2}
    ends = {"bos_token_id": words["<|startoftext|>"], "eos_token_id": words["<|endoftext|>"]}
    text = {**tower, "vocab_size": len(words), "max_position_embeddings": window, **ends}
    text["pad_token_id"] = words["<|endoftext|>"]
    seen = {**tower, "image_size": 64, "patch_size": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = transformers.CLIPConfig(text_config=text, vision_config=seen, projection_dim=12)
        made = transformers.CLIPModel(config)
    shaken(made).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    sizes = {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}
    given = processor(do_center_crop=True, **sizes)
    (folder / "preprocessor_config.json").write_text(json.dumps(given))
    return folder


def opened(folder, **args):
    return HubClassifier(ModelRequest("hf", str(folder), args=tuple(args.items())))


def clip(folder, **args):
    given = {"classes": ",".join(LABELS), **args}
    return Clip(ModelRequest("clip", str(folder), args=tuple(given.items())))


def images(number, size=SIZE, seed=3):
    return torch.rand(number, 3, size, size, generator=torch.Generator().manual_seed(seed))
