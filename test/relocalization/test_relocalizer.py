"""A camera is found in a map of a simulated room, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from mapped_room import OTHER_ROOM, camera_error, views, write_map

from pose_tracker_ros.evaluation.refusals import ImageKind, count_refusals, image_kinds, other_rooms, without_depth
from pose_tracker_ros.relocalization.config import RelocalizerConfig
from pose_tracker_ros.relocalization.folder import load_relocalizer
from pose_tracker_ros.relocalization.relocalizer import Relocalizer

SURE = RelocalizerConfig().least_confidence


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_map(tmp_path_factory.mktemp("maps") / "room")


@pytest.fixture(scope="module")
def relocalizer(folder):
    return load_relocalizer(folder)


@pytest.fixture(scope="module")
def queries():
    return [views(6, places=1).read(position) for position in range(6)]


def test_cameras_at_new_places_are_found(relocalizer, queries):
    found = [relocalizer.locate(frame) for frame in queries]
    errors = np.array([camera_error(one.map_T_camera, frame) for one, frame in zip(found, queries)])
    assert sum(one.is_sure(SURE) for one in found) >= 5
    assert np.median(errors[:, 0]) < 0.01
    assert np.median(errors[:, 1]) < 0.5
    for one, frame in zip(found, queries):
        if one.is_sure(SURE):
            assert camera_error(one.map_T_camera, frame)[0] < 0.05


def test_covariances_cover_the_errors(relocalizer, queries):
    for frame in queries:
        one = relocalizer.locate(frame)
        if one.is_sure(SURE):
            between = np.linalg.inv(one.map_T_camera) @ frame.world_T_camera
            offset = between[:3, 3]
            assert offset @ np.linalg.solve(one.covariance[:3, :3], offset) < 16.3  # 99.9 % of chi squared with three
            assert np.all(np.sqrt(np.diag(one.covariance)) < 0.05)


def darkness(frame):
    return replace(frame, color=frame.color * 0, depth=frame.depth * 0)


ALIKE = other_rooms("furnished alike", [views(6, places=1, room=OTHER_ROOM).read(position) for position in range(0, 6, 2)])
KINDS = [ALIKE, *image_kinds(), without_depth(ALIKE), ImageKind("black", lambda frames, _: list(map(darkness, frames)), False)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_wrong_is_offered_for(kind, relocalizer, queries):
    counts = count_refusals(relocalizer, queries[::2], kind, np.random.default_rng(0))
    assert counts.images == 3
    assert counts.wrong == 0
    assert counts.highest < SURE


def test_refusals_count_what_is_offered(relocalizer, queries):
    """Images of the room itself are offered: no fault where a right pose is none, all wrong where nothing may be offered."""
    itself = ImageKind("itself", lambda frames, _: list(frames), True)
    right = count_refusals(relocalizer, queries, itself, np.random.default_rng(0))
    assert right.offered >= 5
    assert right.wrong == 0
    wrong = count_refusals(relocalizer, queries, itself._replace(is_of_room=False), np.random.default_rng(0))
    assert wrong.wrong == right.offered
    assert wrong.highest > SURE


def test_without_depth_features_alone_find_it(relocalizer, queries):
    found = [relocalizer.locate(frame.without_depth()) for frame in queries]
    sure = [(one, frame) for one, frame in zip(found, queries) if one.is_sure(SURE)]
    assert len(sure) >= 3
    assert all(camera_error(one.map_T_camera, frame)[0] < 0.05 for one, frame in sure)


def test_a_camera_of_another_size_is_found(relocalizer):
    frame = views(1, places=1).read(0)
    camera = replace(frame.camera, width=640, height=480, fx=580.0, fy=580.0, cx=319.5, cy=239.5)
    color = cv2.resize(frame.color, (640, 480), interpolation=cv2.INTER_CUBIC)
    depth = cv2.resize(frame.depth, (640, 480), interpolation=cv2.INTER_NEAREST)
    found = relocalizer.locate(replace(frame, color=color, depth=depth, camera=camera))
    assert found.is_sure(SURE)
    assert camera_error(found.map_T_camera, frame)[0] < 0.03


def test_a_regressed_pose_chooses_the_keyframes_near_it(relocalizer, queries):
    frame = queries[0]
    config = RelocalizerConfig(selection="regression")
    regressed = frame.world_T_camera.copy()
    regressed[:3, 3] += 0.2
    found = Relocalizer(relocalizer.room, config, lambda _: regressed).locate(frame)
    assert found.is_sure(SURE)
    assert np.array_equal(found.selected, regressed)
    distances = np.linalg.norm(relocalizer.room.poses[list(found.keyframes), :3, 3] - regressed[:3, 3], axis=1)
    assert distances.max() < 1.0


def test_both_take_from_either(relocalizer, queries):
    far = queries[0].world_T_camera @ np.diag([-1.0, 1.0, -1.0, 1.0])
    found = Relocalizer(relocalizer.room, RelocalizerConfig(selection="both"), lambda _: far).locate(queries[0])
    assert found.is_sure(SURE)


def test_a_selection_without_a_regressor_says_so(relocalizer, folder):
    with pytest.raises(ValueError, match="expected a regressor"):
        Relocalizer(relocalizer.room, RelocalizerConfig(selection="both"))
    with pytest.raises(FileNotFoundError, match="train one"):
        load_relocalizer(folder, RelocalizerConfig(selection="regression"))
