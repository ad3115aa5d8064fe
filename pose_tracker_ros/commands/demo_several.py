"""``pose-tracker demo`` with several objects in one scene: one tracker node follows them all, and one more from its mask on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from pose_tracker_ros.commands.missed_frames import Meanwhile, Missed, missed_frames
from pose_tracker_ros.commands.processes import camera_process, ended, stages_of, watch
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.frozen_sets import ANGLE_DEG, OFFSET_M
from pose_tracker_ros.evaluation.named_scenes import open_scene_config
from pose_tracker_ros.evaluation.protocol import ScoredObject, TrackErrors, evaluate_track
from pose_tracker_ros.evaluation.trajectory import PoseEstimate
from pose_tracker_ros.object_files import write_object
from pose_tracker_ros.objects import ObjectModel, find_object_folder
from pose_tracker_ros.resources import share_folder
from pose_tracker_ros.simulation.config import ObjectConfig, RoomConfig, SceneConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.simulation.scene_files import scene_to_yaml

if TYPE_CHECKING:
    from pose_tracker_ros.nodes.demo_listener import SeveralListener

CAMERA = "/demo/camera"
# Beside each other, a metre away, so that hands move none before another for long.
PLACES = ((-0.30, -0.16), (0.04, 0.17), (0.34, -0.16), (-0.36, 0.19), (0.38, 0.19), (0.0, -0.2))
FARTHER_M = 0.35
SPEED_MM, SPEED_DEG = 4.0, 1.5
# Behind all of them: nothing sinks into it.
ROOM = RoomConfig(support_m=2.2)
# Share of the frames after which one more object is added.
ADDED_AFTER = 0.4


class LiveObjects(NamedTuple):
    """What came of a run: errors of each object from its first pose on, numbers of frames, times as median / 95 % in ms, and
    frames that were not processed."""

    errors: list[TrackErrors]
    counts: dict[str, int]
    stages: dict[str, str]
    missed: list[Missed]


def scene_of(names: Sequence[str], frames: int, rate_hz: float) -> SceneConfig:
    """The scene of some objects that hands move beside each other; raises ValueError for more than there is room for."""
    if len(names) > len(PLACES):
        raise ValueError(f"expected at most {len(PLACES)} objects in one scene, got {len(names)}")
    objects = (
        ObjectConfig(model=name, offset_x=x, offset_y=y, offset_z=FARTHER_M, speed_mm=SPEED_MM, speed_deg=SPEED_DEG)
        for name, (x, y) in zip(names, PLACES)
    )
    return SceneConfig(frames=frames, rate_hz=rate_hz, objects=tuple(objects), room=ROOM)


def run_several(
    names: Sequence[str], added: str, frames: int, rate_hz: float, folder: Path, parameters: Mapping[str, Any], console: Console
) -> LiveObjects:
    """Camera, tracker and, for an ``added`` object, initializer as ROS nodes; ``parameters``: of the tracker.

    Raises OSError when a process ends before its time, ValueError for objects that cannot be had.
    """
    from pose_tracker_ros.nodes.demo_listener import SeveralListener
    from pose_tracker_ros.nodes.single_process import NodeGroup, command_line, tracker_remappings
    from pose_tracker_ros.nodes.tracker_node import TrackerNode

    everything = [*names, *([added] if added else [])]
    scene = scene_of(everything, frames, rate_hz)
    sequence = open_scene_config(scene, "demo")
    (folder / "scene.yaml").write_text(scene_to_yaml(scene))
    folders = {name: str(_folder_of(name, folder / "objects")) for name in everything}
    remappings = tracker_remappings(CAMERA)
    chosen = {"objects": [folders[name] for name in names], **parameters}
    with NodeGroup() as group:
        tracker = group.start(TrackerNode, command_line(remappings, [share_folder("config") / "tracker.yaml"]), chosen)
        listener = group.start(partial(SeveralListener, CAMERA, names))
        with (
            _initializer(added, folders.get(added, ""), listener),
            camera_process(_camera_parameters(folder, names[0], frames), folder, CAMERA) as camera,
        ):
            adding = partial(_added, listener, added, [folders[name] for name in everything], round(ADDED_AFTER * frames))
            watch(camera, listener, frames, console, adding if added else None)
        counts = {"published": len(listener.published), **tracker.frame_counts()}
        stages = stages_of(listener)
        overtaken = tracker.overtaken_frames()
    missed = missed_frames(listener.published, listener.latency_ms, overtaken, _happenings(listener, names, added))
    return LiveObjects([_errors(name, sequence, listener) for name in everything], counts, stages, missed)


def _folder_of(name: str, made: Path) -> Path:
    """Where the tracker finds an object: in models/, or, of the benchmark's, in a folder that is made for it."""
    try:
        return find_object_folder(name)
    except FileNotFoundError:
        models = {model.name: model for model in benchmark_objects()}
        if name not in models:
            raise
        return write_object(models[name], made / name)


