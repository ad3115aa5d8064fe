"""Recordings of a camera made with ROS 2 or ROS 1, read without a ROS installation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.bag_files import is_recording
from pose_tracker_ros.datasets.camera_topics import IMAGE_TYPES, INFO_TYPE, choose_topics, image_topic
from pose_tracker_ros.datasets.depth_units import metres_per_unit
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.image_messages import calibration_from_info, color_from_message, depth_from_message
from pose_tracker_ros.datasets.nearest_pairs import NearestPairs
from pose_tracker_ros.datasets.pose_texts import parse_intrinsics, parse_pose
from pose_tracker_ros.datasets.recorded_transforms import STATIC_TOPIC, TF_TYPES, TOPIC, RecordedTransforms
from pose_tracker_ros.datasets.sequence import Annotation, FrameSequence, make_frame
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.intrinsics import ImageGeometry, Intrinsics, is_same_camera

if TYPE_CHECKING:
    from pose_tracker_ros.datasets.bag import BagMessage

DEFAULT_RATE_HZ = 30.0
METRES_PER_MM = 1e-3
# Transforms of drivers are rounded.
SAME_PLACE = 1e-6
# An image is recorded later than it was taken, but not so much later than that of another camera.
LARGEST_DELAY_S = 1.0


class Recording(FrameSequence):
    """The colour and depth images of one camera in a recording, paired by their stamps.

    A frame is a colour image with the depth image that is nearest to it in time, or with no measurement of depth where
    there is none within ``largest_gap_s``. Frames count from 0; stamps are those of the colour images, or the times of
    recording where these are zero; pairs go by times of recording where the two cameras' clocks differ. Images are read in the order in which they were recorded and only those that wait for
    their partner are kept. There is no true pose.

    topics: those that are read; without_depth: how many frames had no depth image when they were read last.
    """

    layout = "a ROS 2 or ROS 1 recording (.mcap, .db3, .bag)"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`."""
        return is_recording(path)

    def __init__(
        self,
        path: str | Path,
        *,
        color_topic: str | None = None,
        depth_topic: str | None = None,
        camera_info_topic: str | None = None,
        depth_info_topic: str | None = None,
        color_intrinsics: str | None = None,
        depth_unit: str | None = None,
        registered: bool | None = None,
        color_T_depth: str | None = None,
        world_frame: str | None = None,
        distortion: str = "auto",
        largest_gap_s: float = 0.02,
        on_error: str = "stop",
    ) -> None:
        """Open a recording: a file, or a folder with its parts.

        Parameters: topics that are not named are found by message type, by what the first images are, and by the names
        that drivers give them; ``depth_topic`` "none" does without depth; ``color_intrinsics`` "fx fy cx cy" in pixels instead of
        a CameraInfo; ``depth_unit`` of 16-bit depth images, default mm;
        ``registered`` true if depth belongs to the colour image's pixels though its frame is another;
        ``color_T_depth`` "x y z qx qy qz qw", metres, takes points of the depth camera to the colour camera, default what
        TF or the driver's extrinsics in the recording say; ``world_frame`` in which the recording's TF says where the camera is,
        default that is not looked for; ``distortion`` as of
        :func:`~pose_tracker_ros.intrinsics.image_geometry`; ``largest_gap_s`` between the stamps of a pair.
        Raises DatasetError when nothing can be read or the topics are not clear.
        """
        # Other formats are read where the rosbags library is not installed.
        from pose_tracker_ros.datasets.bag import Bag

        self.path = Path(path)
        super().__init__(self.path.name.partition(".")[0], DEFAULT_RATE_HZ, on_error)
        self._bag = Bag(self.path)
        firsts = {name: self._bag.first(name) for name, topic in self._bag.topics.items() if topic.kind in IMAGE_TYPES}
        images = [image_topic(name, None if entry is None else entry.message) for name, entry in firsts.items()]
        infos = [name for name, topic in self._bag.topics.items() if topic.kind == INFO_TYPE]
        named = {"color": color_topic, "depth": depth_topic, "camera_info": camera_info_topic, "depth_info": depth_info_topic}
        try:
            self.topics = choose_topics(images, infos, self.path, **named, info_needed=color_intrinsics is None)
        except DatasetError as error:
            raise DatasetError("; ".join([str(error), *self._bag.faults[:1]])) from error
        self._matrix = None if color_intrinsics is None else parse_intrinsics(color_intrinsics)
        frame_ids = {image.name: image.frame_id for image in images}
        self._frame_ids = (frame_ids[self.topics.color], frame_ids.get(self.topics.depth or "", ""))
        self._depth_scale = 1.0 if depth_unit is None else metres_per_unit(depth_unit) / METRES_PER_MM
        # Intrinsics that are given are of both images.
        self._registered = bool(registered) or self._matrix is not None
        self._color_T_depth = self._find_color_T_depth(registered, color_T_depth)
        self._world_frame = world_frame
        self._transforms = None if world_frame is None else self._read_transforms(world_frame)
        # The first CameraInfo may have been recorded after the first image.
        self._intrinsics = {name: Intrinsics() for name in (self.topics.color, self.topics.depth) if name is not None}
        self._distortion = distortion
        first_infos = {name: self._bag.first(name) for name in infos if name in (self.topics.camera_info, self.topics.depth_info)}
        self._first_infos = {name: None if entry is None else entry.message for name, entry in first_infos.items()}
        self._clocks_differ = clocks_differ([firsts[name] for name in self._intrinsics])
        self._count = self._bag.topics[self.topics.color].count
        if self._count > 1 and self._bag.seconds > 0:
            self.rate_hz = (self._count - 1) / self._bag.seconds
        self._largest_gap_s = largest_gap_s
        self.without_depth = 0

    def __len__(self) -> int:
        """Number of colour images."""
        return self._count

    def annotations(self) -> Iterator[Annotation]:
        """Nothing: recordings hold no true poses."""
        return iter(())

    def remarks(self) -> list[str]:
        """See :class:`FrameSequence`: what of the recording cannot be read, and how many frames had no depth image."""
        if not self.without_depth:
            return self._bag.faults
        alone = (
            f"{self.without_depth} of {self._count} colour images have no depth image on {self.topics.depth} within "
            f"{self._largest_gap_s:g} s and were read without depth (--reader largest_gap_s=SECONDS)"
        )
        return [*self._bag.faults, alone]

    def __iter__(self) -> Iterator[Frame]:
        """See :class:`FrameSequence`."""
        self.without_depth = 0
        for index, (color, depth, infos) in enumerate(self._pairs()):
            self.without_depth += depth is None and self.topics.depth is not None
            try:
                frame = self._frame(color, depth, infos, index)
            except DatasetError as error:
                self._skip_or_raise(error)
            else:
                yield frame
        if self._bag.faults and self.on_error == "stop":
            raise DatasetError("; ".join(self._bag.faults))

    def _pairs(self) -> Iterator[tuple[BagMessage, BagMessage | None, dict[str, Any]]]:
        """Colour and depth messages, and what CameraInfo was the latest by topic when the colour image was recorded."""
        topics = self.topics
        pairs = NearestPairs(self._largest_gap_s)
        infos = dict(self._first_infos)
        for entry in self._bag.messages({topics.color, topics.depth, *self._first_infos} - {None}):
            if entry.topic in infos:
                infos = {**infos, entry.topic: entry.message}
                continue
            time = entry.time_ns * 1e-9 if self._clocks_differ else stamp_of(entry)
            certain = (
                pairs.push_first(time, (entry, infos)) if entry.topic == topics.color else pairs.push_second(time, entry)
            )
            yield from (_unpacked(*pair) for pair in certain)
        yield from (_unpacked(*pair) for pair in pairs.finish())

    def _frame(self, color: BagMessage, depth: BagMessage | None, infos: dict[str, Any], index: int) -> Frame:
        place = f"{self.path}, frame {index}"
        try:
            pixels = color_from_message(color.message)
            geometry = self._color_geometry(infos, pixels.shape[:2])
            if depth is None:
                measured: dict[str, Any] = {"depth": np.zeros(pixels.shape[:2], np.float32)}
            else:
                measured = self._depth_fields(depth.message, infos, geometry)
            camera = geometry.camera
            pixels = geometry.color(pixels)
            stamp = stamp_of(color)
            if self._transforms is not None:
                measured["world_T_camera"] = self._transforms.find(self._world_frame, self._frame_ids[0], stamp)
            return make_frame(place, color=pixels, camera=camera, stamp=stamp, index=index, **measured)
        except DatasetError:
            raise
        except (ValueError, TypeError, AttributeError, cv2.error) as error:  # of fields of other types, images without pixels
            raise DatasetError(f"{place}: {error}") from error

    def _color_geometry(self, infos: dict[str, Any], size: tuple[int, int]) -> ImageGeometry:
        if self._matrix is not None:
            return ImageGeometry(PinholeCamera.from_matrix(self._matrix, size[1], size[0]))
        return self._geometry_of(self.topics.color, self.topics.camera_info, infos, size)

    def _geometry_of(
        self, image: str, camera_info: str | None, infos: dict[str, Any], size: tuple[int, int]
    ) -> ImageGeometry:
        """The camera of the images on a topic, of a size (height, width), by its CameraInfo."""
        info = infos.get(camera_info or "")
        if info is None:
            raise ValueError(f"expected intrinsics of {image} on {camera_info}, but it has no messages")
        return self._intrinsics[image].geometry(calibration_from_info(info), size[::-1], image, self._distortion)

    def _depth_fields(self, message: Any, infos: dict[str, Any], color: ImageGeometry) -> dict[str, Any]:
        """The fields of a frame that say what was measured and by which camera."""
        depth = depth_from_message(message)
        if self._depth_scale != 1.0 and "32FC1" not in getattr(message, "encoding", getattr(message, "format", "")):
            depth = depth * np.float32(self._depth_scale)
        same_size = depth.shape == (color.camera.height, color.camera.width)
        if self._color_T_depth is None and infos.get(self.topics.depth_info or "") is None:
            return {"depth": color.labels(depth) if same_size else depth}
        if self.topics.depth_info is None:
            raise ValueError(
                f"expected the intrinsics of the depth camera, whose frame is {self._frame_ids[1]!r} and not colour's "
                f"{self._frame_ids[0]!r}, beside {self.topics.depth}, found none; name them with depth_info_topic"
            )
        geometry = self._geometry_of(self.topics.depth or "", self.topics.depth_info, infos, depth.shape)
        is_registered = (self._registered and same_size) or is_same_camera(geometry.camera, color.camera)
        if self._color_T_depth is None and is_registered:
            return {"depth": (color if self._registered else geometry).labels(depth)}
        color_T_depth = np.eye(4) if self._color_T_depth is None else self._color_T_depth
        return {"depth": geometry.labels(depth), "depth_camera": geometry.camera, "color_T_depth": color_T_depth}

    def _read_transforms(self, world_frame: str) -> RecordedTransforms:
        """TF of the recording; raises DatasetError where it has no such frame."""
        topics = self._bag.topics
        names = {name for name in topics if name.endswith((TOPIC, STATIC_TOPIC)) and topics[name].kind in TF_TYPES}
        found = RecordedTransforms((entry.topic, entry.message) for entry in self._bag.messages(names))
        if world_frame.lstrip("/") not in found.frames:
            raise DatasetError(
                f"expected the frame {world_frame!r} in TF of {self.path}, got {', '.join(found.frames) or 'no transforms'}"
            )
        return found

    def _find_color_T_depth(self, registered: bool | None, given: str | None) -> np.ndarray | None:
        """The place of the depth camera, None where depth belongs to the colour image's pixels.

        Raises DatasetError where the frames differ and nothing says how they lie.
        """
        color_frame, depth_frame = self._frame_ids
        if given is not None:
            return parse_pose(given)
        if registered or self.topics.depth is None or not color_frame or not depth_frame or color_frame == depth_frame:
            return None
        from pose_tracker_ros.datasets.bag_transforms import published_extrinsics, transform_between

        found = transform_between(self._bag, color_frame, depth_frame)
        if found is None:
            found = published_extrinsics(self._bag, self.topics.depth)
        if found is None:
            raise DatasetError(
                f"expected depth in the colour image's frame {color_frame!r}, or its place in /tf_static of {self.path}, got "
                f"images of frame {depth_frame!r} on {self.topics.depth} and no transform; record the driver's aligned depth or "
                "/tf_static, or give --reader color_T_depth='x y z qx qy qz qw', or --reader registered=true if it is aligned"
            )
        return None if np.abs(found - np.eye(4)).max() < SAME_PLACE else found


def stamp_of(entry: BagMessage) -> float:
    """Header stamp of a message in seconds, or when it was recorded where its stamp is zero."""
    stamp = entry.message.header.stamp
    return stamp.sec + stamp.nanosec * 1e-9 if stamp.sec or stamp.nanosec else entry.time_ns * 1e-9


def clocks_differ(firsts: Sequence[BagMessage | None]) -> bool:
    """Whether the stamps of the first messages of some topics are of clocks that differ, or some are zero."""
    behind = [
        entry.time_ns * 1e-9 - (entry.message.header.stamp.sec + entry.message.header.stamp.nanosec * 1e-9)
        for entry in firsts
        if entry is not None
    ]
    return bool(behind) and max(behind) - min(behind) > LARGEST_DELAY_S


def _unpacked(first: Any, second: Any) -> tuple[BagMessage, BagMessage | None, dict[str, Any]]:
    color, infos = first.item
    return color, None if second is None else second.item, infos
