"""Inverses of covariances, against NumPy's; the filter itself is tested as the motion that uses it."""

import numpy as np
import pytest

from pose_tracker_ros.kernels.filtering import inverse


@pytest.mark.parametrize("size", [1, 4, 10])
def test_it_is_the_inverse_whatever_the_units(size):
    random = np.random.default_rng(size)
    root, units = random.normal(size=(size, size)), 10.0 ** random.uniform(-4, 4, size)
    matrix = units[:, None] * (root @ root.T + np.eye(size)) * units
    assert units[:, None] * inverse(matrix) * units == pytest.approx(np.linalg.inv(root @ root.T + np.eye(size)), rel=1e-9)
    assert inverse(np.asfortranarray(matrix)) == pytest.approx(inverse(matrix), rel=1e-9)


def test_singular_ones_are_refused():
    with pytest.raises(ValueError, match="singular"):
        inverse(np.ones((3, 3)))
