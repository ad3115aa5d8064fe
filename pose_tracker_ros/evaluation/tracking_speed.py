"""How long the tracker takes for a frame: single objects, many at once, and a finely triangulated one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import trimesh

from pose_tracker_ros.datasets import FrameSequence
from pose_tracker_ros.evaluation.tracking_benchmark import benchmark_sequence
from pose_tracker_ros.networks.inference import load_inference
from pose_tracker_ros.networks.motion_network import MotionNetwork
from pose_tracker_ros.objects import Mesh, ObjectModel, generic_weights_path
from pose_tracker_ros.simulation.config import ObjectConfig, RoomConfig, SceneConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.tracking import Tracker, TrackerConfig, TrackState

# Each subdivision makes four triangles of one: 3,916 of the jug become 250,624.
SUBDIVISIONS = 3
# So many objects at once, in rows of at most five, as far apart and away, metres, as keeps them from hiding each other and in the image.
NUMBERS, ROW, APART_M, AWAY_M = (2, 5, 10), 5, 0.25, 0.8
# More stand in a square, so much farther away for each row of it, metres.
ROW_AWAY_M = 0.3
# Slow, to the same end: millimetres and degrees from frame to frame.
SLOW = {"speed_mm": 0.8, "speed_deg": 0.7}
# Behind all of them.
BEHIND_M = 1.4


class StepTimes(NamedTuple):
    """Milliseconds of each frame (N,) with ``faces`` triangles in all, and the share of poses that are tracked.

    network, inference: milliseconds of each frame (N,) in passes of the network, from images to opinions, and of these from
    crops to residuals; passes: of all frames.
    """

    name: str
    faces: int
    milliseconds: np.ndarray
    tracked: float
    network: np.ndarray
    inference: np.ndarray
    passes: int


class Clock:
    """Milliseconds spent in an action, and how often."""

    def __init__(self) -> None:
        self.spent, self.calls = 0.0, 0

    def around(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """The same action, its time added up."""

        def clocked(*arguments: Any) -> Any:
            begin = time.perf_counter()
            result = action(*arguments)
            self.spent += 1e3 * (time.perf_counter() - begin)
            self.calls += 1
            return result

        return clocked


def tracking_times(models: Sequence[ObjectModel], config: TrackerConfig, frames: int, seed: int) -> Iterator[StepTimes]:
    """Of each object, of the first one subdivided, and of two, five and ten objects in one scene."""
    for model in models:
        yield step_times(model.name, [model], benchmark_sequence(model, seed, frames), config)
    first = models[0]
    fine = replace(first, mesh=subdivided(first.mesh, SUBDIVISIONS))
    # Levels of detail show what the object itself does: its own frames will do.
    yield step_times(f"{first.name}, subdivided", [fine], benchmark_sequence(first, seed, frames), config)
    for count in NUMBERS:
        yield times_of_many(models, count, config, frames, seed)


def times_of_many(models: Sequence[ObjectModel], count: int, config: TrackerConfig, frames: int, seed: int) -> StepTimes:
    """Of so many objects in one scene, the same ones again where there are fewer models."""
    many = {f"{model.name} {number}": model for number, model in zip(range(count), cycle(models))}
    many = {name: replace(model, name=name) for name, model in many.items()}
    return step_times(f"{count} objects", list(many.values()), _scene_of(many, frames, seed), config)


def step_times(
    name: str, models: Sequence[ObjectModel], sequence: FrameSequence, config: TrackerConfig
) -> StepTimes:
    """Of one tracker that starts at the truth of the first frame, with the network for any object where its options want one."""
    network, inference, networks = Clock(), Clock(), {}
    if config.network != "never":
        networks = dict.fromkeys((model.name for model in models), _clocked_network(config, network, inference))
    tracker = Tracker(models, config, networks)
    tracker.warm_up()
    truth = next(iter(sequence.annotations())).truth
    for model in models:
        tracker.start(model.name, truth[model.name])
    times, states = [], []
    network.calls = 0
    # Made beforehand: what a simulation leaves in caches and threads is not the tracker's time.
    for frame in list(sequence):
        network.spent = inference.spent = 0.0
        begin = time.perf_counter()
        results = tracker.step(frame)
        times.append((1e3 * (time.perf_counter() - begin), network.spent, inference.spent))
        states += [result.state for result in results.values()]
    faces = sum(len(model.mesh.faces) for model in models)
    tracked = float(np.mean([state is TrackState.TRACKING for state in states]))
    whole, of_network, of_inference = np.array(times).T
    return StepTimes(name, faces, whole, tracked, of_network, of_inference, network.calls)


def _clocked_network(config: TrackerConfig, whole: Clock, inference: Clock) -> MotionNetwork:
    """The network for any object, with the time of its passes and of its inference taken."""
    path = generic_weights_path()
    if path is None:
        raise FileNotFoundError("expected weights for any object; time without a network (--set network=never)")
    runs, info = load_inference(path, config.device, config.runtime, config.threads)
    runs.predict = inference.around(runs.predict)
    network = MotionNetwork(runs, info)
    network.predict = whole.around(network.predict)
    return network


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
    columns = min(max(ROW, math.ceil(math.sqrt(len(models)))), len(models))
    away_m = AWAY_M if columns <= ROW else ROW_AWAY_M * columns
    rows = -(-len(models) // columns)
    objects = tuple(
        ObjectConfig(
            model=name,
            name=name,
            offset_x=APART_M * (number % columns - (columns - 1) / 2),
            offset_y=APART_M * (number // columns - (rows - 1) / 2),
            offset_z=away_m,
            **SLOW,
        )
        for number, name in enumerate(models)
    )
    return SceneSequence(SceneConfig(frames=frames, seed=seed, objects=objects, room=RoomConfig(support_m=away_m + BEHIND_M)), models)
