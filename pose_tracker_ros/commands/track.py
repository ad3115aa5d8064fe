"""``pose-tracker track``: follow an object through a recorded sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track as progress

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.sequences import DepthUnit, ReaderOptions, open_frames, print_warning, report_reading
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.datasets import FrameSequence
from pose_tracker_ros.datasets.bop import BopSequence
from pose_tracker_ros.datasets.numbered_sequence import NumberedSequence
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.datasets.pose_texts import parse_pose
from pose_tracker_ros.evaluation import report
from pose_tracker_ros.evaluation.depth_plausibility import remark_on_frame
from pose_tracker_ros.evaluation.plots import save_figures, track_figures
from pose_tracker_ros.evaluation.protocol import ScoredObject, evaluate_track, summarize_by_object
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.evaluation.trajectory import PoseEstimate, to_bop_estimates, write_bop_results, write_trajectory
from pose_tracker_ros.evaluation.video import write_overlay_video
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

console = Console()


def track(
    object_name: Annotated[
        str,
        typer.Argument(
            metavar="OBJECT",
            help="Object of models/, by name or folder, or of the sequence's models; any name with --mesh.",
        ),
    ],
    sequence: Annotated[
        Path, typer.Argument(help="Sequence or recording of any known layout, see docs/evaluation.md.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("track_output"),
    initial_pose: Annotated[
        str | None, typer.Option(help="First pose 'x y z qx qy qz qw' in metres; default the sequence's truth.")
    ] = None,
    offset_m: Annotated[float, typer.Option(help="Move the first pose by this much, in a random direction.")] = 0.0,
    angle_deg: Annotated[float, typer.Option(help="Turn the first pose by this much, about a random axis.")] = 0.0,
    truth_name: Annotated[str | None, typer.Option(help="The object's name in the sequence, where it differs.")] = None,
    mesh: Annotated[Path | None, typer.Option(help="Mesh file instead of the object's own.")] = None,
    mesh_unit: Annotated[str | None, typer.Option(help="Unit of --mesh: m, cm, mm or inch; default the object's.")] = None,
    reader: ReaderOptions = None,
    depth_unit: DepthUnit = None,
    weights: Annotated[Path | None, typer.Option(help="Network weights instead of the object's own.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with options of the tracker.")] = None,
    set_option: Annotated[list[str] | None, typer.Option("--set", help="Option of the tracker as name=value.")] = None,
    video: Annotated[bool, typer.Option(help="Write the overlay video.")] = True,
) -> None:
    """Follow an object through a sequence: writes poses, an overlay video, and errors where truth is known."""
    with reported_errors():
        frames = open_frames(sequence, reader, depth_unit, on_error="skip")
        model = load_tracked_object(object_name, frames, mesh, mesh_unit)
        tracker_config = load_config(TrackerConfig, config, parse_overrides(set_option), OFFLINE)
        tracker = Tracker.load([model], tracker_config, {} if weights is None else {model.name: weights})
        name = truth_name or model.name
        name_object(frames, name, certain=mesh is not None or truth_name is not None)
        first = _first_pose(frames, name, initial_pose)
        first = perturbed(model, first, offset_m, angle_deg)
        remark = remark_on_frame(next(iter(frames)), tracker, model.name, first)
        if remark:
            print_warning(remark)
        check_writable(output)

        steps = track_frames(tracker, model.name, frames, first)
        estimates = list(progress(steps, "tracking", total=len(frames), console=console))
        if not estimates:
            raise frames.nothing_read()
        write_results(output, estimates, frames, name)
        if video:
            renderer = create_renderer("raycast", model.mesh)
            shown = progress(frames, "drawing", total=len(frames), console=console)
            write_overlay_video(output / "overlay.mp4", shown, estimates, renderer, model.diameter_m, frames.rate_hz)
        if name in frames.object_names:
            report_errors(output, estimates, frames, replace(ScoredObject.from_model(model), name=name))
        report_reading(frames)
        console.print(f"written to {output}")


def name_object(sequence: FrameSequence, name: str, certain: bool) -> None:
    """Have poses and masks of a folder with one object called by a name, unless an option said how to call them.

    Parameters: ``certain`` whether the name also goes before the one that the folder suggests.
    """
    if isinstance(sequence, NumberedSequence) and not sequence.named and (certain or sequence.object_name is None):
        sequence.object_name = name


def _first_pose(sequence: FrameSequence, name: str, given: str | None) -> np.ndarray:
    """The given pose (4, 4), else the true one in the first frame that can be read."""
    first = next(iter(sequence), None)
    if first is None:
        raise sequence.nothing_read()
    if given:
        return parse_pose(given)
    if name not in first.truth:
        raise ValueError(
            f"expected the true pose of {name!r} in the first frame of sequence {sequence.name!r}, which has "
            f"{', '.join(first.truth) or 'none'}; give --initial-pose (pose-tracker initialize finds one), or --truth-name "
            "if it has another name there"
        )
    return first.truth[name]


def write_results(output: Path, estimates: Sequence[PoseEstimate], sequence: FrameSequence, name: str) -> None:
    """Trajectory CSV, and for BOP scenes that know the object also BOP's results CSV."""
    write_trajectory(output / "trajectory.csv", estimates)
    if isinstance(sequence, BopSequence) and name in sequence.obj_ids:
        rows = to_bop_estimates(estimates, sequence.scene_id, sequence.obj_ids[name])
        write_bop_results(output / "bop_results.csv", rows)


def report_errors(
    output: Path, estimates: Sequence[PoseEstimate], sequence: FrameSequence, scored: ScoredObject
) -> None:
    """Print the table, write plots and errors."""
    errors = evaluate_track(estimates, sequence.annotations(), scored, sequence_name=sequence.name)
    rows = summarize_by_object([errors])[:1]
    table = report.summary_table(rows, f"{scored.name} in {sequence.name}")
    table.add_row("not read", str(len(sequence.skipped)))
    print_table(table)
    report.write_summary_csv(output / "summary.csv", rows)
    report.write_errors_csv(output / "errors.csv", [errors])
    save_figures(track_figures([errors]), output)
