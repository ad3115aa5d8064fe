"""PoseNet: the camera's pose in a mapped place from one colour image (Kendall et al., ICCV 2015, arXiv 1505.07427).

Poses are those of the camera in a *reference* frame, a camera in the middle of those that the network was trained with:
there rotations are small enough that all quaternions (x, y, z, w) have w > 0, so that each rotation is one target.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from pose_tracker_ros.networks.posenet_crops import cut
from pose_tracker_ros.networks.posenet_trunks import AUXILIARY_FEATURE, AuxiliaryLook, GoogLeNet, LightTrunk, Looks

NETWORKS = ("light", "googlenet", "googlenet_torchvision")
# Side of the square crops that GoogLeNet's heads are made for.
GOOGLENET_CROP = 224
FEATURE, AUXILIARY_DROPOUT = 2048, 0.7
LIGHT_FEATURE, LIGHT_CHANNELS = 512, 48
# The trunk's end is this many times coarser than the image.
LIGHT_STRIDE = 16


class CameraPoses(NamedTuple):
    """position: (B, 3) metres; quaternion: (B, 4) unit x, y, z, w; of cameras in the reference frame."""

    position: torch.Tensor
    quaternion: torch.Tensor


class PoseHead(nn.Module):
    """Two affine maps of a feature: position and quaternion, which is normalised."""

    def __init__(self, feature: int) -> None:
        super().__init__()
        self.position = nn.Linear(feature, 3)
        self.quaternion = nn.Linear(feature, 4)
        nn.init.zeros_(self.position.bias)
        self.quaternion.bias.data.copy_(torch.tensor([0.0, 0.0, 0.0, 1.0]))

    def forward(self, feature: torch.Tensor) -> CameraPoses:
        """(B, feature) -> poses; in single precision, since half of it is too coarse for millimetres."""
        with torch.autocast(feature.device.type, enabled=False):
            feature = feature.float()
            return CameraPoses(self.position(feature), functional.normalize(self.quaternion(feature), dim=1))


class PoseNet(nn.Module):
    """One of NETWORKS with its pose heads.

    size: (height, width) of whole images; crop: side of the square that is cut from them, 0 for the whole image.
    mean_image: (3, H, W) 0..255, which is subtracted; scale: what the difference is then multiplied by.
    """

    def __init__(self, network: str, size: tuple[int, int], crop: int, dropout: float) -> None:
        """``dropout``: share of the feature that is dropped in training; of auxiliary heads always 0.7 unless it is 0.

        Raises ValueError for a crop that the network cannot take.
        """
        super().__init__()
        self.size, self.crop = size, crop
        self.register_buffer("mean_image", torch.full((3, *size), 127.5))
        if network == "light":
            self.trunk, self.scale = LightTrunk(), 1 / 64
            height, width = (-(-side // LIGHT_STRIDE) for side in ((crop, crop) if crop else size))
            self.summary = nn.Sequential(
                nn.Conv2d(self.trunk.channels, LIGHT_CHANNELS, 1),
                nn.ReLU(inplace=True),
                nn.Flatten(),
                nn.Linear(LIGHT_CHANNELS * height * width, LIGHT_FEATURE),
            )
            feature = LIGHT_FEATURE
        else:
            if crop != GOOGLENET_CROP:
                raise ValueError(f"expected a crop of {GOOGLENET_CROP} for {network}, got {crop}")
            normalised = network == "googlenet_torchvision"
            self.trunk, self.scale = GoogLeNet(normalised), 1 / 127.5 if normalised else 1.0
            self.summary = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(self.trunk.channels, FEATURE))
            feature = FEATURE
        self.dropout = nn.Dropout(dropout)
        self.head = PoseHead(feature)
        auxiliary = AUXILIARY_DROPOUT if dropout else 0.0
        self.auxiliary_looks = nn.ModuleList(
            AuxiliaryLook(channels, self.trunk.normalised, auxiliary) for channels in self.trunk.auxiliary_channels
        )
        self.auxiliary_heads = nn.ModuleList(PoseHead(AUXILIARY_FEATURE) for _ in self.auxiliary_looks)

    def prepare(self, images: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
        """What :meth:`forward` takes of images (B, 3, H, W) 0..255: crops at corners (B, 2) int64 left, top."""
        prepared = (images.float() - self.mean_image) * self.scale
        return cut(prepared, corners, self.crop).contiguous(memory_format=torch.channels_last)

    def forward(self, prepared: torch.Tensor) -> tuple[CameraPoses, ...]:
        """Poses of the final head, and in training after it those of the auxiliary heads, from the first one on."""
        looks: Looks = self.trunk(prepared)
        final = self.head(self.dropout(functional.relu(self.summary(looks.final))))
        auxiliary = (
            head(make(look)) for head, make, look in zip(self.auxiliary_heads, self.auxiliary_looks, looks.auxiliary)
        )
        return final, *auxiliary


def mean_pose(poses: CameraPoses) -> CameraPoses:
    """The mean (1, ...) of poses of one camera: of positions, and of quaternions with the sign of the first."""
    signs = torch.sign(poses.quaternion @ poses.quaternion[0])[:, None]
    quaternion = functional.normalize((signs * poses.quaternion).mean(dim=0, keepdim=True), dim=1)
    return CameraPoses(poses.position.mean(dim=0, keepdim=True), quaternion)
