"""What a track makes of a frame: states with reasons, and nothing that changes behind one's back."""

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from tracking_scenes import START, blank_frame, frame_of

from pose_tracker_ros.geometry import apply_residual
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState
from pose_tracker_ros.tracking.budget import Budget
from pose_tracker_ros.tracking.config import OFFLINE
from pose_tracker_ros.tracking.estimator import Estimator
from pose_tracker_ros.tracking.evidence import Evidence
from pose_tracker_ros.tracking.motion import Motion
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.target import Target
from pose_tracker_ros.tracking.track import SearchState, Track

NOTHING = np.zeros((4, 4), np.float32)
HIDDEN = Evidence(0.0, 0.0, -2.2, 0.0, 0.02, 0.9, 0.0, NOTHING, NOTHING, 0.0)
UNDECIDED = Evidence(0.5, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0, NOTHING, NOTHING, 0.0)
BY_DEPTH = Evidence(-2.5, -0.5, -7.0, -6.3, 0.9, 0.0, 0.9, NOTHING, NOTHING, 0.0)
BY_COLOR = Evidence(0.5, -3.5, -7.0, -6.3, 0.9, 0.0, 0.9, NOTHING, NOTHING, 0.0)
LOST_FRAMES = 3
# Of a moving object, metres a frame.
STEP = np.array([0.005, 0, 0])


@pytest.fixture(scope="module")
def cube():
    return load_object("cube")


@pytest.fixture(scope="module")
def seen(cube):
    """A frame, and the track after it has shown the object."""
    frame, tracker = frame_of(cube, START), Tracker([cube], TrackerConfig(network="never", **OFFLINE))
    tracker.start("cube", START)
    tracker.step(frame)
    return frame, tracker._tracks["cube"]


def doubted(track, evidence, frame, search=None):
    """The track after a frame of which only this is known."""
    return track.unsupported_by(evidence, frame, LOST_FRAMES, search or SearchState())


@pytest.mark.parametrize(
    ("evidence", "state", "reason"),
    [
        (HIDDEN, TrackState.OCCLUDED, "hidden by something nearer"),
        (UNDECIDED, TrackState.OCCLUDED, "cannot be told from what is around"),
        (BY_DEPTH, TrackState.SEARCHING, "contradicted by depth"),
        (BY_COLOR, TrackState.SEARCHING, "contradicted by colour"),
        (None, TrackState.SEARCHING, "left the image"),
    ],
)
def test_the_state_follows_from_the_evidence(seen, evidence, state, reason):
    frame, track = seen
    after = doubted(track, evidence, frame)
    assert (after.state, after.reason) == (state, reason)
    assert np.array_equal(after.camera_T_object, track.camera_T_object), "what is doubted is held"
    assert np.all(np.diag(after.covariance) > np.diag(track.covariance))
    assert not after.motion.velocity.any()
    assert after.colors is track.colors and after.appearance is track.appearance, "nothing is learnt from a doubted frame"


def test_without_depth_it_says_so(seen):
    assert "no depth" in doubted(seen[1], UNDECIDED, blank_frame(0.03)).reason


def test_lost_is_what_was_searched_for_in_vain_and_stays_so_until_it_is_seen(seen):
    frame, track = seen
    for number in range(LOST_FRAMES):
        assert track.state is not TrackState.LOST, number
        track = doubted(track, HIDDEN, frame)
        track = doubted(track, BY_DEPTH, frame)
    for evidence in (BY_DEPTH, HIDDEN, UNDECIDED, None):
        track = doubted(track, evidence, frame)
        assert track.state is TrackState.LOST


def test_a_pose_found_elsewhere_is_told_but_not_believed_before_others_are_compared(seen):
    frame, track = seen
    elsewhere = apply_residual(START, np.array([0.2, 0, 0]), np.zeros(3))
    after = doubted(track, BY_DEPTH, frame, SearchState(5, candidate=elsewhere))
    assert after.state is TrackState.SEARCHING and after.search.turns == 5
    assert np.array_equal(after.result({}).camera_T_object, elsewhere)
    assert np.array_equal(after.camera_T_object, track.camera_T_object)
    hidden = doubted(track, HIDDEN, frame, SearchState(5, candidate=elsewhere))
    assert np.array_equal(hidden.result({}).camera_T_object, track.camera_T_object), "what is hidden is held"


def followed(model, frames, noise):
    """How far along the optical axis a track that starts a centimetre off is from the truth after each frame, metres."""
    config = TrackerConfig(network="never", contour=False, noise=noise, **OFFLINE)
    target, budget = Target.of(model, config), Budget()
    track = Track.starting(apply_residual(START, np.array([0, 0, 0.01]), np.zeros(3)), model, noise)
    distances = []
    for frame in frames:
        estimator = Estimator(frame, target, track, config, budget)
        found = estimator.hypothesis(track.expected_in(frame, model, noise, True))
        track = track.supported_by(found, frame, model)
        distances.append(abs(track.camera_T_object[2, 3] - START[2, 3]))
    return np.array(distances)


