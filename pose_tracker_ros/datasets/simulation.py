"""A simulated RGB-D camera: a known object moves over a cluttered table, with truth for every frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import trimesh

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.configuration import option
from pose_tracker_ros.datasets.depth_noise import DepthNoise
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.motion import hand_motion, random_poses, read_trajectory_poses
from pose_tracker_ros.datasets.occluders import covering_side, spell_share
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import random_rotation
from pose_tracker_ros.objects import Mesh, ObjectModel
from pose_tracker_ros.rendering.raycast import RaycastRenderer

CAMERA = PinholeCamera(640, 480, 615.0, 615.0, 319.5, 239.5)
MIDDLE = np.array([0.0, 0.0, 0.65])
TABLE_POINT, TABLE_NORMAL = np.array([0.0, 0.22, 0.9]), np.array([0.0, -0.82, -0.57])
WALL_M = 1.8
LIGHT = np.array([-0.4, -0.7, -0.6]) / np.linalg.norm([-0.4, -0.7, -0.6])
AMBIENT = 0.55
BAR_NEARER_M = 0.08
BAR_REACH_PX = 170
BAR_COLOR = np.array([70, 78, 92], np.uint8)
OCCLUDER_NEARER_M = 0.05
OCCLUDER_COLOR = np.array([196, 150, 128], np.uint8)
NOISE_PADDING = 64


@dataclass(frozen=True)
class SimulationConfig:
    """Options of the simulated camera. The default is the demo: hand motion, a bar in front, a blackout."""

    frames: int = option(600, "Number of frames", minimum=1, maximum=1_000_000)
    rate_hz: float = option(30.0, "Frames per second", minimum=0.1, maximum=1000.0)
    seed: int = option(0, "Seed of motion, scene and noise", minimum=0, maximum=2**31 - 1)
    speed_mm: float = option(8.9, "Mean motion from frame to frame, millimetres", minimum=0.0, maximum=100.0)
    speed_deg: float = option(3.7, "Mean turn from frame to frame, degrees", minimum=0.0, maximum=30.0)
    trajectory: str = option("", "File of lines 't x y z qx qy qz qw' to follow instead of a hand-like motion")
    random_poses: bool = option(False, "Every frame shows the object at a place and a turn of its own")
    bar_width_px: int = option(50, "Width of a bar that sweeps across the object; 0 = none", minimum=0, maximum=640)
    bar_first_frame: int = option(120, "Frame in which the bar first appears", minimum=0, maximum=1_000_000)
    bar_period_frames: int = option(150, "Frames from one sweep to the next", minimum=1, maximum=1_000_000)
    bar_sweep_frames: int = option(60, "Frames that a sweep takes", minimum=1, maximum=1_000_000)
    spell_share: float = option(
        0.0, "Share of the object that something in front hides in every spell", minimum=0.0, maximum=0.9
    )
    spell_first_frame: int = option(60, "Frame in which the first spell begins", minimum=0, maximum=1_000_000)
    spell_period_frames: int = option(90, "Frames from one spell to the next", minimum=1, maximum=1_000_000)
    spell_frames: int = option(45, "Frames that a spell lasts", minimum=1, maximum=1_000_000)
    blank_first_frame: int = option(480, "First of the blank frames", minimum=0, maximum=1_000_000)
    blank_frames: int = option(5, "Number of frames without colour and depth", minimum=0, maximum=1000)
    depth_noise_mm: float = option(
        1.2, "Standard deviation of depth at 0.6 m; 0 = perfect depth", minimum=0.0, maximum=50.0
    )
    depth_bias_mm: float = option(0.0, "What all depth is too far", minimum=-50.0, maximum=50.0)
    color_noise: float = option(3.0, "Standard deviation of colour in grey levels", minimum=0.0, maximum=100.0)


class SimulatedSequence(IndexedSequence):
    """Frames of one object before a static, cluttered scene; every frame can be made again from its number."""

    def __init__(self, model: ObjectModel, config: SimulationConfig | None = None) -> None:
        """Raises FileNotFoundError or ValueError for a trajectory file that cannot be read."""
        self.config = config or SimulationConfig()
        super().__init__("simulation", self.config.rate_hz)
        self.model = model
        generator = np.random.default_rng(self.config.seed)
        self._poses = self._make_poses(generator)
        self._renderer = RaycastRenderer(model.mesh)
        self._background_color, self._background_depth = _make_background(CAMERA, generator)
        size = (CAMERA.height + NOISE_PADDING, CAMERA.width + NOISE_PADDING, 3)
        noise = generator.normal(0, self.config.color_noise, size)
        self._color_noise = np.clip(np.rint(noise), -127, 127).astype(np.int16)
        self._depth_noise = DepthNoise(
            CAMERA.height, CAMERA.width, CAMERA.fx, self.config.depth_noise_mm * 1e-3, self.config.seed + 1
        )

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._poses)

    @property
    def camera(self) -> PinholeCamera:
        """Intrinsics of all frames."""
        return CAMERA

    def load_model(self, name: str) -> ObjectModel:
        """The simulated object; raises DatasetError for another name."""
        if name != self.model.name:
            raise DatasetError(f"expected the simulated object {self.model.name!r}, got {name!r}")
        return self.model

    def annotation(self, position: int) -> Annotation:
        """Stamp and true pose of the frame at ``position``."""
        return Annotation(position, position / self.rate_hz, {self.model.name: self._poses[position]})

    def read(self, position: int) -> Frame:
        """The frame at ``position``, the same whenever it is asked for."""
        index, stamp, truth = self.annotation(position)
        if self._is_blank(position):
            size = (CAMERA.height, CAMERA.width)
            return Frame(np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32), CAMERA, stamp, index, truth)
        generator = np.random.default_rng((self.config.seed, position))
        color, depth, visible = self._compose(position, generator)
        color = self._noisy_color(color, generator)
        depth = self._depth_noise.apply(depth + np.float32(self.config.depth_bias_mm * 1e-3), generator)
        return Frame(color, depth, CAMERA, stamp, index, truth, {self.model.name: visible})

    def _make_poses(self, generator: np.random.Generator) -> np.ndarray:
        config = self.config
        if config.trajectory:
            return read_trajectory_poses(config.trajectory)[: config.frames]
        if config.random_poses:
            return random_poses(config.frames, MIDDLE, generator)
        return hand_motion(config.frames, MIDDLE, config.speed_mm * 1e-3, np.radians(config.speed_deg), generator)

    def _is_blank(self, position: int) -> bool:
        return 0 <= position - self.config.blank_first_frame < self.config.blank_frames

    def _compose(self, position: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Colour, true depth and visible mask of the object before the background and behind the bar."""
        pose = self._poses[position]
        rendering = self._renderer.render(CAMERA, pose)
        color, depth = self._background_color.copy(), self._background_depth.copy()
        visible = rendering.mask & (rendering.depth < depth)
        exposure = 1 + 0.02 * np.sin(0.3 * position)
        intensity = AMBIENT + (1.1 - AMBIENT) * np.clip(rendering.normal[visible] @ LIGHT, 0, 1)
        shaded = rendering.color[visible] * (intensity * exposure)[:, None]
        color[visible] = np.clip(shaded, 0, 255).astype(np.uint8)
        depth[visible] = rendering.depth[visible]
        bar = self._bar_columns(position)
        if bar is not None:
            color[:, bar] = BAR_COLOR
            depth[:, bar] = pose[2, 3] - self.model.diameter_m / 2 - BAR_NEARER_M
            visible[:, bar] = False
        self._hide(position, color, depth, visible)
        return color, depth, visible

    def _hide(self, position: int, color: np.ndarray, depth: np.ndarray, visible: np.ndarray) -> None:
        """Put the occluder of a spell, if there is one now, before one side of the object."""
        config = self.config
        period = config.spell_period_frames
        share = spell_share(position, config.spell_first_frame, period, config.spell_frames, config.spell_share)
        if share == 0 or not visible.any():
            return
        spell = (position - config.spell_first_frame) // period
        side = np.random.default_rng((config.seed, spell)).uniform(0, 2 * np.pi)
        occluder = covering_side(visible, share, side)
        color[occluder] = OCCLUDER_COLOR
        depth[occluder] = depth[visible].min() - OCCLUDER_NEARER_M
        visible[occluder] = False

    def _bar_columns(self, position: int) -> slice | None:
        config = self.config
        since = position - config.bar_first_frame
        if config.bar_width_px == 0 or since < 0 or since % config.bar_period_frames >= config.bar_sweep_frames:
            return None
        share = (since % config.bar_period_frames + 0.5) / config.bar_sweep_frames
        object_column = CAMERA.project(self._poses[position][:3, 3])[0]
        left = round(object_column + BAR_REACH_PX * (2 * share - 1) - config.bar_width_px / 2)
        columns = slice(max(left, 0), min(left + config.bar_width_px, CAMERA.width))
        return columns if columns.start < columns.stop else None

    def _noisy_color(self, color: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        if self.config.color_noise == 0:
            return color
        row, column = generator.integers(0, NOISE_PADDING, 2)
        noise = self._color_noise[row : row + CAMERA.height, column : column + CAMERA.width]
        return cv2.add(color, noise, dtype=cv2.CV_8U)


def _make_background(camera: PinholeCamera, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Colour and depth of table, wall and clutter."""
    rays = camera.rays()
    with np.errstate(divide="ignore"):
        table = float(TABLE_NORMAL @ TABLE_POINT) / (rays @ TABLE_NORMAL)
    on_table = (table > 0) & (table < WALL_M)
    depth = np.where(on_table, table, WALL_M).astype(np.float32)
    points = rays * depth[..., None]
    grain = 12 * np.sin(55 * points[..., 0] + 4 * np.sin(9 * points[..., 2])) + 8 * np.sin(170 * points[..., 0])
    papered = ((np.floor(points[..., 0] * 7) + np.floor(points[..., 1] * 7)) % 2) * 18
    table_color = np.array([150, 112, 76]) + grain[..., None]
    wall_color = np.array([172, 178, 168]) + papered[..., None]
    color = np.where(on_table[..., None], table_color, wall_color)
    clutter = RaycastRenderer(_make_clutter(generator)).render(camera, np.eye(4))
    nearer = clutter.mask & (clutter.depth < depth)
    intensity = AMBIENT + (1.1 - AMBIENT) * np.clip(clutter.normal @ LIGHT, 0, 1)
    color[nearer] = (clutter.color * intensity[..., None])[nearer]
    depth[nearer] = clutter.depth[nearer]
    return np.clip(color, 0, 255).astype(np.uint8), depth


def _make_clutter(generator: np.random.Generator) -> Mesh:
    """Boxes, cylinders and balls of various sizes and colours that stand about on the table, as one mesh."""
    parts, colors = [], []
    for number in range(9):
        size = generator.uniform(0.04, 0.12)
        part = (
            trimesh.creation.box(extents=generator.uniform(0.5, 1.5, 3) * size),
            trimesh.creation.cylinder(radius=size / 2, height=size * 1.5, sections=40),
            trimesh.creation.icosphere(subdivisions=3, radius=size / 2),
        )[number % 3]
        part = trimesh.graph.smooth_shade(part, angle=0.6)
        across, along = generator.uniform(-0.5, 0.5), generator.uniform(-0.05, 0.5)
        on_table = TABLE_POINT + across * np.array([1.0, 0, 0]) + along * np.array([0, -0.57, 0.82])
        place = np.eye(4)
        place[:3, :3] = random_rotation(generator)
        place[:3, 3] = on_table + TABLE_NORMAL * size / 2
        part.apply_transform(place)
        parts.append(part)
        checks = np.floor(part.vertices / size * 4).sum(axis=1).astype(int) % 2
        colors.append(generator.uniform(30, 230, (2, 3))[checks])
    whole = trimesh.util.concatenate(parts)
    return Mesh(
        vertices=whole.vertices.astype(np.float32),
        faces=whole.faces.astype(np.int32),
        normals=np.vstack([part.vertex_normals for part in parts]).astype(np.float32),
        vertex_colors=np.vstack(colors).astype(np.uint8),
    )
