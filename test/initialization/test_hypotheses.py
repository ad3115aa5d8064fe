"""First poses against simulated truth, and masks that deserve no pose."""

from dataclasses import replace

import numpy as np
import pytest

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.initialization import degraded, evaluate_initializer, hidden, masked_scenes
from pose_tracker_ros.geometry import apply_residual, so3_exp
from pose_tracker_ros.initialization.config import HypothesesConfig
from pose_tracker_ros.initialization.hypotheses import HypothesisInitializer
from pose_tracker_ros.initialization.initializer import create_initializer, initialize
from pose_tracker_ros.initialization.observation import InitializationError, mask_from_box, observe
from pose_tracker_ros.initialization.templates import SIZE, make_templates
from pose_tracker_ros.objects import ObjectModel, load_object


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


@pytest.fixture(scope="module")
def initializer(jug):
    return HypothesisInitializer(jug)


@pytest.fixture(scope="module")
def scenes(jug):
    return list(masked_scenes(jug, 4, 0.0, seed=3, degrade=False))


def errors(model, answer, truth):
    """Degrees and metres."""
    turn = answer.camera_T_object[:3, :3] @ truth[:3, :3].T
    angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    return angle, float(np.linalg.norm(answer.camera_T_object[:3, 3] - truth[:3, 3]))


@pytest.mark.parametrize(("occlusion", "right"), [(0.0, 0.95), (0.3, 0.85)])
def test_simulated_scenes_with_degraded_masks(jug, initializer, occlusion, right):
    scenes = masked_scenes(jug, 8, occlusion, seed=1)
    result = evaluate_initializer(
        lambda frame, mask: initialize(initializer, frame, mask), jug, scenes, jug.sample_points(500)
    )
    assert result.right >= right
    # What tells two views apart may be hidden.
    assert result.accepted_wrong <= occlusion / 2


