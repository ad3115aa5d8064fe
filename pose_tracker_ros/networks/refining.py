"""A second look: the observation shifted by what the first one found, compared with the rendering once more."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from pose_tracker_ros.kernels.rigid_motion import DEPTH_LIMIT
from pose_tracker_ros.networks.compiled_fits import can_be_compiled, led
from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.networks.losses import MOTION_SCALE, LossTerms, TrueMotion, pixel_likelihood
from pose_tracker_ros.networks.matching import MatchingNetwork, local_correlations
from pose_tracker_ros.networks.measured_depth import observed_depth
from pose_tracker_ros.networks.pixel_inference import PixelFit
from pose_tracker_ros.networks.residual import PixelMotion, ResidualBlock
from pose_tracker_ros.networks.rigid_fit import pixel_motion, surface_points


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
        true = TrueMotion.of(crops, translation, rotation, self.stride, self.whole_cells)
        first, second = (pixel_likelihood(*look, true) for look in self._looks(crops))
        return LossTerms(first.total + second.total, first.weight)

    def look(self, rendered: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See CompactNetwork."""
        return tuple(self.match(rendered, observed))

    def look_again(
        self,
        hidden: torch.Tensor,
        features: torch.Tensor,
        descriptors: torch.Tensor,
        places: torch.Tensor,
        facts: torch.Tensor,
    ) -> torch.Tensor:
        """The correction (B, 6, rows, columns) of a rigid motion, as of ``PixelMotion.of``.

        Parameters: what ``look`` gave beside its output; where every cell went, ``places`` (B, rows, columns, 2) as
        ``grid_sample`` takes them; and what is known of it, ``facts`` (B, 9, rows, columns) as ``_led`` makes them.
        """
        return self.refine_head(self.refine(self._compared(hidden, features, descriptors, places, facts)))

    def _looks(self, crops: Crops) -> tuple[PixelMotion, PixelMotion]:
        output, *seen = self.look(crops.rendered, crops.observed)
        first = PixelMotion.of(output)
        if can_be_compiled(crops):
            rigid, places, facts = led(crops, output, PixelFit.of(self))
        else:
            rigid, places, facts = self._led_by(crops, PixelMotion(first.motion.detach(), first.log_deviation.detach()))
        correction = PixelMotion.of(self.look_again(*seen, places, facts))
        return first, PixelMotion(rigid + correction.motion, correction.log_deviation)

    @torch.no_grad()
    def _led_by(self, crops: Crops, pixels: PixelMotion) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What ``compiled_fits.led`` says, by torch."""
        with torch.autocast(crops.rendered.device.type, enabled=False):
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
            return rigid, *self._led(crops, pixels, rigid, mask)

    def _led(
        self, crops: Crops, pixels: PixelMotion, rigid: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``places`` and ``facts`` of ``look_again``, when every pixel moved as ``rigid`` (B, N, 3) says.

        Facts are the first look's motion less the rigid one, its log deviation, the difference of observed and expected
        depth, whether it is known, and whether the object is there.
        """
        rows = columns = crops.rendered.shape[-1] // self.stride

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
            return (places + 0.5) * (2 / columns) - 1, image(facts)

    def _compared(
        self,
        hidden: torch.Tensor,
        features: torch.Tensor,
        descriptors: torch.Tensor,
        places: torch.Tensor,
        facts: torch.Tensor,
    ) -> torch.Tensor:
        """What the second look sees (B, C, rows, columns): the observation looked up at ``places``, beside the rendering."""
        with torch.autocast(hidden.device.type, enabled=False):
            _, observed = features.float().chunk(2)
            described, observed_described = descriptors.float().chunk(2)
            both = torch.cat([observed, observed_described], dim=1)
            both = functional.grid_sample(both, places, mode="bilinear", align_corners=False)
            observed, observed_described = both.split([observed.shape[1], observed_described.shape[1]], dim=1)
            matches = self.sharpness * local_correlations(described, observed_described, self.refine_radius)
        rendered, _ = features.chunk(2)
        parts = [hidden, rendered, *(part.to(rendered.dtype) for part in (observed, matches, facts))]
        return torch.cat(parts, dim=1).contiguous(memory_format=torch.channels_last)
