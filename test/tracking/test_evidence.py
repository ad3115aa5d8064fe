"""The evidence for a pose, in scenes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.kernels import evidence as kernels
from pose_tracker_ros.objects import ObjectModel, mesh_with_normals, painted_mesh
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.evidence import Appearance, Evidence, weigh
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import Observation
from pose_tracker_ros.tracking.view import Drawn

NOISE = NoiseModel()
PAINTED = Appearance(is_painted=True)
YELLOW, BLUE, MAGENTA = (225, 175, 40), (40, 70, 150), (200, 30, 160)
WALL_M, OBJECT_M = 0.9, 0.6
TURNED, FRONTAL = so3_exp(np.array([0.5, 0.4, 0.2])), np.eye(3)


def box(depth_m: float = 0.06, painted: bool = True) -> ObjectModel:
    mesh = trimesh.creation.box((0.12, 0.08, depth_m))
    if painted:
        return ObjectModel.from_mesh("box", painted_mesh([(mesh, YELLOW)]))
    return ObjectModel.from_mesh("box", mesh_with_normals(np.asarray(mesh.vertices), np.asarray(mesh.faces)))


class Scene:
    """A box as it is drawn, and what a camera sees when it is there, when it is not, and when something is before it."""

    def __init__(self, model: ObjectModel, rotation: np.ndarray = TURNED, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)
        self.pose = make_pose(rotation, np.array([0.02, -0.01, OBJECT_M]))
        self.camera = crop_camera(self.pose[:3, 3], 2 * model.diameter_m, 128)
        rendering = RasterRenderer(model.mesh).render(self.camera, self.pose)
        self.view = Drawn(self.camera, rendering, self.pose[:3, 3], model.diameter_m)
        self.mask = self.view.rendering.mask

    def plane(self, depth_m: float, slope: float = 0.0) -> np.ndarray:
        """Depth (R, R) of a plane at a distance on the optical axis of the crop, ``slope`` metres a metre across."""
        across = (self.camera.rays()[..., 0] - self.pose[0, 3] / self.pose[2, 3]).astype(np.float64)
        return depth_m / (1 - slope * across)

    def with_object(self, behind: np.ndarray, color: tuple = BLUE) -> tuple[np.ndarray, np.ndarray]:
        """Depth and colour, both true."""
        depth = np.where(self.mask, self.view.rendering.depth, behind)
        return depth, np.where(self.mask[..., None], self.view.rendering.color, np.array(color))

    def without(self, surface: np.ndarray, color: tuple) -> tuple[np.ndarray, np.ndarray]:
        """Depth and colour of a surface alone."""
        return surface, np.broadcast_to(np.array(color), (*self.mask.shape, 3))

    def measured(self, depth: np.ndarray, color: np.ndarray) -> Observation:
        """With noise of the camera."""
        deviation = NOISE.depth_at_metre * depth**2
        noisy = np.where(depth > 0, depth + self.generator.normal(0, 1, depth.shape) * deviation, 0)
        colors = np.clip(color + self.generator.normal(0, 4, color.shape), 0, 255)
        return Observation.whole(colors.astype(np.uint8), noisy.astype(np.float32))

    def weigh(self, truth: tuple[np.ndarray, np.ndarray], appearance: Appearance = PAINTED) -> Evidence:
        return weigh(self.view, self.measured(*truth), appearance, NOISE)


def test_an_object_before_a_wall_is_there():
    scene = Scene(box())
    evidence = scene.weigh(scene.with_object(scene.plane(WALL_M)))
    assert evidence.log_ratio == evidence.depth_ratio + evidence.color_ratio > 4
    assert evidence.depth_ratio > 2.5 and evidence.color_ratio > 1.5
    assert evidence.probability > 0.99
    assert evidence.speaking_share > 0.99 and evidence.hidden_share == 0
    assert evidence.is_present and not evidence.is_hidden and not evidence.is_undecided
    seen = evidence.surface[evidence.surface > 0]
    assert np.median(seen) > 0.99 and len(seen) == pytest.approx(scene.mask.sum(), rel=0.15)
    assert not evidence.surface[~scene.mask].any() and not evidence.occluder[~scene.mask].any()


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_what_goes_on_across_the_outline_is_evidence_against(slope):
    scene = Scene(box())
    mean = float(scene.view.rendering.depth[scene.mask].mean())
    evidence = scene.weigh(scene.without(scene.plane(mean, slope), YELLOW))
    assert evidence.depth_ratio < -0.5
    assert evidence.probability < 0.02
    evidence = scene.weigh(scene.without(scene.plane(mean, slope), BLUE))
    assert evidence.log_ratio < -1.5 and not evidence.is_undecided


def test_bare_background_is_evidence_against():
    scene = Scene(box())
    evidence = scene.weigh(scene.without(scene.plane(WALL_M, 0.3), YELLOW))
    assert evidence.depth_ratio < -2.5 and evidence.log_ratio < -2
    assert evidence.surface.max() < 0.05


def test_two_planes_behind_are_no_evidence_against():
    scene = Scene(box())
    corner = np.maximum(scene.plane(0.75, 0.4), scene.plane(0.75, -0.4))
    assert scene.weigh(scene.with_object(corner)).depth_ratio > 2.5
    assert scene.weigh(scene.without(corner, BLUE)).depth_ratio < -2


def test_a_flat_face_flush_with_a_board_is_told_by_colour_alone():
    scene = Scene(box(), FRONTAL)
    board = scene.plane(OBJECT_M - 0.03)
    other = scene.weigh(scene.without(board, MAGENTA))
    assert abs(other.depth_ratio) < 0.3
    assert other.color_ratio < -1 and other.log_ratio < -1 and other.probability < 0.01
    same = scene.weigh(scene.without(board, YELLOW))
    assert -1 < same.log_ratio < 1 and same.is_undecided and not same.is_hidden


@pytest.mark.parametrize("thickness_mm", [0.5, 1.0])
def test_a_thin_thing_on_a_support_of_its_colour_cannot_be_told(thickness_mm):
    scene = Scene(box(thickness_mm * 1e-3), so3_exp(np.array([0.6, 0.0, 0.0])))
    normal = scene.pose[:3, 2]
    lowest = scene.pose[:3, 3] + normal * thickness_mm * 5e-4
    support = (normal @ lowest) / (scene.camera.rays().astype(np.float64) @ normal)
    evidence = scene.weigh(scene.with_object(support, YELLOW))
    assert -0.5 < evidence.log_ratio < 1.5
    assert evidence.is_undecided


def test_a_thin_thing_of_another_colour_is_there():
    scene = Scene(box(0.01), FRONTAL)
    evidence = scene.weigh(scene.with_object(scene.plane(OBJECT_M + 0.005)))
    assert evidence.log_ratio > 4 and evidence.probability > 0.95


def test_something_before_half_of_it_changes_little():
    scene = Scene(box())
    depth, color = scene.with_object(scene.plane(WALL_M))
    clear = scene.weigh((depth, color))
    left = np.indices(depth.shape)[1] < scene.camera.cx + scene.camera.fx * 0.02 / OBJECT_M
    covered = scene.weigh((np.where(left, 0.45, depth), np.where(left[..., None], np.array(MAGENTA), color)))
    assert covered.log_ratio == pytest.approx(clear.log_ratio, abs=0.7)
    assert covered.hidden_share == pytest.approx(0.5, abs=0.1)
    assert covered.hidden_share + covered.speaking_share == pytest.approx(1)
    assert covered.seen_log_odds == pytest.approx(covered.log_odds / 2, rel=0.25) and clear.seen_log_odds == pytest.approx(clear.log_odds)
    assert covered.log_likelihood == pytest.approx(clear.log_likelihood / 2, rel=0.25)
    inside = clear.surface > 0
    assert np.median(covered.occluder[inside & left]) > 0.99
    assert np.median(covered.surface[inside & ~left]) > 0.99


def test_what_is_hidden_says_nothing():
    scene = Scene(box())
    evidence = scene.weigh(scene.without(scene.plane(0.45), MAGENTA))
    assert evidence.is_hidden and evidence.is_undecided and not evidence.is_present
    assert evidence.hidden_share == 1 and evidence.speaking_share == 0
    assert evidence.log_ratio == pytest.approx(0, abs=1e-6) and evidence.probability < 0.05


def test_nothing_measured_says_nothing():
    scene = Scene(box())
    black = np.zeros((*scene.mask.shape, 3), np.uint8), np.zeros(scene.mask.shape, np.float32)
    evidence = weigh(scene.view, Observation.whole(*black), Appearance(is_painted=False), NOISE)
    assert evidence.log_ratio == pytest.approx(0, abs=1e-9)
    assert evidence.speaking_share == evidence.hidden_share == evidence.color_share == 0
    assert not evidence.is_hidden and evidence.is_undecided


def test_nothing_drawn_says_nothing():
    scene = Scene(box())
    pose = make_pose(FRONTAL, np.array([9, 0, 1.0]))
    away = Drawn(scene.camera, RasterRenderer(box().mesh).render(scene.camera, pose), pose[:3, 3], 0.1)
    evidence = weigh(away, scene.measured(*scene.without(scene.plane(WALL_M), BLUE)), PAINTED, NOISE)
    assert evidence.log_ratio == pytest.approx(0, abs=1e-9) and evidence.probability < 0.05
    assert evidence.speaking_share == 0 and not evidence.surface.any()


def test_without_depth_colour_decides():
    scene = Scene(box())
    _, color = scene.with_object(scene.plane(WALL_M))
    nothing = np.zeros(scene.mask.shape)
    here, elsewhere = scene.weigh((nothing, color)), scene.weigh(scene.without(nothing, BLUE))
    assert here.depth_ratio == elsewhere.depth_ratio == pytest.approx(0, abs=1e-9)
    assert here.color_share == 1 and here.speaking_share == 0 and here.seen_log_odds == here.log_odds
    assert here.is_present and elsewhere.probability < 0.4


@pytest.mark.parametrize(
    ("gain", "offset"),
    [((1.4, 1.4, 1.4), 0), ((0.6, 0.6, 0.6), 0), ((1.2, 1.0, 0.8), 0), ((0.7, 0.7, 0.7), 30), ((1, 1, 1), 0)],
    ids=["bright", "dark", "white balance", "haze", "as painted"],
)
def test_other_light_does_not_refuse(gain, offset):
    scene = Scene(box())
    depth, color = scene.with_object(scene.plane(WALL_M))
    evidence = scene.weigh((depth, color * np.array(gain) + offset))
    assert evidence.color_ratio > 1 and evidence.probability > 0.98


def test_the_light_on_most_of_an_object_counts():
    """A third of it is in the light that it is painted in, two thirds are darker."""
    scene = Scene(box())
    depth, color = scene.with_object(scene.plane(WALL_M))
    across = scene.view.rendering.normal[..., 0]
    is_dark = scene.mask & (across <= np.median(across[scene.mask]))
    assert 0.6 < is_dark.sum() / scene.mask.sum() < 0.7
    evidence = scene.weigh((depth, np.where(is_dark[..., None], 0.55, 1.0) * color))
    assert evidence.color_ratio > 1.2 and evidence.probability > 0.99


def test_a_known_or_a_small_bias_of_depth_does_not_refuse():
    scene = Scene(box())
    depth, color = scene.with_object(scene.plane(WALL_M))
    right = scene.weigh((depth, color)).depth_ratio
    small = scene.weigh((depth + 0.002, color))
    assert small.depth_ratio == pytest.approx(right, abs=0.15)
    far = scene.measured(depth + 0.015, color)
    assert weigh(scene.view, far, PAINTED, NOISE).depth_ratio < 0
    known = weigh(scene.view, far, PAINTED, NOISE, depth_bias_m=0.015)
    assert known.depth_ratio == pytest.approx(right, abs=0.15)


def test_what_is_outside_of_the_image_neither_speaks_nor_has_a_colour():
    scene = Scene(box())
    depth, color = scene.with_object(scene.plane(WALL_M))
    whole = scene.weigh((depth, color))
    outside = np.indices(depth.shape)[1] >= 64
    cut = scene.measured(np.where(outside, 0, depth), np.where(outside[..., None], 0, color))
    cut.color[outside] = 0
    half = weigh(scene.view, cut._replace(window=np.array([0, 0, 64, 128])), PAINTED, NOISE)
    assert half.log_ratio == pytest.approx(whole.log_ratio, abs=0.3)
    assert half.speaking_share == half.color_share == pytest.approx(0.5, abs=0.1)
    assert not half.surface[outside].any()


def test_the_same_is_the_same_bit_for_bit():
    scene = Scene(box())
    observation = scene.measured(*scene.with_object(scene.plane(WALL_M, 0.4)))
    first, second = (weigh(scene.view, observation, PAINTED, NOISE) for _ in range(2))
    for one, other in zip(first, second):
        assert np.array_equal(one, other)


def test_colours_are_learnt_where_the_object_surely_is():
    scene = Scene(box(painted=False))
    depth, color = scene.with_object(scene.plane(WALL_M))
    color = np.where(scene.mask[..., None], np.array(MAGENTA), np.array(BLUE))
    appearance = Appearance(is_painted=False)
    for number in range(5):
        assert appearance.known == kernels.UNKNOWN and appearance.frames == number
        observation = scene.measured(depth, color)
        evidence = weigh(scene.view, observation, appearance, NOISE)
        assert evidence.color_ratio == 0 == evidence.color_share and evidence.probability > 0.95
        before = appearance
        appearance = appearance.learnt(observation, evidence)
        assert before.frames == number
    assert appearance.known == kernels.LEARNT
    density = appearance.density.reshape(16, 16, 16)
    # Magenta's blue is the first of its bin, so that noise brings half of it to the one before.
    assert np.unravel_index(density.argmax(), density.shape) in ((12, 1, 9), (12, 1, 10))
    assert density.mean() == pytest.approx(1, rel=1e-4)
    assert weigh(scene.view, observation, appearance, NOISE).color_ratio > 2
    painted_over = np.where(scene.mask[..., None], np.array(YELLOW), np.array(BLUE))
    assert weigh(scene.view, scene.measured(depth, painted_over), appearance, NOISE).color_ratio < 0


def test_nothing_is_learnt_from_doubtful_evidence():
    scene = Scene(box(painted=False), FRONTAL)
    appearance = Appearance(is_painted=False)
    for truth in (
        scene.without(scene.plane(OBJECT_M - 0.03), YELLOW),
        scene.without(scene.plane(WALL_M), YELLOW),
        scene.without(scene.plane(0.45), YELLOW),
    ):
        observation = scene.measured(*truth)
        evidence = weigh(scene.view, observation, appearance, NOISE)
        assert appearance.learnt(observation, evidence) is appearance


def test_old_colours_fade():
    scene = Scene(box(painted=False))
    depth, _ = scene.with_object(scene.plane(WALL_M))
    appearance = Appearance(is_painted=False)
    for color, frames in ((YELLOW, 10), (MAGENTA, 40)):
        image = np.where(scene.mask[..., None], np.array(color), np.array(BLUE))
        observation = scene.measured(depth, image)
        certain = weigh(scene.view, observation, Appearance(is_painted=False), NOISE)
        for _ in range(frames):
            appearance = appearance.learnt(observation, certain)
    shares = [appearance.density.reshape(16, 16, 16)[tuple(v // 16 for v in color)] for color in (YELLOW, MAGENTA)]
    assert shares[0] / shares[1] == pytest.approx(0.9**40, rel=0.5)


def test_what_does_not_fit_is_refused():
    scene = Scene(box())
    small = Observation.whole(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32))
    with pytest.raises(ValueError, match="expected colour and depth of the drawn crop's size"):
        weigh(scene.view, small, PAINTED, NOISE)
