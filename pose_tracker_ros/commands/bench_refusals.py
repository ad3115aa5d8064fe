"""``pose-tracker bench-refusals``: how often a relocalizer offers a pose for images that are not of its map."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.sequences import ReaderOptions, open_in_any_order
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.configuration import make_config
from pose_tracker_ros.datasets.sequence import IndexedSequence
from pose_tracker_ros.evaluation.basin import wilson_interval
from pose_tracker_ros.evaluation.refusals import Refusals, count_refusals, image_kinds, other_rooms, without_depth
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.relocalization.config import MapConfig, RelocalizerConfig
from pose_tracker_ros.relocalization.folder import load_relocalizer
from pose_tracker_ros.relocalization.mapping import GivenPoses, MapBuilder
from pose_tracker_ros.relocalization.relocalizer import Relocalizer
from pose_tracker_ros.simulation.room_views import RoomViews

console = Console(soft_wrap=True, highlight=False)
# The simulated room is mapped from so many places, and its images are from places of another seed.
MAPPED, PLACES, QUERY_PLACES = 60, 0, 1
# Other rooms have seeds from this one on, after that of the room.
FIRST_OTHER = 10


class Place(NamedTuple):
    """A mapped room, and frames of it that the map has not seen."""

    name: str
    relocalizer: Relocalizer
    frames: list[Frame]


def bench_refusals(
    sequence: Annotated[
        Path | None,
        typer.Argument(help="Frames with the camera's pose, of which every second is mapped; beside the simulated room."),
    ] = None,
    images: Annotated[int, typer.Option(help="Images of each kind.", min=3)] = 25,
    room: Annotated[int, typer.Option(help="Seed of the simulated room and of noise.", min=0)] = 3,
    reader: ReaderOptions = None,
    set_option: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the relocalizer as name=value.")
    ] = None,
) -> None:
    """Show a relocalizer what is not in its map, or hardly to be seen, and count for how many images it offers a pose.

    Wrong maps, rooms furnished alike, mirrored rooms, blank walls, dark and blurred images. A pose of the mapped room that is right
    within 10 cm and 10 degrees is no fault.
    """
    with reported_errors(), tempfile.TemporaryDirectory() as folder:
        options = make_config(RelocalizerConfig, parse_overrides(set_option))
        places = [_simulated_place(Path(folder), room, images, options)]
        if sequence is not None:
            places.append(_place_of(Path(folder), open_in_any_order(sequence, reader), images, options))
        table = Table(title=f"images that are not of the map or show little, seed {room}")
        for heading in ("map", "images of", "images", "offered", "of these wrong", "highest confidence of a wrong one"):
            table.add_column(heading, justify="left" if heading in ("map", "images of") else "right")
        total = wrong = 0
        for place in places:
            others = [other for other in places if other is not place]
            for one in _refusals(place, others, room, images):
                console.print(f"{place.name}, {one.kind}: {one.offered} of {one.images} offered, {one.wrong} of them wrong")
                table.add_row(place.name, one.kind, f"{one.images}", f"{one.offered}", f"{one.wrong}", f"{one.highest:.3f}")
                total, wrong = total + one.images, wrong + one.wrong
        print_table(table)
        console.print(f"wrongly offered: {wrong} of {total}, at most {wilson_interval(wrong, total)[1]:.1%} (95 %)")


def _refusals(place: Place, others: list[Place], room: int, images: int) -> Iterator[Refusals]:
    alike = [RoomViews(1, room + FIRST_OTHER + number, number).read(0) for number in range(images)]
    kinds = [other_rooms("rooms furnished alike", alike), *(other_rooms(f"{other.name}", other.frames) for other in others)]
    made = image_kinds()
    kinds += [*made, *map(without_depth, [*kinds, made[0]])]
    for number, kind in enumerate(kinds):
        yield count_refusals(place.relocalizer, place.frames, kind, np.random.default_rng((room, number)))


def _simulated_place(folder: Path, room: int, images: int, options: RelocalizerConfig) -> Place:
    relocalizer = _mapped(folder / "simulated", RoomViews(MAPPED, room, PLACES), range(MAPPED), MapConfig(keyframe_m=0.0), options)
    frames = RoomViews(images, room, QUERY_PLACES)
    return Place("simulated room", relocalizer, [frames.read(position) for position in range(images)])


def _place_of(folder: Path, sequence: IndexedSequence, images: int, options: RelocalizerConfig) -> Place:
    relocalizer = _mapped(folder / "sequence", sequence, range(0, len(sequence), 2), MapConfig(), options)
    unseen = range(1, len(sequence), 2)
    chosen = np.unique(np.linspace(0, len(unseen) - 1, min(images, len(unseen))).round().astype(int))
    return Place(sequence.name, relocalizer, [sequence.read(unseen[number]) for number in chosen])


def _mapped(
    folder: Path, sequence: IndexedSequence, positions: range, map_options: MapConfig, options: RelocalizerConfig
) -> Relocalizer:
    builder = MapBuilder(folder, map_options, GivenPoses(map_options))
    for position in positions:
        builder.add(sequence.read(position))
    builder.finish(sequence.name)
    return load_relocalizer(folder, options)
