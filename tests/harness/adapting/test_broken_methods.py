"""What a method breaks counts against it until it is reset, and keeps no other from its turn."""

from __future__ import annotations

import pytest
from adapt import comparable, metrics, rows, run

from harness.results.store import ResultsStore

METHODS = '''
import torch

from harness.errors import MethodError
from harness.protocols.adapt import TestTimeMethod
from harness.registry import About


class Faulty(TestTimeMethod):
    """Predicts like the source, except in its sixth batch."""

    about = About("breaks in its sixth batch", "a test")
    __test__ = False

    def prepare(self):
        self.calls = getattr(self, "calls", 0)

    def step(self, images):
        self.calls += 1
        return self.wrong(images) if self.calls == 6 else self.predict(images)

    def memory(self):
        return {"calls": self.calls}

    def recall(self, memory):
        self.calls = memory["calls"]


class Raises(Faulty):
    def wrong(self, images):
        raise ZeroDivisionError("by nothing")


class Diverges(Faulty):
    def wrong(self, images):
        raise MethodError("the loss is no number")


class WrongShape(Faulty):
    def wrong(self, images):
        return self.predict(images)[:, :9]


class TooFew(Faulty):
    def wrong(self, images):
        return self.predict(images)[:-1]


class NotANumber(Faulty):
    def wrong(self, images):
        return self.predict(images) * float("nan")


class Logits(Faulty):
    def wrong(self, images):
        return self.model.logits(images).detach()


class Probabilities(Faulty):
    def wrong(self, images):
        return self.predict(images).exp()


class NoTensor(Faulty):
    def wrong(self, images):
        return self.predict(images).tolist()


class Nothing(Faulty):
    def wrong(self, images):
        return None


class OutOfMemory(Faulty):
    def wrong(self, images):
        from pathlib import Path

        if (Path(__file__).parent / "room").exists():
            return self.predict(images)
        raise torch.OutOfMemoryError("tried to allocate 3 TiB")


class Certain(Faulty):
    """A class that is certain has log-probability 0, others minus infinity."""

    def wrong(self, images):
        return (torch.eye(10)[self.predict(images).argmax(1)]).log()


class Setup(Faulty):
    def prepare(self):
        raise KeyError("no layer")


class BrokenReset(Faulty):
    def wrong(self, images):
        return self.predict(images)

    def reset(self):
        raise RuntimeError("cannot go back")


class ForgetfulReset(Faulty):
    """Leaves one weight as it is."""

    def wrong(self, images):
        return self.predict(images)

    def step(self, images):
        with torch.no_grad():
            next(self.model.module.parameters()).view(-1)[0] += 1e-3
        return super().step(images)

    def reset(self):
        self.prepare()


class ModeReset(Faulty):
    def reset(self):
        super().reset()
        self.model.module.train()


class StatisticsReset(ForgetfulReset):
    """Restores the parameters but not the statistics of batch norm."""

    def step(self, images):
        self.model.module.train()
        return Faulty.step(self, images)

    def reset(self):
        own = dict(self.model.module.named_parameters())
        with torch.no_grad():
            for name, one in self.source.items():
                if name in own:
                    own[name].copy_(one)
        self.prepare()
'''

FAULTS = {
    "Raises": "ZeroDivisionError: by nothing (batch 6)",
    "Diverges": "the loss is no number (batch 6)",
    "WrongShape": "step gave (5, 9) for 5 images and 10 classes, not log-probabilities of shape "
    "(5, 10) (batch 6)",
    "TooFew": "step gave (4, 10) for 5 images and 10 classes, not log-probabilities of shape "
    "(5, 10) (batch 6)",
    "NotANumber": "step gave NaN (batch 6)",
    "Logits": "step gave no log-probabilities: their exponentials do not add up to 1 (batch 6)",
    "Probabilities": "step gave no log-probabilities: their exponentials do not add up to 1 "
    "(batch 6)",
    "NoTensor": "step gave list for 5 images and 10 classes, not log-probabilities of shape "
    "(5, 10) (batch 6)",
    "Nothing": "step gave NoneType for 5 images and 10 classes, not log-probabilities of shape "
    "(5, 10) (batch 6)",
}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "faulty.py"
    path.write_text(METHODS)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory, adapt_cache):
    """The source model's rows."""
    del adapt_cache
    folder = tmp_path_factory.mktemp("source")
    assert run(folder, "--method", "source").code == 0
    return rows(folder, "source")


def swept(tmp_path_factory, plugin, names, *words):
    folder = tmp_path_factory.mktemp("faulty")
    flags = [word for name in names for word in ("--method", f"file:{plugin}#{name}")]
    done = run(folder, *flags, "--method", "source", *words)
    return done, folder


@pytest.fixture(scope="module")
def reset(tmp_path_factory, plugin, adapt_cache):
    """All faulty methods, reset before each corruption, and the source after them."""
    del adapt_cache
    return swept(tmp_path_factory, plugin, FAULTS)


@pytest.fixture(scope="module")
def continual(tmp_path_factory, plugin, adapt_cache):
    """Two of them in a stream without a reset."""
    del adapt_cache
    return swept(tmp_path_factory, plugin, ["Raises", "NotANumber"], "-T", "setting=continual")


