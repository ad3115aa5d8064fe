"""What a camera shows that sees only a part, or has other intrinsics than it says; and wrong last poses."""

import re
from pathlib import Path

import numpy as np
import pytest

from pose_tracker_ros.camera import PinholeCamera, crop_camera
from pose_tracker_ros.geometry import apply_residual, make_pose, rotation_angle, so3_exp
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.rendering.raycast import RaycastRenderer
from pose_tracker_ros.training.augmentation import PRESETS, FirstOf, Observation
from pose_tracker_ros.training.augmentation.framing import CornerCover, ImageBorder, IntrinsicsJitter
from pose_tracker_ros.training.residuals import PreviousPoseNoise

SIZE = 64
CENTER = np.array([0.12, -0.06, 0.6])


def observation(camera=None):
    """A disc, the object, before a wall; the first pixel row of the disc is known by its colour."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    mask = (rows - 32) ** 2 + (columns - 32) ** 2 < 20**2
    color = np.where(mask[..., None], np.float32(200), np.float32(50)) * np.ones(3, np.float32)
    depth = np.where(mask, np.float32(0.6), np.float32(1))
    return Observation(color, depth, mask, 0.6, camera or crop_camera(CENTER, 0.2, SIZE))


def samples(step, given, count=300, seed=0):
    generator = np.random.default_rng(seed)
    return [step(given, generator) for _ in range(count)]


def covered(result):
    """Where an observation is black without depth; checks that it is as it was elsewhere, and says so of the object."""
    given = observation()
    black = (result.depth == 0) & (result.color == 0).all(axis=2)
    assert np.array_equal(result.color[~black], given.color[~black])
    assert np.array_equal(result.depth[~black], given.depth[~black])
    assert np.array_equal(result.mask, given.mask & ~black)
    return black


def test_a_cover_is_a_rectangle_at_a_corner_that_leaves_half_of_the_object():
    corners, areas = set(), []
    for result in samples(CornerCover(probability=1.0), observation()):
        black = covered(result)
        areas.append(black.mean())
        if not black.any():
            continue
        rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
        assert black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert rows[0] == 0 or rows[-1] == SIZE - 1
        assert columns[0] == 0 or columns[-1] == SIZE - 1
        corners.add((rows[0] == 0, columns[0] == 0))
        assert result.mask.sum() >= 0.5 * observation().mask.sum()
    assert len(corners) == 4
    assert 0.1 < np.mean(areas) < 0.3
    assert max(areas) > 0.4


def test_a_border_is_a_strip_that_leaves_half_of_the_object():
    sides = set()
    for result in samples(ImageBorder(probability=1.0), observation()):
        black = covered(result)
        assert result.mask.sum() >= 0.5 * observation().mask.sum()
        whole_rows, whole_columns = black.all(axis=1), black.all(axis=0)
        assert black.sum() == SIZE * (whole_rows.sum() if whole_rows.any() else whole_columns.sum())
        sides.add((black[0, 32], black[-1, 32], black[32, 0], black[32, -1]))
    assert {side for side in sides if sum(side) == 1} == {tuple(np.eye(4, dtype=bool)[i].tolist()) for i in range(4)}


@pytest.mark.parametrize("step", [CornerCover(), ImageBorder(), IntrinsicsJitter()], ids=lambda s: type(s).__name__)
def test_it_happens_as_often_as_the_probability_says_and_the_given_stays(step):
    given = observation()
    changed = sum(not np.array_equal(result.color, given.color) for result in samples(step, given, 500))
    assert changed / 500 == pytest.approx(step.probability, abs=0.06)
    assert all(np.array_equal(one, other) for one, other in zip(given[:3], observation()[:3]))


def test_other_intrinsics_show_what_such_a_camera_sees():
    """The jittered view of a mesh is that rendered with the jittered camera, pixel by pixel but for outlines."""
    model = load_object("cube")
    camera = crop_camera(CENTER, 1.5 * model.diameter_m, SIZE)
    rotation = so3_exp(np.array([0.5, 0.3, 0.2]))
    pose = make_pose(rotation, CENTER - rotation @ model.center_m)
    renderer = RaycastRenderer(model.mesh, threads=1)
    believed = renderer.render(camera, pose)
    step = IntrinsicsJitter(probability=1.0, focal=0.05, center=0.02)
    for seed in range(5):
        numbers = np.random.default_rng(seed)
        numbers.random()
        scale = np.exp(numbers.normal(0, step.focal))
        shift = numbers.normal(0, step.center, 2)
        truth = PinholeCamera(
            SIZE,
            SIZE,
            camera.fx * scale,
            camera.fy * scale,
            camera.cx + camera.fx * shift[0],
            camera.cy + camera.fy * shift[1],
        )
        expected = renderer.render(truth, pose)
        given = Observation(believed.color.astype(np.float32), believed.depth, believed.mask, 0.6, camera)
        result = step(given, np.random.default_rng(seed))
        # What lies beyond the believed crop is not known; a pixel is 3 mm wide, and depth is not interpolated.
        inside = expected.mask & result.mask
        assert inside.sum() > 0.8 * expected.mask.sum()
        assert (result.mask != expected.mask)[4:-4, 4:-4].mean() < 0.03
        assert np.median(np.abs(result.depth - expected.depth)[inside]) < 1.2e-3
        assert np.median(np.abs(result.color - expected.color)[inside]) < 8


def test_jitter_of_the_default_moves_the_crop_by_some_pixels():
    moves = []
    for result in samples(IntrinsicsJitter(probability=1.0), observation()):
        rows, columns = np.nonzero(result.mask)
        moves.append([columns.mean() - 32, rows.mean() - 32])
    # The focal length moves what is off the optical axis, the principal point everything, by shares of the focal length.
    focal = observation().camera.fx
    expected = focal * np.hypot(0.003, 0.005 * np.abs(CENTER[:2] / CENTER[2]))
    assert np.std(moves, axis=0) == pytest.approx(expected, rel=0.15)


def test_a_wrong_last_pose_keeps_the_visible_surface_about_in_place():
    generator = np.random.default_rng(0)
    diameter, limit = 0.2, 0.04
    near_side = CENTER - CENTER / np.linalg.norm(CENTER) * 0.35 * diameter
    pose = make_pose(np.eye(3), CENTER)
    moved = {True: [], False: []}
    for _ in range(300):
        translation = generator.normal(size=3)
        translation *= 0.02 / np.linalg.norm(translation)
        rotation = generator.normal(size=3)
        rotation *= np.radians(10) / np.linalg.norm(rotation)
        for wrong in (True, False):
            step = PreviousPoseNoise(probability=float(wrong))
            used = step(translation, rotation, CENTER, diameter, limit, generator)
            assert np.linalg.norm(used) <= limit + 1e-12
            after = apply_residual(pose, used, rotation)
            assert rotation_angle(after[:3, :3]) == pytest.approx(np.radians(10))
            moved[wrong].append(np.linalg.norm(after[:3, :3] @ (near_side - CENTER) + after[:3, 3] - near_side))
            if not wrong:
                assert np.array_equal(used, translation)
    assert np.mean(moved[True]) < 0.4 * np.mean(moved[False])


def test_presets_are_the_published_one_a_superset_of_defects_and_none():
    assert PRESETS["none"].steps == () and PRESETS["none"].previous_pose is None
    published = {type(step).__name__: step for step in PRESETS["published"].steps}
    # The numbers of the paper's code, written down independently of the classes' defaults.
    facts = {
        "HsvJitter": {"probability": 0.5, "hue": 15, "saturation": 15, "value": 15},
        "Brightness": {"probability": 1, "low": 0.5, "high": 1.5},
        "ColorNoise": {"probability": 0.5, "max_deviation": 2, "measured_only": True},
        "DepthNoise": {"probability": 0.5, "max_deviation_m": 0.005},
        "ColorBlur": {"probability": 0.4, "kernels": (3, 5, 7), "sigma": (2, 2)},
        "DepthBlur": {"probability": 0.4, "kernels": (3, 5, 7), "sigma": (2, 2)},
        "CornerCover": {"probability": 0.2, "min_object_share": 0.5},
    }
    assert {name: vars(step) for name, step in published.items()} == facts
    assert PRESETS["published"].previous_pose is None
    assert len(PRESETS["robust"].steps) > 12


@pytest.mark.parametrize("name", ["published", "robust"])
def test_the_documentation_lists_the_preset_in_its_order_with_its_probabilities(name):
    text = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text()
    heading = re.search(rf"^\| `{name}`.* \| p \| \|$", text, re.MULTILINE)
    table = text[heading.end() :].split("\n\n")[0]
    listed = re.findall(r"^\| `(\w+)` \| ([\d.]+)", table, re.MULTILINE)
    preset = PRESETS[name]
    steps = [part for step in preset.steps for part in (step.steps if isinstance(step, FirstOf) else (step,))]
    expected = [preset.previous_pose, *steps] if preset.previous_pose else steps
    assert [(kind, float(p)) for kind, p in listed] == [(type(step).__name__, step.probability) for step in expected]
