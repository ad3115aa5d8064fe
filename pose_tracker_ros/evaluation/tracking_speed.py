"""How long the tracker takes for a frame, geometry alone: single objects, many at once, and a finely triangulated one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import NamedTuple

import numpy as np
import trimesh

from pose_tracker_ros.datasets import FrameSequence
from pose_tracker_ros.evaluation.tracking_benchmark import benchmark_sequence
from pose_tracker_ros.objects import Mesh, ObjectModel
from pose_tracker_ros.simulation.config import ObjectConfig, RoomConfig, SceneConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState

# Each subdivision makes four triangles of one: 3,916 of the jug become 250,624.
SUBDIVISIONS = 3
# So many objects at once, in rows of at most five, as far apart and away, metres, as keeps them from hiding each other and in the image.
NUMBERS, ROW, APART_M, AWAY_M = (2, 5, 10), 5, 0.25, 0.8
# Slow, to the same end: millimetres and degrees from frame to frame.
SLOW = {"speed_mm": 0.8, "speed_deg": 0.7}
# Behind all of them.
ROOM = RoomConfig(support_m=2.2)


class StepTimes(NamedTuple):
    """Milliseconds of each frame (N,) with ``faces`` triangles in all, and the share of poses that are tracked."""

    name: str
    faces: int
    milliseconds: np.ndarray
    tracked: float


def tracking_times(models: Sequence[ObjectModel], config: TrackerConfig, frames: int, seed: int) -> Iterator[StepTimes]:
    """Of each object, of the first one subdivided, and of two, five and ten objects in one scene."""
    for model in models:
        yield step_times(model.name, [model], benchmark_sequence(model, seed, frames), config)
    first = models[0]
    fine = replace(first, mesh=subdivided(first.mesh, SUBDIVISIONS))
    # Levels of detail show what the object itself does: its own frames will do.
    yield step_times(f"{first.name}, subdivided", [fine], benchmark_sequence(first, seed, frames), config)
    for count in NUMBERS:
        many = {f"{model.name} {number}": model for number, model in zip(range(count), cycle(models))}
        many = {name: replace(model, name=name) for name, model in many.items()}
        yield step_times(f"{count} objects", list(many.values()), _scene_of(many, frames, seed), config)


def step_times(
    name: str, models: Sequence[ObjectModel], sequence: FrameSequence, config: TrackerConfig
) -> StepTimes:
    """Of one tracker that starts at the truth of the first frame."""
    tracker = Tracker.load(models, config)
    tracker.warm_up()
    truth = next(iter(sequence.annotations())).truth
    for model in models:
        tracker.start(model.name, truth[model.name])
    times, states = [], []
    # Made beforehand: what a simulation leaves in caches and threads is not the tracker's time.
    for frame in list(sequence):
        begin = time.perf_counter()
        results = tracker.step(frame)
        times.append(1e3 * (time.perf_counter() - begin))
        states += [result.state for result in results.values()]
    faces = sum(len(model.mesh.faces) for model in models)
    return StepTimes(name, faces, np.array(times), float(np.mean([state is TrackState.TRACKING for state in states])))


def subdivided(mesh: Mesh, times: int) -> Mesh:
    """The same surface of four triangles for each one, so many times; of a mesh with texture, or without colours."""
    known = {"normal": mesh.normals} if mesh.uv is None else {"normal": mesh.normals, "uv": mesh.uv}
    vertices, faces = mesh.vertices, mesh.faces
    for _ in range(times):
        vertices, faces, known = trimesh.remesh.subdivide(vertices, faces, vertex_attributes=known)
    normals = known["normal"] / np.linalg.norm(known["normal"], axis=1, keepdims=True)
    uv = known["uv"].astype(np.float32) if "uv" in known else None
    return Mesh(
        vertices.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32), uv=uv, texture=mesh.texture
    )


def _scene_of(models: Mapping[str, ObjectModel], frames: int, seed: int) -> SceneSequence:
    """Objects in rows before the camera, each moved by a slow hand."""
    columns = min(ROW, len(models))
    rows = -(-len(models) // columns)
    objects = tuple(
        ObjectConfig(
            model=name,
            name=name,
            offset_x=APART_M * (number % columns - (columns - 1) / 2),
            offset_y=APART_M * (number // columns - (rows - 1) / 2),
            offset_z=AWAY_M,
            **SLOW,
        )
        for number, name in enumerate(models)
    )
    return SceneSequence(SceneConfig(frames=frames, seed=seed, objects=objects, room=ROOM), models)
