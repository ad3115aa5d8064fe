"""se(3)-TrackNet's pipeline as its authors run it, to stand beside the tracker in comparisons of time.

Wen et al., IROS 2020 (arXiv 2007.13866): the object is drawn in the full image with pyrender at the last pose A; a square
of 1.1 diameters, parallel to the image plane around A, is cut from drawing and observation; both are resized to 176 x 176
pixels, nearest neighbour; the network is asked once, in single precision; its residual updates the pose. What their
programs do besides is left out: a second drawing for display, the filling of depth holes (their data come filled).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, is_pose, transform_points
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.networks.crop import Crop, to_tensors
from pose_tracker_ros.networks.crops import Crops, Residual
from pose_tracker_ros.networks.device import choose_device
from pose_tracker_ros.networks.weights import load_weights
from pose_tracker_ros.networks.weights_info import WeightsInfo
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.opengl import OpenGLRenderer
from pose_tracker_ros.tracking import TrackState
from pose_tracker_ros.tracking.alignment import CommonErrors

ARCHITECTURE = "published"
RESOLUTION = 176
CROP_MARGIN = 1.1
MAX_TRANSLATION_M, MAX_ROTATION_RAD = 0.02, float(np.radians(15.0))
# Depth outside of this range counts as not measured, metres.
DEPTH_RANGE_M = (0.1, 2.0)
SEED = 0


class PublishedResult(NamedTuple):
    """The outcome of one frame, with the names of TrackResult: the pipeline knows neither its score nor its covariance, nor
    any error of the camera."""

    state: TrackState
    camera_T_object: np.ndarray
    score: float
    covariance: None
    errors: CommonErrors
    seconds: dict[str, float]


class PublishedPipeline:
    """One object, one pass a frame; ``seconds`` has the time of each part of the last frame.

    The parts are ``render``, ``crop``, ``network`` and ``update``, and ``total``. With weights it tracks. Without, the
    network is random: that takes the same time, but the pose is set back to the one of :meth:`start` after every frame,
    so that the object stays in view. For an object that moves give the pose of every frame to :meth:`start`.
    """

    def __init__(self, model: ObjectModel, weights: Path | None = None, device: str = "cpu", threads: int = 1) -> None:
        """``weights``: file of a network of the published architecture, None for a random one; ``threads`` of torch.

        Raises FileNotFoundError or ValueError for weights that are not there, of another architecture or of another
        object, OSError where no OpenGL context can be made.
        """
        self.model = model
        self.seconds: dict[str, float] = {}
        self._device = choose_device(device)
        self._network, info = _random_network(model) if weights is None else _load(weights, model)
        self._network.to(self._device).eval()
        torch.set_num_threads(threads)
        self._tracks = weights is not None
        # The published crop is about the object's origin; our weights are trained about the middle of its bounding box.
        self._center = model.center_m if self._tracks else np.zeros(3)
        self._side_m = info.crop_margin * model.diameter_m
        self._resolution = info.resolution
        self._renderer = OpenGLRenderer(model.mesh)
        self._pose: np.ndarray | None = None

    def warm_up(self) -> None:
        """Run network and renderer once, so that the first frame does not wait for what is set up lazily."""
        pose = np.eye(4)
        pose[:3, 3] = (0, 0, 4 * self.model.diameter_m) - self.model.center_m
        camera = PinholeCamera(64, 48, 50.0, 50.0, 32.0, 24.0)
        self.start(self.model.name, pose)
        self.step(Frame(np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.float32), camera, 0.0))
        self._pose = None

    def start(self, name: str, camera_T_object: np.ndarray) -> None:
        """Go on with the object of a ``name`` from this pose (4, 4); raises ValueError for what is none, or for one behind the camera."""
        if name != self.model.name:
            raise ValueError(f"expected the object {self.model.name!r}, got {name!r}")
        if not is_pose(camera_T_object):
            raise ValueError(
                f"expected an initial pose as a finite rigid 4x4 transform, got {np.asarray(camera_T_object).tolist()}"
            )
        if transform_points(camera_T_object, self._center)[2] <= 0:
            raise ValueError(f"expected a pose in front of the camera, got one at z = {camera_T_object[2, 3]:.3f} m")
        self._pose = np.array(camera_T_object, dtype=np.float64)

    def step(self, frame: Frame) -> dict[str, PublishedResult]:
        """By the object's name, the pose in the next frame; raises RuntimeError before ``start``, ValueError without registered depth."""
        if self._pose is None:
            raise RuntimeError("the pipeline has no pose to start from; call start() with an initial pose first")
        if not frame.registered:
            raise ValueError("expected depth that is registered to the colour image, got that of a camera of its own")
        self.seconds.clear()
        with self._timed("total"), torch.inference_mode():
            with self._timed("render"):
                color, depth = self._renderer.color_and_depth(frame.camera, self._pose)
            with self._timed("crop"):
                crops = self._crops(frame, color, depth)
            with self._timed("network"):
                residual = self._network.predict(crops.to(self._device))
                residual = Residual(*(values.cpu() for values in residual))
            with self._timed("update"):
                pose = self._updated(residual)
        in_front = transform_points(pose, self._center)[2] > 0
        if self._tracks and in_front:
            self._pose = pose
        state = TrackState.TRACKING if in_front else TrackState.LOST
        none_known = CommonErrors(np.zeros(4), np.zeros((4, 4)))
        return {self.model.name: PublishedResult(state, self._pose.copy(), 1.0, None, none_known, dict(self.seconds))}

    def _crops(self, frame: Frame, color: np.ndarray, depth: np.ndarray) -> Crops:
        """Drawing and observation around the pose, as the network takes them."""
        center = transform_points(self._pose, self._center)
        box = crop_box(frame.camera, center, self._side_m)
        drawn_color, drawn_depth, seen_color, seen_depth = (
            cut_box(image, box, self._resolution) for image in (color, depth, frame.color, frame.depth)
        )
        drawn_depth, seen_depth = _in_range(drawn_depth), _in_range(seen_depth)
        # Normals are channels of our networks that this one does not look at.
        no_normal = np.zeros_like(drawn_color, dtype=np.float32)
        drawn = Rendering(drawn_color, drawn_depth, no_normal, drawn_depth > 0)
        camera = crop_camera(center, self._side_m, self._resolution)
        return to_tensors([Crop(camera, drawn, seen_color, seen_depth, center, self.model.diameter_m)])

    def _updated(self, residual: Residual) -> np.ndarray:
        translation, rotation = (values[0].double().numpy() for values in (residual.translation, residual.rotation))
        return apply_residual(self._pose, translation, rotation, self._center)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = time.perf_counter() - start


