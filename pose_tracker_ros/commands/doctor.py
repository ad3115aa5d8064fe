"""``pose-tracker doctor``: what matters before the first track, in one table, with what to do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.datasets.pose_texts import parse_pose
from pose_tracker_ros.datasets.reader_options import open_with_options
from pose_tracker_ros.evaluation.camera_findings import CameraSeen, StreamSeen, camera_findings, shift_finding
from pose_tracker_ros.evaluation.findings import Finding, Verdict
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.intrinsics import Calibration

console = Console()
STYLES = {Verdict.GOOD: "green", Verdict.LOOK: "yellow", Verdict.BAD: "red"}
# Of a recording, every so many frames is looked at.
FRAME_STRIDE = 8


def doctor(
    source: Annotated[
        Path | None, typer.Argument(help="Recording or sequence to look at; default the camera that runs.")
    ] = None,
    camera: Annotated[str, typer.Option(help="Namespace of the camera's topics.")] = "/camera/camera",
    color_topic: Annotated[str | None, typer.Option(help="Colour images; default color/image_raw of the camera.")] = None,
    depth_topic: Annotated[
        str | None, typer.Option(help="Depth images; default aligned_depth_to_color/image_raw of the camera.")
    ] = None,
    info_topic: Annotated[str | None, typer.Option(help="CameraInfo of colour; default that beside the images.")] = None,
    depth_info_topic: Annotated[str | None, typer.Option(help="CameraInfo of depth; default that beside the images.")] = None,
    seconds: Annotated[float, typer.Option(min=0.5, max=600.0, help="How long to look.")] = 10.0,
    object_name: Annotated[
        str | None, typer.Option("--object", help="Object in view, by name or folder: how colour lies to depth there.")
    ] = None,
    initial_pose: Annotated[str | None, typer.Option(help="Its pose 'x y z qx qy qz qw' in metres.")] = None,
    reader: Annotated[
        list[str] | None, typer.Option(help="Option of the recording's reader as name=value; may be repeated.")
    ] = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the tracker or of its images as name=value.")
    ] = None,
) -> None:
    """Look at a running camera, or a recording, and say what matters before the first track; exit code 1 if something is bad."""
    with reported_errors():
        from pose_tracker_ros.evaluation.machine_findings import machine_findings
        from pose_tracker_ros.tracking import TrackerConfig

        overrides = parse_overrides(set_option)
        topics = (color_topic, info_topic, depth_topic, depth_info_topic)
        if source is not None and any(topics):
            raise ValueError(f"expected topics of a recording as --reader color_topic=TOPIC, got --color-topic and the like with {source}")
        if source is None and reader:
            raise ValueError(f"expected --reader with a recording, got {', '.join(reader)} and none")
        if source is None:
            seen, config = _watch(camera, topics, seconds, overrides)
        else:
            seen, config = _read(source, reader, seconds), load_config(TrackerConfig, None, overrides)
        findings = camera_findings(seen, (config.min_depth_m, config.max_depth_m))
        if object_name is not None:
            findings.append(_shift(seen.frames, object_name, initial_pose, config))
        findings += machine_findings()
        _show(findings)
        if any(one.verdict is Verdict.BAD for one in findings):
            raise typer.Exit(1)


def _watch(camera: str, topics: Sequence[str | None], seconds: float, overrides: dict) -> tuple[CameraSeen, object]:
    """What a running camera sends, and the tracker's options."""
    # ROS is loaded only by the commands that need it.
    from pose_tracker_ros.nodes.camera_watch import CameraWatch
    from pose_tracker_ros.nodes.single_process import NodeGroup, command_line, tracker_remappings
    from pose_tracker_ros.nodes.tracker_options import TrackerOptions

    options = load_config(TrackerOptions, None, overrides)
    remappings = dict(tracker_remappings(camera))
    names = ("~/color/image", "~/color/camera_info", "~/depth/image", "~/depth/camera_info")
    remappings |= {name: topic for name, topic in zip(names, topics) if topic}
    for image, info, given in ((0, 1, topics[1]), (2, 3, topics[3])):
        if topics[image] and not given:
            remappings[names[info]] = topics[image].rsplit("/", 1)[0] + "/camera_info"
    with NodeGroup() as group:
        node = group.start(
            lambda **arguments: CameraWatch(options.images, options.tracking.depth, **arguments), command_line(list(remappings.items()))
        )
        with console.status(f"looking at {camera} for {seconds:g} s"):
            time.sleep(seconds)
        return node.seen(), options.tracking


def _read(source: Path, reader: list[str] | None, seconds: float) -> CameraSeen:
    """What a recording has in its first seconds."""
    sequence = open_with_options(source, reader, on_error="skip")
    topics = getattr(sequence, "topics", None)
    color = StreamSeen("colour", getattr(topics, "color", None) or str(source), "recorded", frame_id=None)
    depth = StreamSeen("depth", getattr(topics, "depth", None) or str(source), "recorded", frame_id=None)
    seen = CameraSeen(color, depth)
    begin: list[float] = []

    def is_early(frame: Frame) -> bool:
        begin.append(frame.stamp)
        return frame.stamp - begin[0] <= seconds

    with console.status(f"reading {source}"):
        for number, frame in enumerate(takewhile(is_early, sequence)):
            color.stamps.append(frame.stamp)
            color.size = (frame.camera.width, frame.camera.height)
            if frame.depth.any():
                depth.stamps.append(frame.stamp)
                depth.size, seen.pairs = (frame.depth.shape[1], frame.depth.shape[0]), seen.pairs + 1
            if number % FRAME_STRIDE == 0:
                seen.frames.append(frame)
    if seen.frames:
        # As it was read: undistorted, and what the image is of.
        camera = seen.frames[0].camera
        seen.calibration = Calibration(camera.width, camera.height, tuple(camera.matrix.ravel()))
    for reason in sequence.skipped:
        seen.faults[reason] = seen.faults.get(reason, 0) + 1
    return seen


def _shift(frames: Sequence[Frame], object_name: str, initial_pose: str | None, config: object) -> Finding:
    """How colour lies to depth at an object that is followed from its pose."""
    from pose_tracker_ros.objects import load_object
    from pose_tracker_ros.tracking import Tracker, TrackState

    model = load_object(object_name)
    truths = [frame.truth[model.name] for frame in frames[:1] if model.name in frame.truth]
    if initial_pose is None and not truths:
        raise ValueError(f"expected --initial-pose with --object {object_name}: where it is, 'x y z qx qy qz qw' in metres")
    tracker = Tracker.load([model], config, {})
    tracker.start(model.name, truths[0] if initial_pose is None else parse_pose(initial_pose))
    results = [tracker.step(frame)[model.name] for frame in frames]
    tracked = [result.errors.mean for result in results if result.state is TrackState.TRACKING]
    return shift_finding([np.array(mean[:2]) for mean in tracked], [mean[3] for mean in tracked], model.name)


def _show(findings: Sequence[Finding]) -> None:
    table = Table("check", "is", "found", "what to do")
    for one in findings:
        table.add_row(one.what, f"[{STYLES[one.verdict]}]{one.verdict.value}[/]", one.found.replace("[", r"\["), one.advice.replace("[", r"\["))
    print_table(table)
