"""The tracker on rendered frames: follows, holds, searches, loses, finds again, and refuses nonsense."""

import ctypes.util
import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import trimesh
from tracking_scenes import START, blank_frame, frame_of

from pose_tracker_ros.commands.demo_several import scene_of
from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.frozen_sets import ANGLE_DEG, OFFSET_M, frozen_cases
from pose_tracker_ros.evaluation.named_scenes import open_scene_config
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.geometry import apply_residual, make_pose, pose_errors, so3_exp
from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.networks.weights import load_weights, save_weights
from pose_tracker_ros.objects import ObjectModel, generic_weights_path, load_object, painted_mesh
from pose_tracker_ros.simulation.config import BoardConfig, CameraConfig, ObjectConfig, RoomConfig, SceneConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState
from pose_tracker_ros.tracking.config import OFFLINE
from pose_tracker_ros.tracking.estimator import Estimator
from pose_tracker_ros.tracking.network_factor import MOST_LOOKS

NEEDS_EGL = pytest.mark.skipif(ctypes.util.find_library("EGL") is None, reason="needs libegl1")
STEP = np.array([0.004, 0.001, -0.002])
TURN = np.radians([0.5, 1.5, -0.5])
GEOMETRY = TrackerConfig(network="never", **OFFLINE)
BOARD = BoardConfig(first_frame=8, frames=22, slide_frames=3, motion="follows", color="mean", gap_m=0.03)


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


@pytest.fixture(scope="module")
def carton():
    return {model.name: model for model in benchmark_objects()}["carton"]


@pytest.fixture(scope="module")
def drill():
    return {model.name: model for model in benchmark_objects()}["drill"]


def moving(model, count):
    """Frames of the object on a smooth way."""
    pose = START
    for number in range(count):
        yield frame_of(model, pose, number / 30, index=number)
        pose = apply_residual(pose, STEP, TURN, model.center_m)


def scene(model, frames, **options):
    target = options.pop("target", {"path": "hand", "speed_mm": 1.8, "speed_deg": 0.7})
    config = SceneConfig(frames=frames, seed=1, objects=(ObjectConfig(model=model.name, **target),), **options)
    return SceneSequence(config, {model.name: model})


def follow(model, frames, first, config=GEOMETRY):
    """The results of all frames."""
    tracker = Tracker.load([model], config)
    tracker.start(model.name, first)
    return [tracker.step(frame)[model.name] for frame in frames]


def test_a_moving_object_is_followed_from_a_perturbed_pose(jug):
    frames = list(moving(jug, 12))
    result = follow(jug, frames, perturbed(jug, START, 0.02, 10.0))[-1]
    translation, rotation = pose_errors(result.camera_T_object, frames[-1].truth["demo_jug"])
    assert (result.state, result.reason) == (TrackState.TRACKING, "seen")
    assert translation < 0.001
    assert np.degrees(rotation) < 0.5


@pytest.mark.parametrize("alone", ["depth", "contour"])
def test_each_factor_follows_alone(jug, alone):
    config = dataclasses.replace(GEOMETRY, point_to_plane=alone == "depth", contour=alone == "contour")
    frames = list(moving(jug, 8))
    result = follow(jug, frames, START, config)[-1]
    assert pose_errors(result.camera_T_object, frames[-1].truth["demo_jug"])[0] < {"depth": 0.002, "contour": 0.01}[alone]


def test_depth_is_looked_at_as_its_option_says(jug):
    """``none``: as if no frame had any; ``required``: no pose is believed without."""
    frames = list(moving(jug, 4))
    blind = [frame.without_depth() for frame in frames]
    none, required = (dataclasses.replace(GEOMETRY, depth=use) for use in ("none", "required"))
    unseen, missing = follow(jug, frames, START, none), follow(jug, blind, START, GEOMETRY)
    for one, other in zip(unseen, missing):
        assert np.array_equal(one.camera_T_object, other.camera_T_object) and one.state is TrackState.TRACKING
    assert follow(jug, blind, START, required)[-1].state is TrackState.OCCLUDED
    held = follow(jug, frames + blind, START, required)[-1]
    assert held.state is TrackState.OCCLUDED and "no depth" in held.reason
    assert follow(jug, frames, START, required)[-1].state is TrackState.TRACKING


