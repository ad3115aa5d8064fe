"""Real RealSense frames with a textureless dragon and a cube of unknown pictures, followed from the given first pose.

The true poses come from a tag board; on fast frames they are up to 24 mm away from what the depth camera sees. On the
dragon's slow ones they are 11 mm away from it, and 1.6 px from its outline (``pose-tracker evaluate --outlines``; ours:
0.6 mm and less than 1 px), so that the images judge, too.
"""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pose_tracker_ros.datasets import open_sequence
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.evaluation.image_agreement import OutlineJudge, find_outlines, judge_track
from pose_tracker_ros.evaluation.metrics import add_errors
from pose_tracker_ros.evaluation.protocol import object_points
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.objects import ObjectModel, load_mesh
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

SLOW_PX = 3.0
# The dragon's true poses are themselves 11 mm off.
SLOW_MEDIAN_M = {"dragon": 0.013, "cube": 0.010}
LEAST_OVERLAP = {"dragon": 0.88, "cube": 0.95}
MOST_DEPTH_M = 0.001
# The middle of the soup can's red label: on its mesh, read off a drawing of it, and in the image.
LABEL_M, LABEL_PX = np.array([-0.0335, 0.0004, -0.0490]), np.array([241.0, 41.4])
# So far edges are looked for around a drawn outline, pixels; and so much of a gradient counts (8 bit colours, Sobel), as shadows have stronger ones.
EDGE_PX, EDGE = 10, 150
OFFSETS = ([0, 0, 0], [-0.01, 0, 0], [0.01, 0, 0], [0, -0.01, 0], [0, 0, -0.01], [0, 0, 0.01])


@pytest.fixture(scope="module")
def sequence(shared_data):
    return open_sequence(shared_data / "rbt" / "test" / "000001")


@pytest.fixture(scope="module")
def slow(shared_data):
    motion = json.loads((shared_data / "rbt" / "test" / "000001" / "image_motion_px.json").read_text())
    return np.array([motion[str(number)] < SLOW_PX for number in range(len(motion))])


@pytest.mark.parametrize("name", ["dragon", "cube"])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.02, 10.0)], ids=["true start", "2 cm, 10 deg off"])
def test_followed_without_loss(sequence, slow, name, offset, shared_data):
    model = load_tracked_object(name, sequence)
    frames = list(sequence)
    first = perturbed(model, frames[0].truth[name], *offset)
    estimates = list(track_frames(Tracker.load([model], TrackerConfig(**OFFLINE)), name, frames, first))
    assert all(estimate.camera_T_object is not None for estimate in estimates)
    truth = np.stack([frame.truth[name] for frame in frames])
    errors = add_errors(np.stack([e.camera_T_object for e in estimates]), truth, object_points(model))
    assert errors.max() < 0.045
    assert np.median(errors[slow]) <= SLOW_MEDIAN_M[name]
    judge = OutlineJudge(find_outlines(shared_data / "outlines" / f"rbt_{name}"), create_renderer("raycast", model.mesh))
    agreement = judge_track(judge, estimates, sequence)
    assert agreement.median("overlap") > LEAST_OVERLAP[name]
    assert abs(agreement.median("depth_m")) < MOST_DEPTH_M


@pytest.fixture(scope="module")
def cut_can(shared_data):
    """A frame whose upper border cuts the soup can, and the can's model."""
    name, frame = "005_tomato_soup_can", next(iter(open_sequence(shared_data / "ycbv_frames" / "data" / "0003")))
    return frame, ObjectModel.from_mesh(name, load_mesh(shared_data / "ycbv_models" / name / "textured.obj"))


def again_and_again(cut_can, offset, network, rate_hz=30.0):
    """Poses (10, 4, 4) of the can in the same image ten times, begun an offset (3,), metres, off the annotated pose."""
    frame, model = cut_can
    first = frame.truth[model.name].copy()
    first[:3, 3] += offset
    frames = [replace(frame, stamp=number / rate_hz, index=number) for number in range(10)]
    tracker = Tracker.load([model], TrackerConfig(network=network, **OFFLINE))
    return np.stack([estimate.camera_T_object for estimate in track_frames(tracker, model.name, frames, first)])


