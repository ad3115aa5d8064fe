"""``pose-tracker map``: a map of a room from a recorded sequence."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.sequences import DepthUnit, ReaderOptions, open_frames, report_reading
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.datasets.sequence import FrameSequence, IndexedSequence
from pose_tracker_ros.evaluation.map_pictures import map_figure
from pose_tracker_ros.evaluation.plots import save_figures
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.relocalization.config import MapConfig
from pose_tracker_ros.relocalization.map_files import folder_size
from pose_tracker_ros.relocalization.mapping import GivenPoses, MapBuilder
from pose_tracker_ros.relocalization.odometry import Odometry

console = Console(soft_wrap=True, highlight=False)
BYTES_PER_MB = 1e6


class PoseSource(StrEnum):
    """Where the camera's poses come from."""

    auto = "auto"
    given = "given"
    odometry = "odometry"


def map_command(
    sequence: Annotated[Path, typer.Argument(help="Sequence or recording of any known layout, see docs/evaluation.md.")],
    output: Annotated[Path, typer.Option(help="Folder of the map, new or empty.")] = Path("room_map"),
    poses: Annotated[
        PoseSource, typer.Option(help="Poses that come with the frames, or found by odometry; auto: given where there are any.")
    ] = PoseSource.auto,
    first: Annotated[int, typer.Option(help="Frames that are left out at the beginning.", min=0)] = 0,
    every: Annotated[int, typer.Option(help="Take every n-th frame.", min=1)] = 1,
    reader: ReaderOptions = None,
    depth_unit: DepthUnit = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with options of the map.")] = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the map as name=value, such as keyframe_m=0.05.")
    ] = None,
) -> None:
    """Map a room: keyframes with features, depth and an index in one folder, and a picture of what is covered."""
    with reported_errors():
        begin = time.perf_counter()
        frames = open_frames(sequence, reader, depth_unit, on_error="skip")
        options = load_config(MapConfig, config, parse_overrides(set_option))
        total = len(range(first, len(frames), every))
        check_writable(output)
        given, chosen = has_poses(thinned(frames, first, every), poses)
        builder = MapBuilder(output, options, GivenPoses(options) if given else Odometry(options))
        count = 0
        for frame in progress(chosen, "mapping", total=total, console=console):
            builder.add(frame)
            count += 1
        if count == 0:
            raise frames.nothing_read()
        report_reading(frames)
        room, loops = builder.finish(str(sequence))
        seconds = time.perf_counter() - begin
        save_figures({"map": map_figure(room, frames.name)}, output)

        table = Table(title=f"map of {frames.name}")
        for name, value in {
            "frames": f"{count}, {builder.poses.lost} without a pose",
            "poses": "those of the frames" if given else f"odometry, {loops} loops closed",
            "keyframes": str(len(room)),
            "features": str(sum(len(keyframe.features) for keyframe in room.keyframes)),
            "with depth": str(sum(int((keyframe.points[:, 2] > 0).sum()) for keyframe in room.keyframes)),
            "size": f"{folder_size(output) / BYTES_PER_MB:.1f} MB",
            "time": f"{seconds:.1f} s",
        }.items():
            table.add_row(name, value)
        print_table(table)
        console.print(f"written to {output}; {output / 'map.png'} shows it from above")


def has_poses(frames: Iterator[Frame], poses: PoseSource) -> tuple[bool, Iterator[Frame]]:
    """Whether the poses that frames come with are used, and the same frames."""
    if poses is not PoseSource.auto:
        return poses is PoseSource.given, frames
    start = list(islice(frames, 1))
    return any(frame.world_T_camera is not None for frame in start), chain(start, frames)


def thinned(frames: FrameSequence, first: int, every: int) -> Iterator[Frame]:
    """Every n-th frame from the first on; others are not read where frames can be read in any order."""
    if isinstance(frames, IndexedSequence):
        return _read(frames, range(first, len(frames), every))
    return islice(frames, first, None, every)


def _read(frames: IndexedSequence, positions: Iterable[int]) -> Iterator[Frame]:
    for position in positions:
        yield from frames.read_or_skip(position)
