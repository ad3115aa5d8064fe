"""The demo's scene: its truth is true, its options do what they say, every frame can be made again."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from shapes import sphere

from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.geometry import is_pose, rotation_angle, transform_points
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.simulation.config import LightConfig
from pose_tracker_ros.simulation.demo import BAR_NEARER_M, simulate
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.occluders import spell_share
from pose_tracker_ros.simulation.paths import MIDDLE
from pose_tracker_ros.simulation.scene import CAMERA, SceneSequence

RADIUS = 0.06
PERFECT = SimulationConfig(frames=40, bar_width_px=0, depth_noise_mm=0.0, color_noise=0.0)
BAR = replace(PERFECT, bar_width_px=50, bar_first_frame=5, bar_period_frames=20, bar_sweep_frames=10)
SPEEDS = {"slow": (2.7, 1.0), "mid": (8.9, 3.7), "fast": (22.0, 9.5)}


@pytest.fixture(scope="module")
def ball():
    return ObjectModel.from_mesh("ball", sphere(RADIUS, 4))


@pytest.fixture(scope="module")
def perfect(ball):
    return simulate(ball, PERFECT)


def ball_depth(center: np.ndarray) -> np.ndarray:
    """Depth of a ball by its equation, 0 where the ray misses it."""
    rays = CAMERA.rays().astype(np.float64)
    squared, along = np.sum(rays**2, axis=-1), rays @ center
    discriminant = along**2 - squared * (center @ center - RADIUS**2)
    return np.where(discriminant > 0, (along - np.sqrt(np.maximum(discriminant, 0))) / squared, 0)


@pytest.mark.parametrize("position", [0, 17, 39])
def test_the_object_is_seen_where_the_truth_says(perfect, position):
    frame = perfect.read(position)
    expected = ball_depth(frame.truth["ball"][:3, 3])
    visible = frame.masks["ball"]
    inner = visible & (expected > 0)
    assert inner.sum() > 2000
    assert inner.sum() >= 0.99 * visible.sum()
    # Triangles stand off from the ball where it turns away from the camera.
    assert np.quantile(np.abs(frame.depth - expected)[inner], 0.99) < 1e-3


def test_the_mask_is_where_the_object_and_nothing_else_is_nearest(perfect, ball):
    """Without noise and flicker the picture without the object is the still room; two frames differ only in the masks."""
    steady = SceneSequence(replace(perfect.config, light=LightConfig(flicker=0.0)), {"ball": ball})
    one, other = steady.read(0), steady.read(39)
    seen = one.masks["ball"] | other.masks["ball"]
    assert np.array_equal(one.depth[~seen], other.depth[~seen])
    assert np.array_equal(one.color[~seen], other.color[~seen])
    background = np.where(one.masks["ball"], other.depth, one.depth)
    alone = one.masks["ball"] & ~other.masks["ball"]
    assert np.all(one.depth[alone] < background[alone])


def test_the_scene_is_cluttered_and_everywhere_measured(perfect):
    frame = perfect.read(0)
    assert frame.depth.min() > 0.3 and frame.depth.max() <= 3.5
    assert frame.color.reshape(-1, 3).std(axis=0).min() > 20


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_hand_moves_as_fast_as_asked_and_stays_in_view(ball, speed):
    speed_mm, speed_deg = SPEEDS[speed]
    config = SimulationConfig(frames=300, speed_mm=speed_mm, speed_deg=speed_deg)
    poses = np.stack([a.truth["ball"] for a in simulate(ball, config).annotations()])
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    turns = rotation_angle(poses[1:, :3, :3] @ np.swapaxes(poses[:-1, :3, :3], 1, 2))
    assert steps.mean() == pytest.approx(speed_mm * 1e-3, rel=0.02)
    assert np.degrees(turns.mean()) == pytest.approx(speed_deg, rel=0.02)
    assert steps.max() < 3 * steps.mean() and turns.max() < 4 * turns.mean()
    assert all(is_pose(pose) for pose in poses)
    assert poses[:, 2, 3].min() > 0.45 and poses[:, 2, 3].max() < 0.9
    pixels = CAMERA.project(poses[:, :3, 3])
    assert np.all((pixels > 40) & (pixels < np.array([CAMERA.width, CAMERA.height]) - 40))


@pytest.mark.parametrize("seed", range(4))
def test_the_object_stays_clear_of_the_table(ball, seed):
    """Nothing of it is hidden: its mask has the size that the ball's equation gives."""
    sequence = simulate(ball, replace(PERFECT, frames=200, seed=seed))
    for position in (0, 60, 120, 180):
        frame = sequence.read(position)
        assert frame.masks["ball"].sum() >= 0.97 * np.sum(ball_depth(frame.truth["ball"][:3, 3]) > 0)