@pytest.mark.parametrize("rate_hz", [30.0, np.inf], ids=["stamps go on", "one stamp"])
@pytest.mark.parametrize("offset", OFFSETS, ids=str)
def test_a_can_that_the_border_cuts_stays_where_one_image_showed_it(cut_can, offset, rate_hz):
    """The same image ten times, by geometry: at first as near to the annotation as one image tells, then no farther.

    The annotation itself is 12 mm off along the can's axis, by its print, which geometry cannot see: down the image, (0, 1, 0), it
    would be right to go away from it.
    """
    frame, model = cut_can
    poses = again_and_again(cut_can, offset, "never", rate_hz)
    errors = add_errors(poses, np.repeat(frame.truth[model.name][None], len(poses), axis=0), object_points(model))
    assert errors.max() < 0.009
    assert errors[-1] < 0.008 or errors[-1] < np.linalg.norm(offset)


@pytest.mark.parametrize("offset", [*OFFSETS, [0, 0.01, 0]], ids=str)
def test_a_can_that_the_border_cuts_is_where_its_print_is_seen(cut_can, offset):
    """With the network, which sees the print: a red label near the can's lower rim."""
    frame, model = cut_can

    def beside_px(pose):
        label = frame.camera.matrix @ (pose[:3, :3] @ LABEL_M + pose[:3, 3])
        return np.linalg.norm(label[:2] / label[2] - LABEL_PX)

    assert beside_px(frame.truth[model.name]) > 17
    assert max(beside_px(pose) for pose in again_and_again(cut_can, offset, "when_needed")) < 9


def aside_of_edges_px(color, mask):
    """How far a mask's outline is from where the colours' gradients across it are strongest, by the best of all whole shifts."""
    outline = max(cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)[:, 0]
    smooth = cv2.GaussianBlur(color, (0, 0), 1.2).astype(np.float32)
    gradient = np.stack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)], axis=-1)
    chord = np.roll(outline, -5, axis=0) - np.roll(outline, 5, axis=0)
    normal = np.column_stack([chord[:, 1], -chord[:, 0]]) / np.linalg.norm(chord, axis=1, keepdims=True)
    size = np.array(mask.shape[::-1])
    is_inside = ((outline >= EDGE_PX) & (outline < size - EDGE_PX)).all(axis=1)
    outline, normal, strength = outline[is_inside], normal[is_inside], {}
    for shift in np.ndindex(2 * EDGE_PX + 1, 2 * EDGE_PX + 1):
        column, row = (outline + shift - EDGE_PX).T
        across = np.abs(np.einsum("ncd,nd->nc", gradient[row, column], normal)).max(axis=1)
        strength[shift] = np.minimum(across, EDGE).mean()
    return np.linalg.norm(np.subtract(max(strength, key=strength.get), EDGE_PX))


@pytest.mark.parametrize(("video", "name"), [("0001", "006_mustard_bottle"), ("0001", "004_sugar_box"), ("0000", "061_foam_brick")])
def test_outlines_are_at_the_edges_in_the_colour_image_which_annotated_ones_are_not(shared_data, video, name):
    model = ObjectModel.from_mesh(name, load_mesh(shared_data / "ycbv_models" / name / "textured.obj"))
    frames = list(open_sequence(shared_data / "ycbv_frames" / "data" / video))
    estimates = track_frames(Tracker.load([model], TrackerConfig(**OFFLINE)), name, frames, frames[0].truth[name])
    renderer = create_renderer("raycast", model.mesh)

    def aside_px(frame, pose):
        return aside_of_edges_px(frame.color, renderer.render(frame.camera, pose).mask)

    pairs = zip(frames, estimates)
    tracked, annotated = zip(*((aside_px(frame, one.camera_T_object), aside_px(frame, frame.truth[name])) for frame, one in pairs))
    assert max(tracked) < 1.5
    assert np.median(annotated) >= 2
