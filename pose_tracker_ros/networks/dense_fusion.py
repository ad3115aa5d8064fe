"""DenseFusion (Wang et al., CVPR 2019, arXiv 1901.04780), made small enough to be trained on a CPU in minutes.

Kept from the paper: colour and geometry are embedded apart and fused point by point, with an average over
all points as context; every point proposes a pose and says how sure it is; a second network refines a pose
from the points as that pose would have them in the object's frame, with the same colour embedding.

Other than there: the embedding is a small U-net that also sees the mask and the depth, colours are divided
by 255, rotations are six numbers (Zhou et al., CVPR 2019) instead of quaternions, and all lengths are in
diameters of the object, so that neither its size nor the unit of the depth image can break training.

Poses here take points of the object, relative to its centre and in diameters, to the frame of the input
points. ``rotation`` is (..., 3, 3) and ``translation`` (..., 3).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from pose_tracker_ros.networks.residual import ResidualBlock, convolution

IMAGE_CHANNELS = ("red", "green", "blue", "mask", "depth")
EMBEDDING = 32
# Cells of the embedding are so many pixels wide.
STRIDE = 2
COLOR_MEAN, COLOR_DEVIATION = 0.45, 0.25
IDENTITY_6D = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class FusionInput(NamedTuple):
    """B crops of R x R pixels with N points each.

    image: (B, 5, R, R), channels as IMAGE_CHANNELS: colours 0..255 and depth in diameters, both 0 off the mask.
    points: (B, N, 3) in diameters; choose: (B, N) int64, their pixels as row * R + column.
    """

    image: torch.Tensor
    points: torch.Tensor
    choose: torch.Tensor

    def to(self, device: torch.device | str) -> FusionInput:
        """The same on a device, in float32."""
        return FusionInput(self.image.to(device).float(), self.points.to(device).float(), self.choose.to(device).long())


class Proposals(NamedTuple):
    """Poses proposed by H points of each of B crops.

    rotation (B, H, 3, 3); translation (B, H, 3); confidence: (B, H) before the sigmoid;
    embedding: (B, N, EMBEDDING) of all points, for the refinement.
    """

    rotation: torch.Tensor
    translation: torch.Tensor
    confidence: torch.Tensor
    embedding: torch.Tensor

    def best(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotation (B, 3, 3) and translation (B, 3) of the highest confidence."""
        rows, index = torch.arange(len(self.confidence), device=self.confidence.device), self.confidence.argmax(dim=1)
        return self.rotation[rows, index], self.translation[rows, index]


class DenseFusion(nn.Module):
    """Pose proposals from a masked colour crop and its points, and the refinement of a pose."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_image = ImageEmbedding()
        self.estimator = PointFusion(context=256)
        shared = 3 * 128 + 256
        self.trunk = nn.Sequential(nn.Linear(shared, 256), nn.ReLU(inplace=True))
        self.rotation_head, self.translation_head, self.confidence_head = (_head(256, size) for size in (6, 3, 1))
        self.refiner = PointFusion(context=256)
        self.refiner_head = nn.Sequential(nn.Linear(256, 256), nn.ReLU(inplace=True), _head(256, 9))
        # The first refinement of an untrained network changes nothing.
        nn.init.zeros_(self.refiner_head[-1][-1].weight)
        nn.init.zeros_(self.refiner_head[-1][-1].bias)

    def forward(self, inputs: FusionInput, proposals: int | None = None) -> Proposals:
        """Poses of all points, or of the first ``proposals`` of them."""
        embedding = embedding_of_points(self.embed_image(inputs.image), inputs.choose, inputs.image.shape[-1])
        near, far, context = self.estimator(inputs.points, embedding)
        fused = torch.cat([near, far], dim=-1)[:, :proposals]
        fused = self.trunk(torch.cat([fused, context[:, None].expand(-1, fused.shape[1], -1)], dim=-1))
        rotation = rotation_from_6d(self.rotation_head(fused).float())
        # An offset from the point (section 3.3 of the paper): what has to be learnt does not depend on where the point is.
        translation = inputs.points[:, :proposals].float() + self.translation_head(fused).float()
        return Proposals(rotation, translation, self.confidence_head(fused).float()[..., 0], embedding)

    def refine(
        self, points: torch.Tensor, embedding: torch.Tensor, rotation: torch.Tensor, translation: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A better pose than ``rotation`` (B, 3, 3), ``translation`` (B, 3) of points (B, N, 3) with their embedding."""
        # Half precision would move points by half a millimetre.
        exact = torch.autocast(points.device.type, enabled=False)
        with exact:
            points = to_object_frame(points, rotation, translation)
        _, _, context = self.refiner(points, embedding)
        residual = self.refiner_head(context).float()
        with exact:
            residual_rotation = rotation_from_6d(residual[:, :6] + residual.new_tensor(IDENTITY_6D))
            return compose(rotation, translation, residual_rotation, residual[:, 6:])