def test_no_speed_is_no_motion(ball):
    poses = [
        a.truth["ball"] for a in simulate(ball, replace(PERFECT, speed_mm=0.0, speed_deg=0.0)).annotations()
    ]
    assert np.ptp(np.stack(poses), axis=0).max() < 1e-12


def test_the_bar_is_as_wide_as_asked_and_hides_the_object_in_colour_and_depth(ball, perfect):
    sequence = simulate(ball, BAR)
    hidden_shares = []
    for position in range(5, 15):
        frame, free = sequence.read(position), perfect.read(position)
        nearest = transform_points(frame.truth["ball"], ball.mesh.vertices)[:, 2].min()
        bar = np.abs(frame.depth - (nearest - BAR_NEARER_M)) < 1e-5
        (_, size, _) = cv2.minAreaRect(np.argwhere(bar[:200]).astype(np.float32))
        # Asked for is its width at the middle of the space in which the object moves.
        expected = 50 * (MIDDLE[2] - BAR_NEARER_M) / (nearest - BAR_NEARER_M)
        assert min(size) == pytest.approx(expected, abs=1.5) and max(size) > 190
        assert not np.any(frame.masks["ball"] & bar)
        assert np.array_equal(frame.masks["ball"] | bar, free.masks["ball"] | bar)
        assert frame.color[bar].std(axis=0).max() < 8 < np.ptp(free.color[bar].astype(int), axis=0).min()
        hidden_shares.append(1 - frame.masks["ball"].sum() / free.masks["ball"].sum())
    assert max(hidden_shares) > 0.4 and min(hidden_shares) == 0


@pytest.mark.parametrize("position", [0, 4, 15, 24, 35])
def test_between_sweeps_there_is_no_bar(ball, perfect, position):
    assert np.array_equal(simulate(ball, BAR).read(position).depth, perfect.read(position).depth)


def test_blank_frames_are_zero_and_keep_their_truth(ball, perfect):
    sequence = simulate(ball, replace(PERFECT, blank_first_frame=10, blank_frames=3))
    for position in range(8, 15):
        frame, blank = sequence.read(position), 10 <= position < 13
        assert frame.color.any() != blank and frame.depth.any() != blank
        assert np.array_equal(frame.truth["ball"], perfect.annotation(position).truth["ball"])


def test_depth_noise_and_bias_are_those_asked_for(ball):
    config = replace(PERFECT, depth_noise_mm=2.0, depth_bias_mm=7.0)
    sequence, truth = simulate(ball, config), simulate(ball, PERFECT)
    noisy, true = sequence.read(3), truth.read(3)
    valid = noisy.depth > 0
    assert 0.90 < valid.mean() < 0.99
    normalised = (noisy.depth - true.depth - 0.007)[valid] / (0.002 * (true.depth[valid] / 0.6) ** 2)
    assert normalised.std() == pytest.approx(1.0, rel=0.1)
    assert abs(normalised.mean()) < 0.15


def test_colour_noise_is_that_asked_for(ball, perfect):
    noisy, true = simulate(ball, replace(PERFECT, color_noise=3.0)).read(3), perfect.read(3)
    middle = (true.color > 20) & (true.color < 235)
    assert (noisy.color.astype(int) - true.color)[middle].std() == pytest.approx(3.0, rel=0.05)


def test_frames_are_the_same_in_any_order_and_differ_by_seed(ball):
    config = SimulationConfig(frames=20, bar_first_frame=0)
    in_order = list(simulate(ball, config))
    again = simulate(ball, config)
    for position in (13, 2, 13):
        frame = again.read(position)
        assert np.array_equal(frame.color, in_order[position].color)
        assert np.array_equal(frame.depth, in_order[position].depth)
    assert not np.array_equal(in_order[2].depth, in_order[3].depth)
    other = simulate(ball, replace(config, seed=1))
    assert not np.allclose(other.annotation(0).truth["ball"], again.annotation(0).truth["ball"])


