"""Calibrating the evidence, on samples whose probability is known, and on a short simulated video."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from typer.testing import CliRunner

from pose_tracker_ros.evaluation import evidence_calibration as calibration
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.evidence_samples import EXTREME, Sample, Weigher, near, real_samples, shifted
from pose_tracker_ros.evaluation.evidence_scenes import simulated_samples
from pose_tracker_ros.geometry import pose_errors
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.simulation.config import ObjectConfig, SceneConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking.evidence import Calibration, Evidence
from pose_tracker_ros.tracking.noise import NoiseModel

TRUE = Calibration(depth=2.0, color=1.0, constant=-1.5)


def evidence(depth_ratio: float, color_ratio: float, color_share: float = 1.0) -> Evidence:
    nothing = np.zeros((0, 0), np.float32)
    return Evidence(depth_ratio, color_ratio, 0.0, 0.0, 1.0, 0.0, color_share, nothing, nothing, 0.0)


def drawn(count: int, seed: int) -> list[Sample]:
    """Samples that are right with the probability of TRUE."""
    generator = np.random.default_rng(seed)
    samples = []
    for depth_ratio, color_ratio in generator.uniform(-3, 3, (count, 2)):
        is_right = bool(generator.random() < 1 / (1 + np.exp(-TRUE.log_odds(depth_ratio, color_ratio))))
        one = evidence(depth_ratio, color_ratio)
        samples.append(Sample("thing", "group", is_right, one, one))
    return samples


def test_log_odds_are_linear_in_the_ratios():
    assert TRUE.log_odds(0.75, 0.0) == 0
    assert TRUE.log_odds(1.0, 1.0) == pytest.approx(1.5)
    assert evidence(0, 0)._replace(log_odds=1.5).probability == pytest.approx(0.8176, abs=1e-4)


def test_the_slopes_that_made_the_samples_are_found():
    samples = drawn(4000, 0)
    found = calibration.fitted(samples)
    assert (found.depth, found.color) == pytest.approx((2.0, 1.0), abs=0.2)
    # Right and wrong ones count alike, which moves the constant by the logarithm of their numbers' ratio.
    right = sum(one.is_right for one in samples)
    assert found.constant == pytest.approx(-1.5 + np.log((len(samples) - right) / right), abs=0.2)


def test_stated_probabilities_are_the_shares_that_are_right():
    parts = drawn(3000, 1), drawn(3000, 2)
    bins = calibration.reliability([*parts[0], *parts[1]], calibration.out_of_fold(parts))
    assert len(bins) == 10 and sum(one.samples for one in bins) == 6000
    for one in bins:
        assert one.right == pytest.approx(one.probability, abs=0.1)
    axes = calibration.reliability_figure({"all": bins}).axes[0]
    assert axes.lines[-1].get_xydata() == pytest.approx(np.array([[one.probability, one.right] for one in bins]))


def test_each_half_is_judged_by_the_other():
    right = [Sample("thing", "group", is_right, evidence(sign, 0), evidence(sign, 0)) for is_right, sign in ((True, 2), (False, -2))]
    upside_down = [one._replace(is_right=not one.is_right) for one in right]
    probability = calibration.out_of_fold((right, upside_down))
    assert probability[0] < 0.5 < probability[1] and probability[3] < 0.5 < probability[2]


def test_groups_count_alike():
    one = evidence(0, 0)
    samples = [Sample("thing", group, is_right, one, one) for group, is_right in (("a", True), ("b", False), ("b", False), ("c", False))]
    assert calibration.balanced_weights(samples) == pytest.approx([2, 0.5, 0.5, 1])


def test_area_under_curve_is_the_share_of_pairs_in_order():
    values, right = np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False])
    assert calibration.area_under_curve(values, right) == (2 + 0.5) / 4


def test_the_summary_leaves_out_what_one_frame_cannot_decide():
    samples = [
        Sample("thing", "clear", True, evidence(2, 2), evidence(0, 2)),
        Sample("thing", "clear", True, evidence(-1, 0), evidence(0, 0)),
        Sample("thing", "board", False, evidence(0, 0.5), evidence(0, 0)),
        Sample("thing", EXTREME[0], True, evidence(-3, 0), evidence(0, 0)),
    ]
    text = "\n".join(calibration.summary(samples, np.array([0.95, 0.6, 0.55, 0.1])))
    assert "2 right and 1 wrong poses" in text
    assert "AUC of E 0.50000, of the probability 1.00000" in text
    assert "(E > 0.50): 50.00 % of the right refused" in text
    assert "p > 0.5: 100.00 % of the wrong accepted, 0.00 %" in text
    assert "p > 0.9: 0.00 % of the wrong accepted, 50.00 %" in text


def test_colours_alone_are_of_objects_whose_colours_are_known():
    samples = [
        Sample("thing", "clear", True, evidence(2, 2), evidence(0, 1.5)),
        Sample("thing", "clear", True, evidence(2, 0, 0.0), evidence(0, 0, 0.0)),
    ]
    (only,) = calibration.colors_alone(samples)
    assert (only.evidence.depth_ratio, only.evidence.color_ratio) == (0, 1.5)


def test_one_kind_alone_cannot_be_calibrated():
    with pytest.raises(ValueError, match="expected right and wrong poses"):
        calibration.fitted([one for one in drawn(50, 0) if one.is_right])


@pytest.fixture(scope="module")
def scene() -> SceneSequence:
    target = ObjectConfig(model="demo_jug", path="unrelated")
    return SceneSequence(SceneConfig(frames=9, seed=4, objects=(target,)))


def test_right_and_wrong_poses_of_a_video_are_told_apart(scene):
    model = load_object("demo_jug")
    frames = [scene.read(position) for position in range(9)]
    poses = {frame.index: frame.truth["demo_jug"] for frame in frames[:8]}
    samples = list(real_samples(model, frames, poses, NoiseModel()))
    kinds = [(one.group, one.is_right) for one in samples if "aligned" not in one.group]
    # Six of the eight frames with a pose are for learning.
    assert kinds == 2 * [("real", True), ("real", True), ("real, shifted", False)]
    for one in samples:
        assert (one.evidence.probability > 0.9) == one.is_right
        assert one.without_depth.depth_ratio == pytest.approx(0, abs=1e-9) and one.without_depth.speaking_share == 0


def test_poses_are_moved_as_far_as_said(scene):
    model, truth = load_object("demo_jug"), scene.annotation(0).truth["demo_jug"]
    generator = np.random.default_rng(0)
    at_center = np.eye(4)
    at_center[:3, 3] = model.center_m
    for _ in range(5):
        moved, turned = pose_errors(near(model, truth, generator) @ at_center, truth @ at_center)
        assert moved == pytest.approx(0.002) and np.degrees(turned) == pytest.approx(2)
        moved, turned = pose_errors(shifted(model, truth, generator) @ at_center, truth @ at_center)
        assert 0.3 <= moved / model.diameter_m <= 1 and turned == pytest.approx(0, abs=1e-6)


def test_aligning_brings_the_surface_onto_the_depth(scene):
    model, frame = load_object("demo_jug"), scene.read(0)
    weigher, truth = Weigher(model, NoiseModel()), frame.truth["demo_jug"]
    start = truth.copy()
    start[:3, 3] += [0.004, -0.003, 0.008]
    depth = weigher.onto_what_is_seen(frame, start)
    assert abs(depth[2, 3] - truth[2, 3]) < 0.5 * abs(start[2, 3] - truth[2, 3])
    moved, _ = pose_errors(weigher.aligned(frame, start), truth)
    assert moved < 0.004


def test_the_command_says_what_it_needs(tmp_path):
    import typer

    from pose_tracker_ros.commands.calibrate_evidence import calibrate

    app = typer.Typer()
    app.command()(calibrate)
    result = CliRunner().invoke(app, ["--sequence", str(tmp_path)])
    assert result.exit_code == 1
    assert "expected --trajectory and --object with --sequence" in result.stderr


def test_simulated_scenes_have_right_and_wrong_poses():
    models = {model.name: model for model in benchmark_objects()}
    drill = models["drill"]
    samples = list(islice(simulated_samples([drill], [drill, models["bowl"]], [0], NoiseModel()), 4))
    assert [(one.object_name, one.group, one.is_right) for one in samples[:3]] == [
        ("drill", "clear", True),
        ("drill", "clear", True),
        ("drill", "shifted", False),
    ]
    ratios = {kind: [one.evidence.log_ratio for one in samples if one.is_right == kind] for kind in (True, False)}
    assert min(ratios[True]) > max(ratios[False])
