"""The motion filter against the textbook's, written out in full, and what it is there for."""

import numpy as np
import pytest

from pose_tracker_ros.tracking.motion import ACCELERATION, UNKNOWN_POSE, UNKNOWN_VELOCITY, Motion

SECONDS = 1 / 30
CERTAIN = np.eye(6) * 1e10


def textbook(measurements, informations):
    """Velocity (6,) and covariance (12, 12) of a Kalman filter with F, Q and H as matrices (Bar-Shalom et al. 2001)."""
    state, covariance = np.zeros(12), np.diag(np.concatenate([UNKNOWN_POSE, UNKNOWN_VELOCITY]) ** 2)
    eye = np.eye(6)
    transition = np.block([[eye, SECONDS * eye], [0 * eye, eye]])
    noise = np.kron(np.array([[SECONDS**3 / 3, SECONDS**2 / 2], [SECONDS**2 / 2, SECONDS]]), ACCELERATION)
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
    motion, pose = Motion(), np.zeros(6)
    for measurement, information in zip(measurements, informations):
        motion = motion.predicted(SECONDS)
        pose = pose + SECONDS * motion.velocity
        posterior = np.linalg.inv(motion.pose) + information
        correction = np.linalg.solve(posterior, information @ (measurement - pose))
        motion = motion.corrected(correction, information)
        pose = pose + correction
    state, covariance = textbook(measurements, informations)
    assert pose == pytest.approx(state[:6], abs=1e-9)
    assert motion.velocity == pytest.approx(state[6:], abs=1e-8)
    assert motion.pose == pytest.approx(covariance[:6, :6], abs=1e-9)


def after_steady(velocity):
    """What is known of something that moved with a ``velocity`` (6,) in six frames that showed it well."""
    motion = Motion()
    for _ in range(6):
        motion = motion.predicted(SECONDS)
        motion = motion.corrected(SECONDS * (velocity - motion.velocity), CERTAIN)
    return motion


def test_steady_motion_is_soon_foreseen():
    velocity = np.array([0.2, -0.1, 0.05, 0.5, 1.5, -1.0])
    assert after_steady(velocity).velocity == pytest.approx(velocity, rel=1e-3)


def test_what_images_do_not_tell_goes_on_as_before():
    """A rod that turned about its axis: while that cannot be seen, an estimate that stays behind proves nothing."""
    before = after_steady(np.array([0, 0, 0, 2.0, 0, 0]))
    blind = CERTAIN.copy()
    blind[3, 3] = 1e-3
    predicted = before.predicted(SECONDS)
    posterior = np.linalg.inv(predicted.pose) + blind
    after = predicted.corrected(np.linalg.solve(posterior, blind @ (-SECONDS * predicted.velocity)), blind)
    assert after.velocity[3] == pytest.approx(2.0, rel=0.01)
    assert before.velocity[3] == pytest.approx(2.0, rel=1e-3), "what was known before stays as it was"


def test_expectations_get_vague_while_nothing_is_seen():
    motion, deviations = after_steady(np.zeros(6)), []
    for _ in range(5):
        motion = motion.predicted(SECONDS)
        deviations.append(np.sqrt(motion.pose.diagonal()))
    assert (np.diff(deviations, axis=0) > 0).all()
    assert 0.003 < deviations[0][0] < 0.02 and 0.03 < deviations[0][3] < 0.15
