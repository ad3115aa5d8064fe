"""How long renderings of crops take: the compiled rasterizer beside ray casting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.objects import Mesh, ObjectModel, load_object, mesh_with_normals
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.rendering.raycast import RaycastRenderer

RESOLUTIONS = (96, 128)
BALL_FACES = (100_000, 300_000)
CROP_MARGIN = 1.3
CENTER_M = np.array([0.1, 0.05, 0.6])
TURN = np.array([0.4, -0.7, 0.3])
SECONDS_A_CASE = 0.5


class CropTimes(NamedTuple):
    """Microseconds by crop resolution: rasterized without colour, with colour, and cast with colour."""

    name: str
    faces: int
    microseconds: dict[int, tuple[float, float, float]]


def renderer_times() -> Iterator[CropTimes]:
    """Of the jug and of two finely triangulated coloured balls with waves on them."""
    yield crop_times(load_object("demo_jug"))
    for faces in BALL_FACES:
        yield crop_times(ObjectModel.from_mesh("ball", wavy_ball(faces)))


def crop_times(model: ObjectModel) -> CropTimes:
    """Of one object in one pose, in crops that it fills."""
    rasterized, cast = RasterRenderer(model.mesh), RaycastRenderer(model.mesh, threads=1)
    rotation = so3_exp(TURN)
    pose = make_pose(rotation, CENTER_M - rotation @ model.center_m)
    times = {}
    for resolution in RESOLUTIONS:
        camera = crop_camera(CENTER_M, CROP_MARGIN * model.diameter_m, resolution)
        times[resolution] = (
            _microseconds(lambda: rasterized.render(camera, pose, color=False)),  # noqa: B023
            _microseconds(lambda: rasterized.render(camera, pose)),  # noqa: B023
            _microseconds(lambda: cast.render(camera, pose)),  # noqa: B023
        )
    return CropTimes(model.name, len(model.mesh.faces), times)


def wavy_ball(faces: int) -> Mesh:
    """A ball of 20 cm with waves on it and a colour for every vertex, of about ``faces`` triangles."""
    turns = round((faces / 2) ** 0.5)
    longitude, latitude = np.meshgrid(
        np.linspace(0, 2 * np.pi, turns, endpoint=False), np.linspace(-np.pi / 2, np.pi / 2, turns + 1), indexing="xy"
    )
    directions = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    ).reshape(-1, 3)
    radius = 0.1 * (1 + 0.1 * np.sin(4 * directions[:, 0]) * np.cos(5 * directions[:, 1]))
    row, column = np.divmod(np.arange(turns * turns), turns)
    here, right = row * turns + column, row * turns + (column + 1) % turns
    quads = np.column_stack([here, right, right + turns, here, right + turns, here + turns]).reshape(-1, 3)
    colors = np.rint(127.5 + 127.5 * directions).astype(np.uint8)
    return mesh_with_normals(directions * radius[:, None], quads, vertex_colors=colors)


def _microseconds(action: Callable[[], object]) -> float:
    """The lower quartile of as many runs as fit into half a second: others use the machine, too."""
    action()
    times = []
    end = time.perf_counter() + SECONDS_A_CASE
    while time.perf_counter() < end or len(times) < 10:
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return float(np.quantile(times, 0.25)) * 1e6
