"""Metrics against closed forms and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pose_tracker_ros.evaluation import metrics
from pose_tracker_ros.objects import Mesh, ObjectModel
from pose_tracker_ros.symmetries import ContinuousSymmetry, symmetry_transforms


def pose(rotation_vector=(0, 0, 0), translation=(0, 0, 0)):
    result = np.eye(4)
    result[:3, :3] = Rotation.from_rotvec(rotation_vector).as_matrix()
    result[:3, 3] = translation
    return result


def random_poses(count, seed=0):
    generator = np.random.default_rng(seed)
    vectors, places = generator.normal(size=(2, count, 3))
    return np.stack([pose(vector, place) for vector, place in zip(vectors, places)])


POINTS = np.random.default_rng(1).normal(scale=0.05, size=(300, 3))
MESH = Mesh(POINTS.astype(np.float32), np.zeros((1, 3), np.int32), np.zeros((300, 3), np.float32))


def ring(count=400):
    """Points of a cylinder around the z axis through (0.02, 0, 0)."""
    angle = np.arange(count) * 2 * np.pi / count
    circle = np.stack([0.03 * np.cos(angle) + 0.02, 0.03 * np.sin(angle)], axis=1)
    return np.concatenate([np.column_stack([circle, np.full(count, z)]) for z in (-0.05, 0.0, 0.05)])


def turn(angle, offset=(0.02, 0, 0)):
    """Rotation about the line along z through ``offset``."""
    rotation = Rotation.from_rotvec([0, 0, angle]).as_matrix()
    result = np.eye(4)
    result[:3, :3] = rotation
    result[:3, 3] = offset - rotation @ offset
    return result


def test_translation_gives_its_length_as_add():
    truths = random_poses(5)
    estimates = truths.copy()
    estimates[:, :3, 3] += (0.003, -0.004, 0.012)
    np.testing.assert_allclose(metrics.add_errors(estimates, truths, POINTS), 0.013, atol=1e-12)
    np.testing.assert_allclose(metrics.translation_errors(estimates, truths), 0.013, atol=1e-12)
    np.testing.assert_allclose(metrics.rotation_errors(estimates, truths), 0, atol=1e-7)


def test_rotation_gives_the_chord_as_add():
    """Points at distance r from the axis move by 2 r sin(angle / 2)."""
    truth = pose((0.1, 0.2, 0.3), (0, 0, 1))
    angle = 0.4
    moved = truth @ turn(angle)
    expected = 2 * 0.03 * np.sin(angle / 2)
    assert metrics.add_errors(moved[None], truth[None], ring())[0] == pytest.approx(expected)
    assert metrics.rotation_errors(moved[None], truth[None])[0] == pytest.approx(angle)


def test_errors_agree_with_plain_loops():
    estimates, truths = random_poses(6, 2), random_poses(6, 3)
    estimates[:3] = truths[:3] @ pose((0.1, 0, 0.05), (0.01, 0, 0))
    for number, (estimate, truth) in enumerate(zip(estimates, truths)):
        a, b = (POINTS @ matrix[:3, :3].T + matrix[:3, 3] for matrix in (estimate, truth))
        add = np.mean([np.linalg.norm(p - q) for p, q in zip(a, b)])
        adds = np.linalg.norm(b[:, None] - a[None], axis=2).min(axis=1).mean()
        assert metrics.add_errors(estimates, truths, POINTS)[number] == pytest.approx(add)
        assert metrics.adds_errors(estimates, truths, POINTS)[number] == pytest.approx(adds)


def test_adds_searches_from_truth_to_estimate():
    """Where a part is far out, the two directions differ: the published scripts search the estimate's points."""
    points = np.array([[0.0, 0, 0], [0.01, 0, 0], [1.0, 0, 0]])
    moved = pose(translation=(0.5, 0, 0))
    # True points 0, 0.01, 1 against estimated 0.5, 0.51, 1.5.
    expected = np.mean([0.5, 0.49, 0.49])
    assert metrics.adds_errors(moved[None], np.eye(4)[None], points)[0] == pytest.approx(expected)


def test_turn_about_the_symmetry_axis_costs_add_but_not_adds():
    truth = pose((0.3, -0.2, 0.5), (0, 0.1, 0.8))
    moved = truth @ turn(np.pi / 2)
    assert metrics.adds_errors(moved[None], truth[None], ring())[0] == pytest.approx(0, abs=1e-9)
    assert metrics.add_errors(moved[None], truth[None], ring())[0] == pytest.approx(0.03 * np.sqrt(2))


def test_missing_poses_are_infinitely_wrong():
    estimates = np.stack([np.eye(4), metrics.NO_POSE])
    truths = np.stack([np.eye(4)] * 2)
    for errors in (
        metrics.add_errors(estimates, truths, POINTS),
        metrics.adds_errors(estimates, truths, POINTS),
        metrics.translation_errors(estimates, truths),
        metrics.rotation_errors(estimates, truths),
        metrics.pose_errors_with_symmetry(estimates, truths, np.eye(4)[None])[1],
    ):
        assert errors[0] == pytest.approx(0, abs=1e-7) and errors[1] == np.inf


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="two equally long stacks"):
        metrics.add_errors(random_poses(2), random_poses(3), POINTS)
    with pytest.raises(ValueError, match="4x4"):
        metrics.rotation_errors(np.eye(4), np.eye(4))