@pytest.mark.parametrize("renderer", ["raycast", pytest.param("opengl", marks=NEEDS_EGL)])
def test_other_renderers_do_as_well(jug, renderer):
    frames = list(moving(jug, 4))
    one, other = (
        follow(jug, frames, START, dataclasses.replace(GEOMETRY, renderer=name))[-1] for name in ("raster", renderer)
    )
    assert other.state is TrackState.TRACKING
    assert pose_errors(one.camera_T_object, other.camera_T_object)[0] < 0.0005


def test_many_objects_are_followed_as_each_alone(cube, jug):
    """Bit for bit, whatever else is followed."""
    frames = list(moving(jug, 4))
    together = Tracker([cube, jug], GEOMETRY)
    together.start("demo_jug", START)
    together.start("cube", START)
    both = [together.step(frame) for frame in frames]
    assert [list(results) for results in both] == [["demo_jug", "cube"]] * 4
    for model in (cube, jug):
        for result, alone in zip(both, follow(model, frames, START)):
            np.testing.assert_array_equal(result[model.name].camera_T_object, alone.camera_T_object)
            np.testing.assert_array_equal(result[model.name].covariance, alone.covariance)
            assert result[model.name].state is alone.state


def test_a_board_is_not_tracked_and_what_it_hid_is_found_again(drill):
    sequence = scene(drill, 40, boards=(BOARD,))
    frames = list(sequence)
    truth = [frame.truth["drill"] for frame in frames]
    results = follow(drill, frames, perturbed(drill, truth[0], 0.01, 5.0))
    states = np.array([result.state for result in results])
    visible = np.array([frame.visibility["drill"] for frame in frames])
    errors = np.array([pose_errors(result.camera_T_object, pose)[0] for result, pose in zip(results, truth)])
    assert np.sum(visible == 0) >= 12
    assert not np.any(states[visible < 0.02] == TrackState.TRACKING)
    hidden = results[20]
    assert visible[20] == 0 and (hidden.state, hidden.reason) == (TrackState.OCCLUDED, "hidden by something nearer")
    assert np.all(states[3:8] == TrackState.TRACKING) and np.all(states[-6:] == TrackState.TRACKING)
    assert np.median(errors[states == TrackState.TRACKING]) < 1e-3
    assert results[5].covariance[2, 2] < 0.1 * hidden.covariance[2, 2]


def test_a_jerk_of_the_camera_is_bridged(drill):
    camera = CameraConfig(path="jerks", jerk_px=90.0, jerk_frames=1, jerk_first_frame=4, jerk_period_frames=50)
    target = {"path": "rest", "place": "support"}
    frames = list(scene(drill, 9, camera=camera, target=target, room=RoomConfig(support_m=0.7, support_tilt_deg=50)))
    places = [frame.camera.project(frame.truth["drill"][:3, 3]) for frame in frames]
    assert max(np.linalg.norm(np.diff(places, axis=0), axis=1)) > 60
    for config, found in ((GEOMETRY, True), (dataclasses.replace(GEOMETRY, search=False), False)):
        last = follow(drill, frames, frames[0].truth["drill"], config)[-1]
        assert (last.state is TrackState.TRACKING) == found
        assert (pose_errors(last.camera_T_object, frames[-1].truth["drill"])[0] < 0.002) == found


def test_a_start_that_is_turned_too_far_is_found_among_other_turns(drill):
    frames = list(scene(drill, 10))
    found = {}
    for config in (GEOMETRY, dataclasses.replace(GEOMETRY, search=False)):
        for seed in range(3):
            first = perturbed(drill, frames[0].truth["drill"], 0.01, 60.0, seed)
            last = follow(drill, frames, first, config)[-1]
            is_right = pose_errors(last.camera_T_object, frames[-1].truth["drill"])[0] < 0.002
            assert (last.state is TrackState.TRACKING) == is_right
            found[config.search] = found.get(config.search, 0) + is_right
    assert found[True] == 3 > found[False]


