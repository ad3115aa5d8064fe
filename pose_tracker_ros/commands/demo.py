"""``pose-tracker demo``: simulated camera and tracker over real DDS, scored against the truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.demo_several import run_several
from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.missed_frames import Missed, missed_frames, missed_table
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.processes import camera_process, stages_of, use_shared_memory, watch
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.evaluation import report
from pose_tracker_ros.evaluation.frozen_sets import ANGLE_DEG, OFFSET_M
from pose_tracker_ros.evaluation.plots import save_figures, track_figures
from pose_tracker_ros.evaluation.protocol import (
    ScoredObject,
    TrackErrors,
    evaluate_track,
    summarize,
    summarize_by_object,
)
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.evaluation.tracking_benchmark import standard_variants
from pose_tracker_ros.evaluation.trajectory import PoseEstimate, write_trajectory
from pose_tracker_ros.evaluation.video import write_overlay_video
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.resources import share_folder
from pose_tracker_ros.simulation.demo import simulate
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import Tracker, TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

console = Console()
CAMERA = "/demo/camera"
FAST_MM, FAST_DEG = 22.0, 9.5


def demo(
    output: Annotated[Path, typer.Option(help="Folder for video, plots and tables.")] = Path("demo_output"),
    seconds: Annotated[float, typer.Option(help="Length of the live part.", min=2.0)] = 20.0,
    objects: Annotated[
        list[str] | None, typer.Option("--object", help="Object of models/ or of the benchmark; several are shown beside each other.")
    ] = None,
    add: Annotated[str, typer.Option(help="One more object, which is added after a while and found by its mask.")] = "",
    compare: Annotated[bool, typer.Option(help="Also track without network, depth or outline; of one object.")] = True,
    blank_frames: Annotated[int, typer.Option(help="Length of a blackout near the end, in frames; of one object.", min=0)] = 5,
    set_option: Annotated[list[str] | None, typer.Option("--set", help="Option of the tracker as name=value.")] = None,
) -> None:
    """Simulated camera and tracker node over real DDS for 20 seconds, then tables and, of one object, a video and plots."""
    with reported_errors():
        options = parse_overrides(set_option)
        # A wrong one is refused before anything is started.
        tracker_config = load_config(TrackerConfig, None, options, OFFLINE)
        # As the configuration reads them: a whole number for an option that is not, which ROS would refuse.
        parameters = {name: attrgetter(name)(tracker_config) for name in options}
        check_writable(output)
        names = objects or ["demo_jug"]
        console.print(f"simulated camera and tracker over DDS for {seconds:.0f} s")
        if len(names) > 1 or add:
            show_several(names, add, seconds, output, parameters)
        else:
            show_one(names[0], seconds, blank_frames, output, parameters, tracker_config if compare else None)


def show_several(names: Sequence[str], added: str, seconds: float, output: Path, parameters: Mapping[str, Any]) -> None:
    """Several objects in one scene, and the errors of each."""
    use_shared_memory()
    rate_hz = SimulationConfig().rate_hz
    live = run_several(names, added, round(seconds * rate_hz), rate_hz, output, parameters, console)
    print_table(report.summary_table(summarize_by_object(live.errors), "demo, live, over ROS 2"))
    print_table(counts_table(live.counts))
    print_table(stages_table(live.stages))
    if live.missed:
        print_table(missed_table(live.missed))
    report.write_errors_csv(output / "errors.csv", live.errors)


def show_one(
    object_name: str,
    seconds: float,
    blank_frames: int,
    output: Path,
    parameters: Mapping[str, Any],
    compared: TrackerConfig | None,
) -> None:
    """One object behind a bar and through a blackout; ``compared``: what is tracked with, one part missing at a time."""
    model = load_object(object_name)
    config = SimulationConfig()
    frames = round(seconds * config.rate_hz)
    config = replace(config, frames=frames, blank_frames=blank_frames, blank_first_frame=round(0.85 * frames))
    estimates, counts, stages, missed = run_live(object_name, config, output, parameters)

    sequence = simulate(model, config)
    # Frames that were overtaken are counted as dropped; without a pose for a processed one nothing is left out.
    all_processed_have_poses = counts["processed"] == counts["poses received"]
    answered = {e.index for e in estimates if e.camera_T_object is not None} if all_processed_have_poses else None
    live = score(estimates, sequence, model, answered)
    print_table(report.summary_table([summarize([live], "live, over ROS 2")], "demo"))
    print_table(counts_table(counts))
    print_table(stages_table(stages))
    if missed:
        print_table(missed_table(missed))
    if compared is not None:
        compare_parts(model, simulate(model, replace(config, speed_mm=FAST_MM, speed_deg=FAST_DEG)), compared)
    write_trajectory(output / "trajectory.csv", estimates)
    report.write_errors_csv(output / "errors.csv", [live])
    save_figures(track_figures([live]), output)
    shown = progress(sequence, "drawing the video", total=len(sequence), console=console)
    renderer = create_renderer("raycast", model.mesh)
    write_overlay_video(output / "overlay.mp4", shown, estimates, renderer, model.diameter_m, config.rate_hz)
    console.print(f"look at {output / 'overlay.mp4'} and the plots beside it", soft_wrap=True)


class Live(NamedTuple):
    """What a subscriber of /object_pose received, numbers of frames, times of stages as median / 95 % in ms, and frames that were
    overtaken."""

    estimates: list[PoseEstimate]
    counts: dict[str, int]
    stages: dict[str, str]
    missed: list[Missed]


def run_live(object_name: str, config: SimulationConfig, folder: Path, parameters: Mapping[str, Any]) -> Live:
    """Camera and tracker as ROS nodes in two processes; ``parameters``: of the tracker.

    Raises OSError when the camera process ends before its time.
    """
    from pose_tracker_ros.nodes.demo_listener import DemoListener
    from pose_tracker_ros.nodes.single_process import NodeGroup, command_line, tracker_remappings
    from pose_tracker_ros.nodes.tracker_node import TrackerNode

    use_shared_memory()
    remappings = [*tracker_remappings(CAMERA), ("~/initial_pose", f"{CAMERA}/camera/initial_pose")]
    tracker_arguments = command_line(remappings, [share_folder("config") / "tracker.yaml"])
    with NodeGroup() as group:
        tracker = group.start(TrackerNode, tracker_arguments, {"object": object_name, **parameters})
        listener = group.start(partial(DemoListener, CAMERA))
        with camera_process(_camera_parameters(object_name, config), folder, CAMERA) as camera:
            watch(camera, listener, config.frames, console)
        stages = stages_of(listener)
        counts = {"published": len(listener.published), **tracker.frame_counts(), "poses received": len(listener.poses)}
        overtaken = tracker.overtaken_frames()
    estimates = [
        PoseEstimate(
            number / config.rate_hz,
            number,
            listener.poses.get(stamp),
            latency_ms=listener.latency_ms.get(stamp, float("nan")),
        )
        for number, stamp in enumerate(listener.published)
    ]
    others = set(listener.published) - {one.stamp for one in overtaken}
    return Live(estimates, counts, stages, missed_frames(listener.published, others, overtaken, []))


def _camera_parameters(object_name: str, config: SimulationConfig) -> dict[str, Any]:
    return {
        "object": object_name,
        "initial_offset_m": OFFSET_M,
        "initial_angle_deg": ANGLE_DEG,
        "prerender_frames": config.frames,
        "simulation": dict(vars(config)),
    }


def score(
    estimates: Sequence[PoseEstimate],
    sequence: SceneSequence,
    model: ObjectModel,
    frames: Collection[int] | None = None,
) -> TrackErrors:
    """Errors against the simulation's truth, in all frames or only in the given ones."""
    scored = ScoredObject.from_model(model)
    return evaluate_track(estimates, sequence.annotations(), scored, sequence_name=sequence.name, frames=frames)


