"""``pose-tracker demo``: simulated camera and tracker over real DDS, scored against the truth."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.datasets.simulation import SimulatedSequence, SimulationConfig
from pose_tracker_ros.evaluation import report
from pose_tracker_ros.evaluation.plots import save_figures, track_figures
from pose_tracker_ros.evaluation.protocol import ScoredObject, TrackErrors, evaluate_track, summarize
from pose_tracker_ros.evaluation.track import perturbed, track_frames
from pose_tracker_ros.evaluation.trajectory import PoseEstimate, write_trajectory
from pose_tracker_ros.evaluation.video import write_overlay_video
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.resources import share_folder
from pose_tracker_ros.tracking import Tracker, TrackerConfig

if TYPE_CHECKING:
    from geometry_msgs.msg import PoseStamped
    from rclpy.node import Node

console = Console()
CAMERA = "/demo/camera"
OFFSET_M, ANGLE_DEG = 0.02, 10.0
SETTLE_S = 1.0


@dataclass
class Recorder:
    """Poses of /object_pose by their stamp, with the time from image to pose."""

    poses: dict[int, np.ndarray] = field(default_factory=dict)
    latency_ms: dict[int, float] = field(default_factory=dict)

    def subscribe(self, node: Node) -> None:
        """Listen on a node."""
        from geometry_msgs.msg import PoseStamped

        self._clock = node.get_clock()
        node.create_subscription(PoseStamped, "/object_pose", self._on_pose, 50)

    def _on_pose(self, message: PoseStamped) -> None:
        from pose_tracker_ros.nodes.messages import pose_from_message

        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        self.poses[stamp] = pose_from_message(message.pose)
        self.latency_ms[stamp] = (self._clock.now().nanoseconds - stamp) * 1e-6


def demo(
    output: Annotated[Path, typer.Option(help="Folder for video, plots and tables.")] = Path("demo_output"),
    seconds: Annotated[float, typer.Option(help="Length of the live part.", min=2.0)] = 20.0,
    object_name: Annotated[str, typer.Option("--object", help="Object of models/.")] = "demo_jug",
    compare: Annotated[bool, typer.Option(help="Also track with the network alone and the polish alone.")] = True,
    blank_frames: Annotated[int, typer.Option(help="Length of a blackout near the end, in frames.", min=0)] = 10,
) -> None:
    """Simulated camera and tracker node over real DDS for 20 seconds, then a table, a video and plots."""
    with reported_errors():
        output.mkdir(parents=True, exist_ok=True)
        model = load_object(object_name)
        config = SimulationConfig()
        frames = round(seconds * config.rate_hz)
        config = replace(config, frames=frames, blank_frames=blank_frames, blank_first_frame=round(0.85 * frames))
        console.print(f"simulated camera and tracker over DDS for {seconds:.0f} s")
        estimates, counts = run_live(object_name, config)

        sequence = SimulatedSequence(model, config)
        live = score(estimates, sequence, model)
        console.print(report.summary_table([summarize([live], "live, over ROS 2")], "demo"))
        console.print(counts_table(counts))
        if compare:
            compare_parts(model, sequence)
        write_trajectory(output / "trajectory.csv", estimates)
        report.write_errors_csv(output / "errors.csv", [live])
        save_figures(track_figures([live]), output)
        shown = progress(sequence, "drawing the video", total=len(sequence), console=console)
        renderer = create_renderer("raycast", model.mesh)
        write_overlay_video(output / "overlay.mp4", shown, estimates, renderer, model.diameter_m, config.rate_hz)
        console.print(f"look at {output / 'overlay.mp4'} and {output / 'errors_simulation_demo_jug.png'}", soft_wrap=True)


def run_live(object_name: str, config: SimulationConfig) -> tuple[list[PoseEstimate], dict[str, int]]:
    """Camera and tracker as ROS nodes; poses as a subscriber of /object_pose receives them, and frame counts."""
    from rclpy.node import Node

    from pose_tracker_ros.nodes.camera_node import CameraNode
    from pose_tracker_ros.nodes.single_process import NodeGroup, command_line, tracker_remappings
    from pose_tracker_ros.nodes.tracker_node import TrackerNode

    recorder = Recorder()
    parameter_file = [share_folder("config") / "tracker.yaml"]
    remappings = [*tracker_remappings(CAMERA), ("~/initial_pose", f"{CAMERA}/camera/initial_pose")]
    simulation = {f"simulation.{name}": value for name, value in vars(config).items()}
    camera_parameters = {
        "object": object_name, "initial_offset_m": OFFSET_M, "initial_angle_deg": ANGLE_DEG, **simulation
    }
    with NodeGroup() as group:
        tracker = group.start(TrackerNode, command_line(remappings, parameter_file), {"object": object_name})
        listener = group.start(lambda **options: Node("demo_listener", **options))
        recorder.subscribe(listener)
        camera = group.start(CameraNode, command_line(namespace=CAMERA), camera_parameters)
        _show_progress(camera.finished, lambda: len(camera.published), config.frames)
        time.sleep(SETTLE_S)
        published = dict(camera.published)
        counts = {"published": len(published), **tracker.frame_counts(), "poses received": len(recorder.poses)}
    estimates = [
        PoseEstimate(
            number / config.rate_hz, number, recorder.poses.get(stamp), latency_ms=recorder.latency_ms.get(stamp, float("nan"))
        )
        for stamp, number in published.items()
    ]
    return estimates, counts


def _show_progress(finished: threading.Event, done, total: int) -> None:
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("tracking", total=total)
        while not finished.wait(0.2):
            bar.update(task, completed=done())


def score(estimates: Sequence[PoseEstimate], sequence: SimulatedSequence, model: ObjectModel) -> TrackErrors:
    """Errors against the simulation's truth."""
    return evaluate_track(
        estimates, sequence.annotations(), ScoredObject.from_model(model), sequence_name=sequence.name, whole_sequence=False
    )


def counts_table(counts: dict[str, int]) -> Table:
    """Frames in, processed, dropped."""
    table = Table(title="frames")
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*(str(value) for value in counts.values()))
    return table


def compare_parts(model: ObjectModel, sequence: SimulatedSequence) -> None:
    """The same frames offline: network and polish together, and each alone."""
    base = TrackerConfig()
    variants = {
        "network and polish": base,
        "network alone": replace(base, polish_iterations=0),
        "polish alone": replace(base, network_passes=0),
    }
    first = perturbed(model, sequence.annotation(0).truth[model.name], OFFSET_M, ANGLE_DEG)
    rows = []
    for name, config in variants.items():
        steps = track_frames(Tracker.load(model, config), sequence, first)
        estimates = list(progress(steps, name, total=len(sequence), console=console, transient=True))
        rows.append(summarize([score(estimates, sequence, model)], name))
    console.print(report.summary_table(rows, "the same frames offline, every frame"))
