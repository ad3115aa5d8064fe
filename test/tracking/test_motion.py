"""The motion filter against the textbook's, written out in full, and what it is there for."""

import numpy as np
import pytest

from pose_tracker_ros.tracking.motion import ACCELERATION, UNKNOWN_POSE, UNKNOWN_VELOCITY, MotionFilter

SECONDS = 1 / 30
CERTAIN = np.eye(6) * 1e10


def textbook(measurements, informations):
    """Velocity (6,) and covariance (12, 12) of a Kalman filter with F, Q and H as matrices (Bar-Shalom et al. 2001)."""
    state, covariance = np.zeros(12), np.diag(np.concatenate([UNKNOWN_POSE, UNKNOWN_VELOCITY]) ** 2)
    eye = np.eye(6)
    transition = np.block([[eye, SECONDS * eye], [0 * eye, eye]])
    noise = np.kron(np.array([[SECONDS**3 / 3, SECONDS**2 / 2], [SECONDS**2 / 2, SECONDS]]), np.diag(ACCELERATION**2))
    observation = np.hstack([eye, 0 * eye])
    for measurement, information in zip(measurements, informations):
        state, covariance = transition @ state, transition @ covariance @ transition.T + noise
        innovation = observation @ covariance @ observation.T + np.linalg.inv(information)
        gain = covariance @ observation.T @ np.linalg.inv(innovation)
        state = state + gain @ (measurement - observation @ state)
        covariance = (np.eye(12) - gain @ observation) @ covariance
    return state, covariance


def test_it_is_the_textbook_filter():
    generator = np.random.default_rng(0)
    measurements = np.cumsum(generator.normal(0, 0.02, (10, 6)), axis=0)
    roots = generator.normal(0, 60, (10, 6, 6))
    informations = roots @ roots.transpose(0, 2, 1) + np.eye(6) * 100
    motion, pose = MotionFilter(), np.zeros(6)
    for measurement, information in zip(measurements, informations):
        step, expected = motion.predict(SECONDS)
        pose = pose + step
        posterior = expected + information
        correction = np.linalg.solve(posterior, information @ (measurement - pose))
        motion.update(correction, information)
        pose = pose + correction
    state, covariance = textbook(measurements, informations)
    assert pose == pytest.approx(state[:6], abs=1e-9)
    assert motion.velocity == pytest.approx(state[6:], abs=1e-8)
    assert np.linalg.inv(motion.predict(0.0)[1]) == pytest.approx(covariance[:6, :6], abs=1e-9)


def test_steady_motion_is_soon_foreseen():
    velocity = np.array([0.2, -0.1, 0.05, 0.5, 1.5, -1.0])
    motion = MotionFilter()
    for _ in range(6):
        step, _ = motion.predict(SECONDS)
        motion.update(velocity * SECONDS - step, CERTAIN)
    assert motion.predict(SECONDS)[0] == pytest.approx(velocity * SECONDS, rel=1e-3)


def test_what_images_do_not_tell_goes_on_as_before():
    """A rod that turned about its axis: while that cannot be seen, an estimate that stays behind proves nothing."""
    velocity = np.array([0, 0, 0, 2.0, 0, 0])
    motion = MotionFilter()
    for _ in range(6):
        step, _ = motion.predict(SECONDS)
        motion.update(velocity * SECONDS - step, CERTAIN)
    blind = CERTAIN.copy()
    blind[3, 3] = 1e-3
    step, expected = motion.predict(SECONDS)
    motion.update(np.linalg.solve(expected + blind, blind @ -step), blind)
    assert motion.velocity[3] == pytest.approx(2.0, rel=0.01)


def test_expectations_get_vague_while_nothing_is_seen():
    motion = MotionFilter()
    for _ in range(4):
        motion.predict(SECONDS)
        motion.update(np.zeros(6), CERTAIN)
    deviations = [np.sqrt(1 / motion.predict(SECONDS)[1].diagonal()) for _ in range(5)]
    assert (np.diff(deviations, axis=0) > 0).all()
    assert 0.003 < deviations[0][0] < 0.02 and 0.03 < deviations[0][3] < 0.15


def test_the_share_that_is_expected_again_can_be_less():
    motion = MotionFilter()
    motion.velocity = np.full(6, 0.3)
    assert motion.predict(SECONDS, share=0.5)[0] == pytest.approx(0.15 * SECONDS)
    motion.fade(0.9)
    assert motion.velocity == pytest.approx(0.27)
