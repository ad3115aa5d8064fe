"""How far images and models are off: the one noise model that all factors share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.configuration import option

# Largest focal length, pixels, of the depth images for which depth_shared was chosen (rbt, mustard0, simulated ones: 615). Finer
# ones are taken to be interpolated, and their errors with them.
SENSOR_FX = 620.0


@dataclass(frozen=True)
class NoiseModel:
    """Standard deviations, and what errors have in common. Lengths are metres unless the name says pixels (px)."""

    depth_at_metre: float = option(
        0.0033, "Standard deviation of measured depth at 1 m; it grows with the square (1.2 mm at 0.6 m: active stereo)", unit="m", minimum=1e-4, maximum=0.1
    )
    surface: float = option(0.001, "Standard deviation of the mesh against the object (scans: about 1 mm)", unit="m", minimum=0.0, maximum=0.05)
    depth_shared: float = option(
        80.0,
        "Depth pixels that have one error in common: stereo windows are 4 to 5 px wide, errors of a scan wider (real sequences)",
        minimum=1.0,
        maximum=1000.0,
    )
    depth_points: int = option(1500, "Most pixels of depth that are compared", minimum=50, maximum=20000)
    contour_shared: float = option(
        40.0, "Lines across the outline that have one error in common (measured: 200 lines are good to 0.5 px)", minimum=1.0, maximum=1000.0
    )
    contour_lines: int = option(200, "Most lines across the outline", minimum=20, maximum=2000)
    flow_px: float = option(
        0.25, "Standard deviation of where a point of the surface is found again, pixels of the view (LK, 9 to 15 px windows)", minimum=0.01, maximum=10.0
    )
    flow_common_px: float = option(
        1.0, "Standard deviation of what all points found again are off by together, pixels of the image: the pose that they were first seen at", minimum=0.0, maximum=20.0
    )
    flow_paint_px: float = option(
        0.3, "The same of the mesh's own paint: where it is on the mesh (0.15 to 0.6: turning cans and markers end within 3 degrees)", minimum=0.0, maximum=20.0
    )
    color_shift_px: float = option(
        2.0, "Standard deviation of the colour image's shift against depth (seen: 0 to 5 px on four cameras)", minimum=0.0, maximum=20.0
    )
    outline_offset_px: float = option(
        0.3, "Standard deviation of how much too large the outline is seen (blur; seen: 0.25 px)", minimum=0.0, maximum=5.0
    )
    outline_offset_mean_px: float = option(0.3, "Mean of how much too large the outline is seen", minimum=0.0, maximum=5.0)
    depth_bias: float = option(
        0.001, "Standard deviation of what all depth is taken to be too large by, at 0.6 m, against the outline's size", unit="m", minimum=0.0, maximum=0.1
    )
    depth_accuracy: float = option(
        0.003, "Standard deviation of what depth cameras are off by in truth, for which covariances allow (0.5 % at 0.6 m; seen: 2 to 3 mm on two cameras)", unit="m", minimum=0.0, maximum=0.1
    )
    shift_kept: float = option(
        0.98, "Share of the shift and of the offset, as departures from their means, that a frame keeps of the last one's (they move with the place)", minimum=0.0, maximum=1.0
    )
    paint: float = option(
        16.0, "Standard deviation of a pixel's colour from the paint's, grey levels (8,879 crops; tails are long)", minimum=1.0, maximum=128.0
    )
    exposure: float = option(0.4, "Standard deviation of the gain that all colours have in common, as a share (8,879 crops)", minimum=0.01, maximum=10.0)
    white_balance: float = option(0.12, "Standard deviation of each channel's gain against the common one, as a share (8,879 crops)", minimum=0.01, maximum=10.0)
    haze: float = option(15.0, "Standard deviation of what all colours are too bright by, grey levels (8,879 crops)", minimum=0.1, maximum=255.0)
    independent_depths: float = option(
        60.0, "Depth pixels of a silhouette that count as independent (15 to 250 change nothing)", minimum=1.0, maximum=10000.0
    )
    independent_colors: float = option(
        10.0,
        "Pixels of a silhouette that count as independent where the light is fitted (with 40, paint explains any plain board)",
        minimum=1.0,
        maximum=10000.0,
    )

    def depth_shared_px(self, camera: PinholeCamera) -> float:
        """How many pixels of a depth camera have one error: more where its images are finer than sensors are."""
        return self.depth_shared * max(1.0, camera.fx / SENSOR_FX) ** 2

    @cached_property
    def mean_of_common(self) -> np.ndarray:
        """Of the errors (4,) that many pixels share, see :class:`pose_tracker_ros.tracking.alignment.CommonErrors`."""
        return np.array([0.0, 0.0, self.outline_offset_mean_px, 0.0])

    @cached_property
    def covariance_of_common(self) -> np.ndarray:
        """Of the same (4, 4); a deviation of zero is a value that is known, not one that divides by zero."""
        return np.diag(np.maximum([self.color_shift_px, self.color_shift_px, self.outline_offset_px, self.depth_bias], 1e-6) ** 2)

    @cached_property
    def kept_of_common(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares of departures from that mean (4,) and covariance (4, 4) that a frame keeps of the last one's: of the shift all, of the
        offset the mean's, and none of the bias."""
        kept, both = np.array([self.shift_kept] * 3 + [0.0]), np.zeros((4, 4))
        both[:2, :2] = self.shift_kept**2
        return kept, both

    @cached_property
    def of_pixels(self) -> np.ndarray:
        """The numbers (9,) of :mod:`pose_tracker_ros.kernels.evidence`."""
        depth, colors = (self.depth_at_metre, self.surface, self.depth_bias), (self.independent_depths, self.independent_colors)
        return np.array([*depth, self.paint, self.exposure, self.white_balance, self.haze, *colors])
