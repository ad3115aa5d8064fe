"""The options of every node, by its name."""

from pose_tracker_ros.nodes.camera_options import CameraOptions
from pose_tracker_ros.nodes.initializer_options import InitializerOptions
from pose_tracker_ros.nodes.relocalizer_options import RelocalizerOptions
from pose_tracker_ros.nodes.tracker_options import TrackerOptions

OPTIONS = {
    "tracker": TrackerOptions,
    "initializer": InitializerOptions,
    "relocalizer": RelocalizerOptions,
    "camera": CameraOptions,
}
