"""A simulated room and a map of it, small enough for tests."""

from functools import cache

import numpy as np

from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.mapping import GivenPoses, MapBuilder
from pose_tracker_ros.simulation.room_views import RoomViews

ROOM, OTHER_ROOM = 3, 4


@cache
def views(count, places, room=ROOM):
    """Frames of a room from places of a seed."""
    return RoomViews(count, room, places)


def write_map(folder, count=32, room=ROOM):
    """A map of a room seen from ``count`` places."""
    config = MapConfig(keyframe_m=0.0)
    builder = MapBuilder(folder, config, GivenPoses(config))
    for frame in views(count, places=0, room=room):
        builder.add(frame)
    builder.finish("a test")
    return folder


def camera_error(found, frame):
    """Position error in metres and orientation error in degrees of a pose, from the trace of the rotation between."""
    between = np.linalg.inv(found) @ frame.world_T_camera
    cosine = np.clip((np.trace(between[:3, :3]) - 1) / 2, -1, 1)
    return np.linalg.norm(between[:3, 3]), np.degrees(np.arccos(cosine))