def test_noise_is_new_in_every_frame(ball):
    """Of a scene in which nothing moves."""
    config = SimulationConfig(frames=4, speed_mm=0.0, speed_deg=0.0, bar_width_px=0)
    frames = list(simulate(ball, config))
    for one, other in zip(frames, frames[1:]):
        assert np.mean(one.color != other.color) > 0.8
        assert np.mean((one.depth == 0) != (other.depth == 0)) > 0.01


def test_it_reads_like_a_data_set(ball):
    sequence = simulate(ball, replace(PERFECT, frames=5, rate_hz=15.0))
    frames = list(sequence)
    assert len(sequence) == len(frames) == 5
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.stamp for frame in frames] == pytest.approx([0, 1 / 15, 2 / 15, 3 / 15, 4 / 15])
    assert sequence.camera == frames[0].camera == CAMERA
    assert sequence.object_names == ("ball",)
    assert sequence.load_model("ball") is ball
    with pytest.raises(DatasetError, match="expected an object of the scene \\(ball\\), got 'cup'"):
        sequence.load_model("cup")


def test_a_trajectory_is_followed(ball, tmp_path):
    path = tmp_path / "poses.txt"
    path.write_text("0.0 0.1 -0.05 0.7 0 0 0 1\n0.1 0.1 -0.05 0.75 0 0 1 1\n0.2 0 0 0.8 1 0 0 0\n")
    sequence = simulate(ball, replace(PERFECT, trajectory=str(path), frames=2))
    assert len(sequence) == 2
    second = sequence.annotation(1).truth["ball"]
    assert second[:3, 3] == pytest.approx([0.1, -0.05, 0.75])
    assert transform_points(second, np.array([[1.0, 0, 0]]))[0] == pytest.approx([0.1, 0.95, 0.75])


def test_a_recorded_trajectory_is_read(ball, shared_data):
    path = sorted((shared_data / "ycbv_trajectories").glob("*/*.txt"))[0]
    sequence = simulate(ball, replace(PERFECT, trajectory=str(path), frames=1000))
    rows = [line for line in path.read_text().splitlines() if line.strip()]
    assert len(sequence) == min(len(rows), 1000)
    assert sequence.annotation(0).truth["ball"][:3, 3] == pytest.approx([float(x) for x in rows[0].split()[1:4]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 1 2 3\n", "expected 8 numbers a line .* got 4"),
        ("hello\n", "expected lines 't x y z qx qy qz qw'"),
        ("0 0 0 1 0 0 0 0\n", "expected a quaternion"),
    ],
)
def test_a_file_that_is_no_trajectory_is_refused(ball, tmp_path, text, expected):
    (tmp_path / "poses.txt").write_text(text)
    with pytest.raises(ValueError, match=expected):
        simulate(ball, replace(PERFECT, trajectory=str(tmp_path / "poses.txt")))


def test_a_missing_trajectory_is_refused_by_its_path(ball):
    with pytest.raises(FileNotFoundError, match="gone.txt"):
        simulate(ball, replace(PERFECT, trajectory="gone.txt"))


def test_a_spell_hides_its_share_of_the_object_behind_something_nearer(ball):
    spells = replace(PERFECT, spell_share=0.3, spell_first_frame=10, spell_period_frames=20, spell_frames=12)
    hidden, open_sight = simulate(ball, spells), simulate(ball, PERFECT)
    for position in (9, 22, 29):
        assert np.array_equal(hidden.read(position).masks["ball"], open_sight.read(position).masks["ball"])
    for position in (15, 16, 35):
        clear, covered = (sequence.read(position) for sequence in (open_sight, hidden))
        lost = clear.masks["ball"] & ~covered.masks["ball"]
        assert lost.sum() / clear.masks["ball"].sum() == pytest.approx(0.3, abs=0.02)
        assert np.all(covered.depth[lost] < clear.depth[lost])
        assert not np.array_equal(covered.color[lost], clear.color[lost])


def test_a_spell_comes_and_goes_gradually():
    shares = [spell_share(frame, 10, 40, 20, 0.3) for frame in range(60)]
    assert max(shares) == 0.3
    assert sum(share == 0.3 for share in shares[:50]) == 10
    assert np.abs(np.diff(shares[:30])).max() <= 0.3 / 4
    assert shares[9] == shares[30] == 0 and shares[10] > 0 and shares[29] > 0 and shares[50] == shares[10]
