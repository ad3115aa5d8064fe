"""Between ROS messages and the core's arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge
from geometry_msgs.msg import Point, Pose, PoseStamped, PoseWithCovarianceStamped, Quaternion, TransformStamped
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import is_pose, make_pose, matrix_from_quaternion, quaternion_from_matrix


def seconds(stamp: Time) -> float:
    """A stamp in seconds."""
    return stamp.sec + stamp.nanosec * 1e-9


def nanoseconds(stamp: Time) -> int:
    """A stamp in nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def image_message(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    """Image of pixels (H, W[, C]); raises TypeError for an encoding that does not fit them."""
    return CvBridge().cv2_to_imgmsg(np.ascontiguousarray(pixels), encoding, header)


def depth_pixels(depth: np.ndarray, encoding: str) -> np.ndarray:
    """Depth (H, W) float32 metres as the pixels of an encoding: of ``16UC1`` uint16 millimetres, of ``32FC1`` itself.

    Raises ValueError for other encodings.
    """
    if encoding == "16UC1":
        return np.rint(depth * 1000).clip(0, 65535).astype(np.uint16)
    if encoding == "32FC1":
        return depth
    raise ValueError(f"expected depth_encoding 16UC1 or 32FC1, got {encoding!r}")


def info_message(camera: PinholeCamera, header: Header) -> CameraInfo:
    """CameraInfo of a rectified camera."""
    message = CameraInfo(header=header, width=camera.width, height=camera.height, distortion_model="plumb_bob")
    message.d = [0.0] * 5
    message.k = camera.matrix.ravel().tolist()
    message.r = np.eye(3).ravel().tolist()
    message.p = np.hstack([camera.matrix, np.zeros((3, 1))]).ravel().tolist()
    return message


def boxes_from_detections(message: Any, class_id: str = "") -> list[tuple[float, float, float, float]]:
    """Boxes (left, top, right, bottom) in pixels of a vision_msgs/Detection2DArray, the surest first.

    ``class_id``: only detections with this class; empty = all. Raises ValueError when there is none.
    """
    scored = []
    for detection in message.detections:
        results = [item.hypothesis for item in detection.results]
        scores = [comparable(item.score) for item in results if not class_id or item.class_id == class_id]
        if scores or (not results and not class_id):
            middle, box = detection.bbox.center.position, detection.bbox
            half_x, half_y = box.size_x / 2, box.size_y / 2
            corners = (middle.x - half_x, middle.y - half_y, middle.x + half_x, middle.y + half_y)
            scored.append((max(scores, default=0.0), corners))
    if not scored:
        classes = {result.hypothesis.class_id for detection in message.detections for result in detection.results}
        got = f"{len(message.detections)} of {', '.join(map(repr, sorted(classes))) or 'no class'}" if message.detections else "none"
        wanted = f"of class {class_id!r}" if class_id else "of any class"
        raise ValueError(f"expected a detection {wanted}, got {got}; see detection_classes")
    return [corners for _, corners in sorted(scored, key=lambda item: -item[0])]


def comparable(score: float) -> float:
    """A score as one that is more or less than others: the least for what is no number."""
    return -math.inf if math.isnan(score) else score


def pose_messages(a_T_b: np.ndarray) -> list[Pose]:
    """Poses of transforms (N, 4, 4); of all together it takes as long as of one."""
    quaternions = quaternion_from_matrix(a_T_b[:, :3, :3]).tolist() if len(a_T_b) else []
    return [
        Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
        for (x, y, z), (qx, qy, qz, qw) in zip(a_T_b[:, :3, 3].tolist(), quaternions)
    ]


def pose_message(a_T_b: np.ndarray | Pose) -> Pose:
    """Pose of a transform (4, 4), itself where it is one."""
    return a_T_b if isinstance(a_T_b, Pose) else pose_messages(np.asarray(a_T_b, np.float64)[None])[0]


def pose_from_message(message: Pose) -> np.ndarray:
    """Transform (4, 4) of a pose; raises ValueError for a quaternion of no length or numbers that are not finite."""
    position = np.array([message.position.x, message.position.y, message.position.z])
    if not np.all(np.isfinite(position)):
        raise ValueError(f"expected a pose of finite numbers, got position {position.tolist()}")
    orientation = message.orientation
    quaternion = np.array([orientation.x, orientation.y, orientation.z, orientation.w])
    return make_pose(matrix_from_quaternion(quaternion), position)


def pose_stamped(camera_T_object: np.ndarray | Pose, header: Header) -> PoseStamped:
    """PoseStamped of a transform (4, 4) or of its pose, with the header of the image the pose was computed from."""
    return PoseStamped(header=header, pose=pose_message(camera_T_object))


def pose_with_covariance(
    camera_T_object: np.ndarray | Pose, covariance: np.ndarray, header: Header
) -> PoseWithCovarianceStamped:
    """The pose with its covariance (6, 6): x, y, z, rotation about x, y, z, in camera axes."""
    message = PoseWithCovarianceStamped(header=header)
    message.pose.pose = pose_message(camera_T_object)
    message.pose.covariance = covariance.ravel()
    return message


def transform_stamped(parent_T_child: np.ndarray | Pose, header: Header, child_frame: str) -> TransformStamped:
    """Transform (4, 4), or its pose, from the header's frame to a child frame."""
    pose = pose_message(parent_T_child)
    message = TransformStamped(header=header, child_frame_id=child_frame)
    message.transform.rotation = pose.orientation
    translation = message.transform.translation
    translation.x, translation.y, translation.z = pose.position.x, pose.position.y, pose.position.z
    return message


def transform_from_extrinsics(message: Any) -> np.ndarray:
    """``color_T_depth`` (4, 4) of a realsense2_camera_msgs/Extrinsics from depth to colour.

    Its rotation is stored column by column (librealsense, rs2_extrinsics). Raises ValueError for one that was never filled in.
    """
    color_T_depth = make_pose(np.array(message.rotation).reshape(3, 3).T, np.array(message.translation))
    if not is_pose(color_T_depth):
        raise ValueError(f"expected extrinsics with a rotation, got {[round(float(value), 3) for value in message.rotation]}")
    return color_T_depth


def transform_matrix(message: TransformStamped) -> np.ndarray:
    """``parent_T_child`` (4, 4) of a transform."""
    pose = Pose(orientation=message.transform.rotation)
    translation = message.transform.translation
    pose.position.x, pose.position.y, pose.position.z = translation.x, translation.y, translation.z
    return pose_from_message(pose)
