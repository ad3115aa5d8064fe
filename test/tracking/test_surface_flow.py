"""Points of a turning object's surface, followed from its paint and from earlier views, against where they truly are."""

from dataclasses import replace

import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import apply_residual, make_pose, transform_points
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.simulation.config import ObjectConfig, SceneConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState
from pose_tracker_ros.tracking.config import OFFLINE
from pose_tracker_ros.tracking.factors.surface_flow import FollowedPoints
from pose_tracker_ros.tracking.keyframes import APART_RAD, KEPT, Keyframe, grey_in, keyframe_for, seen_side, with_view
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.view import make_view

CAMERA = PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5)
NOISE = NoiseModel()
MODELS = {model.name: model for model in benchmark_objects()}


@pytest.fixture(scope="module")
def carton():
    return MODELS["carton"], RasterRenderer(MODELS["carton"].mesh)


def pose_at(distance_m, turn=(0.0, 0.0, 0.0)):
    facing = make_pose(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), np.array([0.01, -0.02, distance_m]))
    return apply_residual(facing, np.zeros(3), np.array([0.4, 0.3, 0.0]) + turn, np.zeros(3))


def frame_at(renderer, pose):
    rendering = renderer.render(CAMERA, pose)
    return Frame(rendering.color, rendering.depth, CAMERA, 0.0)


def view_at(carton, pose, estimate, largest_px):
    model, renderer = carton
    return make_view(frame_at(renderer, pose), renderer, model, estimate, largest_px)


# Windows of one, two and three pixels of the image a pixel.
@pytest.mark.parametrize("largest_px", [256, 110, 70])
def test_points_are_followed_from_an_earlier_view_to_where_they_truly_are(carton, largest_px):
    before, now = pose_at(0.6), pose_at(0.57, (0.05, 0.15, -0.05))
    estimate = apply_residual(now, np.array([0.004, -0.003, 0.0]), np.array([0.01, -0.02, 0.01]), np.zeros(3))
    earlier = view_at(carton, before, before, largest_px)
    keyframe = Keyframe.seen_in(earlier, earlier.rendering.mask.astype(np.float32))
    view = view_at(carton, now, estimate, largest_px)
    check_points(FollowedPoints.in_view(view, keyframe, NOISE), view, now, estimate, NOISE.flow_common_px, 0.3)


# Half as bright, through haze: the light is the image's, not the paint's.
@pytest.mark.parametrize("largest_px, light", [(256, 1.0), (110, 0.5), (70, 1.0)])
def test_points_are_followed_from_the_paint_to_where_they_truly_are(carton, largest_px, light):
    now = pose_at(0.57, (0.05, 0.15, -0.05))
    estimate = apply_residual(now, np.array([0.004, -0.003, 0.0]), np.array([0.01, -0.02, 0.01]), np.zeros(3))
    view = view_at(carton, now, estimate, largest_px)
    color = (light * view.frame.color + 60 * (1 - light)).astype(np.uint8)
    painted = replace(view, frame=replace(view.frame, color=color)).painted(carton[1])
    # In the finest view 0.31 px: drawn paint is not blurred as the camera's is.
    check_points(FollowedPoints.in_view(painted, None, NOISE), painted, now, estimate, NOISE.flow_paint_px, 0.35)


def check_points(followed, view, now, estimate, common_px, most_px):
    truth = CAMERA.project(transform_points(now, followed.points))
    assert followed.scale == view.scale and len(followed.points) >= 8 and followed.common_px == common_px
    off = (followed.seen - truth) / view.scale
    assert np.abs(np.median(off, axis=0)).max() < 0.12
    assert np.median(np.linalg.norm(off, axis=1)) < most_px
    expected = CAMERA.project(transform_points(estimate, followed.points))
    assert np.median(np.linalg.norm(expected - truth, axis=1)) > 2.0


def test_where_the_paint_shows_too_little_an_earlier_view_is_followed():
    drill = MODELS["drill"], RasterRenderer(MODELS["drill"].mesh)
    view = view_at(drill, pose_at(0.6), pose_at(0.6), 110).painted(drill[1])
    assert len(FollowedPoints.in_view(view, None, NOISE).points) == 0
    keyframe = Keyframe.seen_in(view, view.rendering.mask.astype(np.float32))
    followed = FollowedPoints.in_view(view, keyframe, NOISE)
    assert len(followed.points) and followed.common_px == NOISE.flow_common_px


