"""How far pixels are from a mask, against OpenCV."""

import cv2
import numpy as np

from pose_tracker_ros.kernels.distance import distance_around


def test_pixels_are_as_far_from_a_mask_as_opencv_has_them():
    mask = np.zeros((50, 70), bool)
    mask[20:30, 5:40], mask[24:27, 10:20], mask[3, 69], mask[49, 0] = True, False, True, True
    expected = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    np.testing.assert_allclose(distance_around(mask), expected, atol=1e-3)
    assert expected.max() > 30


def test_without_a_mask_everything_is_far():
    assert (distance_around(np.zeros((4, 5), bool)) == 512).all()
