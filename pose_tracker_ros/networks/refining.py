"""A second look: the observation shifted by what the first one found, compared with the rendering once more."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.networks.losses import MOTION_SCALE, LossTerms, pixel_likelihood
from pose_tracker_ros.networks.matching import Match, MatchingNetwork, local_correlations
from pose_tracker_ros.networks.measured_depth import observed_depth
from pose_tracker_ros.networks.residual import PixelMotion, ResidualBlock
from pose_tracker_ros.networks.rigid_fit import pixel_motion, surface_points

# Largest disagreement between predicted and observed depth that is told apart, diameters.
DEPTH_LIMIT = 0.5


class RefiningNetwork(MatchingNetwork):
    """Matching, a rigid fit, and a correction of what the fit leaves over.

    Motion in depth and turns out of the image show in the depth of a place only once it is known which place that is.
    So the observation is looked up where the first fit says that every pixel of the rendering went, as flow networks
    warp images (Sun et al. 2018) and RAFT-3D does with rigid motion (Teed and Deng 2021).
    """

    refine_radius = 2

    def __init__(self, max_translation: float, max_rotation: float, width: int = 32) -> None:
        super().__init__(max_translation, max_rotation, width)
        # Hidden and features of rendering and shifted observation, correlations, first motion and its deviation,
        # depth difference, where it is known, where the object is.
        inputs = 2 * width + 2 * (3 * width // 2) + (2 * self.refine_radius + 1) ** 2 + 6 + 3
        self.refine = nn.Sequential(
            nn.Conv2d(inputs, 2 * width, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),
            ResidualBlock(2 * width),
        )
        self.refine_head = nn.Conv2d(2 * width, 6, 1)
        nn.init.zeros_(self.refine_head.weight)
        nn.init.zeros_(self.refine_head.bias)

    def forward(self, crops: Crops) -> PixelMotion:
        """Motion of every ``stride``-th pixel of the rendering."""
        return self._looks(crops)[1]

    def loss_terms(self, crops: Crops, translation: torch.Tensor, rotation: torch.Tensor) -> LossTerms:
        """The loss of MatchingNetwork, of both looks."""
        first, second = (
            pixel_likelihood(*look, crops, translation, rotation, self.stride, self.whole_cells)
            for look in self._looks(crops)
        )
        return LossTerms(first.total + second.total, first.weight)

    def _looks(self, crops: Crops) -> tuple[PixelMotion, PixelMotion]:
        match = self._match(crops)
        pixels = PixelMotion(match.pixels.motion.detach(), match.pixels.log_deviation.detach())
        with torch.no_grad(), torch.autocast(crops.rendered.device.type, enabled=False):
            fit = self._fit(crops, pixels)
            # Beyond its range nothing was ever learnt.
            limit = (self.max_translation * crops.diameter)[:, None]
            translation = fit.translation * (limit / fit.translation.norm(dim=1, keepdim=True).clamp(min=1e-9)).clamp(
                max=1
            )
            rotation = fit.rotation * (
                self.max_rotation / fit.rotation.norm(dim=1, keepdim=True).clamp(min=1e-9)
            ).clamp(max=1)
            mask = surface_points(crops, self.stride, self.whole_cells)[2][..., None]
            rigid = pixel_motion(crops, translation, rotation, self.stride, self.whole_cells) * mask
        inputs = self._shifted(crops, match, pixels, rigid, mask)
        output = self.refine_head(self.refine(inputs)).float().flatten(2).transpose(1, 2)
        return match.pixels, PixelMotion(rigid + MOTION_SCALE * output[..., :3], output[..., 3:].clamp(-6, 3))

    def _shifted(
        self, crops: Crops, match: Match, pixels: PixelMotion, rigid: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """What the second look sees (B, C, H, W), when every pixel moved as ``rigid`` (B, N, 3) says."""
        rows, columns = match.hidden.shape[-2:]

        def image(values: torch.Tensor) -> torch.Tensor:
            return values.transpose(1, 2).unflatten(2, (rows, columns))

        with torch.autocast(crops.rendered.device.type, enabled=False):
            places, points, _ = surface_points(crops, self.stride, self.whole_cells)
            seen, valid = observed_depth(crops, places, rigid)
            difference = (seen - points[..., 2] - rigid[..., 2]).clamp(-DEPTH_LIMIT, DEPTH_LIMIT) * valid * mask[..., 0]
            facts = torch.cat(
                [
                    (pixels.motion - rigid) / MOTION_SCALE,
                    pixels.log_deviation,
                    torch.stack([difference / MOTION_SCALE, valid.float(), mask[..., 0].float()], dim=-1),
                ],
                dim=-1,
            )
            axes = (torch.arange(length, device=rigid.device, dtype=rigid.dtype) for length in (rows, columns))
            down, across = torch.meshgrid(*axes, indexing="ij")
            places = torch.stack([across, down], dim=-1) + image(rigid[..., :2]).permute(0, 2, 3, 1) * columns
            grid = (places + 0.5) * (2 / columns) - 1
            _, observed = match.features.float().chunk(2)
            described, observed_described = match.descriptors.float().chunk(2)
            both = torch.cat([observed, observed_described], dim=1)
            both = functional.grid_sample(both, grid, mode="bilinear", align_corners=False)
            observed, observed_described = both.split([observed.shape[1], observed_described.shape[1]], dim=1)
            matches = self.sharpness * local_correlations(described, observed_described, self.refine_radius)
        rendered = match.features[: len(observed)]
        shifted = [match.hidden, rendered, observed.to(rendered.dtype), matches.to(rendered.dtype)]
        return torch.cat([*shifted, image(facts).to(rendered.dtype)], dim=1).contiguous(
            memory_format=torch.channels_last
        )
