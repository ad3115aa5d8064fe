"""A map of images without depth."""

from dataclasses import replace

import numpy as np
from mapped_room import camera_error, views

from pose_tracker_ros.relocalization.config import MapConfig, RelocalizerConfig
from pose_tracker_ros.relocalization.mapping import GivenPoses, MapBuilder
from pose_tracker_ros.relocalization.relocalizer import Relocalizer


def test_points_are_where_depth_would_have_them_and_cameras_are_found(tmp_path):
    config = MapConfig(keyframe_m=0.0)
    builder = MapBuilder(tmp_path / "room", config, GivenPoses(config))
    frames = list(views(30, places=0))
    for frame in frames:
        builder.add(frame.without_depth())
    room, _ = builder.finish("a test")
    errors = []
    for frame, keyframe in zip(frames, room.keyframes):
        known = np.isfinite(keyframe.points[:, 2])
        columns, rows = np.rint(keyframe.features.pixels[known]).astype(int).T
        depth = frame.depth[rows, columns]
        errors.append(keyframe.points[known, 2] / np.where(depth > 0, depth, np.nan) - 1)
    errors = np.concatenate(errors)
    assert len(errors) > 500
    assert np.nanmedian(np.abs(errors)) < 0.02
    relocalizer = Relocalizer(room)
    for has_depth in (False, True):
        queries = [frame if has_depth else frame.without_depth() for frame in views(6, places=1)]
        found = [(relocalizer.locate(frame), frame) for frame in queries]
        sure = [camera_error(one.map_T_camera, frame)[0] for one, frame in found if one.is_sure(RelocalizerConfig().least_confidence)]
        assert len(sure) >= 2
        assert max(sure) < 0.1
    blank = replace(frames[0], color=np.full_like(frames[0].color, 128))
    assert relocalizer.locate(blank).map_T_camera is None