def test_a_card_of_the_object_s_own_size_that_slides_before_it_is_not_taken_for_it(carton):
    """To a frame alone it is the box, come nearer, with its print worn off."""
    case = next(case for case in frozen_cases("boards", [2], ["carton"]) if case.group == "cards")
    sequence = case.open()
    frames = [sequence.read(number) for number in range(19, 29)]
    results = follow(carton, frames, frames[0].truth["carton"])
    assert [result.state for result in results[:3]] == [TrackState.TRACKING] * 3
    assert all(frame.visibility["carton"] == 0 for frame in frames[-3:])
    assert all(result.state is TrackState.OCCLUDED for result in results[-3:])


def test_a_twin_in_sight_is_not_taken_for_what_a_board_still_hides_in_part():
    """It is seen better than the object that comes out from behind the board beside it."""
    (case,) = frozen_cases("look-alikes", [5], ["bowl"])
    sequence = case.open()
    frames = [sequence.read(number) for number in range(30, 90)]
    results = follow(case.model, frames, frames[0].truth["bowl"])
    assert results[-1].state is TrackState.TRACKING
    for frame, result in zip(frames, results):
        is_there = pose_errors(result.camera_T_object, frame.truth["bowl"])[0] < 0.05
        assert is_there or result.state is not TrackState.TRACKING


def test_what_comes_back_the_other_way_round_is_not_taken_for_how_it_left(carton):
    """A box looks the same from the other side, but for its print."""
    back = apply_residual(START, np.array([0.1, 0.02, 0.05]), np.array([0.0, 0.0, np.pi]), carton.center_m)
    gone = apply_residual(START, np.array([0, 0, 9.0]), np.zeros(3))
    frames = [frame_of(carton, pose, 0.03 * number) for number, pose in enumerate([START, gone, gone, *[back] * 12])]
    last = follow(carton, frames, START)[-1]
    translation, rotation = pose_errors(last.camera_T_object, back)
    assert last.state is TrackState.TRACKING and translation < 0.001 and np.degrees(rotation) < 1


def test_the_right_place_with_a_wrong_turn_is_tracked_for_a_few_frames_only(jug):
    """A jug that turned about its axis at once looks much the same but for its handle."""
    axis = START[:3, :3] @ np.linalg.eigh(jug.surface_moments)[1][:, -1]
    turned = apply_residual(START, np.zeros(3), np.radians(90) * axis, jug.center_m)
    frames = [frame_of(jug, pose, number / 30) for number, pose in enumerate([*[START] * 3, *[turned] * 9])]
    alone = dataclasses.replace(GEOMETRY, search=False)
    for config, is_right in ((GEOMETRY, True), (alone, False)):
        last = follow(jug, frames, START, config)[-1]
        assert last.state is TrackState.TRACKING
        assert (np.degrees(pose_errors(last.camera_T_object, turned)[1]) < 1) == is_right


@pytest.mark.parametrize(
    ("factor", "limits"), [(0.14, {"min_depth_m": 0.04}), (0.5, {}), (4.0, {"max_depth_m": 6}), (8.0, {"max_depth_m": 12})]
)
def test_what_is_beyond_the_usual_limits_is_followed_with_others(cube, factor, limits):
    """The same scene at another scale: an object of 2 cm in 8 cm, one of 1.2 m in 5 m."""
    mesh = dataclasses.replace(cube.mesh, vertices=(cube.mesh.vertices * factor).astype(np.float32))
    model = dataclasses.replace(cube, mesh=mesh, diameter_m=cube.diameter_m * factor)
    frames = [dataclasses.replace(frame, depth=frame.depth * np.float32(factor)) for frame in moving(cube, 8)]
    first, last = (scaled(frame.truth["cube"], factor) for frame in (frames[0], frames[-1]))
    result = follow(model, frames, first, make_config(TrackerConfig, {"network": "never", **OFFLINE, **limits}))[-1]
    translation, rotation = pose_errors(result.camera_T_object, last)
    assert result.state is TrackState.TRACKING
    assert translation < 0.01 * model.diameter_m and np.degrees(rotation) < 1