def crop_box(camera: PinholeCamera, center: np.ndarray, side_m: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom pixel (right and bottom excluded) of a square around a point of the camera frame.

    The square of ``side_m`` is parallel to the image plane at the depth of ``center`` (3,), metres; its corners are
    projected and rounded. May reach beyond the image.
    """
    half = side_m / 2
    corners = camera.project(center + np.array([[-half, -half, 0], [half, half, 0]]))
    left, top, right, bottom = (int(value) for value in np.rint(corners.ravel()))
    return left, top, right, bottom


def cut_box(image: np.ndarray, box: tuple[int, int, int, int], resolution: int) -> np.ndarray:
    """A box of an image (H, W) or (H, W, C), zero beyond its border, resized to a square, nearest neighbour."""
    left, top, right, bottom = box
    steps = np.arange(resolution)
    columns, rows = left + steps * (right - left) // resolution, top + steps * (bottom - top) // resolution
    height, width = image.shape[:2]
    cut = image[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    cut[(rows < 0) | (rows >= height)] = 0
    cut[:, (columns < 0) | (columns >= width)] = 0
    return cut


def _in_range(depth: np.ndarray) -> np.ndarray:
    near, far = DEPTH_RANGE_M
    return np.where((depth > near) & (depth < far), depth, np.float32(0))


def _random_network(model: ObjectModel) -> tuple[torch.nn.Module, WeightsInfo]:
    """The published network with weights of chance, the same for every call."""
    max_translation = MAX_TRANSLATION_M / model.diameter_m
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = create_network(ARCHITECTURE, max_translation, MAX_ROTATION_RAD)
    info = WeightsInfo({}, ARCHITECTURE, RESOLUTION, CROP_MARGIN, max_translation, MAX_ROTATION_RAD)
    return network, info


def _load(weights: Path, model: ObjectModel) -> tuple[torch.nn.Module, WeightsInfo]:
    network, info = load_weights(weights)
    if info.architecture != ARCHITECTURE:
        raise ValueError(
            f"expected weights of the architecture {ARCHITECTURE!r} for the published pipeline, got {weights} of "
            f"{info.architecture!r}; train them with it, or give none to measure time alone"
        )
    info.check_object(model.name, model.diameter_m, weights)
    return network, info