@pytest.mark.parametrize("change", ["eroded", "dilated", "holes", "other part"])
def test_each_kind_of_bad_mask(jug, initializer, scenes, change):
    import cv2

    scene = scenes[0]
    mask = scene.mask.astype(np.uint8)
    rows, columns = np.nonzero(mask)
    if change == "eroded":
        mask = cv2.erode(mask, np.ones((7, 7), np.uint8))
    elif change == "dilated":
        mask = cv2.dilate(mask, np.ones((7, 7), np.uint8))
    elif change == "holes":
        for index in range(0, len(rows), len(rows) // 5):
            cv2.circle(mask, (int(columns[index]), int(rows[index])), 8, 0, -1)
    else:
        wide = cv2.dilate(mask, np.ones((41, 41), np.uint8)) & ~mask
        mask.ravel()[np.flatnonzero(wide)[: len(rows) // 5]] = 1
    answer = initialize(initializer, scene.frame, mask)
    angle, distance = errors(jug, answer, scene.camera_T_object)
    assert answer.accepted
    assert angle < 5
    assert distance < 0.01


def test_half_hidden(jug, initializer, scenes):
    good = 0
    for number, scene in enumerate(scenes):
        frame, mask = hidden(scene.frame, scene.mask, 0.5, np.random.default_rng(number))
        answer = initialize(initializer, frame, mask)
        angle, distance = errors(jug, answer, scene.camera_T_object)
        good += angle < 5 and distance < 0.01
    assert good >= len(scenes) - 1


def test_without_depth_the_pose_is_found_from_mask_and_colour(jug, initializer, scenes):
    good = 0
    for scene in scenes:
        frame = replace(scene.frame, depth=np.zeros_like(scene.frame.depth))
        angle, distance = errors(jug, initialize(initializer, frame, scene.mask), scene.camera_T_object)
        good += angle < 15 and distance < 0.05
    assert good >= len(scenes) - 1


def test_of_several_masks_the_one_that_fits_is_taken(jug, initializer, scenes):
    scene = scenes[1]
    wrong = np.roll(scene.mask, (0, 250), axis=(0, 1))
    if (wrong & scene.mask).any():
        wrong = np.roll(scene.mask, (200, 0), axis=(0, 1))
    answer = initialize(initializer, scene.frame, scene.mask | (wrong & ~scene.mask))
    angle, distance = errors(jug, answer, scene.camera_T_object)
    assert angle < 5
    assert distance < 0.01


def test_a_mask_on_the_background_is_refused_with_a_reason(jug, initializer, scenes):
    refused = 0
    for scene in scenes:
        for shift in ((0, 200), (120, -180)):
            elsewhere = np.roll(scene.mask, shift, axis=(0, 1)) & ~scene.mask
            answer = initialize(initializer, scene.frame, elsewhere)
            assert not answer.accepted
            assert "demo_jug" in answer.reason
            refused += 1
    assert refused == 2 * len(scenes)


def test_a_box_is_enough(jug, initializer, scenes):
    good = 0
    for scene in scenes:
        rows, columns = np.nonzero(scene.mask)
        box = (columns.min() - 8.0, rows.min() - 8.0, columns.max() + 8.0, rows.max() + 8.0)
        mask = mask_from_box(scene.frame, box, jug.diameter_m)
        overlap = (mask & scene.mask).sum() / (mask | scene.mask).sum()
        angle, distance = errors(jug, initialize(initializer, scene.frame, mask), scene.camera_T_object)
        good += overlap > 0.6 and angle < 5 and distance < 0.01
    assert good >= len(scenes) - 1


def test_a_box_outside_the_image_is_refused(jug, scenes):
    with pytest.raises(InitializationError, match="expected a box"):
        mask_from_box(scenes[0].frame, (700.0, 10.0, 800.0, 100.0), jug.diameter_m)


def test_a_mask_on_another_object_is_refused(initializer):
    cube = load_object("cube")
    for scene in masked_scenes(cube, 3, 0.0, seed=2):
        assert not initialize(initializer, scene.frame, scene.mask).accepted


@pytest.mark.parametrize("kind", ["empty", "tiny", "other size"])
def test_unusable_masks_are_refused_in_one_sentence(initializer, scenes, kind):
    frame = scenes[0].frame
    mask = {
        "empty": np.zeros_like(scenes[0].mask),
        "tiny": np.pad(np.ones((3, 3), bool), ((0, 477), (0, 637))),
        "other size": np.ones((100, 100), bool),
    }[kind]
    with pytest.raises(InitializationError, match="expected a mask"):
        initialize(initializer, frame, mask)


def test_another_light_is_not_another_paint(jug, initializer, scenes):
    """Half the exposure, warmer, and hazy."""
    for scene in scenes[:2]:
        color = scene.frame.color * np.array([0.6, 0.5, 0.4]) + 40
        frame = replace(scene.frame, color=color.astype(np.uint8))
        answer = initialize(initializer, frame, scene.mask)
        assert answer.accepted, answer.reason
        assert errors(jug, answer, scene.camera_T_object)[0] < 5


def test_a_wrong_turn_is_less_likely(jug, initializer, scenes):
    for scene in scenes:
        observation = observe(scene.frame, scene.mask, jug.diameter_m)
        pose = scene.camera_T_object
        turned = apply_residual(pose, np.zeros(3), np.pi * pose[:3, 1], jug.center_m)
        assert initializer.verify(observation, turned).log_odds < initializer.verify(observation, pose).log_odds - 1


def test_a_pose_outside_the_image_is_refused_in_words(jug, initializer, scenes):
    observation = observe(scenes[0].frame, scenes[0].mask, jug.diameter_m)
    beside = apply_residual(scenes[0].camera_T_object, np.array([2.0, 0.0, 0.0]), np.zeros(3), jug.center_m)
    answer = initializer.judged(beside, initializer.verify(observation, beside), 0.0)
    assert not answer.accepted
    assert "outside of the image" in answer.reason


def test_a_pose_on_a_plain_board_is_refused_in_words(jug, initializer, scenes):
    """The board is near the object, reaches far beyond it, and has its mean colour; the mask is as if it were the object's."""
    scene = scenes[0]
    color = np.empty_like(scene.frame.color)
    color[:] = scene.frame.color[scene.mask].mean(axis=0)
    depth = np.full_like(scene.frame.depth, np.median(scene.frame.depth[scene.mask]))
    observation = observe(replace(scene.frame, color=color, depth=depth), scene.mask, jug.diameter_m)
    answer = initializer.estimate(observation)
    assert not answer.accepted
    assert "what is around goes on" in answer.reason


def test_other_poses_count_against_one(jug, initializer, scenes):
    pose = scenes[0].camera_T_object
    verdict = initializer.verify(observe(scenes[0].frame, scenes[0].mask, jug.diameter_m), pose)
    rivalled = verdict._replace(rivalry=1.0)
    assert rivalled.score == pytest.approx(verdict.score / 2)
    assert "other turns" in rivalled.doubt
    assert "declare its symmetry" in initializer.judged(pose, rivalled, 0.0).reason
    assert "declare its symmetry" not in initializer.judged(pose, verdict._replace(log_odds=-1.0), 0.0).reason


def test_only_paint_or_a_declared_symmetry_tells_the_turns_of_a_box_apart():
    carton = next(model for model in benchmark_objects() if model.name == "carton")
    half_turns = np.array([np.diag([*signs, 1.0]) for signs in ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))])
    plain = replace(carton.mesh, texture=None, uv=None)
    painted, blank, symmetric = (
        HypothesisInitializer(model)
        for model in (
            carton,
            ObjectModel.from_mesh("carton", plain),
            ObjectModel.from_mesh("carton", plain, discrete_symmetries=half_turns),
        )
    )
    for scene in masked_scenes(carton, 2, 0.0, seed=1, degrade=False):
        answer = initialize(painted, scene.frame, scene.mask)
        assert answer.accepted
        assert errors(carton, answer, scene.camera_T_object)[0] < 5
        answer = initialize(blank, scene.frame, scene.mask)
        # Four turns fit equally well.
        assert answer.score == pytest.approx(0.25, abs=0.1)
        assert "other turns" in answer.reason
        answer = initialize(symmetric, scene.frame, scene.mask)
        assert answer.accepted
        assert min(errors(carton, answer, scene.camera_T_object @ turn)[0] for turn in [np.eye(4), *half_turns]) < 5


def test_paint_is_compared_in_the_same_pixels(jug, initializer, scenes):
    """Of two poses each is the less likely by what the other is more likely, and none than itself."""
    observation, truth = observe(scenes[0].frame, scenes[0].mask, jug.diameter_m), scenes[0].camera_T_object
    turned = apply_residual(truth, np.zeros(3), np.radians(30) * truth[:3, 2], jug.center_m)
    compare = initializer._verifier.compare_paint
    same, other = compare(observation, truth, [truth, turned], 128)
    assert same == 0
    assert other < -5
    # The pixels that both show are the same but for the window in which they are drawn.
    assert compare(observation, turned, [truth], 128)[0] == pytest.approx(-other, rel=0.2)


def test_the_score_falls_with_the_error_of_the_pose(jug, initializer, scenes):
    scene = scenes[2]
    observation = observe(scene.frame, scene.mask, jug.diameter_m)
    scores = [
        initializer.verify(
            observation,
            apply_residual(scene.camera_T_object, np.array([0, 0, offset]), np.radians([0, 5 * i, 0]), jug.center_m),
        ).score
        for i, offset in enumerate((0.0, 0.01, 0.03, 0.06))
    ]
    assert scores[0] > 0.7
    assert scores[0] > scores[1] > scores[2]
    assert scores[2] < 0.3
    assert scores[3] < 0.3


def test_the_seed_of_translation_beats_the_middle_of_the_mask(jug, initializer, scenes):
    """A visible surface lies before the object's centre; templates know by how much."""
    raw, seeded = [], []
    for scene in scenes:
        observation = observe(scene.frame, scene.mask, jug.diameter_m)
        truth = scene.camera_T_object[:3, :3] @ jug.center_m + scene.camera_T_object[:3, 3]
        points = scene.frame.camera.back_project(observation.depth)[observation.depth > 0]
        raw.append(np.linalg.norm(points.mean(axis=0) - truth))
        centers = [pose[:3, :3] @ jug.center_m + pose[:3, 3] for pose in initializer._candidates(observation)]
        seeded.append(min(np.linalg.norm(center - truth) for center in centers))
    assert np.median(seeded) < 0.015
    assert np.median(seeded) < 0.5 * np.median(raw)


def test_templates_show_what_a_turned_object_looks_like(jug):
    """A template turned in the plane is the template of the object turned about the optical axis."""
    templates = make_templates(jug, subdivisions=1, in_plane=4)
    assert templates.mask.shape == (42 * 4, SIZE * SIZE)
    for index in range(0, 42 * 4, 12):
        quarter = templates.rotations[index + 1] @ templates.rotations[index].T
        assert quarter == pytest.approx(so3_exp(np.array([0, 0, np.pi / 2])), abs=1e-9)
        image = templates.mask[index].reshape(SIZE, SIZE)
        turned = templates.mask[index + 1].reshape(SIZE, SIZE)
        assert np.mean(np.rot90(image, -1) == turned) > 0.95


def test_same_input_same_pose(initializer, scenes):
    first, second = (initialize(initializer, scenes[3].frame, scenes[3].mask) for _ in range(2))
    assert np.array_equal(first.camera_T_object, second.camera_T_object)


def test_alignment_with_the_mask_improves_the_pose_when_depth_is_missing(jug, scenes):
    """Views this coarse leave a pose that the outline of the mask can mend."""
    coarse = HypothesesConfig(subdivisions=1, in_plane=8, candidates=8, finalists=2)
    by_mask, by_views = (create_initializer(name, jug, coarse) for name in ("mask_alignment", "hypotheses"))
    better = 0
    for scene in scenes:
        frame = replace(scene.frame, depth=np.zeros_like(scene.frame.depth))
        aligned, rough = (initialize(method, frame, scene.mask) for method in (by_mask, by_views))
        assert aligned.score >= rough.score
        ray = scene.camera_T_object[:2, 3] / scene.camera_T_object[2, 3]
        lateral = aligned.camera_T_object[:2, 3] / aligned.camera_T_object[2, 3] - ray
        angle, _ = errors(jug, aligned, scene.camera_T_object)
        better += angle < 10 and np.linalg.norm(lateral) * scene.camera_T_object[2, 3] < 0.005
    assert better >= len(scenes) - 1


def test_unknown_method_is_named(jug):
    with pytest.raises(ValueError, match="hypotheses"):
        create_initializer("magic", jug)


def test_degraded_masks_stay_near_the_object(scenes):
    generator = np.random.default_rng(0)
    for _ in range(10):
        mask = degraded(scenes[0].mask, generator)
        overlap = (mask & scenes[0].mask).sum() / (mask | scenes[0].mask).sum()
        assert 0.4 < overlap <= 1.0