def scaled(pose, factor):
    return make_pose(pose[:3, :3], factor * pose[:3, 3])


def test_what_was_never_there_is_not_believed_and_given_up(drill):
    frame = scene(drill, 1).read(0)
    beside = frame.truth["drill"].copy()
    beside[0, 3] += 0.7
    frames = [dataclasses.replace(frame, stamp=0.03 * number) for number in range(5)]
    states = [result.state for result in follow(drill, frames, beside, dataclasses.replace(GEOMETRY, lost_frames=4))]
    assert states[0] is TrackState.SEARCHING and states[-1] is TrackState.LOST


def test_lost_after_so_many_frames_without_it_and_found_in_place(cube):
    seen, gone = frame_of(cube, START), frame_of(cube, apply_residual(START, np.array([0, 0, 9.0]), np.zeros(3)))
    frames = [dataclasses.replace(frame, stamp=0.03 * n) for n, frame in enumerate([seen, *[gone] * 4, seen])]
    results = follow(cube, frames, START, dataclasses.replace(GEOMETRY, lost_frames=3))
    states = [result.state.value for result in results]
    assert states == ["tracking", "searching", "searching", "lost", "lost", "tracking"]
    assert np.all(np.diag(results[1].covariance) > np.diag(results[0].covariance))
    assert np.all(np.linalg.eigvalsh(results[0].covariance) > 0)


def test_blank_frames_hold_the_pose(cube):
    frames = list(moving(cube, 20))
    shown = [blank_frame(frame.stamp) if 8 <= frame.index < 12 else frame for frame in frames]
    results = follow(cube, shown, START)
    assert not any(result.state in (TrackState.TRACKING, TrackState.LOST) for result in results[8:12])
    assert results[7].state is results[-1].state is TrackState.TRACKING
    assert pose_errors(results[-1].camera_T_object, frames[-1].truth["cube"])[0] < 0.001


def test_only_a_pose_before_the_camera_starts_a_track(cube):
    tracker = Tracker([cube], GEOMETRY)
    assert tracker.step(frame_of(cube, START)) == {}
    with pytest.raises(ValueError, match="in front of the camera"):
        tracker.start("cube", apply_residual(START, np.array([0, 0, -2.0]), np.zeros(3)))
    with pytest.raises(ValueError, match="rigid"):
        tracker.start("cube", np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match="objects cube, got 'mug'"):
        tracker.start("mug", START)
    assert tracker.state("cube") is TrackState.UNINITIALISED
    with pytest.raises(ValueError, match="different names"):
        Tracker([cube, cube], GEOMETRY)


@pytest.fixture
def cube_with_weights(cube, tmp_path):
    """A cube whose folder has weights that were trained for it."""
    network, info = load_weights(generic_weights_path())
    own = dataclasses.replace(info, objects={"cube": cube.diameter_m})
    save_weights(tmp_path / "residual.safetensors", network, own)
    return dataclasses.replace(cube, folder=tmp_path)


def test_weights_of_another_object_are_refused(cube_with_weights):
    Tracker.load([cube_with_weights])
    other = dataclasses.replace(cube_with_weights, name="teapot")
    with pytest.raises(ValueError, match="teapot"):
        Tracker.load([other])
    scaled = dataclasses.replace(cube_with_weights, diameter_m=cube_with_weights.diameter_m * 1.2)
    with pytest.raises(ValueError, match="diameter"):
        Tracker.load([scaled])
    assert Tracker.load([other], GEOMETRY).device == "none"


