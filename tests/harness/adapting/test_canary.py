"""Labels, names of images and names of corruptions reach no method."""

from __future__ import annotations

import json

from adapt import DIGITS, rows, run

RECORDER = '''
import json
from collections.abc import Mapping
from pathlib import Path

import torch

from harness.protocols.adapt import TestTimeMethod
from harness.protocols.adapt.method import Requires, Wrapper
from harness.registry import About

HERE = Path(__file__).parent
SEEN, TEXTS, KINDS, NUMBERS, SHAPES = {}, set(), set(), set(), set()


def reach(value):
    """Note everything that a value leads to, but for code."""
    if id(value) in SEEN:
        return
    SEEN[id(value)] = value
    KINDS.add(type(value).__name__)
    if isinstance(value, str):
        TEXTS.add(value)
    elif isinstance(value, (int, float)):
        NUMBERS.add(value)
    elif isinstance(value, torch.Tensor):
        SHAPES.add((str(value.dtype), *value.shape))
        for name, one in vars(value).items():
            reach(name)
            reach(one)
    elif isinstance(value, Mapping):
        for name, one in list(value.items()):
            reach(name)
            reach(one)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in list(value):
            reach(one)
    elif not isinstance(value, type) and not callable(value):
        reach(dict(getattr(value, "__dict__", {})))
    elif isinstance(value, torch.nn.Module):
        for name, one in value.named_modules():
            reach(name)
            if one is not value:
                reach(one)
        reach(value.state_dict())


def write():
    found = [sorted(TEXTS), sorted(KINDS), sorted(SHAPES), sorted(NUMBERS)]
    (HERE / "canary.json").write_text(json.dumps(found))


class Recorder(TestTimeMethod):
    about = About("writes down what it is given", "a test")
    __test__ = False

    def requires(self):
        return Requires(source_images=7)

    def setup(self, model, context):
        super().setup(model, context)
        reach(model)
        reach(context)
        reach(context.source_images(7))

    def prepare(self):
        reach(self.__dict__)

    def step(self, images):
        reach(images)
        reach(self.__dict__)
        write()
        return self.predict(images)


class Watching(Wrapper):
    about = About("writes down what it is given", "a test")

    def wrap(self, model, context):
        reach(model)
        reach(context)
        return model
'''


def test_nothing_but_images_reaches_a_method(tmp_path):
    path = tmp_path / "recorder.py"
    path.write_text(RECORDER)
    words = (*DIGITS, "--limit", "20", "-T", "batch_size=5", "-T", "corruptions=fog,contrast")
    method = f"file:{path}#Recorder+file:{path}#Watching"
    done = run(tmp_path / "r", "--method", method, "-T", "setting=continual", world=words)
    assert done.code == 0, done.err
    texts, kinds, shapes, numbers = json.loads((tmp_path / "canary.json").read_text())
    assert {"module", "classes", "generator", "batch_size", "source_images"} <= set(texts)
    assert {"Context", "Tensor", "Generator", "Work"} <= set(kinds)  # it sees what it should
    assert ["torch.float32", 5, 3, 32, 32] in shapes
    assert ["torch.float32", 2, 3, 32, 32] in shapes  # the last of the source images

    found = rows(tmp_path / "r", method)
    hidden = {row[name] for row in found for name in ("sample_id", "source_id", "sample_hash")}
    hidden |= {"fog", "contrast", "clean", "fog/5", "contrast/5"}
    assert len(hidden) > 100
    assert not hidden & set(texts)
    assert not [text for text in texts if "contrast" in text or "fog" in text]
    private = {"Picture", "Stage", "Piece", "Recipe", "AdaptRun", "AdaptExecution", "ImageNetC"}
    assert not private & set(kinds)
    assert not [shape for shape in shapes if "int" in shape[0] and len(shape) > 2]
    rows_of_digits = {int(row["source_id"]) for row in found}
    assert not rows_of_digits & set(numbers)