def _camera_parameters(folder: Path, target: str, frames: int) -> dict[str, Any]:
    return {
        "scene": str(folder / "scene.yaml"),
        "object": target,
        "initial_offset_m": OFFSET_M,
        "initial_angle_deg": ANGLE_DEG,
        "prerender_frames": frames,
    }


@contextmanager
def _initializer(name: str, folder: str, listener: SeveralListener) -> Iterator[None]:
    """The initializer of one object in a process of its own, ready but not active; none without a name."""
    if not name:
        yield
        return
    from pose_tracker_ros.nodes.object_names import ros_name
    from pose_tracker_ros.nodes.single_process import command_line, initializer_remappings

    remappings = initializer_remappings(CAMERA, f"{CAMERA}/camera/{ros_name(name)}/mask")
    arguments = [*command_line(remappings, [share_folder("config") / "initializer.yaml"]), "-p", f"object:={folder}"]
    code = "from pose_tracker_ros.nodes.start import initializer; initializer()"
    process = subprocess.Popen([sys.executable, "-c", code, *arguments, "-p", "autostart:=false"])
    with ended(process):
        listener.configure_initializer()
        yield


def _added(listener: SeveralListener, name: str, folders: Sequence[str], number: int) -> bool:
    """Have the tracker follow these objects, and the initializer find the last by its mask, once a frame was played; whether it was found.

    Then the initializer rests: while it is active it takes in every image.
    """
    if len(listener.published) < number:
        return False
    if listener.added_at is None:
        listener.add(folders)
    if not listener.poses_of.get(name):
        return False
    listener.rest_initializer()
    return True


def _happenings(listener: SeveralListener, names: Sequence[str], added: str) -> list[Meanwhile]:
    """Each object from when the tracker was asked to follow it to its first pose."""
    asked = dict.fromkeys(names, 0) | ({added: listener.added_at or 0} if added else {})
    last = len(listener.published) - 1
    numbers = {stamp: number for number, stamp in enumerate(listener.published)}
    return [
        Meanwhile(f"{name} is added", first, min((numbers.get(stamp, last) for stamp in listener.poses_of[name]), default=last))
        for name, first in asked.items()
    ]


def _errors(name: str, sequence: SceneSequence, listener: SeveralListener) -> TrackErrors:
    """Of every frame that was processed since the object had its first pose; a frame without one is a failure."""
    found = listener.poses_of[name]
    estimates = [
        PoseEstimate(number / sequence.rate_hz, number, found.get(stamp), latency_ms=listener.latency_ms.get(stamp, float("nan")))
        for number, stamp in enumerate(listener.published)
        if stamp in listener.latency_ms
    ]
    first = next((one.index for one in estimates if one.camera_T_object is not None), None)
    if first is None:
        raise ValueError(f"expected poses of {name!r}, got none; what the nodes said above tells why")
    model: ObjectModel = sequence.load_model(name)
    frames = [one.index for one in estimates if one.index >= first]
    scored = ScoredObject.from_model(model)
    return evaluate_track(estimates, sequence.annotations(), scored, sequence_name=sequence.name, frames=frames)
