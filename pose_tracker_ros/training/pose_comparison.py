"""Several trainings of PoseNet on the same images, and a table of what they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pose_tracker_ros.datasets.sequence import IndexedSequence
from pose_tracker_ros.evaluation.camera_poses import RECALL_DEG, RECALL_M, CameraPoseScore, score_camera_poses
from pose_tracker_ros.evaluation.nearest_view import NearestView
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.relocalization.regressor import Regressor
from pose_tracker_ros.training.posenet import PoseNetTrainConfig, split_positions, train_posenet


def compare_losses(
    training: IndexedSequence,
    held_out: IndexedSequence | None,
    config: PoseNetTrainConfig,
    losses: Sequence[str],
    output: Path,
) -> str:
    """Train with each loss in its own folder of ``output``; a Markdown table of errors on the held-out frames.

    Raises as :func:`train_posenet`.
    """
    kept, tested = split_positions(len(training), 0 if held_out else config.held_out_every, 0)
    known = _posed(training, kept)
    frames = _posed(held_out, range(len(held_out))) if held_out else _posed(training, tested)
    truths = [frame.world_T_camera for frame in frames]
    nearest = NearestView([frame.color for frame in known], [frame.world_T_camera for frame in known])
    scores = {
        "nearest training image by look": score_camera_poses(
            [nearest.by_look(frame.color) for frame in frames], truths
        ),
        "nearest training image by true pose": score_camera_poses([nearest.by_pose(truth) for truth in truths], truths),
    }
    for loss in losses:
        weights = train_posenet(training, replace(config, loss=loss), output / loss, held_out)
        regress = Regressor.load(weights)
        estimates = [regress(frame.color, frame.camera).map_T_camera for frame in frames]
        scores[f"PoseNet ({config.network}), loss {loss}"] = score_camera_poses(estimates, truths)
    return _table(scores)


def _posed(sequence: IndexedSequence, positions: Sequence[int]) -> list[Frame]:
    """The frames at some positions that have the camera's pose."""
    frames = [frame for frame in map(sequence.read, positions) if frame.world_T_camera is not None]
    if not frames:
        raise ValueError(f"expected frames with the camera's pose in {sequence.name!r}, got none of {len(positions)}")
    return frames


def _table(scores: dict[str, CameraPoseScore]) -> str:
    frames = next(iter(scores.values())).frames
    lines = [
        f"| {frames} held-out views | position, median cm | orientation, median deg | within {100 * RECALL_M:.0f} cm and {RECALL_DEG:.0f} deg |",
        "|---|---|---|---|",
    ]
    for name, score in scores.items():
        lines.append(f"| {name} | {100 * score.position_m:.1f} | {score.orientation_deg:.2f} | {score.recall:.0%} |")
    return "\n".join(lines) + "\n"
