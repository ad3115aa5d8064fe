"""What rests in a room is expected there again; what moves is not."""

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, make_pose, so3_exp
from pose_tracker_ros.relocalization.resting_objects import RestingObjects, in_map

CAMERA = PinholeCamera(640, 480, 600.0, 600.0, 320.0, 240.0)
CAMERA_COVARIANCE = np.diag([0.01**2] * 3 + [0.01**2] * 3)
OBJECT_COVARIANCE = np.diag([0.001**2] * 3 + [0.01**2] * 3)
OBJECT = make_pose(so3_exp(np.array([0.1, 0.2, 0.3])), np.array([0.2, 0.3, 1.0]))


def see(resting, stamp, map_T_camera, map_T_object=OBJECT):
    resting.see("jug", stamp, map_T_camera, CAMERA_COVARIANCE, invert(map_T_camera) @ map_T_object, OBJECT_COVARIANCE)


def camera_at(x, turn=0.0):
    return make_pose(so3_exp(np.array([0.0, turn, 0.0])), np.array([x, 0.0, 0.0]))


def test_an_object_that_rests_is_expected_by_a_camera_elsewhere():
    resting = RestingObjects(rest_s=1.0)
    for number in range(4):
        see(resting, 0.5 * number, camera_at(0.1 * number))
    there = camera_at(0.8, turn=-0.4)
    np.testing.assert_allclose(resting.expected("jug", there, CAMERA), invert(there) @ OBJECT, atol=1e-12)
    assert resting.rest("jug").until == 1.5
    assert resting.expected("jug", camera_at(0.0, turn=np.pi), CAMERA) is None, "it is behind the camera"
    assert resting.expected("jug", camera_at(3.0), CAMERA) is None, "it is outside of the image"
    assert resting.expected("mug", there, CAMERA) is None


def test_only_what_is_missing_and_should_be_seen_is_offered():
    resting = RestingObjects(rest_s=1.0)
    for number in range(4):
        see(resting, 0.5 * number, camera_at(0.0))
    there = camera_at(0.8, turn=-0.4)
    offers = resting.offers(["jug", "mug"], there, CAMERA)
    assert list(offers) == ["jug"]
    np.testing.assert_allclose(offers["jug"], invert(there) @ OBJECT, atol=1e-12)
    assert not resting.offers([], there, CAMERA)
    assert not resting.offers(["jug"], camera_at(3.0), CAMERA)


def test_what_is_found_elsewhere_after_nobody_saw_it_is_offered_where_it_was_until_it_rests_there():
    """A search may have found it wrongly: only a look at the old place tells."""
    resting = RestingObjects(rest_s=1.0)
    for number in range(4):
        see(resting, 0.5 * number, camera_at(0.0))
    there = camera_at(0.8, turn=-0.4)
    turned = OBJECT @ make_pose(so3_exp(np.array([0.0, 0.0, np.pi])), np.zeros(3))
    see(resting, 7.0, there, turned)
    np.testing.assert_allclose(resting.offers([], there, CAMERA)["jug"], invert(there) @ OBJECT, atol=1e-12)
    see(resting, 7.5, there)
    assert not resting.offers([], there, CAMERA), "it is there"
    for stamp in (14.0, 14.5, 15.0):
        see(resting, stamp, there, turned)
    assert not resting.offers([], there, CAMERA), "it was moved"
    np.testing.assert_allclose(resting.rest("jug").map_T_object, turned, atol=1e-12)


def test_an_object_seen_for_a_moment_is_not_remembered():
    resting = RestingObjects(rest_s=1.0)
    see(resting, 0.0, camera_at(0.0))
    see(resting, 0.5, camera_at(0.0))
    assert resting.rest("jug") is None


def test_an_object_that_is_carried_is_forgotten_until_it_rests_again():
    resting = RestingObjects(rest_s=1.0)
    for number in range(4):
        see(resting, 0.5 * number, camera_at(0.0))
    assert resting.rest("jug") is not None
    for number in range(4, 8):
        see(resting, 0.5 * number, camera_at(0.0), OBJECT @ make_pose(np.eye(3), np.array([0.1 * number, 0.0, 0.0])))
        assert resting.rest("jug") is None
    elsewhere = OBJECT @ make_pose(np.eye(3), np.array([1.0, 0.0, 0.0]))
    for number in range(8, 12):
        see(resting, 0.5 * number, camera_at(0.0), elsewhere)
    np.testing.assert_allclose(resting.rest("jug").map_T_object, elsewhere, atol=1e-12)


def test_a_slow_push_is_no_rest():
    """No two images in a row tell it, the first and the last do."""
    resting = RestingObjects(rest_s=1.0)
    for number in range(40):
        see(resting, 0.1 * number, camera_at(0.0), OBJECT @ make_pose(np.eye(3), np.array([0.005 * number, 0.0, 0.0])))
    rest = resting.rest("jug")
    moved = OBJECT @ make_pose(np.eye(3), np.array([0.005 * 39, 0.0, 0.0]))
    assert rest is None or np.linalg.norm(rest.map_T_object[:3, 3] - moved[:3, 3]) < 0.1


def test_time_that_jumps_back_starts_anew():
    resting = RestingObjects(rest_s=1.0)
    see(resting, 10.0, camera_at(0.0))
    see(resting, 0.0, camera_at(0.0))
    see(resting, 0.5, camera_at(0.0))
    assert resting.rest("jug") is None


def test_covariances_in_the_map_are_those_of_a_thousand_cameras():
    generator = np.random.default_rng(0)
    camera = camera_at(0.5, turn=0.7)
    camera_T_object = invert(camera) @ OBJECT
    deviations = np.array([0.01, 0.02, 0.005, 0.01, 0.02, 0.03])
    places = []
    for _ in range(4000):
        twist = generator.normal(0, deviations)
        places.append((camera @ make_pose(so3_exp(twist[3:]), twist[:3]) @ camera_T_object)[:3, 3])
    expected = in_map(camera, np.diag(deviations**2), camera_T_object, np.zeros((6, 6)))[:3, :3]
    np.testing.assert_allclose(np.cov(np.array(places).T), expected, atol=0.08 * expected.max())