def test_a_network_is_asked_always_when_needed_or_never(cube):
    """Needed is what geometry leaves open: a ball of one colour half a diameter away is not even in doubt where it is."""
    asked = []

    class Counting(MotionNetwork):
        def predict(self, frame, questions, depth_range):
            asked.append(len(questions))
            return super().predict(frame, questions, depth_range)

    network = Counting.load(generic_weights_path(), "cpu", "torch")
    counts = {}
    for use, beside in (("never", 0.0), ("when_needed", 0.0), ("when_needed", 0.06), ("always", 0.0)):
        asked.clear()
        config = dataclasses.replace(GEOMETRY, network=use, search=False)
        tracker = Tracker([cube], config, {} if use == "never" else {"cube": network})
        tracker.start("cube", apply_residual(START, np.array([beside, 0, 0]), np.zeros(3)))
        tracker.step(frame_of(cube, START))
        counts[use, beside] = sum(asked)
    # Looked again only where the first look did not settle it.
    assert 1 <= counts.pop(("when_needed", 0.06)) <= MOST_LOOKS
    assert counts == {("never", 0.0): 0, ("when_needed", 0.0): 0, ("always", 0.0): 1}


def test_a_network_finds_what_is_beyond_the_reach_of_geometry(jug, one_thread):
    """0.3 diameters and 30 degrees off is more than the coarsest level sees: depth ends at 0.08 diameters."""
    network = MotionNetwork.load(generic_weights_path(), "cpu", "torch")
    start = perturbed(jug, START, 0.3 * jug.diameter_m, 30.0)
    results = {}
    for use, networks in (("never", {}), ("when_needed", {jug.name: network})):
        tracker = Tracker([jug], dataclasses.replace(GEOMETRY, network=use, search=False), networks)
        tracker.start(jug.name, start)
        results[use] = tracker.step(frame_of(jug, START))[jug.name]
    assert results["never"].state is not TrackState.TRACKING
    assert results["when_needed"].state is TrackState.TRACKING
    assert pose_errors(results["when_needed"].camera_T_object, START)[0] < 0.001


