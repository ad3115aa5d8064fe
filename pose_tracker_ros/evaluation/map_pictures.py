"""A map from above, how well it is covered, and where cameras were found in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pose_tracker_ros.evaluation.camera_poses import RECALL_DEG, RECALL_M, camera_pose_errors
from pose_tracker_ros.evaluation.relocalization import LocatedFrame
from pose_tracker_ros.geometry import transform_points
from pose_tracker_ros.relocalization.room_map import RoomMap

# Of so many keyframes, and of every n-th pixel in both directions, points are drawn.
KEYFRAMES, STEP = 60, 4
CELL_M = 0.1
# The lowest part of the surface hides nothing; what is above is seen through where more is below.
ARROW_M = 0.15


class TopView:
    """Axes in which a map is seen from above: up is against what cameras have as down, on average."""

    def __init__(self, poses: np.ndarray) -> None:
        """``poses``: map_T_camera (N, 4, 4)."""
        up = -poses[:, :3, 1].mean(axis=0)
        self.up = up / np.linalg.norm(up)
        forward = poses[0, :3, 2] - (poses[0, :3, 2] @ self.up) * self.up
        if np.linalg.norm(forward) < 1e-3:
            forward = np.cross(poses[0, :3, 0], self.up)
        self._away = forward / np.linalg.norm(forward)
        self._right = np.cross(self._away, self.up)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Right and away (N, 2) in metres of points or directions (N, 3)."""
        return np.column_stack([points @ self._right, points @ self._away])


def map_figure(room: RoomMap, title: str) -> Figure:
    """Two panels: the surface from above in its colours with all keyframes, and how many keyframes see each place."""
    figure = _figure(11.0, 5.0)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    view = TopView(room.poses)
    points, colors, owners = _surface_points(room)
    if len(points):
        flat, heights = view(points), points @ view.up
        order = np.argsort(heights)
        left.scatter(*flat[order].T, c=colors[order] / 255.0, s=1.5, linewidths=0, rasterized=True)
        counts, edges = _coverage(flat, owners)
        image = right.imshow(
            np.ma.masked_equal(counts.T, 0), origin="lower", extent=edges, cmap="viridis", interpolation="nearest"
        )
        drawn = min(len(room), KEYFRAMES)
        figure.colorbar(image, ax=right, label=f"keyframes that see it, of {drawn}")
    for axes in (left, right):
        _draw_cameras(axes, room.poses, view, "tab:red")
        axes.set(xlabel="right [m]", aspect="equal")
        axes.grid(alpha=0.2)
    left.set(ylabel="away [m]", title=f"{title}: {len(room)} keyframes from above")
    right.set_title(f"coverage, squares of {100 * CELL_M:.0f} cm")
    return figure


def location_figure(room: RoomMap, located: Sequence[LocatedFrame], least_confidence: float, title: str) -> Figure:
    """From above: the map's surface and keyframes, true cameras, and where they were found."""
    figure = _figure(7.0, 6.0)
    axes = figure.subplots()
    view = TopView(room.poses)
    points, _, _ = _surface_points(room)
    if len(points):
        axes.scatter(*view(points).T, color="0.8", s=1.0, linewidths=0, rasterized=True)
    axes.plot([], [], color="0.6", label="surface of the map")
    axes.plot(*view(room.poses[:, :3, 3]).T, ".", color="0.3", markersize=3, label="keyframes")
    truths = np.array([one.truth[:3, 3] for one in located if one.truth is not None]).reshape(-1, 3)
    if len(truths):
        axes.plot(*view(truths).T, "-", color="tab:green", linewidth=1, label="true path")
    sure = [one.location.map_T_camera[:3, 3] for one in located if one.location.is_sure(least_confidence)]
    if sure:
        axes.plot(*view(np.array(sure)).T, "x", color="tab:blue", markersize=4, label="found")
    axes.set(xlabel="right [m]", ylabel="away [m]", aspect="equal", title=title)
    axes.legend(loc="best", fontsize="small")
    axes.grid(alpha=0.2)
    return figure


def location_error_figure(located: Sequence[LocatedFrame], least_confidence: float, selection: str, title: str) -> Figure:
    """Errors over the frames' numbers of refined poses and of what chose keyframes; refused frames are crosses."""
    figure = _figure(9.0, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True)
    known = [one for one in located if one.truth is not None]
    truths = [one.truth for one in known]
    numbers = np.array([one.index for one in known])
    refined = camera_pose_errors([one.location.map_T_camera for one in known], truths)
    selected = camera_pose_errors([one.location.selected for one in known], truths)
    sure = np.array([one.location.is_sure(least_confidence) for one in known], bool)
    for axes, column, factor in ((upper, 0, 100.0), (lower, 1, 1.0)):
        axes.semilogy(numbers, factor * selected[:, column], ".", color="0.6", markersize=3, label=f"{selection} alone")
        axes.semilogy(numbers[sure], factor * refined[sure, column], ".", color="tab:blue", label="refined, accepted")
        axes.semilogy(numbers[~sure], factor * refined[~sure, column], "x", color="tab:red", label="refined, refused")
        axes.axhline(factor * RECALL_M if column == 0 else RECALL_DEG, color="0.4", linewidth=0.8, linestyle="--")
        axes.grid(alpha=0.3)
    upper.set(ylabel="position error [cm]", title=title)
    lower.set(ylabel="orientation error [deg]", xlabel="frame")
    upper.legend(loc="upper right", fontsize="small", ncols=3)
    return figure


def _surface_points(room: RoomMap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (N, 3) in the map, their colours (N, 3) uint8, and which keyframe saw each (N,)."""
    chosen = np.unique(np.linspace(0, len(room) - 1, min(len(room), KEYFRAMES)).astype(int))
    points, colors, owners = [], [], []
    for position in chosen.tolist():
        surface, image = room.surface(position), room.image(position)
        coarse = surface.points[::STEP, ::STEP].reshape(-1, 3).astype(np.float64)
        step = STEP * max(1, round(image.camera.width / surface.camera.width))
        color = image.color[::step, ::step][: surface.points[::STEP].shape[0], : surface.points[:, ::STEP].shape[1]]
        measured = coarse[:, 2] > 0
        points.append(transform_points(room.keyframes[position].map_T_camera, coarse[measured]))
        colors.append(color.reshape(-1, 3)[measured])
        owners.append(np.full(int(measured.sum()), position))
    return np.vstack(points), np.vstack(colors), np.concatenate(owners)


def _coverage(flat: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Number of keyframes that see each square (X, Y), and the squares' extent in metres."""
    low = np.floor(flat.min(axis=0) / CELL_M).astype(int)
    cells = np.floor(flat / CELL_M).astype(int) - low
    size = cells.max(axis=0) + 1
    seen = np.unique(np.column_stack([cells, owners]), axis=0)
    counts = np.zeros(size, int)
    np.add.at(counts, (seen[:, 0], seen[:, 1]), 1)
    first, last = low * CELL_M, (low + size) * CELL_M
    return counts, (first[0], last[0], first[1], last[1])


def _draw_cameras(axes: object, poses: np.ndarray, view: TopView, color: str) -> None:
    places, directions = view(poses[:, :3, 3]), view(poses[:, :3, 2]) * ARROW_M
    axes.quiver(*places.T, *directions.T, color=color, angles="xy", scale_units="xy", scale=1, width=0.003)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
