"""What scenes are scored by, on arrays whose counts are known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from pose_tracker_ros.evaluation.consistency import (
    degrees_of_freedom,
    inside_ellipsoid,
    normalized_errors_squared,
)
from pose_tracker_ros.evaluation.scene_metrics import SceneTrack, due_frames, reappearances
from pose_tracker_ros.evaluation.scene_summary import half_interval, summarize_scenes
from pose_tracker_ros.geometry import apply_residual, make_pose, so3_exp
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.symmetries import ContinuousSymmetry, symmetry_transforms

FRAMES = 120
# Hidden from 40 to 59, half visible from 62 on.
HIDDEN, REAPPEARED = 40, 62


def track_of(**changes):
    """A perfect track of an object of 0.1 m that rests and is always visible."""
    arrays = {
        "state": np.full(FRAMES, "tracking", dtype="<U10"),
        "error": np.full(FRAMES, 0.001),
        "visibility": np.ones(FRAMES),
        "center": np.tile([0.0, 0.0, 0.6], (FRAMES, 1)),
        "error_squared": np.full(FRAMES, 6.0),
        "latency_ms": np.full(FRAMES, 2.0),
    }
    return SceneTrack("thing", 0, 0.1, freedom=6, **{**arrays, **changes})


def hidden_visibility():
    visibility = np.ones(FRAMES)
    visibility[HIDDEN : HIDDEN + 20] = 0.0
    visibility[HIDDEN + 20 : REAPPEARED] = 0.3
    return visibility


def states(**spans):
    """Tracking but for the spans ``state=(first, after)``."""
    state = np.full(FRAMES, "tracking", dtype="<U10")
    for name, (first, after) in spans.items():
        state[first:after] = name
    return state


def test_a_perfect_track_has_nothing_to_complain_about():
    row = summarize_scenes([track_of()])
    assert (row.frames, row.lost, row.false_tracking, row.false_lost, row.events) == (FRAMES, 0, 0, 0, 0)
    assert row.add_median == row.add_median_unoccluded == 0.001
    assert row.add_auc == pytest.approx(0.99, abs=1e-3)
    assert np.isnan(row.add_auc_pm)


def test_false_tracking_is_a_share_of_the_frames_that_claim_to_track():
    error = np.full(FRAMES, 0.001)
    error[:30] = 0.0201
    error[30:40] = 0.0199
    row = summarize_scenes([track_of(error=error, state=states(lost=(0, 20)))])
    assert (row.false_tracking_frames, row.tracking_frames) == (10, 100)
    assert row.false_tracking == 0.1


def test_rows_pool_numerators_and_denominators():
    few = track_of(error=np.full(FRAMES, 0.03), state=states(lost=(20, FRAMES)))
    row = summarize_scenes([few, track_of()])
    assert row.false_tracking == 20 / 140


def test_without_a_frame_that_claims_to_track_there_is_no_share():
    row = summarize_scenes([track_of(state=np.full(FRAMES, "lost"), error=np.full(FRAMES, np.inf))])
    assert np.isnan(row.false_tracking)
    assert row.add_auc == 0.0 and row.lost == 1 and row.add_median == np.inf


def test_losses_are_runs_beyond_half_a_diameter():
    error = np.full(FRAMES, 0.001)
    error[10:20] = 0.051
    error[30] = np.inf
    error[50:60] = 0.049
    assert summarize_scenes([track_of(error=error)]).lost == 2


def test_false_lost_leaves_out_the_start_what_is_hidden_and_the_time_to_recover():
    due = due_frames(track_of(visibility=hidden_visibility()))
    expected = np.zeros(FRAMES, bool)
    expected[10:HIDDEN] = True
    expected[REAPPEARED + 30 :] = True
    assert np.array_equal(due, expected)
    spans = {"lost": (0, 15), "occluded": (REAPPEARED + 28, REAPPEARED + 33)}
    row = summarize_scenes([track_of(visibility=hidden_visibility(), state=states(**spans))])
    assert (row.false_lost_frames, row.due_frames) == (5 + 3, expected.sum())


def test_errors_of_what_cannot_be_seen_do_not_count():
    error = np.full(FRAMES, 0.001)
    error[HIDDEN : HIDDEN + 20] = 0.5
    error[HIDDEN + 20 : REAPPEARED] = 0.02
    row = summarize_scenes([track_of(visibility=hidden_visibility(), error=error)])
    assert (row.seen_frames, row.unoccluded_frames) == (FRAMES - 20, FRAMES - 22)
    assert row.add_auc == pytest.approx(np.mean(1 - error[hidden_visibility() >= 0.1] / 0.1), abs=3e-3)
    assert row.lost == 1


@pytest.mark.parametrize(("step_m", "expected_place"), [(0.0, True), (0.0019, True), (0.0021, False)])
def test_an_event_is_at_the_expected_place_where_the_object_moved_slowly(step_m, expected_place):
    center = np.cumsum(np.tile([step_m, 0.0, 0.0], (FRAMES, 1)), axis=0)
    (event,) = reappearances(hidden_visibility(), center)
    assert event == (HIDDEN, REAPPEARED, expected_place)


def test_a_motion_outside_of_the_spell_says_nothing_of_the_place():
    center = np.zeros((FRAMES, 3))
    center[: HIDDEN - 1, 0] = -np.arange(HIDDEN - 1, 0, -1) * 0.01
    (event,) = reappearances(hidden_visibility(), center)
    assert event.expected_place


def test_what_is_hidden_shortly_or_peeps_out_a_little_is_no_event_of_its_own():
    visibility = np.ones(FRAMES)
    visibility[20:24] = 0.0
    visibility[50:60] = 0.05
    visibility[60:65] = 0.4
    visibility[65:70] = 0.0
    events = reappearances(visibility, np.zeros((FRAMES, 3)))
    assert [(event.hidden, event.reappeared) for event in events] == [(50, 70)]


@pytest.mark.parametrize(
    ("right_from", "expected"),
    [(REAPPEARED, (1, 1)), (REAPPEARED + 10, (1, 1)), (REAPPEARED + 11, (0, 1)), (REAPPEARED + 26, (0, 0))],
)
def test_recovered_is_tracking_with_a_right_pose(right_from, expected):
    error = np.full(FRAMES, 0.001)
    error[HIDDEN:right_from] = 0.03
    wrong = track_of(visibility=hidden_visibility(), error=error)
    silent = track_of(visibility=hidden_visibility(), state=states(occluded=(HIDDEN, right_from)))
    for track in (wrong, silent):
        row = summarize_scenes([track])
        assert (row.events, row.recovered_15, row.recovered_30) == (1, *expected)
        assert (row.expected_events, row.expected_recovered_30) == (1, expected[1])


def test_a_pose_that_sweeps_across_the_object_is_no_recovery():
    error = np.full(FRAMES, 0.03)
    error[REAPPEARED + 2 : REAPPEARED + 6] = 0.001
    track = track_of(visibility=hidden_visibility(), error=error)
    assert summarize_scenes([track]).recovered_30 == 0
    error[REAPPEARED + 6] = 0.001
    assert summarize_scenes([track]).recovered_15 == 1


def test_an_event_that_the_video_cuts_off_is_not_judged():
    visibility = np.ones(FRAMES)
    visibility[FRAMES - 40 : FRAMES - 29] = 0.0
    assert summarize_scenes([track_of(visibility=visibility)]).events == 0
    visibility[FRAMES - 30] = 1.0
    assert summarize_scenes([track_of(visibility=visibility)]).events == 1


def test_intervals_are_over_seeds_and_not_over_objects():
    tracks = [
        replace(track_of(error=np.full(FRAMES, 0.001 * (seed + 1 + 5 * number))), seed=seed, object_name=name)
        for seed in range(3)
        for number, name in enumerate("ab")
    ]
    # Pooled medians of the seeds are 3.5, 4.5, 5.5 mm; t(0.975, 2) = 4.3027.
    assert summarize_scenes(tracks).add_median_pm == pytest.approx(0.001 * 4.3027 / np.sqrt(3), rel=1e-4)
    assert np.isnan(summarize_scenes([track for track in tracks if track.seed == 0]).add_median_pm)


def test_the_interval_holds_the_mean_95_times_in_100():
    samples = np.random.default_rng(0).normal(1.0, 0.3, (4000, 4))
    held = [abs(np.mean(sample) - 1.0) <= half_interval(sample) for sample in samples]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_an_infinite_value_leaves_no_interval():
    assert np.isnan(half_interval([0.1, np.inf, 0.2]))


def round_model(axis=(0.0, 0.0, 1.0), offset=(0.0, 0.0, 0.0)):
    mesh = load_object("demo_jug").mesh
    symmetry = ContinuousSymmetry(np.array(axis), np.array(offset))
    return ObjectModel.from_mesh("round", mesh, continuous_symmetries=(symmetry,))


def drawn(model, covariance, count, seed=1):
    """Estimates whose errors have the covariance, and their truths."""
    generator = np.random.default_rng(seed)
    truth = make_pose(so3_exp(np.array([0.4, -1.1, 0.7])), np.array([0.05, -0.02, 0.7]))
    errors = generator.multivariate_normal(np.zeros(6), covariance, count)
    estimates = np.stack([apply_residual(truth, error[:3], error[3:], model.center_m) for error in errors])
    return estimates, np.tile(truth, (count, 1, 1))


def covariance_of(seed=0):
    root = np.random.default_rng(seed).normal(size=(6, 6)) * 0.003
    return root @ root.T + np.eye(6) * 1e-6


def test_an_honest_covariance_has_six_on_average_and_95_percent_inside():
    model = load_object("demo_jug")
    covariance = covariance_of()
    estimates, truths = drawn(model, covariance, 3000)
    claims = np.tile(covariance, (3000, 1, 1))
    errors = normalized_errors_squared(estimates, truths, claims, model, symmetry_transforms(model))
    assert errors.mean() == pytest.approx(6.0, abs=0.3)
    assert inside_ellipsoid(errors, 6).mean() == pytest.approx(0.95, abs=0.015)
    sure = normalized_errors_squared(estimates[:50], truths[:50], claims[:50] / 4, model, symmetry_transforms(model))
    assert np.allclose(sure, 4 * errors[:50])


@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (0.03, -0.02, 0.0)])
def test_what_a_symmetry_hides_is_left_out(offset):
    model = round_model(offset=offset)
    symmetries = symmetry_transforms(model)
    covariance = covariance_of(3)
    estimates, truths = drawn(model, covariance, 800)
    claims = np.tile(covariance, (800, 1, 1))
    errors = normalized_errors_squared(estimates, truths, claims, model, symmetries)
    assert degrees_of_freedom(model) == 5
    assert errors.mean() == pytest.approx(5.0, abs=0.45)
    turned = truths @ symmetries[100]
    assert np.allclose(
        normalized_errors_squared(estimates, turned, claims, model, symmetries), errors, rtol=0.05, atol=0.05
    )


def test_of_a_discrete_symmetry_the_nearest_truth_counts():
    model = load_object("demo_jug")
    half_turn = make_pose(so3_exp(np.array([0.0, 0.0, np.pi])), np.zeros(3))
    model = replace(model, discrete_symmetries=half_turn[None])
    covariance = covariance_of()
    estimates, truths = drawn(model, covariance, 5)
    claims = np.tile(covariance, (5, 1, 1))
    symmetries = symmetry_transforms(model)
    errors = normalized_errors_squared(estimates, truths, claims, model, symmetries)
    assert np.allclose(normalized_errors_squared(estimates, truths @ half_turn, claims, model, symmetries), errors)
    assert errors.max() < chi2.ppf(0.9999, 6)


def test_without_covariance_or_pose_there_is_nothing_to_normalise():
    model = load_object("demo_jug")
    covariance = covariance_of()
    estimates, truths = drawn(model, covariance, 3)
    claims = np.tile(covariance, (3, 1, 1))
    claims[0] = np.nan
    estimates[1] = np.nan
    claims[2, 0, 0] = -1.0
    errors = normalized_errors_squared(estimates, truths, claims, model, symmetry_transforms(model))
    assert np.isnan(errors[:2]).all() and errors[2] == np.inf
    row = summarize_scenes([track_of(error_squared=np.full(FRAMES, np.nan))])
    assert row.claimed_frames == 0 and np.isnan(row.error_squared) and np.isnan(row.inside_95)


def test_claims_count_where_tracking_is_reported_of_what_is_seen():
    values = np.full(FRAMES, 5.0)
    values[HIDDEN : HIDDEN + 20] = 1000.0
    values[100:110] = 500.0
    values[110:] = 25.0
    track = track_of(visibility=hidden_visibility(), error_squared=values, state=states(occluded=(100, 110)))
    row = summarize_scenes([track])
    assert row.claimed_frames == FRAMES - 30
    assert row.error_squared == pytest.approx((80 * 5 + 10 * 25) / 90)
    assert row.inside_95 == pytest.approx(80 / 90)
