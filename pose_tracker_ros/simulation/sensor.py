"""What a camera makes of a picture: noise of colour and depth."""

from __future__ import annotations

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.simulation.config import SensorConfig
from pose_tracker_ros.simulation.depth_noise import DepthNoise

# Random fields are drawn once, larger than the image by this, and shifted from frame to frame.
PADDING_PX = 64


class Sensor:
    """Adds the defects of a :class:`SensorConfig`; what is random comes from the generator of the frame."""

    def __init__(self, config: SensorConfig, camera: PinholeCamera, seed: int) -> None:
        self._config = config
        size = (camera.height + PADDING_PX, camera.width + PADDING_PX, 3)
        noise = np.random.default_rng(seed).normal(0, config.color_noise, size)
        self._color_noise = np.clip(np.rint(noise), -127, 127).astype(np.int16)
        self._depth_noise = DepthNoise(
            camera.height,
            camera.width,
            camera.fx,
            config.depth_noise_mm * 1e-3,
            seed + 1,
            config.depth_holes,
            config.mixed_pixels,
        )

    def color(self, color: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Colour (H, W, 3) uint8 with noise."""
        if self._config.color_noise == 0:
            return color
        row, column = generator.integers(0, PADDING_PX, 2)
        noise = self._color_noise[row : row + color.shape[0], column : column + color.shape[1]]
        return cv2.add(color, noise, dtype=cv2.CV_8U)

    def depth(self, depth: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Measured depth (H, W) float32 metres of a true one, 0 = nothing."""
        bias_m = np.float32(self._config.depth_bias_mm * 1e-3)
        biased = depth if bias_m == 0 else np.where(depth > 0, depth + bias_m, np.float32(0))
        return self._depth_noise.apply(biased, generator)
