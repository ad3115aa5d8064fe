"""What a residual network sees, a rendered and an observed crop with the crop's geometry, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

RENDERED_CHANNELS = ("red", "green", "blue", "depth", "mask", "normal_x", "normal_y", "normal_z")
OBSERVED_CHANNELS = ("red", "green", "blue", "depth", "valid")


class Crops(NamedTuple):
    """A batch of B crop pairs of R x R pixels, all tensors or, before they become such, all float32 arrays.

    rendered: (B, 8, R, R), channels as RENDERED_CHANNELS; colours 0..255, depth as ``kernels.channels`` makes it.
    observed: (B, 5, R, R), channels as OBSERVED_CHANNELS; colours 0..255.
    intrinsics: (B, 4) fx, fy, cx, cy of the crop cameras.
    center: (B, 3) object centre in the camera frame at the rendered pose, metres.
    diameter: (B,) object diameter, metres.
    """

    rendered: torch.Tensor
    observed: torch.Tensor
    intrinsics: torch.Tensor
    center: torch.Tensor
    diameter: torch.Tensor

    def to(self, device: torch.device | str) -> Crops:
        """The same crops in float32 on a device."""
        return Crops(*(tensor.to(device, non_blocking=True).float() for tensor in self))


class Residual(NamedTuple):
    """Predicted motion from the rendered to the observed pose, in camera axes; all tensors or all arrays.

    translation: (B, 3) metres, motion of the object centre.
    rotation: (B, 3) radians, rotation vector about the object centre.
    information: (B, 6, 6) inverse covariance of (translation in diameters, rotation in radians),
        up to the calibration that comes with the weights; zero when the network has no notion of it.
    """

    translation: torch.Tensor
    rotation: torch.Tensor
    information: torch.Tensor
