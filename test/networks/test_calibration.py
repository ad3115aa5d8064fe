"""Calibration finds the scale that errors were drawn with."""

import numpy as np
import pytest
from scipy.stats import chi2

from pose_tracker_ros.networks.calibration import (
    CELLS_LIMITS,
    CORRELATED_CELLS,
    FEWEST_ANSWERS,
    calibrated_cells,
    joint_information,
)

COUNT = 4000


def answers(cells, count=COUNT):
    """Errors, information of pixels and shared covariance, drawn with so many cells as one."""
    generator = np.random.default_rng(5)
    roots = generator.normal(0, 40, (count, 6, 6)) * np.exp(generator.normal(0, 0.7, (count, 1, 1)))
    of_pixels = roots @ np.swapaxes(roots, 1, 2) + 100 * np.eye(6)
    shared = np.diag([1e-4, 1e-4, 1e-4, 9e-4, 9e-4, 4e-3]) * np.ones((count, 1, 1))
    covariance = cells * np.linalg.inv(of_pixels) + shared
    errors = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), generator.normal(size=(count, 6)))
    return errors, of_pixels, shared


@pytest.mark.parametrize("cells", [4.0, 60.0])
def test_the_scale_that_errors_were_drawn_with_is_found(cells):
    found = calibrated_cells(*answers(cells))
    assert found == pytest.approx(cells, rel=0.1)


def test_as_many_errors_lie_inside_as_a_normal_distribution_has_there():
    errors, of_pixels, shared = answers(60.0)
    information = joint_information(of_pixels, shared, calibrated_cells(errors, of_pixels, shared))
    squares = np.einsum("ni,nij,nj->n", errors, information, errors)
    assert np.mean(squares < chi2.ppf(0.95, 6)) == pytest.approx(0.95, abs=2 / COUNT)


def test_the_information_is_that_of_both_covariances_together():
    errors, of_pixels, shared = answers(9.0, 5)
    expected = np.linalg.inv(9.0 * np.linalg.inv(of_pixels) + shared)
    assert joint_information(of_pixels, shared, 9.0) == pytest.approx(expected, rel=1e-6, abs=1e-3)
    assert joint_information(np.zeros((6, 6)), shared[0], 9.0) == pytest.approx(np.linalg.inv(shared[0]))


def test_few_answers_and_networks_without_certainties_have_the_usual_scale():
    errors, of_pixels, shared = answers(60.0, FEWEST_ANSWERS)
    assert calibrated_cells(errors, of_pixels, shared) > 2 * CORRELATED_CELLS
    assert calibrated_cells(errors[1:], of_pixels[1:], shared[1:]) == CORRELATED_CELLS
    assert calibrated_cells(errors, 0 * of_pixels, shared) == CORRELATED_CELLS


def test_answers_that_no_scale_explains_get_the_most_careful_one():
    errors, of_pixels, shared = answers(60.0, 100)
    assert calibrated_cells(1e4 * errors, of_pixels, shared) == pytest.approx(CELLS_LIMITS[1], rel=1e-3)
