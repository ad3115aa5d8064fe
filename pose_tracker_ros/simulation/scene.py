"""A simulated RGB-D video: objects, boards, hands and a camera in a room, with the truth of every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, transform_points
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering import Rendering
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.simulation.boards import Board, BoardScene
from pose_tracker_ros.simulation.canvas import Canvas, put_rendering
from pose_tracker_ros.simulation.config import SceneConfig
from pose_tracker_ros.simulation.hands import Hand
from pose_tracker_ros.simulation.paths import MIDDLE, PoseTrack, camera_path, object_path
from pose_tracker_ros.simulation.props import make_objects, mean_color
from pose_tracker_ros.simulation.room import TO_LAMP, Room, patch_intensity, support_pose
from pose_tracker_ros.simulation.sensor import Sensor

CAMERA = PinholeCamera(640, 480, 615.0, 615.0, 319.5, 239.5)
# Waves of the exposure, radians a frame.
FLICKER_RATE = 0.3
# An exposed image is a mean of pictures between which nothing moves by more than this.
BLUR_STEP_PX, MOST_EXPOSURES = 2.0, 16
# Side of the small image in which a whole silhouette is measured.
SILHOUETTE_PX = 160
# What is so far inside of the image is in it in spite of rounding.
INSIDE_PX = 0.01
NEAREST_M = 0.05


class SceneSequence(IndexedSequence):
    """Frames of a scene; each can be made again from its number, and the same options give the same bits.

    objects: its models by the names of the truth, the target first.
    """

    def __init__(
        self,
        config: SceneConfig,
        models: Mapping[str, ObjectModel] | None = None,
        camera: PinholeCamera = CAMERA,
        name: str = "simulation",
    ) -> None:
        """``models``: those that the scene's objects may name beside the objects of models/ and plain bodies.

        Raises FileNotFoundError or ValueError for unknown objects, trajectories that cannot be read, and options that
        don't go together.
        """
        super().__init__(name, config.rate_hz)
        self.config = config
        self._camera = camera
        streams = [np.random.default_rng((config.seed, number)) for number in range(5)]
        models_in_scene = make_objects(config.objects, models or {}, streams[0])
        self.objects = {model.name: model for model in models_in_scene}
        self._renderers = [RaycastRenderer(model.mesh, threads=1) for model in models_in_scene]
        scene_T_support = support_pose(config.room)
        # Each object has a stream of its own, so that one more changes nothing of the others.
        self._tracks = [
            PoseTrack(
                object_path(
                    one,
                    model,
                    config.frames,
                    scene_T_support,
                    camera,
                    config.hands if number == 0 else (),
                    np.random.default_rng((config.seed, 5, number)),
                )
            )
            for number, (one, model) in enumerate(zip(config.objects, models_in_scene))
        ]
        self._length = min(len(track) for track in self._tracks)
        target = models_in_scene[0]
        middle = MIDDLE if config.objects[0].place == "air" else scene_T_support[:3, 3]
        up = scene_T_support[:3, 2]
        self._camera_track = PoseTrack(camera_path(config.camera, camera, self._length, middle, up, streams[1]))
        way = self._tracks[0].poses[: self._length]
        self._hands = [Hand(one, target, way, up, streams[2]) for one in config.hands]
        self._room = Room(config.room, config.light, mean_color(target.mesh), self._kept_free(), streams[3])
        self._sensor = Sensor(config.sensor, camera, config.seed)
        board_scene = BoardScene(target, self._tracks[0], self._camera_track, camera, self._render_target)
        self._boards = [
            Board(one, board_scene, np.random.default_rng((config.seed, 6, number)))
            for number, one in enumerate(config.boards)
        ]
        self._still_room: dict[PinholeCamera, Canvas] = {}

    def __len__(self) -> int:
        """Number of frames."""
        return self._length

    @property
    def camera(self) -> PinholeCamera:
        """Intrinsics of all frames."""
        return self._camera

    @property
    def target(self) -> ObjectModel:
        """The first object."""
        return next(iter(self.objects.values()))

    def load_model(self, name: str) -> ObjectModel:
        """An object of the scene; raises DatasetError for another name."""
        if name not in self.objects:
            raise DatasetError(f"expected an object of the scene ({', '.join(self.objects)}), got {name!r}")
        return self.objects[name]

    def annotation(self, position: int) -> Annotation:
        """Stamp and true poses of the frame at ``position``, also of objects that it does not show."""
        camera_T_scene = invert(self.scene_T_camera(position))
        truth = {name: camera_T_scene @ track.at(position) for name, track in zip(self.objects, self._tracks)}
        return Annotation(position, position / self.rate_hz, truth)

    def scene_T_camera(self, position: int) -> np.ndarray:
        """Pose (4, 4) of the camera in the scene's frame."""
        return self._camera_track.at(position)

    def read(self, position: int) -> Frame:
        """The frame at ``position``, the same whenever it is asked for."""
        index, stamp, truth = self.annotation(position)
        common = {"camera": self._camera, "stamp": stamp, "index": index, "truth": truth}
        common["world_T_camera"] = self.scene_T_camera(position)
        if 0 <= position - self.config.blank_first_frame < self.config.blank_frames:
            size = (self._camera.height, self._camera.width)
            nothing = dict.fromkeys(self.objects, 0.0)
            return Frame(np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32), visibility=nothing, **common)
        generator = np.random.default_rng((self.config.seed, 7, position))
        canvas, silhouettes = self._draw(position, self._camera)
        masks = {name: canvas.owner == number for number, name in enumerate(self.objects)}
        visibility = {
            name: self._visibility(number, truth[name], masks[name], silhouettes[number])
            for number, name in enumerate(self.objects)
        }
        color = self._sensor.color(self._exposed(position, canvas), generator)
        depth = self._sensor.depth(self._true_depth(position, canvas), generator)
        return Frame(color, depth, masks=masks, visibility=visibility, **common)

    def _draw(self, time: float, camera: PinholeCamera) -> tuple[Canvas, list[np.ndarray]]:
        """The scene at a time in frames, and each object's pixels (H, W) bool were nothing before it."""
        scene_T_camera = self._camera_track.at(time)
        camera_T_scene = invert(scene_T_camera)
        light = self.config.light
        exposure = light.exposure * (1 + light.flicker * np.sin(FLICKER_RATE * time))
        to_lamp = camera_T_scene[:3, :3] @ TO_LAMP
        canvas = self._room_canvas(camera, scene_T_camera)
        if exposure != 1:
            canvas.color = cv2.convertScaleAbs(canvas.color, alpha=exposure)
        renderings = [
            renderer.render(camera, camera_T_scene @ track.at(time))
            for renderer, track in zip(self._renderers, self._tracks)
        ]
        for number, rendering in enumerate(renderings):
            put_rendering(canvas, rendering, to_lamp, light.ambient, exposure, number)
        nobody = len(renderings)
        for hand in self._hands:
            rendering = hand.render(camera, camera_T_scene, time)
            if rendering is not None:
                put_rendering(canvas, rendering, to_lamp, light.ambient, exposure, nobody)
        for board in self._boards:
            patch = board.patch(time)
            if patch is not None:
                intensity = patch_intensity(patch, scene_T_camera, light) * exposure
                replace(patch, owner=nobody).draw(canvas, camera_T_scene, intensity)
        return canvas, [rendering.mask for rendering in renderings]

    def _room_canvas(self, camera: PinholeCamera, scene_T_camera: np.ndarray) -> Canvas:
        """The room alone, drawn once for a camera that stands still."""
        if self.config.camera.path == "still" and camera in self._still_room:
            return self._still_room[camera].copy()
        canvas = Canvas(camera)
        self._room.draw(canvas, scene_T_camera, 1.0)
        if self.config.camera.path == "still":
            self._still_room[camera] = canvas.copy()
        return canvas

    def _exposed(self, position: int, canvas: Canvas) -> np.ndarray:
        """Colour (H, W, 3) uint8: the mean over the time that the shutter is open, of which ``canvas`` is the middle."""
        half = self.config.sensor.shutter / 2
        if half == 0:
            return canvas.color
        count = int(np.ceil(self._image_motion(position - half, position + half) / BLUR_STEP_PX))
        if count < 2:
            return canvas.color
        times = position + half * np.linspace(-1, 1, min(count, MOST_EXPOSURES))
        total = np.zeros(canvas.color.shape, np.float32)
        for time in times:
            total += self._draw(time, self._camera)[0].color
        return np.rint(total / len(times)).astype(np.uint8)

    def _image_motion(self, first: float, last: float) -> float:
        """How far, in pixels, the target and what is around it move in the image between two times."""
        model, track = self.target, self._tracks[0]
        corners = model.mesh.vertices[:: max(1, len(model.mesh.vertices) // 50)].astype(np.float64)
        pixels = []
        for time in (first, last):
            camera_T_scene = invert(self._camera_track.at(time))
            pose = camera_T_scene @ track.at(time)
            points = np.vstack([corners @ pose[:3, :3].T + pose[:3, 3], [camera_T_scene[:3, 3] + camera_T_scene[:3, 2]]])
            pixels.append(self._camera.project(points))
        moved = np.linalg.norm(pixels[1] - pixels[0], axis=1)
        return float(np.nanmax(moved)) if np.isfinite(moved).any() else 0.0

    def _true_depth(self, position: int, canvas: Canvas) -> np.ndarray:
        """Depth (H, W) as the depth camera sees it: beside the colour image where that is shifted against it."""
        shift = self.config.sensor.color_shift_x_px, self.config.sensor.color_shift_y_px
        if not any(shift):
            return canvas.depth
        camera = replace(self._camera, cx=self._camera.cx - shift[0], cy=self._camera.cy - shift[1])
        return self._draw(position, camera)[0].depth

    def _visibility(self, number: int, camera_T_object: np.ndarray, visible: np.ndarray, silhouette: np.ndarray) -> float:
        """Share of the object's whole silhouette, also outside of the image, that is visible."""
        pixels = int(silhouette.sum())
        if pixels == 0:
            return 0.0
        model = list(self.objects.values())[number]
        return float(visible.sum()) / pixels * self._share_in_image(number, model, camera_T_object)

    def _share_in_image(self, number: int, model: ObjectModel, camera_T_object: np.ndarray) -> float:
        center = camera_T_object[:3, :3] @ model.center_m + camera_T_object[:3, 3]
        if center[2] < NEAREST_M:
            return 0.0
        points = transform_points(camera_T_object, model.mesh.vertices.astype(np.float64))
        in_front = points[:, 2] > NEAREST_M
        if np.all(in_front) and np.all(self._in_image(points, INSIDE_PX)):
            return 1.0
        points = points[in_front]
        half = np.abs(points[:, :2] / points[:, 2:] * center[2] - center[:2]).max()
        around = crop_camera(center, 2.05 * half, SILHOUETTE_PX)
        seen = self._renderers[number].render(around, camera_T_object).mask
        inside = self._in_image(around.rays()[seen].astype(np.float64), 0.0)
        return float(inside.mean()) if len(inside) else 0.0

    def _in_image(self, points: np.ndarray, border_px: float) -> np.ndarray:
        """Which points (N, 3) of the camera frame are in the image, ``border_px`` or more away from its border."""
        pixels = self._camera.project(points)
        size = np.array([self._camera.width, self._camera.height])
        return np.all((pixels >= border_px - 0.5) & (pixels < size - 0.5 - border_px), axis=1)

    def _render_target(self, time: float) -> Rendering:
        pose = invert(self._camera_track.at(time)) @ self._tracks[0].at(time)
        return self._renderers[0].render(self._camera, pose)

    def _kept_free(self) -> list[tuple[np.ndarray, float]]:
        """Where the objects are at first, with their radii: no clutter stands there."""
        return [
            (track.poses[0, :3, :3] @ model.center_m + track.poses[0, :3, 3], 0.6 * model.diameter_m)
            for model, track in zip(self.objects.values(), self._tracks)
        ]
