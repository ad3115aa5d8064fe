"""Networks that predict the SE(3) residual between a rendered and an observed crop.

``PublishedNetwork`` is the architecture of se(3)-TrackNet (arXiv 2007.13866): two encoders, global
pooling, one translation and one rotation vector. ``CompactNetwork`` is ours for CPUs: it predicts for
every rendered surface pixel where it went, how sure it is, and leaves the pose to a weighted
least-squares fit, so that what has to be learnt is local and shared by all objects and places.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pose_tracker_ros.kernels.rigid_motion import LEAST_LOG_DEVIATION, MOST_LOG_DEVIATION
from pose_tracker_ros.networks.crops import OBSERVED_CHANNELS, RENDERED_CHANNELS, Crops, Residual
from pose_tracker_ros.networks.losses import MOTION_SCALE, LossTerms, TrueMotion, pixel_likelihood, squared_error
from pose_tracker_ros.networks.rigid_fit import fit_rigid_motion


class ResidualNetwork(nn.Module):
    """What both networks share: channel statistics, normalisers and the interface.

    The buffers travel with the weights: ``rendered_mean``, ``rendered_std`` (8,), ``observed_mean``,
    ``observed_std`` (5,), and the normalisers ``max_translation`` (diameters) and ``max_rotation`` (radians)
    that scale the residual to about [-1, 1].
    """

    def __init__(self, max_translation: float, max_rotation: float) -> None:
        super().__init__()
        self.register_buffer("rendered_mean", torch.zeros(len(RENDERED_CHANNELS)))
        self.register_buffer("rendered_std", torch.ones(len(RENDERED_CHANNELS)))
        self.register_buffer("observed_mean", torch.zeros(len(OBSERVED_CHANNELS)))
        self.register_buffer("observed_std", torch.ones(len(OBSERVED_CHANNELS)))
        self.max_translation = max_translation
        self.max_rotation = max_rotation

    def set_statistics(self, crops: Crops) -> None:
        """Take the channels' mean and standard deviation over all pixels of a batch."""
        for images, mean, std in (
            (crops.rendered, self.rendered_mean, self.rendered_std),
            (crops.observed, self.observed_mean, self.observed_std),
        ):
            mean.copy_(images.mean(dim=(0, 2, 3)))
            std.copy_(images.std(dim=(0, 2, 3)).clamp(min=1e-3))

    def normalised(self, rendered: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images of Crops with zero mean and unit deviation in each channel."""
        rendered = (rendered - self.rendered_mean[:, None, None]) / self.rendered_std[:, None, None]
        observed = (observed - self.observed_mean[:, None, None]) / self.observed_std[:, None, None]
        return rendered, observed

    def predict(self, crops: Crops) -> Residual:
        """The residual of a batch of crops."""
        raise NotImplementedError

    def loss_terms(self, crops: Crops, translation: torch.Tensor, rotation: torch.Tensor) -> LossTerms:
        """The loss that the network was made for, against the true residual, (B, 3) metres and (B, 3) radians."""
        raise NotImplementedError

    def loss(self, crops: Crops, translation: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
        """The same as a scalar."""
        return self.loss_terms(crops, translation, rotation).mean()


def convolution(inputs: int, outputs: int, stride: int = 1, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """3x3 convolution, batch normalisation, activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), activation(inplace=True)
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around which the input is passed on (He et al. 2016)."""

    def __init__(self, channels: int, bias: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1, bias=bias)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=bias)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        hidden = functional.relu(self.first_norm(self.first(images)))
        return functional.relu(images + self.second_norm(self.second(hidden)))


class PixelMotion(NamedTuple):
    """Predicted motion (B, N, 3), units of ``pixel_motion``, and its log standard deviation (B, N, 3)."""

    motion: torch.Tensor
    log_deviation: torch.Tensor

    @classmethod
    def of(cls, output: torch.Tensor) -> PixelMotion:
        """What the output (B, 6, rows, columns) of a network's head says."""
        output = output.float().flatten(2).transpose(1, 2)
        log_deviation = output[..., 3:].clamp(LEAST_LOG_DEVIATION, MOST_LOG_DEVIATION)
        return cls(MOTION_SCALE * output[..., :3], log_deviation)