def of(folder, plugin, name):
    return rows(folder, f"file:{plugin}#{name}")


@pytest.mark.parametrize("name", FAULTS)
def test_broken_batch_fails_the_rest_of_its_stage(reset, source, plugin, name):
    done, folder = reset
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    found = of(folder, plugin, name)
    assert len(found) == 60
    for row, plain in zip(found, source, strict=True):
        if row["step"] in (5, 6, 7):  # the sixth batch, and what is left of the first corruption
            assert (row["status"], row["score"]) == ("failed", 0.0)
            assert row["error"] == FAULTS[name]
        else:
            assert row["status"] == "ok"
            assert row == plain


@pytest.mark.parametrize("name", ["Raises", "NotANumber"])
def test_broken_batch_fails_everything_after_it_without_resets(continual, plugin, name):
    done, folder = continual
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    found = of(folder, plugin, name)
    assert {row["status"] for row in found if row["step"] < 5} == {"ok"}
    assert {row["status"] for row in found if row["step"] >= 5} == {"failed"}
    assert {row["error"] for row in found if row["step"] >= 5} == {FAULTS[name]}
    # 5 of 20 images under contrast have a prediction, and none under fog.
    right = sum(row["score"] for row in found if row["group"] == "contrast")
    assert metrics(folder, f"file:{plugin}#{name}")["score"] == pytest.approx(right / 40)
    assert len(rows(folder, "source")) == 60


def test_certain_predictions_have_finite_metrics(tmp_path, plugin, source):
    assert run(tmp_path, "--method", f"file:{plugin}#Certain").code == 0
    found = of(tmp_path, plugin, "Certain")
    assert {row["status"] for row in found} == {"ok"}
    for row, plain in zip(found, source, strict=True):
        assert row["score"] == plain["score"]
        if row["step"] == 5:
            assert row["metrics"]["max_probability"] == 1
            assert row["metrics"]["entropy"] == 0
            assert row["metrics"]["nll"] == (0 if row["score"] else 87)
            assert row["metrics"]["brier"] == (0 if row["score"] else 2)


def test_method_that_cannot_be_set_up_fails_and_the_next_goes_on(tmp_path, plugin, source):
    done = run(tmp_path, "--method", f"file:{plugin}#Setup", "--method", "source")
    assert done.code == 1
    found = of(tmp_path, plugin, "Setup")
    assert {(row["status"], row["score"], row["error_type"]) for row in found} == {
        ("failed", 0.0, "KeyError")
    }
    assert {row["error"] for row in found} == {"setup broke with KeyError: 'no layer'"}
    assert rows(tmp_path, "source") == source


RESETS = {
    "BrokenReset": "reset broke with RuntimeError: cannot go back",
    "ForgetfulReset": "reset left other weights",
    "StatisticsReset": "reset left other weights",
    "ModeReset": "reset left layers in another mode",
}


@pytest.fixture(scope="module")
def resets(tmp_path_factory, plugin, adapt_cache):
    """Methods that do not return to the source model."""
    del adapt_cache
    return swept(tmp_path_factory, plugin, RESETS)


@pytest.mark.parametrize("name", RESETS)
def test_reset_that_does_not_return_to_the_source_fails_what_follows(resets, plugin, name):
    done, folder = resets
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    found = of(folder, plugin, name)
    assert {row["status"] for row in found if row["stream_id"] == "clean"} == {"ok"}
    later = [row for row in found if row["stream_id"] != "clean"]
    assert len(later) == 40
    assert {row["status"] for row in later} == {"failed"}
    assert all(row["error"].startswith(RESETS[name]) for row in later)
    if name != "BrokenReset":
        assert "would not be comparable" in later[0]["error"]


@pytest.mark.parametrize("setting", ["reset", "continual"])
def test_out_of_memory_is_an_error_that_the_same_command_mends(tmp_path, source, setting):
    plugin = tmp_path / "faulty.py"
    plugin.write_text(METHODS)
    words = ("--method", f"file:{plugin}#OutOfMemory", "--method", "source")
    words += ("-T", f"setting={setting}")
    done = run(tmp_path / "r", *words)
    assert done.code == 1
    assert "Traceback" not in done.err
    store = ResultsStore(tmp_path / "r")
    states = {one.method: str(one.status) for one in store.runs()}
    assert states == {f"file:{plugin}#OutOfMemory": "incomplete", "source": "complete"}
    found = of(tmp_path / "r", plugin, "OutOfMemory")
    assert {row["status"] for row in found if row["step"] < 5} == {"ok"}
    errors = [row for row in found if row["step"] >= 5]
    assert {(row["status"], row["error_type"]) for row in errors} == {("error", "OutOfMemory")}
    assert "smaller -T batch_size" in errors[0]["error"]
    (tmp_path / "room").touch()
    done = run(tmp_path / "r", *words)
    assert done.code == 0, done.err
    mended = comparable(tmp_path / "r")[f"file:{plugin}#OutOfMemory seed 0"]
    assert mended["status"] == "complete"
    (tmp_path / "whole").mkdir()
    assert run(tmp_path / "whole", *words).code == 0
    assert comparable(tmp_path / "whole")[f"file:{plugin}#OutOfMemory seed 0"] == mended