def test_of_a_mesh_without_marks_no_view_is_kept():
    assert [name for name, model in MODELS.items() if not model.has_marks] == ["bowl", "spanner"]
    model = MODELS["spanner"]
    sequence = SceneSequence(SceneConfig(frames=1, seed=3, objects=(ObjectConfig(model="spanner", path="rest"),)), {"spanner": model})
    tracker = Tracker.load([model], TrackerConfig(network="never", **OFFLINE))
    tracker.start("spanner", sequence.read(0).truth["spanner"])
    assert tracker.step(sequence.read(0))["spanner"].state is TrackState.TRACKING
    assert tracker._tracks["spanner"].keyframes == ()


def test_without_an_earlier_view_or_structure_nothing_is_followed(carton):
    pose = pose_at(0.6)
    view = view_at(carton, pose, pose, 110)
    assert len(FollowedPoints.in_view(view, None, NOISE).points) == 0
    keyframe = Keyframe.seen_in(view, view.rendering.mask.astype(np.float32))
    plain = replace(view, frame=replace(view.frame, color=np.full_like(view.frame.color, 90)))
    assert len(FollowedPoints.in_view(plain, keyframe._replace(grey=grey_in(plain)), NOISE).points) == 0
    assert keyframe.has_structure and not Keyframe.seen_in(plain, view.rendering.mask.astype(np.float32)).has_structure
    hidden = Keyframe.seen_in(view, np.zeros(view.rendering.mask.shape, np.float32))
    assert len(FollowedPoints.in_view(view, hidden, NOISE).points) == 0