def counts_table(counts: dict[str, int]) -> Table:
    """Frames in, processed, dropped."""
    table = Table(title="frames")
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*(str(value) for value in counts.values()))
    return table


def stages_table(stages: Mapping[str, str]) -> Table:
    """Where the time goes live; the tracker's own stages are of its last frames."""
    table = Table("stage", "median / 95 %, ms", title="where the time goes")
    for stage, times in stages.items():
        table.add_row(stage, times)
    return table


def compare_parts(model: ObjectModel, sequence: SceneSequence, config: TrackerConfig) -> None:
    """The tracker with one ingredient missing at a time, offline on every frame of a fast motion."""
    standard = standard_variants(config)
    variants = {variant.name: variant.config for variant in standard if variant.color and variant.depth}
    first = perturbed(model, sequence.annotation(0).truth[model.name], OFFSET_M, ANGLE_DEG)
    rows = []
    for name, config in variants.items():
        steps = track_frames(Tracker.load([model], config), model.name, sequence, first)
        estimates = list(progress(steps, name, total=len(sequence), console=console, transient=True))
        rows.append(summarize([score(estimates, sequence, model)], name))
    print_table(
        report.summary_table(rows, f"fast motion ({FAST_MM:g} mm, {FAST_DEG:g} deg a frame), offline, every frame")
    )
