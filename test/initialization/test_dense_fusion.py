"""What DenseFusion sees of an observation, and that its committed weights find poses."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.evaluation.initialization import masked_scenes
from pose_tracker_ros.evaluation.metrics import adds_errors
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose, pose_errors, random_rotation
from pose_tracker_ros.initialization.dense_fusion import DenseFusionConfig, DenseFusionInitializer
from pose_tracker_ros.initialization.fusion_input import make_input, turned_input
from pose_tracker_ros.initialization.observation import InitializationError, observe
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.raycast import RaycastRenderer

RESOLUTION, MARGIN, POINTS = 64, 1.3, 200
CAMERA = PinholeCamera(320, 240, 310.0, 300.0, 158.0, 121.0)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


@pytest.fixture(scope="module")
def initializer(jug):
    return DenseFusionInitializer(jug)


@pytest.fixture(scope="module")
def scenes(jug):
    return list(masked_scenes(jug, 6, 0.0, seed=5))


def jug_frame(jug, place, seed=0, camera=CAMERA):
    """A clean frame of the jug with its centre at ``place`` (3,) metres, its mask, and the true pose."""
    rotation = random_rotation(np.random.default_rng(seed))
    pose = make_pose(rotation, np.asarray(place, float) - rotation @ jug.center_m)
    rendering = RaycastRenderer(jug.mesh).render(camera, pose)
    return Frame(rendering.color, rendering.depth, camera, 0.0), rendering.mask, pose


def input_of(jug, frame, mask, **options):
    observation = observe(frame, mask, jug.diameter_m)
    arguments = {"resolution": RESOLUTION, "margin": MARGIN, "count": POINTS} | options
    return make_input(observation, jug.diameter_m, jug.center_m, **arguments)


def camera_points(sample):
    """Points of a sample back in the camera's frame, metres."""
    return sample.points @ sample.frame.camera_R_view.T * sample.frame.diameter_m + sample.frame.origin_m


