"""First poses from masks on real frames: nothing wrong is accepted, and tracking from them ends where it does from the truth."""

from dataclasses import replace
from functools import cache
from itertools import islice

import cv2
import numpy as np
import pytest

from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.evaluation.alignment_trials import cube_symmetries
from pose_tracker_ros.evaluation.metrics import add_errors, adds_errors
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.geometry import pose_errors, rotation_angle
from pose_tracker_ros.initialization.hypotheses import HypothesisInitializer
from pose_tracker_ros.initialization.initializer import initialize
from pose_tracker_ros.objects import ObjectModel, load_mesh
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

GEOMETRY = TrackerConfig(network="never", **OFFLINE)
YCB_VIDEO = (
    ("0000", "025_mug"),
    ("0000", "061_foam_brick"),
    ("0001", "003_cracker_box"),
    ("0001", "004_sugar_box"),
    ("0001", "006_mustard_bottle"),
    ("0003", "005_tomato_soup_can"),
)
OUTLINED = (("rbt_dragon", "dragon"), ("rbt_cube", "cube"), ("mustard0", "006_mustard_bottle"))


@pytest.fixture(scope="module")
def initializer_of(shared_data):
    """Of an object, by name."""

    @cache
    def created(name):
        if name in ("dragon", "cube"):
            return HypothesisInitializer(load_tracked_object(name, open_sequence(shared_data / "rbt" / "test" / "000001")))
        mesh = next((shared_data / "ycbv_models" / name).glob("*.obj"))
        return HypothesisInitializer(ObjectModel.from_mesh(name, load_mesh(mesh)))

    return created


def first_frame(shared_data, sequence):
    return next(iter(open_sequence(shared_data / "ycbv_frames" / "data" / sequence)))


def outlined_frames(shared_data, folder):
    """The first, middle and last frame of a video with an outline that was drawn by the image, with that as mask."""
    paths = sorted((shared_data / "outlines" / folder).glob("*.png"))
    chosen = {int(paths[place].stem): paths[place] for place in (0, len(paths) // 2, len(paths) - 1)}
    video = shared_data / ("ycbineoat/mustard0" if folder == "mustard0" else "rbt/test/000001")
    for frame in open_sequence(video):
        if frame.index in chosen:
            # What is not judged is 128.
            yield frame, cv2.imread(str(chosen[frame.index]), cv2.IMREAD_GRAYSCALE) == 255


def judged_masks(shared_data):
    for sequence, name in YCB_VIDEO:
        frame = first_frame(shared_data, sequence)
        yield name, frame, frame.masks[name], frame.truth[name]
    for folder, name in OUTLINED:
        for frame, mask in outlined_frames(shared_data, folder):
            yield name, frame, mask, frame.truth[name]


def tracked(model, frames, first):
    estimates = list(track_frames(Tracker([model], GEOMETRY), model.name, frames, first))
    assert all(estimate.camera_T_object is not None for estimate in estimates)
    return np.stack([estimate.camera_T_object for estimate in estimates])


@pytest.mark.timeout(400)
def test_nothing_wrong_is_accepted_and_at_most_one_right_pose_refused(shared_data, initializer_of):
    """No symmetry is declared: a cube by another face is wrong. The pose refused is a mug's whose handle is hidden."""
    wrong, refused, total = [], [], 0
    for name, frame, mask, truth in judged_masks(shared_data):
        model = initializer_of(name).model
        answer = initialize(initializer_of(name), frame, mask)
        centers = [pose[:3, :3] @ model.center_m + pose[:3, 3] for pose in (answer.camera_T_object, truth)]
        turn = rotation_angle(answer.camera_T_object[:3, :3] @ truth[:3, :3].T)
        is_right = turn < np.radians(20) and np.linalg.norm(centers[0] - centers[1]) < 0.02
        total += 1
        if answer.accepted and not is_right:
            wrong.append((name, frame.index, float(np.degrees(turn))))
        if is_right and not answer.accepted:
            refused.append((name, frame.index, answer.reason))
    assert total == 15
    assert not wrong
    assert len(refused) <= 1, refused


@pytest.mark.parametrize("name", ["003_cracker_box", "004_sugar_box", "006_mustard_bottle"])
def test_ycb_video_frames(shared_data, initializer_of, name):
    frames = list(open_sequence(shared_data / "ycbv_frames" / "data" / "0001"))
    initializer = initializer_of(name)
    points = initializer.model.sample_points(500)
    answer = initialize(initializer, frames[0], frames[0].masks[name])
    assert answer.accepted
    from_mask = tracked(initializer.model, frames, answer.camera_T_object)
    from_truth = tracked(initializer.model, frames, frames[0].truth[name])
    assert add_errors(from_mask, from_truth, points)[-1] < 0.005
    truth = np.stack([frame.truth[name] for frame in frames])
    assert adds_errors(from_mask, truth, points).max() < 0.01


@pytest.mark.parametrize(("sequence", "name"), [("0000", "061_foam_brick"), ("0003", "005_tomato_soup_can")])
def test_what_shows_no_paint_is_refused_in_words(shared_data, initializer_of, sequence, name):
    """A brick's print is below the noise of the image; a can is cut by its border, and overexposed."""
    frame = first_frame(shared_data, sequence)
    answer = initialize(initializer_of(name), frame, frame.masks[name])
    assert not answer.accepted
    assert "other turns explain the image" in answer.reason
    assert "declare its symmetry" in answer.reason


@pytest.mark.parametrize("name", ["dragon", "cube"])
def test_realsense_frames(shared_data, initializer_of, name):
    """Their masks come from the truth, which is some pixels off, as masks are."""
    frames = list(open_sequence(shared_data / "rbt" / "test" / "000001"))[:12]
    initializer = initializer_of(name)
    mask = RaycastRenderer(initializer.model.mesh).render(frames[0].camera, frames[0].truth[name]).mask
    first = frames[0].truth[name]
    if name == "cube":
        # Any picture may be on its faces.
        assert "declare its symmetry" in initialize(initializer, frames[0], mask).reason
        initializer = HypothesisInitializer(replace(initializer.model, discrete_symmetries=cube_symmetries()))
        answer = initialize(initializer, frames[0], mask)
        equivalents = first @ np.concatenate([np.eye(4)[None], cube_symmetries()])
        first = min(equivalents, key=lambda pose: pose_errors(answer.camera_T_object, pose)[1])
    else:
        answer = initialize(initializer, frames[0], mask)
    assert answer.accepted
    model = initializer.model
    from_mask = tracked(model, frames, answer.camera_T_object)[-1:]
    from_truth = tracked(model, frames, first)[-1:]
    assert add_errors(from_mask, from_truth, model.sample_points(500))[0] < 0.006


def test_a_painted_object_half_its_size_off_is_found_by_its_colours(shared_data):
    """A yellow bottle on a white table: flat places are all over it, yellow ones are not."""
    sequence = open_sequence(shared_data / "ycbineoat" / "mustard0", models_folder=shared_data / "ycbv_models")
    name = "006_mustard_bottle"
    model = load_tracked_object(name, sequence)
    frames = list(islice(sequence, 24, 29))
    found = []
    for seed in range(6):
        first = perturbed(model, frames[0].truth[name], 0.5 * model.diameter_m, 30.0, seed)
        found.append(pose_errors(tracked(model, frames, first)[-1], frames[-1].truth[name])[0] < 0.02)
    assert sum(found) >= 5