def test_grey_values_are_means_around_a_views_pixels_and_0_beyond_the_image(carton):
    pose = pose_at(0.6)
    pose[0, 3] -= 0.25
    view = view_at(carton, pose, pose, 70)
    assert view.scale == 3 and view.left < -3
    grey = grey_in(view)
    assert not grey[:, : -view.left // 3 - 1].any()
    row, column = 40, 45
    y, x = view.top + 3 * row, view.left + 3 * column
    block = view.frame.color[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3) @ [0.299, 0.587, 0.114]
    assert grey[row, column] == pytest.approx(block.mean(), abs=1.0)


def test_of_a_window_that_hardly_touches_the_image_nothing_is_seen(carton):
    """Its coarse pixels reach into the image, the image's own pixels around them do not."""
    pose = pose_at(0.6)
    view = view_at(carton, pose, pose, 70)
    beyond = replace(view, left=1 - view.scale * view.camera.width)
    assert view.scale == 3 and not grey_in(beyond).any() and grey_in(beyond).shape == view.rendering.mask.shape


def test_a_side_is_that_of_the_object_wherever_its_origin_is():
    pose, center = pose_at(0.6, (0.3, 0.5, 0)), np.array([0.1, 0.0, 0.6])
    for origin_m in (np.zeros(3), np.array([0.0, 2.0, 1.0])):
        moved = pose.copy()
        moved[:3, 3] = center - pose[:3, :3] @ origin_m
        assert np.allclose(seen_side(moved, center), pose[:3, :3].T @ center / np.linalg.norm(center))


def test_sides_are_kept_once_and_the_one_most_like_is_followed_from(carton):
    keyframes = ()
    for turn in np.arange(0, 1.0, 0.1):
        pose = pose_at(0.6, (0, turn, 0))
        view = view_at(carton, pose, pose, 70)
        keyframes = with_view(keyframes, view, np.ones(view.rendering.mask.shape, np.float32))
    apart = [np.arccos(one.side @ two.side) for one, two in zip(keyframes, keyframes[1:])]
    assert len(keyframes) == 4 and min(apart) >= APART_RAD
    between = pose_at(0.6, (0, 0.62, 0))
    assert keyframe_for(keyframes, view_at(carton, between, between, 70)) is keyframes[2]
    assert keyframe_for((), view) is None
    far = view_at(carton, pose_at(0.6, (0, -1.0, 0)), pose_at(0.6, (0, -1.0, 0)), 70)
    many = with_view(keyframes[:1] * (KEPT + 5), far, np.ones(far.rendering.mask.shape, np.float32))
    assert len(many) == KEPT and many[-1].camera_T_object is far.camera_T_object


@pytest.mark.parametrize("name", ["demo_jug", "drill", "bracket"])
def test_an_object_is_followed_by_colour_alone_from_a_first_pose_on(name):
    model = MODELS[name]
    target = ObjectConfig(model=name, speed_mm=4.5, speed_deg=1.9)
    tracker = Tracker.load([model], TrackerConfig(network="never", **OFFLINE))
    for frame in SceneSequence(SceneConfig(frames=15, seed=3, objects=(target,)), {name: model}):
        truth = frame.truth[name]
        if frame.index == 0:
            tracker.start(name, perturbed(model, truth, 0.01, 5.0))
        result = tracker.step(frame.without_depth())[name]
    assert result.state is TrackState.TRACKING
    assert np.linalg.norm((result.camera_T_object - truth)[:3, 3]) < 0.05 * model.diameter_m


@pytest.mark.parametrize("search", [True, False])
def test_a_first_pose_that_colours_contradict_is_aligned_on_until_they_do_not(search):
    model = MODELS["demo_jug"]
    sequence = SceneSequence(SceneConfig(frames=2, seed=2, objects=(ObjectConfig(model="demo_jug", path="rest"),)), {"demo_jug": model})
    frame = sequence.read(0).without_depth()
    truth = sequence.read(0).truth["demo_jug"]
    tracker = Tracker.load([model], TrackerConfig(network="never", search=search, **OFFLINE))
    tracker.start("demo_jug", perturbed(model, truth, 0.025, 12.0, 2))
    states = [(result := tracker.step(frame)["demo_jug"]).state for _ in range(6)]
    assert states[0] is TrackState.SEARCHING
    assert (states[-1] is TrackState.TRACKING) == search
    if search:
        assert np.linalg.norm((result.camera_T_object - truth)[:3, 3]) < 0.02 * model.diameter_m


def test_a_plain_board_before_what_is_followed_by_colour_alone_is_not_believed():
    model = MODELS["drill"]
    target = ObjectConfig(model="drill", path="rest")
    tracker = Tracker.load([model], TrackerConfig(network="never", **OFFLINE))
    states = []
    for frame in SceneSequence(SceneConfig(frames=10, seed=3, objects=(target,)), {"drill": model}):
        if frame.index == 0:
            tracker.start("drill", frame.truth["drill"])
        color = frame.color if frame.index < 6 else np.full_like(frame.color, 120)
        states.append(tracker.step(replace(frame, color=color, depth=np.zeros_like(frame.depth)))["drill"].state)
    assert states[5] is TrackState.TRACKING
    assert TrackState.TRACKING not in states[6:]


def test_a_blank_image_shows_nothing_of_an_object_without_colours():
    model = MODELS["bracket"]
    assert not model.mesh.has_color
    target = ObjectConfig(model="bracket", path="rest")
    sequence = SceneSequence(SceneConfig(frames=2, seed=3, objects=(target,)), {"bracket": model})
    tracker = Tracker.load([model], TrackerConfig(network="never", **OFFLINE))
    tracker.start("bracket", sequence.read(0).truth["bracket"])
    for color, state in ((0, TrackState.OCCLUDED), (None, TrackState.TRACKING), (90, TrackState.OCCLUDED)):
        frame = sequence.read(0).without_depth()
        frame = frame if color is None else replace(frame, color=np.full_like(frame.color, color))
        assert tracker.step(frame)["bracket"].state is state


def test_without_depth_the_whole_silhouette_is_kept_where_nothing_tells_its_pixels_apart(carton):
    view = view_at(carton, pose_at(0.6), pose_at(0.6), 110)
    blind = replace(view, frame=view.frame.without_depth())
    unsure = np.where(view.rendering.mask, np.float32(0.5), np.float32(0))
    assert not Keyframe.seen_in(view, unsure).has_structure
    kept = Keyframe.seen_in(blind, unsure)
    assert kept.has_structure and np.array_equal(kept.depth > 0, view.rendering.mask)