def symmetric_model(discrete=(), continuous=()):
    discrete = np.array(discrete).reshape(-1, 4, 4)
    return ObjectModel("thing", MESH, 0.12, discrete, tuple(continuous))


def test_symmetries_are_combined():
    about_z = ContinuousSymmetry(np.array([0, 0, 2.0]), np.array([0.02, 0, 0]))
    flip = pose((np.pi, 0, 0))
    model = symmetric_model([flip], [about_z])
    transforms = symmetry_transforms(model)
    assert transforms.shape == (2 * int(np.ceil(np.pi / 0.01)), 4, 4)
    np.testing.assert_allclose(transforms[0], np.eye(4), atol=1e-12)
    # The ring maps onto itself up to the step.
    for transform in transforms[:: len(transforms) // 7]:
        assert metrics.adds_errors(transform[None], np.eye(4)[None], ring())[0] < 0.03 * 0.01 + 1e-9
    assert symmetry_transforms(symmetric_model()).shape == (1, 4, 4)


def test_errors_to_the_nearest_equivalent_truth():
    """The axis misses the object's origin, so the origin of an equivalent truth is elsewhere."""
    symmetries = symmetry_transforms(
        symmetric_model(continuous=[ContinuousSymmetry(np.array([0, 0, 1.0]), np.array([0.02, 0, 0]))])
    )
    truth = pose((0.1, 0.4, 0), (0.1, 0, 0.9))
    estimate = truth @ turn(2.0)
    translation, rotation = metrics.pose_errors_with_symmetry(estimate[None], truth[None], symmetries)
    assert rotation[0] < 0.011 and translation[0] < 0.02 * 0.011
    assert metrics.translation_errors(estimate[None], truth[None])[0] == pytest.approx(2 * 0.02 * np.sin(1.0))
    assert metrics.rotation_errors(estimate[None], truth[None], symmetries)[0] < 0.011


def test_a_round_object_is_turned_as_the_estimate_is():
    symmetry = ContinuousSymmetry(np.array([0, 0, 2.0]), np.array([0.02, 0, 0]))
    truth = pose((0.1, 0.4, 0), (0.1, 0, 0.9))
    np.testing.assert_allclose(symmetry.turned_towards(truth @ turn(2.0), truth), truth @ turn(2.0), atol=1e-12)
    estimate = truth @ pose((0.2, -0.1, 1.3))
    angle = metrics.rotation_errors(estimate[None], symmetry.turned_towards(estimate, truth)[None])[0]
    symmetries = symmetry_transforms(symmetric_model(continuous=[symmetry]))
    steps = metrics.rotation_errors(estimate[None], truth[None], symmetries)[0]
    assert steps - 1e-3 < angle <= steps + 1e-9


@given(st.floats(0.0, 0.099), st.integers(1, 50))
def test_auc_of_a_constant_error(error, count):
    errors = np.full(count, error)
    assert metrics.auc_exact(errors) == pytest.approx(1 - error / 0.1)
    # The upper sum counts the first step, which covers the whole curve, from the error on.
    assert metrics.auc_voc(errors) == pytest.approx(1 - error / 0.1 + error / (0.1 * count))


@settings(max_examples=50)
@given(st.lists(st.one_of(st.floats(0, 0.3), st.just(float("inf"))), min_size=1, max_size=40))
def test_voc_auc_is_the_area_under_the_upper_steps(errors):
    errors = np.array(errors)
    edges = np.concatenate([[0.0], np.sort(errors[errors < 0.1]), [0.1]])
    count = len(edges) - 2
    area = 0.0
    for number, (low, high) in enumerate(zip(edges[:-1], edges[1:])):
        area += (high - low) * min(number + 1, count) / len(errors)
    assert metrics.auc_voc(errors) == pytest.approx(area / 0.1, abs=1e-12)
    largest = edges[-2]
    assert metrics.auc_voc(errors) == pytest.approx(metrics.auc_exact(errors) + largest / 0.1 / len(errors), abs=1e-9)


def test_infinities_and_misses_count_as_failures():
    errors = np.array([0.0, 0.0, np.inf, np.inf])
    assert metrics.auc_exact(errors) == metrics.auc_voc(errors) == 0.5
    assert metrics.accuracy(errors, 0.1) == 0.5
    assert metrics.auc_voc(np.array([np.inf])) == metrics.auc_exact(np.array([np.inf])) == 0
    assert metrics.auc_voc(np.array([0.1])) == 0, "an error of the limit itself is a failure"


def test_accuracies_and_curve():
    errors = np.array([0.01, 0.02, 0.05, np.inf])
    thresholds, shares = metrics.accuracy_curve(errors, 0.1, 11)
    np.testing.assert_allclose(thresholds, np.arange(11) / 100)
    np.testing.assert_allclose(shares, [0, 0.25, 0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75])
    assert metrics.accuracy(errors, 0.02) == 0.25, "strictly below"
    translation, rotation = np.array([0.04, 0.06, 0.04, np.inf]), np.radians([4, 4, 6, np.inf])
    assert metrics.pose_accuracy(translation, rotation) == 0.25


def test_losses_are_runs_of_failures():
    assert metrics.count_losses(np.array([0, 1, 1, 0, 1, 0, 0, 1], bool)) == 3
    assert metrics.count_losses(np.array([1, 1, 1], bool)) == 1
    assert metrics.count_losses(np.zeros(4, bool)) == metrics.count_losses(np.array([], bool)) == 0
