"""What PoseNet looks at images with: GoogLeNet as Caffe and as torchvision have it, and a light trunk.

GoogLeNet is that of Szegedy et al. (CVPR 2015, arXiv 1409.4842, table 1). Modules have torchvision's names, so that its
files of weights fit.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from pose_tracker_ros.networks.residual import ResidualBlock, convolution

# 1x1; 1x1 and 3x3; 1x1 and 5x5; 1x1 after pooling.
INCEPTIONS = {
    "inception3a": (192, 64, (96, 128), (16, 32), 32),
    "inception3b": (256, 128, (128, 192), (32, 96), 64),
    "inception4a": (480, 192, (96, 208), (16, 48), 64),
    "inception4b": (512, 160, (112, 224), (24, 64), 64),
    "inception4c": (512, 128, (128, 256), (24, 64), 64),
    "inception4d": (512, 112, (144, 288), (32, 64), 64),
    "inception4e": (528, 256, (160, 320), (32, 128), 128),
    "inception5a": (832, 256, (160, 320), (32, 128), 128),
    "inception5b": (832, 384, (192, 384), (48, 128), 128),
}
AUXILIARY_CHANNELS, AUXILIARY_FEATURE = 128, 1024
# Batch normalisation's epsilon in torchvision's GoogLeNet, which its weights were trained with.
TORCHVISION_EPSILON = 0.001
CAFFE_BIAS = 0.2


class Looks(NamedTuple):
    """Feature maps (B, C, H, W): of the trunk's end, and in training those that auxiliary heads see."""

    final: torch.Tensor
    auxiliary: tuple[torch.Tensor, ...] = ()


class Unit(nn.Module):
    """A convolution and its activation: biased as in Caffe, or with batch normalisation as in torchvision."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, normalised: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not normalised)
        self.bn = nn.BatchNorm2d(outputs, eps=TORCHVISION_EPSILON) if normalised else nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        return functional.relu(self.bn(self.conv(images)), inplace=True)


class ResponseNorm(nn.Module):
    """Local response normalisation over 5 neighbouring channels, as in Caffe's GoogLeNet (alpha 1e-4, beta 0.75, k 1).

    torch.nn.LocalResponseNorm gives the same by a pooling in three dimensions, which CPUs take several times as long for;
    here neighbours are summed by a convolution.
    """

    size, alpha, beta = 5, 1e-4, 0.75

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        channels, reach = images.shape[1], self.size // 2
        neighbours = torch.ones(channels, channels, dtype=images.dtype, device=images.device).tril(reach).triu(-reach)
        sums = functional.conv2d(images.square(), neighbours[:, :, None, None])
        return images * (1 + self.alpha / self.size * sums).pow(-self.beta)


class Inception(nn.Module):
    """Four branches side by side. The third is 5x5 in Caffe; torchvision has 3x3 there, by a mistake that it kept."""

    def __init__(
        self, inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int, *, normalised: bool
    ) -> None:
        super().__init__()

        def unit(inputs: int, outputs: int, kernel: int) -> Unit:
            return Unit(inputs, outputs, kernel, normalised=normalised)

        self.branch1 = unit(inputs, one, 1)
        self.branch2 = nn.Sequential(unit(inputs, three[0], 1), unit(*three, 3))
        self.branch3 = nn.Sequential(unit(inputs, five[0], 1), unit(*five, 3 if normalised else 5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), unit(inputs, pooled, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) -> (B, outputs of all branches, H, W)."""
        return torch.cat([self.branch1(images), self.branch2(images), self.branch3(images), self.branch4(images)], 1)


