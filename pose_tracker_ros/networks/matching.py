"""A network that compares features of rendering and observation place by place, and so matches unseen objects."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from pose_tracker_ros.networks.crops import OBSERVED_CHANNELS, RENDERED_CHANNELS, Crops, Residual
from pose_tracker_ros.networks.losses import MOTION_SCALE
from pose_tracker_ros.networks.measured_depth import with_measured_depth
from pose_tracker_ros.networks.residual import CompactNetwork, PixelMotion, ResidualBlock, ResidualNetwork, convolution
from pose_tracker_ros.networks.rigid_fit import fit_rigid_motion, surface_points


class Match(NamedTuple):
    """What the head says and the features (B, C, H, W) that it was made of, one place for every cell of it.

    output: (B, 6, H, W) as of ``PixelMotion.of``; hidden: of both images together; features, descriptors: of both (2 B, C, H, W), rendering first; descriptors
    of length 1.
    """

    output: torch.Tensor
    hidden: torch.Tensor
    features: torch.Tensor
    descriptors: torch.Tensor


class MatchingNetwork(CompactNetwork):
    """Per-pixel motion from correlations between features of the rendering and of the observation.

    Comparing every place of one with the places around it in the other need not be learnt, which lets a small network
    match objects that it has never seen (the idea of FlowNet and RAFT: Dosovitskiy et al. 2015, Teed and Deng 2020).
    """

    whole_cells = True
    measures_depth = True
    eighth_radius = 4
    quarter_radius = 3

    def __init__(self, max_translation: float, max_rotation: float, width: int = 32) -> None:
        ResidualNetwork.__init__(self, max_translation, max_rotation)
        self.stem_rendered = convolution(len(RENDERED_CHANNELS), width, stride=2)
        self.stem_observed = convolution(len(OBSERVED_CHANNELS), width, stride=2)
        self.quarter = nn.Sequential(convolution(width, 3 * width // 2, stride=2), ResidualBlock(3 * width // 2))
        self.eighth = nn.Sequential(convolution(3 * width // 2, 3 * width, stride=2), ResidualBlock(3 * width))
        self.describe_quarter = nn.Conv2d(3 * width // 2, width // 2, 1)
        self.describe_eighth = nn.Conv2d(3 * width, width, 1)
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        matches = [(2 * radius + 1) ** 2 for radius in (self.quarter_radius, self.eighth_radius)]
        self.combine_eighth = convolution(6 * width + matches[1], 3 * width)
        self.sixteenth = nn.Sequential(convolution(3 * width, 4 * width, stride=2), ResidualBlock(4 * width))
        self.merge_eighth = convolution(7 * width, 3 * width)
        self.merge_quarter = convolution(6 * width + matches[0], 2 * width)
        self.head = nn.Conv2d(2 * width, 6, 1)

    def look(self, rendered: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See CompactNetwork."""
        return (self.match(rendered, observed).output,)

    def match(self, rendered: torch.Tensor, observed: torch.Tensor) -> Match:
        """Everything that is made of images of Crops."""
        images = self.normalised(rendered, observed)
        rendered, observed = (image.contiguous(memory_format=torch.channels_last) for image in images)
        both = torch.cat([self.stem_rendered(rendered), self.stem_observed(observed)])
        quarter = self.quarter(both)
        eighth = self.eighth(quarter)
        descriptors = functional.normalize(self.describe_quarter(quarter), dim=1)
        match_quarter = self.sharpness * local_correlations(*descriptors.chunk(2), self.quarter_radius)
        coarse_descriptors = functional.normalize(self.describe_eighth(eighth), dim=1)
        match_eighth = self.sharpness * local_correlations(*coarse_descriptors.chunk(2), self.eighth_radius)
        eighth = self.combine_eighth(torch.cat([*eighth.chunk(2), match_eighth], dim=1))
        coarse = functional.interpolate(self.sixteenth(eighth), scale_factor=2.0)
        coarse = self.merge_eighth(torch.cat([coarse, eighth], dim=1))
        coarse = functional.interpolate(coarse, scale_factor=2.0)
        hidden = self.merge_quarter(torch.cat([coarse, *quarter.chunk(2), match_quarter], dim=1))
        return Match(self.head(hidden), hidden, quarter, descriptors)

    def predict(self, crops: Crops) -> Residual:
        """See ResidualNetwork; the depth of the places that pixels went to is looked up."""
        return self._fit(crops, self(crops))

    def _fit(self, crops: Crops, prediction: PixelMotion) -> Residual:
        with torch.autocast(prediction.motion.device.type, enabled=False):
            pixels, points, _ = surface_points(crops, self.stride, self.whole_cells)
            deviation = torch.exp(prediction.log_deviation.float()) * MOTION_SCALE
            motion, deviation = with_measured_depth(crops, pixels, points, prediction.motion.float(), deviation)
            return fit_rigid_motion(crops, motion, 1 / deviation, self.stride, whole_cells=self.whole_cells)


def local_correlations(rendered: torch.Tensor, observed: torch.Tensor, radius: int) -> torch.Tensor:
    """Dot products of every place of one feature map (B, C, H, W) with the places around it in another.

    Returns (B, (2 radius + 1)^2, H, W), row by row of the offsets from -radius to radius; beyond the border 0.
    """
    rendered, observed = rendered.permute(0, 2, 3, 1), observed.permute(0, 2, 3, 1)
    batch, rows, columns, channels = rendered.shape
    padded = functional.pad(observed, (0, 0, radius, radius, radius, radius))
    rendered = rendered.reshape(batch * rows, columns, channels)
    size, length = 2 * radius + 1, columns + 2 * radius
    products_by_row = []
    for down in range(size):
        lines = padded[:, down : down + rows].reshape(batch * rows, length, channels)
        products = torch.bmm(rendered, lines.transpose(1, 2)).flatten(1)
        # Rows one longer than they are shift the wanted band of every row to its start.
        products = functional.pad(products, (0, columns)).view(batch, rows, columns, length + 1)
        products_by_row.append(products[..., :size])
    return torch.cat(products_by_row, dim=-1).permute(0, 3, 1, 2)