class ImageEmbedding(nn.Module):
    """(B, 5, R, R) -> (B, EMBEDDING, R / 2, R / 2): what is seen around every second pixel; R a multiple of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.at_half = convolution(len(IMAGE_CHANNELS), 24, stride=2)
        self.at_quarter = nn.Sequential(convolution(24, 48, stride=2), ResidualBlock(48))
        self.at_eighth = nn.Sequential(convolution(48, 96, stride=2), ResidualBlock(96))
        self.at_sixteenth = nn.Sequential(convolution(96, 160, stride=2), ResidualBlock(160), ResidualBlock(160))
        self.merge_eighth = convolution(256, 96)
        self.merge_quarter = convolution(144, 48)
        self.output = nn.Conv2d(72, EMBEDDING, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """See the class."""
        mask = image[:, 3:4]
        color = (image[:, :3] / 255 - COLOR_MEAN) / COLOR_DEVIATION * mask
        half = self.at_half(torch.cat([color, image[:, 3:]], dim=1).contiguous(memory_format=torch.channels_last))
        quarter = self.at_quarter(half)
        eighth = self.at_eighth(quarter)
        merged = self.merge_eighth(torch.cat([_doubled(self.at_sixteenth(eighth)), eighth], dim=1))
        merged = self.merge_quarter(torch.cat([_doubled(merged), quarter], dim=1))
        return self.output(torch.cat([_doubled(merged), half], dim=1))


class PointFusion(nn.Module):
    """Features of points and of their embedding at two levels, and the average over all points."""

    def __init__(self, context: int) -> None:
        super().__init__()
        self.geometry_near, self.geometry_far = _layer(3, 64), _layer(64, 128)
        self.color_near, self.color_far = _layer(EMBEDDING, 64), _layer(64, 128)
        self.context = nn.Sequential(_layer(256, 256), _layer(256, context))

    def forward(self, points: torch.Tensor, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(B, N, 128) and (B, N, 256) features of points (B, N, 3), and the context (B, C) of all."""
        geometry, color = self.geometry_near(points), self.color_near(embedding)
        near = torch.cat([geometry, color], dim=-1)
        far = torch.cat([self.geometry_far(geometry), self.color_far(color)], dim=-1)
        return near, far, self.context(far).mean(dim=1)


def embedding_of_points(embedding: torch.Tensor, choose: torch.Tensor, resolution: int) -> torch.Tensor:
    """(B, N, C): the embedding (B, C, R / STRIDE, R / STRIDE) at pixels ``choose`` (B, N) of the R x R image."""
    row, column = choose // resolution, choose % resolution
    cell = row // STRIDE * embedding.shape[-1] + column // STRIDE
    cell = cell[:, None].expand(-1, embedding.shape[1], -1)
    return embedding.flatten(2).gather(2, cell).transpose(1, 2)


def rotation_from_6d(numbers: torch.Tensor) -> torch.Tensor:
    """Rotation matrices (..., 3, 3) whose first two columns are nearest to (..., 6), by Gram-Schmidt.

    Continuous everywhere, unlike quaternions (Zhou et al., CVPR 2019, arXiv 1812.07035).
    """
    first = functional.normalize(numbers[..., :3], dim=-1, eps=1e-6)
    second = numbers[..., 3:] - (first * numbers[..., 3:]).sum(dim=-1, keepdim=True) * first
    second = functional.normalize(second, dim=-1, eps=1e-6)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def to_object_frame(points: torch.Tensor, rotation: torch.Tensor, translation: torch.Tensor) -> torch.Tensor:
    """Points (B, N, 3) as the pose (B, 3, 3), (B, 3) has them in the object's frame: R^T (p - t)."""
    return (points - translation[:, None]) @ rotation


def compose(
    rotation: torch.Tensor,
    translation: torch.Tensor,
    residual_rotation: torch.Tensor,
    residual_translation: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The pose followed, on its right, by a residual in the predicted object's frame: T * dT.

    Residuals are predicted from points in that frame, so K of them make T0 * dT1 * ... * dTK. (Equation 5 of
    the paper prints the reverse order, its published code does what is done here.)
    """
    moved = (rotation @ residual_translation[..., None])[..., 0]
    return rotation @ residual_rotation, translation + moved


def pose_distances(
    rotation: torch.Tensor,
    translation: torch.Tensor,
    true_rotation: torch.Tensor,
    true_translation: torch.Tensor,
    model_points: torch.Tensor,
    symmetric: bool,
) -> torch.Tensor:
    """ADD (B, H) of H proposals for each of B true poses, in the unit of the points; ADD-S when ``symmetric``.

    ADD-S is the mean over the true model points of the distance to the nearest estimated one, as in the paper
    and in :func:`pose_tracker_ros.evaluation.metrics.adds_errors`; the paper's code searches the other way.

    Parameters: proposals (B, H, 3, 3), (B, H, 3); truth (B, 3, 3), (B, 3); ``model_points`` (M, 3).
    """
    estimated = torch.einsum("bhij,mj->bhmi", rotation, model_points) + translation[:, :, None]
    true = (model_points @ true_rotation.transpose(1, 2) + true_translation[:, None])[:, None]
    if symmetric:
        with torch.no_grad():
            nearest = torch.cdist(
                true.expand(-1, estimated.shape[1], -1, -1), estimated, compute_mode="donot_use_mm_for_euclid_dist"
            ).argmin(dim=-1)
        estimated = estimated.gather(2, nearest[..., None].expand_as(estimated))
    return (estimated - true).norm(dim=-1).mean(dim=-1)


def confidence_weighted(distance: torch.Tensor, confidence: torch.Tensor, weight: float) -> torch.Tensor:
    """Mean of d c - w log c (equation 4 of the paper) with c = sigmoid(``confidence``).

    For a given distance d the least loss is at c = min(1, w / d): ``weight`` w is a length in the unit of ``distance``.
    """
    return (distance * confidence.sigmoid() - weight * functional.logsigmoid(confidence)).mean()


def _doubled(image: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(image, scale_factor=2.0)


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(inplace=True))


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(inplace=True), nn.Linear(64, outputs))