def test_an_image_that_is_seen_again_tells_nothing_new(cube):
    """Between where it was said to be and where one vague image shows it the object stays; other images lead on."""
    noise, generator = NoiseModel(surface=0.01, depth_shared=1000.0, depth_bias=0.01), np.random.default_rng(0)
    frames = [frame_of(cube, START, number / 30) for number in range(8)]
    again = followed(cube, frames, noise)
    assert 0.001 < again[0] < 0.009
    assert again == pytest.approx(again[0], rel=0.01)
    others = [replace(one, depth=one.depth + generator.normal(0, 0.01, one.depth.shape).astype(np.float32)) for one in frames]
    distances = followed(cube, others, noise)
    assert distances[-1] < 0.5 * distances[0]


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_an_image_is_worth_what_is_new_of_the_errors_that_it_shows(cube, share):
    """Of errors as large as expected, and half as large, as of a mesh that is exact."""
    noise, generator = NoiseModel(), np.random.default_rng(0)
    deviation = np.sqrt(share) * (noise.surface + noise.depth_at_metre * (0.55**2))

    def frame_with(errors):
        frame = frame_of(cube, START)
        return replace(frame, depth=frame.depth + (deviation * errors).astype(np.float32))

    errors = generator.standard_normal(frame_of(cube, START).depth.shape)
    frame, tracker = frame_with(errors), Tracker([cube], TrackerConfig(network="never", **OFFLINE))
    tracker.start("cube", START)
    tracker.step(frame)
    track = tracker._tracks["cube"]
    for lasting in (0.98, 0.9):
        later = frame_with(lasting * errors + np.sqrt(1 - lasting**2) * generator.standard_normal(errors.shape))
        assert track.seen.fresh_share(later, noise) == pytest.approx((1 - lasting) / (1 + lasting), rel=0.3)
    assert track.seen.fresh_share(frame_with(generator.standard_normal(errors.shape)), noise) > 0.3
    assert track.seen.fresh_share(frame, noise) < 1e-3
    assert track.seen.fresh_share(replace(frame, color=frame.color // 2), noise) > 0.5
    assert track.seen.fresh_share(blank_frame(0.03), noise) == 1


def test_a_track_stays_what_it_was(cube, seen):
    frame, track = seen
    before = {item.name: getattr(track, item.name) for item in fields(track)}
    copied = track.camera_T_object.copy(), track.covariance.copy(), track.motion.velocity.copy()
    doubted(track, BY_DEPTH, frame)
    track.expected_in(frame, cube, NoiseModel(), True)
    track.result({}).camera_T_object[:] = 0
    with pytest.raises(FrozenInstanceError):
        track.state = TrackState.LOST
    assert all(getattr(track, name) is value for name, value in before.items())
    for array, copy in zip((track.camera_T_object, track.covariance, track.motion.velocity), copied):
        assert np.array_equal(array, copy)


@pytest.mark.parametrize("stamp", [0.0, 1000.5])
def test_what_moves_is_followed_through_images_of_one_stamp(cube, stamp):
    """Such stamps tell no time: that none has gone by, and so nothing can have moved, is not what they say."""
    tracker = Tracker([cube], TrackerConfig(network="never", **OFFLINE))
    tracker.start("cube", START)
    for step in range(6):
        pose = apply_residual(START, np.array([0.005 * step, 0.0, 0.0]), np.zeros(3), cube.center_m)
        result = tracker.step(frame_of(cube, pose, stamp))["cube"]
    assert result.state is TrackState.TRACKING and np.linalg.norm((result.camera_T_object - pose)[:3, 3]) < 1e-3


def test_a_start_is_no_statement_about_the_image(cube):
    track = Track.starting(START, cube, NoiseModel())
    assert track.is_new and track.state is TrackState.SEARCHING and track.score == 0
    given = START.copy()
    track = Track.starting(given, cube, NoiseModel())
    given[:] = 0
    assert np.array_equal(track.camera_T_object, START)


def test_a_pose_that_was_not_expected_is_known_as_the_image_tells_it_and_its_velocity_is_not(seen):
    """The next frame is expected near it, not anywhere."""
    motion = seen[1].motion
    assert seen[1].seen.expected.motion is None
    assert np.all(np.sqrt(np.diag(motion.pose)) < [0.01] * 3 + [0.05] * 3)
    assert np.array_equal(motion.rate, Motion().rate) and not motion.velocity.any()


def moved_to_the_right(cube, frames):
    """A track of the cube after some frames in which it moved by 5 mm each, and the last one's estimator."""
    config = TrackerConfig(network="never", **OFFLINE)
    target, budget, track = Target.of(cube, config), Budget(), Track.starting(START, cube, config.noise)
    for number in range(frames):
        frame = frame_of(cube, apply_residual(START, number * STEP, np.zeros(3)), number / 30)
        estimator = Estimator(frame, target, track, config, budget)
        track = track.supported_by(estimator.hypothesis(track.expected_in(frame, cube, config.noise, True)), frame, cube)
    return track, estimator


def test_an_image_that_is_seen_again_under_its_stamp_leaves_all_as_it_was(cube):
    """Pose, velocity, and how sure both are."""
    track, estimator = moved_to_the_right(cube, 5)
    again = track
    for _ in range(3):
        expected = again.expected_in(estimator.frame, cube, NoiseModel(), True)
        again = again.supported_by(replace(estimator, track=again).hypothesis(expected), estimator.frame, cube)
    assert again.camera_T_object == pytest.approx(track.camera_T_object, abs=2e-4)
    assert again.motion.velocity == pytest.approx(track.motion.velocity, abs=1e-3)
    deviations = [np.sqrt(np.diag(one)) for one in (track.motion.pose, again.motion.pose, again.covariance)]
    assert deviations[1] == pytest.approx(deviations[0], rel=0.01)
    assert np.all(deviations[2] < 1.1 * deviations[0]), "no less sure than what is known of the motion"