class CompactNetwork(ResidualNetwork):
    """Per-pixel motion with uncertainty from a small U-net, then a rigid fit.

    stride: of the pixels whose motion is predicted; whole_cells: as in ``surface_points``; measures_depth: whether the
    depth of the places that pixels went to is looked up.
    """

    stride = 4
    whole_cells = False
    measures_depth = False

    def __init__(self, max_translation: float, max_rotation: float, width: int = 32) -> None:
        super().__init__(max_translation, max_rotation)
        inputs = len(RENDERED_CHANNELS) + len(OBSERVED_CHANNELS)
        self.stem = convolution(inputs, width, stride=2)
        self.quarter = nn.Sequential(convolution(width, 3 * width // 2, stride=2), ResidualBlock(3 * width // 2))
        self.eighth = nn.Sequential(convolution(3 * width // 2, 3 * width, stride=2), ResidualBlock(3 * width))
        self.sixteenth = nn.Sequential(
            convolution(3 * width, 4 * width, stride=2), ResidualBlock(4 * width), ResidualBlock(4 * width)
        )
        self.merge_eighth = convolution(7 * width, 3 * width)
        self.merge_quarter = convolution(9 * width // 2, 2 * width)
        self.head = nn.Conv2d(2 * width, 6, 1)

    def forward(self, crops: Crops) -> PixelMotion:
        """Motion of every ``stride``-th pixel of the rendering."""
        return PixelMotion.of(self.look(crops.rendered, crops.observed)[0])

    def look(self, rendered: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the convolutions make of images of Crops: output (B, 6, rows, columns), and what a second look needs."""
        images = torch.cat(self.normalised(rendered, observed), dim=1).contiguous(memory_format=torch.channels_last)
        quarter = self.quarter(self.stem(images))
        eighth = self.eighth(quarter)
        coarse = functional.interpolate(self.sixteenth(eighth), scale_factor=2.0)
        coarse = self.merge_eighth(torch.cat([coarse, eighth], dim=1))
        coarse = functional.interpolate(coarse, scale_factor=2.0)
        return (self.head(self.merge_quarter(torch.cat([coarse, quarter], dim=1))),)

    def predict(self, crops: Crops) -> Residual:
        """See ResidualNetwork."""
        motion, log_deviation = self(crops)
        with torch.autocast(motion.device.type, enabled=False):
            precision = torch.exp(-log_deviation.float()) / MOTION_SCALE
            return fit_rigid_motion(crops, motion.float(), precision, self.stride, whole_cells=self.whole_cells)

    def loss_terms(self, crops: Crops, translation: torch.Tensor, rotation: torch.Tensor) -> LossTerms:
        """See :func:`pose_tracker_ros.networks.losses.pixel_likelihood`."""
        true = TrueMotion.of(crops, translation, rotation, self.stride, self.whole_cells)
        return pixel_likelihood(*self(crops), true)


class PublishedNetwork(ResidualNetwork):
    """se(3)-TrackNet: separate encoders for rendering and observation, pooled translation and rotation heads."""

    def __init__(self, max_translation: float, max_rotation: float) -> None:
        super().__init__(max_translation, max_rotation)
        self.encode_rendered = nn.Sequential(self._stem(), ResidualBlock(64, bias=True))
        self.encode_observed = nn.Sequential(self._stem(), ResidualBlock(64, bias=True), ResidualBlock(64, bias=True))
        self.merge = nn.Sequential(self._down(128, 256), ResidualBlock(256, bias=True))
        self.translation_head = self._head()
        self.rotation_head = self._head()

    @staticmethod
    def _stem() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(4, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.SELU(), nn.MaxPool2d(3, 2, 1))

    @staticmethod
    def _down(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.SELU())

    @classmethod
    def _head(cls) -> nn.Sequential:
        return nn.Sequential(
            cls._down(256, 512),
            ResidualBlock(512, bias=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(512, 3),
            nn.Tanh(),
        )

    def forward(self, crops: Crops) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised translation and rotation, each (B, 3) in [-1, 1]; only colour and depth are looked at."""
        rendered, observed = self.normalised(crops.rendered, crops.observed)
        features = torch.cat([self.encode_rendered(rendered[:, :4]), self.encode_observed(observed[:, :4])], dim=1)
        features = self.merge(features)
        return self.translation_head(features), self.rotation_head(features)

    def predict(self, crops: Crops) -> Residual:
        """See ResidualNetwork; this network has no notion of its certainty."""
        translation, rotation = self(crops)
        scale = self.max_translation * crops.diameter[:, None]
        information = translation.new_zeros(len(translation), 6, 6)
        return Residual(translation.float() * scale, rotation.float() * self.max_rotation, information)

    def loss_terms(self, crops: Crops, translation: torch.Tensor, rotation: torch.Tensor) -> LossTerms:
        """See :func:`pose_tracker_ros.networks.losses.squared_error`, the published loss."""
        predicted = self.predict(crops)
        return squared_error(predicted, crops.diameter, translation, rotation, self.max_translation, self.max_rotation)


def folded_for_inference(network: ResidualNetwork) -> ResidualNetwork:
    """A copy in which batch normalisations are part of the convolutions before them: same output, faster."""
    network = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
    for module in network.modules():
        names = list(module._modules)
        for name, following in zip(names, names[1:]):
            layer, norm = module._modules[name], module._modules[following]
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module._modules[name] = fuse_conv_bn_eval(layer, norm)
                module._modules[following] = nn.Identity()
    return network