class GoogLeNet(nn.Module):
    """GoogLeNet without its classifiers.

    normalised: torchvision's (batch normalisation, 3x3 instead of 5x5); otherwise Caffe's (local response
    normalisation, biases). channels: of the looks, auxiliary ones first.
    """

    auxiliary_channels = (512, 528)
    channels = 1024

    def __init__(self, normalised: bool) -> None:
        super().__init__()
        self.normalised = normalised
        self.conv1 = Unit(3, 64, 7, 2, normalised=normalised)
        self.conv2 = Unit(64, 64, 1, normalised=normalised)
        self.conv3 = Unit(64, 192, 3, normalised=normalised)
        for name, sizes in INCEPTIONS.items():
            self.add_module(name, Inception(*sizes, normalised=normalised))
        self.response_norm = nn.Identity() if normalised else ResponseNorm()
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.last_pool = nn.MaxPool2d(2, 2, ceil_mode=True) if normalised else self.pool
        if not normalised:
            self.apply(_as_caffe)

    def forward(self, images: torch.Tensor) -> Looks:
        """Prepared images (B, 3, H, W) -> feature maps a sixteenth (auxiliary) and a thirty-second of their size."""
        looks = self.response_norm(self.pool(self.conv1(images)))
        looks = self.pool(self.response_norm(self.conv3(self.conv2(looks))))
        looks = self.pool(self.inception3b(self.inception3a(looks)))
        first = self.inception4a(looks)
        second = self.inception4d(self.inception4c(self.inception4b(first)))
        looks = self.last_pool(self.inception4e(second))
        looks = self.inception5b(self.inception5a(looks))
        return Looks(looks, (first, second) if self.training else ())


class LightTrunk(nn.Module):
    """Four halvings with residual blocks, for images of about 100 pixels and training on a CPU."""

    auxiliary_channels: tuple[int, ...] = ()
    channels = 192

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(3, 24, stride=2),
            convolution(24, 48, stride=2),
            ResidualBlock(48),
            convolution(48, 96, stride=2),
            ResidualBlock(96),
            convolution(96, 160, stride=2),
            ResidualBlock(160),
            ResidualBlock(160),
            convolution(160, self.channels, stride=1),
        )

    def forward(self, images: torch.Tensor) -> Looks:
        """Prepared images (B, 3, H, W) -> one map of a sixteenth of their size."""
        return Looks(self.layers(images))


class AuxiliaryLook(nn.Module):
    """What an auxiliary head of GoogLeNet makes of a feature map: (B, C, 14, 14) -> (B, 1024)."""

    def __init__(self, inputs: int, normalised: bool, dropout: float) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4) if normalised else nn.AvgPool2d(5, 3)
        self.conv = Unit(inputs, AUXILIARY_CHANNELS, 1, normalised=normalised)
        self.fc1 = nn.Linear(16 * AUXILIARY_CHANNELS, AUXILIARY_FEATURE)
        self.dropout = nn.Dropout(dropout)

    def forward(self, look: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return self.dropout(functional.relu(self.fc1(self.conv(self.pool(look)).flatten(1))))


def load_torchvision_googlenet(path: Path, trunk: GoogLeNet, auxiliary: nn.ModuleList) -> None:
    """Give a trunk and its auxiliary looks the weights of a file that holds torchvision's GoogLeNet state dict.

    The classifiers in it are passed over. Raises FileNotFoundError, or ValueError for a file of anything else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected torchvision's GoogLeNet weights at {path}, but there is no such file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        parts = [("", trunk), *((f"aux{number + 1}.", look) for number, look in enumerate(auxiliary))]
        for prefix, module in parts:
            wanted = module.state_dict()
            module.load_state_dict({name: state[prefix + name] for name in wanted})
    except Exception as error:
        # Unpickling, archives and tensors each have errors of their own.
        raise ValueError(
            f"expected the state dict of torchvision's GoogLeNet with its auxiliary heads in {path}: {error}; save it with "
            "torch.save(torchvision.models.googlenet(weights='DEFAULT').state_dict(), FILE)"
        ) from error


def _as_caffe(module: nn.Module) -> None:
    """Initial weights of Caffe's GoogLeNet: Xavier, and biases that let all activations through."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        nn.init.constant_(module.bias, CAFFE_BIAS)