def test_without_network_nothing_heavy_is_imported():
    """A robot that does without networks is ready in seconds."""
    program = (
        "import sys; from pose_tracker_ros.objects import load_object; from pose_tracker_ros.tracking import *; "
        "Tracker.load([load_object('demo_jug')], TrackerConfig(network='never')).warm_up(); "
        "print([name for name in ('torch', 'open3d', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_whoever_starts_a_track_waits_for_the_whole_answer(drill):
    """The same pose takes many frames where each has no time for it."""
    frame = next(iter(scene(drill, 1)))
    tracker = Tracker.load([drill], dataclasses.replace(GEOMETRY, frame_budget_ms=1e-6))
    first = perturbed(drill, frame.truth["drill"], 0.01, 60.0, 0)
    result = tracker.start_checked("drill", first, [frame])
    assert result.state is TrackState.TRACKING
    assert pose_errors(result.camera_T_object, frame.truth["drill"])[0] < 0.002


@pytest.mark.parametrize("name", ["drill", "demo_jug"])
def test_a_first_pose_is_compared_within_the_frames_time(request, name, monkeypatch):
    """Time passes by what is done: a frame that has none does the least, and the next ones go on from there.

    The jug has turns that its shape hardly tells from others.
    """
    model = request.getfixturevalue("jug" if name == "demo_jug" else name)
    frame = next(iter(scene(model, 1)))
    first = perturbed(model, frame.truth[name], 0.01, 60.0, 0)
    frames = [dataclasses.replace(frame, stamp=0.03 * number) for number in range(120)]
    tracker = Tracker.load([model], dataclasses.replace(GEOMETRY, frame_budget_ms=1e-6))
    tracker.start(name, first)
    weighed = []
    monkeypatch.setattr(Estimator, "_aligned", lambda *asked, of=Estimator._aligned: weighed.append(asked) or of(*asked))
    counts = []
    for frame in frames:
        weighed.clear()
        result = tracker.step(frame)[name]
        counts.append(len(weighed))
        if result.state is TrackState.TRACKING:
            break
    # The expected pose, one other, the best so far or the better of two turns, and one of the same shape.
    assert max(counts) <= 3 and len(counts) > 3
    # A sure pose is taken as it was aligned once; the same image again tells nothing that would bring it nearer.
    assert pose_errors(result.camera_T_object, frame.truth[name])[0] < 0.01


def test_first_poses_wait_where_a_frame_has_no_time_for_all(cube, jug, drill):
    """None waits for ever: one is looked at in each frame, however late it is."""
    models = [cube, jug, drill]
    frame = frame_of(cube, START)
    tracker = Tracker(models, dataclasses.replace(GEOMETRY, frame_budget_ms=1e-6))
    for model in models:
        tracker.start(model.name, START)
    for number in range(len(models)):
        waiting = [name for name, track in tracker._tracks.items() if track.stamp is None]
        assert waiting == [model.name for model in models[number:]]
        tracker.step(dataclasses.replace(frame, stamp=number / 30))
    assert tracker.state("cube") is TrackState.TRACKING
    assert all(track.stamp is not None for track in tracker._tracks.values())


def test_objects_come_and_go_while_others_are_followed(cube, jug):
    tracker = Tracker([cube], GEOMETRY)
    frames = list(moving(cube, 6))
    tracker.start("cube", START)
    tracker.step(frames[0])
    tracker.adopt(tracker.load_others([jug, dataclasses.replace(cube, name="cube#2")]))
    assert list(tracker.models) == ["cube", "demo_jug", "cube#2"]
    assert tracker.step(frames[1])["cube"].state is TrackState.TRACKING
    with pytest.raises(ValueError, match="not followed yet, got cube"):
        tracker.adopt(Tracker([cube], GEOMETRY))
    tracker.remove("cube")
    tracker.start("cube#2", frames[2].truth["cube"])
    results = tracker.step(frames[2])
    assert {name: result.state for name, result in results.items()} == {"cube#2": TrackState.TRACKING}
    assert pose_errors(results["cube#2"].camera_T_object, frames[2].truth["cube"])[0] < 0.001
    with pytest.raises(ValueError, match="demo_jug, cube#2, got 'cube'"):
        tracker.start("cube", START)


def camera_leaps(model, count):
    """Frames of a resting object by a camera that goes 6 cm and turns 10 degrees from frame to frame, and says so."""
    leap = apply_residual(np.eye(4), np.array([0.06, -0.02, 0.01]), np.radians([2.0, -9.0, 3.0]), np.zeros(3))
    back = np.linalg.inv(leap)
    for number in range(count):
        world_T_camera = np.eye(4) if number % 2 == 0 else leap
        pose = START if number % 2 == 0 else back @ START
        yield dataclasses.replace(frame_of(model, pose, number / 30), world_T_camera=world_T_camera)


def test_the_cameras_own_motion_is_expected(cube):
    frames = list(camera_leaps(cube, 6))
    knowing = Tracker([cube], dataclasses.replace(GEOMETRY, camera_motion=True, search=False))
    knowing.start("cube", START)
    for frame in frames:
        result = knowing.step(frame)["cube"]
        assert result.state is TrackState.TRACKING
        assert pose_errors(result.camera_T_object, frame.truth["cube"])[0] < 0.001
    unaware = Tracker([cube], dataclasses.replace(GEOMETRY, search=False))
    unaware.start("cube", START)
    assert [unaware.step(frame)["cube"].state for frame in frames][1] is not TrackState.TRACKING


def test_what_is_hidden_is_held_in_the_world(cube):
    first, second = list(camera_leaps(cube, 2))
    tracker = Tracker([cube], dataclasses.replace(GEOMETRY, camera_motion=True))
    tracker.start("cube", START)
    tracker.step(first)
    behind = frame_of(cube, second.truth["cube"], second.stamp, bar=(0, 320))
    result = tracker.step(dataclasses.replace(behind, world_T_camera=second.world_T_camera))["cube"]
    assert result.state is TrackState.OCCLUDED
    assert pose_errors(result.camera_T_object, second.truth["cube"])[0] < 0.001


def test_where_a_camera_was_before_its_motion_was_looked_at_again_moves_nothing(cube):
    tracker = Tracker([cube], dataclasses.replace(GEOMETRY, camera_motion=True))
    tracker.start("cube", START)
    first, second = list(camera_leaps(cube, 2))
    tracker.step(first)
    tracker.reconfigure(dataclasses.replace(tracker.config, camera_motion=False))
    tracker.step(dataclasses.replace(first, stamp=1 / 30, world_T_camera=second.world_T_camera))
    tracker.reconfigure(dataclasses.replace(tracker.config, camera_motion=True))
    hidden = dataclasses.replace(frame_of(cube, START, 2 / 30, bar=(0, 320)), world_T_camera=second.world_T_camera)
    result = tracker.step(hidden)["cube"]
    assert pose_errors(result.camera_T_object, START)[0] < 0.001


def test_velocities_keep_their_direction_in_the_world(cube):
    """The object moves on while the camera turns: the frame after is expected where it is."""
    tracker = Tracker([cube], dataclasses.replace(GEOMETRY, camera_motion=True))
    tracker.start("cube", START)
    turn = apply_residual(np.eye(4), np.zeros(3), np.radians([0.0, 0.0, 90.0]), np.zeros(3))
    frames = list(moving(cube, 5))
    for frame in frames[:4]:
        tracker.step(dataclasses.replace(frame, world_T_camera=np.eye(4)))
    track = tracker._tracks["cube"].seen_from(turn)
    expected = track.expected_in(frames[4], cube, tracker.config.noise, moving=True).camera_T_object
    # The object turns by 0.03 rad a frame.
    assert np.allclose(turn @ expected, frames[4].truth["cube"], atol=5e-3)


def test_two_of_a_kind_are_never_one(jug):
    """One is taken away; what is left of both is the other, which its track goes on to follow alone."""
    alike = [jug, dataclasses.replace(jug, name="demo_jug#2")]
    tracker = Tracker(alike, GEOMETRY)
    aside = apply_residual(START, np.array([-0.16, 0.0, 0.05]), np.radians([4.0, 30.0, 0.0]), jug.center_m)
    one, both = frame_of(jug, START), frame_of_two(jug, START, aside)
    tracker.start("demo_jug", START)
    tracker.start("demo_jug#2", aside)
    for number in range(3):
        results = tracker.step(dataclasses.replace(both, stamp=number / 30))
    assert {result.state for result in results.values()} == {TrackState.TRACKING}
    refused = tracker.start_checked("demo_jug#2", START, [both])
    assert (refused.state, refused.reason) == (TrackState.SEARCHING, "another of its kind is tracked there")
    for number in range(3, 25):
        results = tracker.step(dataclasses.replace(one, stamp=number / 30))
        assert results["demo_jug"].state is TrackState.TRACKING
        assert results["demo_jug#2"].state is not TrackState.TRACKING
    for number in range(25, 60):
        results = tracker.step(dataclasses.replace(both, stamp=number / 30))
    assert results["demo_jug#2"].state is TrackState.TRACKING
    assert pose_errors(results["demo_jug#2"].camera_T_object, aside)[0] < 0.003


def test_of_two_of_a_kind_that_start_in_one_place_one_is_tracked(cube):
    tracker = Tracker([cube, dataclasses.replace(cube, name="cube#2")], GEOMETRY)
    tracker.start("cube", START)
    tracker.start("cube#2", START)
    for number in range(4):
        results = tracker.step(frame_of(cube, START, number / 30))
        assert [result.state for result in results.values()].count(TrackState.TRACKING) == 1


def test_two_of_a_kind_that_were_lost_are_not_both_found_in_one_place(cube):
    alike = [cube, dataclasses.replace(cube, name="cube#2")]
    tracker = Tracker(alike, GEOMETRY)
    aside = apply_residual(START, np.array([-0.16, 0.0, 0.05]), np.zeros(3), cube.center_m)
    between = apply_residual(START, np.array([-0.08, 0.0, 0.02]), np.zeros(3), cube.center_m)
    tracker.start("cube", START)
    tracker.start("cube#2", aside)
    both, one = frame_of_two(cube, START, aside), frame_of(cube, between)
    gone = dataclasses.replace(one, color=np.full_like(one.color, 90), depth=np.full_like(one.depth, 1.2))
    for number, frame in enumerate([both] * 3 + [gone] * 4 + [one] * 12):
        results = tracker.step(dataclasses.replace(frame, stamp=number / 30))
    assert [result.state for result in results.values()].count(TrackState.TRACKING) == 1


def test_what_has_no_pixel_in_the_image_left_it(cube):
    """Its window reaches into the image, the object does not."""
    frame = frame_of(cube, START)
    empty = dataclasses.replace(frame, color=np.full_like(frame.color, 90), depth=np.full_like(frame.depth, 1.2))
    beside = START.copy()
    beside[0, 3] = -0.6 * 161.0 / 310.0 - 0.55 * cube.diameter_m
    assert not Tracker([cube], GEOMETRY).render("cube", frame.camera, beside).mask.any()
    results = follow(cube, [dataclasses.replace(empty, stamp=number / 30) for number in range(40)], beside, GEOMETRY)
    assert (results[0].state, results[0].reason) == (TrackState.SEARCHING, "left the image")
    assert results[-1].state is TrackState.LOST


def frame_of_two(model, pose, other):
    """An object twice in one frame, not before each other."""
    first, second = frame_of(model, pose), frame_of(model, other)
    shown = second.depth < first.depth
    color, depth = first.color.copy(), first.depth.copy()
    color[shown], depth[shown] = second.color[shown], second.depth[shown]
    return dataclasses.replace(first, color=color, depth=depth)


def turning_box():
    """A red box with a blue label on one half of its far side, which turns towards the camera after a while."""
    parts = (((0, 0, 0), (0.16, 0.10, 0.06), (190, 60, 40)), ((0.04, 0, 0.03), (0.06, 0.08, 0.001), (30, 60, 200)))
    solids = [(trimesh.creation.box(size).apply_translation(middle), color) for middle, size, color in parts]
    model = ObjectModel.from_mesh("box", painted_mesh(solids))
    angles = np.radians(np.concatenate([np.zeros(35), np.arange(0, 190, 5)]))
    poses = [make_pose(so3_exp(np.array([0.3, 0, 0])) @ so3_exp(np.array([0, angle, 0])), np.array([0.03, -0.02, 0.6])) for angle in angles]
    return model, [frame_of(model, pose, number / 30, index=number) for number, pose in enumerate(poses)]


def test_a_turn_that_the_first_sides_do_not_tell_is_told_by_others():
    """Half a turn about the hidden side looks the same until that side is seen."""
    model, frames = turning_box()
    half_turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    results = follow(model, frames, frames[0].truth["box"] @ half_turn)
    errors = np.degrees([pose_errors(result.camera_T_object, frame.truth["box"])[1] for result, frame in zip(results, frames)])
    assert all(result.state is TrackState.TRACKING for result in results)
    assert errors[30] > 170 and errors[-1] < 2


def test_what_was_not_seen_for_a_while_is_not_believed_where_it_was(cube):
    """A hand turned a plain cube on by 10 degrees and 25 mm in eight frames, farther than the estimator looks: a part of it fits where it was."""
    sequence = open_scene_config(scene_of(["demo_jug", "drill", "cube", "carton"], 600, 30.0), "demo")
    frames = [frame for frame, _ in zip(sequence, range(9))]
    first = perturbed(cube, frames[0].truth["cube"], OFFSET_M, ANGLE_DEG, 0)
    result = follow(cube, [frames[0], frames[8]], first)[-1]
    assert result.state is TrackState.TRACKING
    assert pose_errors(result.camera_T_object, frames[8].truth["cube"])[0] < 0.002