def test_every_point_projects_to_its_own_pixel(jug):
    frame, mask, _ = jug_frame(jug, [0.05, -0.04, 0.6])
    sample = input_of(jug, frame, mask)
    pixels = sample.camera.project(camera_points(sample))
    expected = np.stack([sample.choose % RESOLUTION, sample.choose // RESOLUTION], axis=1)
    assert np.abs(pixels - expected).max() < 1e-3


def test_points_are_on_the_object_at_the_true_pose(jug):
    frame, mask, truth = jug_frame(jug, [0.05, -0.04, 0.6])
    sample = input_of(jug, frame, mask)
    rotation, translation = sample.frame.pose_from_camera(truth)
    in_object = (sample.points - translation) @ rotation * jug.diameter_m + jug.center_m
    distance = np.linalg.norm(in_object[:, None] - jug.sample_points(4000), axis=2).min(axis=1)
    # Half a pixel of the crop where depth is picked from the frame, and the spacing of the samples.
    assert np.median(distance) < 0.002
    assert np.allclose(sample.frame.pose_to_camera(rotation, translation), truth)


def test_points_are_exactly_as_many_as_asked_for_and_measured(jug):
    frame, mask, _ = jug_frame(jug, [0.0, 0.0, 0.6])
    many = input_of(jug, frame, mask)
    assert many.choose.shape == (POINTS,)
    assert len(np.unique(many.choose)) == POINTS
    assert (many.image[3].ravel()[many.choose] == 1).all()
    few = input_of(jug, frame, mask, count=5000)
    distinct = len(np.unique(few.choose))
    assert distinct < 5000
    assert np.array_equal(few.choose, np.resize(few.choose[:distinct], 5000))
    drawn = [input_of(jug, frame, mask, generator=np.random.default_rng(seed)).choose for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_pixels_without_depth_give_no_points(jug):
    frame, mask, _ = jug_frame(jug, [0.0, 0.0, 0.6])
    holes = frame.depth.copy()
    holes[::2] = 0
    sample = input_of(jug, replace(frame, depth=holes), mask)
    assert (np.abs(camera_points(sample)[:, 2] - 0.6) < jug.diameter_m).all()


@pytest.mark.parametrize("place", [[-0.31, 0, 0.6], [0.31, 0, 0.6], [0, -0.24, 0.6], [0, 0.24, 0.6]])
def test_an_object_at_the_image_border_is_no_trouble(jug, initializer, place):
    frame, mask, _ = jug_frame(jug, place)
    assert mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    pose = initializer.propose(observe(frame, mask, jug.diameter_m))[0].camera_T_object
    assert np.isfinite(pose).all()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_input_is_what_a_turned_camera_sees(jug, quarters):
    """Image, points and their link turn together, and the frame takes poses back to the same camera."""
    frame, mask, truth = jug_frame(jug, [0.0, 0.0, 0.6])
    plain = input_of(jug, frame, mask)
    turned = turned_input(plain, quarters)
    assert np.array_equal(turned.image.reshape(5, -1)[:, turned.choose], plain.image.reshape(5, -1)[:, plain.choose])
    columns, rows = turned.choose % RESOLUTION, turned.choose // RESOLUTION
    assert np.corrcoef(columns, turned.points[:, 0])[0, 1] > 0.98
    assert np.corrcoef(rows, turned.points[:, 1])[0, 1] > 0.98
    rotation, translation = turned.frame.pose_from_camera(truth)
    model_points = (turned.points - translation) @ rotation
    first_rotation, first_translation = plain.frame.pose_from_camera(truth)
    assert np.allclose(model_points, (plain.points - first_translation) @ first_rotation, atol=1e-6)


def test_the_unit_of_length_does_not_matter(jug):
    """Millimetres in depth and diameter alike give the same input; in one of both they are refused."""
    frame, mask, _ = jug_frame(jug, [0.0, 0.0, 0.6])
    metres = input_of(jug, frame, mask)
    in_mm = replace(frame, depth=frame.depth * np.float32(1000))
    observation = observe(in_mm, mask, 1000 * jug.diameter_m)
    millimetres = make_input(observation, 1000 * jug.diameter_m, 1000 * jug.center_m, RESOLUTION, MARGIN, POINTS)
    assert np.array_equal(metres.choose, millimetres.choose)
    assert np.allclose(metres.points, millimetres.points, atol=1e-4)
    assert np.allclose(metres.image, millimetres.image, atol=1e-3)
    with pytest.raises(InitializationError, match="points on the object"):
        input_of(jug, in_mm, mask)


def test_masks_without_an_object_are_refused(jug, initializer):
    frame, mask, _ = jug_frame(jug, [0.0, 0.0, 0.6])
    with pytest.raises(InitializationError, match="at least 50 pixels"):
        observe(frame, np.zeros_like(mask), jug.diameter_m)
    tiny = np.zeros_like(mask)
    tiny[100:108, 100:108] = True
    near = replace(frame, depth=np.full_like(frame.depth, 0.25))
    with pytest.raises(InitializationError, match="points on the object"):
        initializer.estimate(observe(near, tiny, jug.diameter_m))
    blind = replace(frame, depth=np.zeros_like(frame.depth))
    with pytest.raises(InitializationError, match="DenseFusion needs it"):
        initializer.estimate(observe(blind, mask, jug.diameter_m))


def test_weights_must_be_there_and_fit(jug, tmp_path):
    with pytest.raises(FileNotFoundError, match="train-initializer"):
        DenseFusionInitializer(jug, weights_path=tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="trained for 'demo_jug'"):
        DenseFusionInitializer(load_object("cube"), weights_path=jug.folder / "dense_fusion.safetensors")
    with pytest.raises(FileNotFoundError, match="weights_path"):
        DenseFusionInitializer(replace(jug, folder=None))


def test_proposals_differ_and_the_surest_come_first(initializer, scenes, jug):
    proposals = initializer.propose(observe(scenes[0].frame, scenes[0].mask, jug.diameter_m))
    assert 1 <= len(proposals) <= initializer.config.candidates
    assert [item.confidence for item in proposals] == sorted((item.confidence for item in proposals), reverse=True)
    assert all(0 <= item.confidence <= 1 for item in proposals)


def test_the_answer_is_the_same_every_time(initializer, scenes, jug):
    observation = observe(scenes[1].frame, scenes[1].mask, jug.diameter_m)
    first, second = (initializer.propose(observation) for _ in range(2))
    for one, other in zip(first, second):
        assert np.array_equal(one.camera_T_object, other.camera_T_object)


def test_the_network_alone_comes_near_and_needs_colour(initializer, scenes, jug):
    points = jug.sample_points(300)
    truths = np.stack([scene.camera_T_object for scene in scenes])

    def errors(noise):
        generator, poses = np.random.default_rng(0), []
        for scene in scenes:
            color = generator.integers(0, 256, scene.frame.color.shape, np.uint8) if noise else scene.frame.color
            observation = observe(replace(scene.frame, color=color), scene.mask, jug.diameter_m)
            poses.append(initializer.propose(observation, 1)[0].camera_T_object)
        turns = [pose_errors(pose, truth)[1] for pose, truth in zip(poses, truths)]
        return adds_errors(np.stack(poses), truths, points), np.array(turns)

    distance, turn = errors(noise=False)
    assert np.median(distance) < 0.1 * jug.diameter_m
    assert np.median(turn) < math.radians(25)
    assert np.mean(turn) < np.mean(errors(noise=True)[1])


def test_aligned_proposals_are_right_and_accepted(initializer, scenes, jug):
    right = 0
    for scene in scenes:
        answer = initializer.estimate(observe(scene.frame, scene.mask, jug.diameter_m))
        translation, rotation = pose_errors(answer.camera_T_object, scene.camera_T_object)
        right += answer.accepted and translation < 0.01 and rotation < math.radians(5)
    assert right >= len(scenes) - 1


def test_a_cube_without_pictures_is_found_up_to_its_symmetry():
    cube = load_object("cube")
    initializer = DenseFusionInitializer(cube, DenseFusionConfig(candidates=4, finalists=1))
    points, errors = cube.sample_points(500), []
    for scene in masked_scenes(cube, 4, 0.0, seed=5):
        answer = initializer.estimate(observe(scene.frame, scene.mask, cube.diameter_m))
        errors.append(adds_errors(answer.camera_T_object[None], scene.camera_T_object[None], points)[0])
    assert np.median(errors) < 0.005


def test_a_mask_on_the_background_is_not_accepted(initializer, scenes, jug):
    for scene in scenes[:3]:
        rows, columns = np.nonzero(scene.frame.depth > 0)
        far = np.abs(columns - np.nonzero(scene.mask)[1].mean()).argmax()
        wrong = np.zeros_like(scene.mask)
        row, column = np.clip([rows[far], columns[far]], 70, 400)
        wrong[row - 60 : row + 60, column - 60 : column + 60] = True
        wrong &= ~scene.mask
        answer = initializer.estimate(observe(scene.frame, wrong, jug.diameter_m))
        assert not answer.accepted
        assert "is the mask on" in answer.reason
