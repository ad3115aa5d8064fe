"""``pose-tracker locate``: where the camera was in a map, for every frame of a sequence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track as progress

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.map import thinned
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.sequences import DepthUnit, ReaderOptions, open_frames, report_reading
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.evaluation import relocalization
from pose_tracker_ros.evaluation.map_pictures import location_error_figure, location_figure
from pose_tracker_ros.evaluation.plots import save_figures
from pose_tracker_ros.relocalization.config import RelocalizerConfig
from pose_tracker_ros.relocalization.folder import REGRESSOR, load_regressor, load_relocalizer
from pose_tracker_ros.relocalization.map_files import has_own_frame

console = Console(soft_wrap=True, highlight=False)


def locate(
    room_map: Annotated[Path, typer.Argument(metavar="MAP", help="Folder made by pose-tracker map.")],
    sequence: Annotated[Path, typer.Argument(help="Sequence or recording of any known layout, see docs/evaluation.md.")],
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("locate_output"),
    first: Annotated[int, typer.Option(help="Frames that are left out at the beginning.", min=0)] = 0,
    every: Annotated[int, typer.Option(help="Take every n-th frame.", min=1)] = 1,
    reader: ReaderOptions = None,
    depth_unit: DepthUnit = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with options of the relocalizer.")] = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the relocalizer as name=value, such as selection=both.")
    ] = None,
) -> None:
    """Locate every frame by itself in a map: writes poses and plots, and a table of errors where the truth is known."""
    with reported_errors():
        options = load_config(RelocalizerConfig, config, parse_overrides(set_option))
        relocalizer = load_relocalizer(room_map, options)
        frames = open_frames(sequence, reader, depth_unit, on_error="skip")
        check_writable(output)
        shown = progress(
            thinned(frames, first, every), "locating", total=len(range(first, len(frames), every)), console=console
        )
        # A regressor that chooses no keyframes is only compared with.
        is_beside = options.selection == "retrieval" and (room_map / REGRESSOR).is_file()
        regress = load_regressor(room_map) if is_beside else None
        located = list(relocalization.locate_frames(relocalizer, shown, regress))
        if not located:
            raise frames.nothing_read()
        report_reading(frames)
        sure = options.least_confidence
        relocalization.write_locations(output / "locations.csv", located, sure)
        known = any(one.truth is not None for one in located)
        if known and has_own_frame(room_map):
            located = relocalization.in_frame_of_truth(located, sure)
        title = f"{frames.name} in {room_map.name}"
        figures = {"top_view": location_figure(relocalizer.room, located, sure, title)}
        if known:
            figures["errors"] = location_error_figure(located, sure, options.selection, title)
        save_figures(figures, output)

        scores = relocalization.score(located, sure, options.selection)
        if known:
            print_table(relocalization.score_table(scores, title))
            console.print(f"accepted and more than 10 cm or 10 deg off: {scores.accepted_wrong}")
        count = int(np.rint(scores.accepted * len(located)))
        console.print(f"accepted: {count} of {len(located)} frames (confidence {sure:g} or more)")
        console.print(f"time per frame: {scores.median_ms:.0f} ms in the median, {scores.high_ms:.0f} ms at 95 %")
        console.print(f"written to {output}")
