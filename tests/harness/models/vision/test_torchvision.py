"""torchvision that was built for another torch is made importable, and only that one."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import textwrap

import pytest

from harness.errors import UsageError
from harness.models.vision import torchvision


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torchvision, "_declared", [])


def failing(monkeypatch, message):
    def broken(name):
        raise RuntimeError(message)

    monkeypatch.setattr(torchvision, "import_module", broken)


def test_nothing_is_done_where_it_is_not_installed_or_works(installed, monkeypatch):
    monkeypatch.setattr(torchvision, "import_module", lambda name: sys)
    torchvision.prepare_torchvision()
    assert torchvision._declared == []
    failing(monkeypatch, "it should not have been imported")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    torchvision.prepare_torchvision()


def test_other_failures_are_told(installed, monkeypatch):
    failing(monkeypatch, "no space left")
    with pytest.raises(
        UsageError, match=r"cannot be imported \(no space left\); install the build"
    ):
        torchvision.prepare_torchvision()


def test_a_build_for_cuda_is_importable_beside_a_torch_for_the_cpu(tmp_path):
    """In a process of its own, with a package that fails as torchvision 0.28 does."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(
        textwrap.dedent(
            """
            import torch

            @torch.library.register_fake("torchvision::nms")
            def nms(dets, scores, iou_threshold):
                return dets

            @torch.library.register_fake("torchvision::qnms")
            def qnms(dets, scores, iou_threshold):
                return dets
            """
        )
    )
    program = """
        from harness.models.vision.torchvision import prepare_torchvision
        import torch
        prepare_torchvision()
        prepare_torchvision()
        import torchvision
        print(torch.ops.torchvision.nms, torchvision.__file__)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(one for one in sys.path if one)}"},
        capture_output=True,
        text=True,
        check=False,
    )
    import torch

    if torch.version.cuda is None:
        assert done.stdout.split() == ["torchvision.nms", str(package / "__init__.py")], done.stderr
    else:
        assert "cannot be imported" in done.stderr
