"""One picture of what each factor of the estimator sees in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.kernels.alignment import SHIFT, STATE
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.rendering.raster import RasterRenderer
from pose_tracker_ros.tracking.alignment import ANY_DEPTH_M, COARSE_TO_FINE, AlignmentPrior, CommonErrors, align
from pose_tracker_ros.tracking.evidence import Evidence, weigh
from pose_tracker_ros.tracking.factors.contour import ContourFactor
from pose_tracker_ros.tracking.factors.depth import DepthFactor
from pose_tracker_ros.tracking.factors.surface_flow import FollowedPoints, SurfaceFlowFactor
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.observation import observe
from pose_tracker_ros.tracking.solver import solve
from pose_tracker_ros.tracking.track import Hypothesis, Track
from pose_tracker_ros.tracking.view import View, make_view

MM_PER_METRE = 1000.0
DIRECTIONS = ("x", "y", "z", "turn\nx", "turn\ny", "turn\nz")
OUTLINE = "tab:cyan"
KINDS = {"surface": "tab:green", "something nearer": "tab:orange", "background": "tab:blue"}
# Residuals are coloured up to so much to both sides, mm: some deviations of depth at 0.6 m.
SHOWN_MM = 3.0


class SeenFactors(NamedTuple):
    """What the factors see at the estimated pose of a frame, and ``deviations`` (6,) of that pose, metres (of turns: of the
    surface half a diameter away), by what is left out."""

    view: View
    depth: DepthFactor
    contour: ContourFactor
    evidence: Evidence
    errors: CommonErrors
    deviations: dict[str, np.ndarray]


def seen_factors(frames: Sequence[Frame], model: ObjectModel, camera_T_object: np.ndarray) -> SeenFactors:
    """Follow an object from a pose (4, 4) in the first frame, and look at the last.

    Raises ValueError where it is not seen in one of them.
    """
    renderer, noise = RasterRenderer(model.mesh), NoiseModel()
    track = Track.starting(camera_T_object, model, noise)
    for frame in frames:
        expected, errors, colors = track.expected_in(frame, model, noise, True), track.errors.predicted(noise), track.colors
        prior = AlignmentPrior(expected.camera_T_object, expected.information, errors, colors, expected.fresh)
        alignment = align(frame, model, renderer, prior, noise)
        view = alignment and make_view(frame, renderer, model, alignment.camera_T_object, 128, color=True)
        if view is None or not view.rendering.mask.any():
            raise ValueError(f"expected {model.name} in frame {frame.index}, but nothing of it is seen; take others")
        observation = observe(view, alignment.errors.mean[:2])
        evidence = weigh(view, observation, track.appearance, noise, float(alignment.errors.mean[-1]))
        track = track.supported_by(Hypothesis(expected, alignment, evidence, view, observation), frame, model)
    level, errors = COARSE_TO_FINE[-1], alignment.errors
    limit_m = level.depth_limit * model.diameter_m
    depth = DepthFactor.of(view, noise, limit_m, ANY_DEPTH_M)
    posterior, covers = (colors or track.colors).posterior(), (errors.mean[:2], ANY_DEPTH_M, limit_m)
    contour = ContourFactor.of(view, posterior, noise, level.segment_px, *covers)
    return SeenFactors(view, depth, contour, evidence, errors, _deviations(prior, view, depth, contour, errors))


def factor_figure(seen: SeenFactors) -> Figure:
    """Image, depth, outline, evidence, and what each factor is worth."""
    figure = Figure(figsize=(13.0, 2.9), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 5, width_ratios=(1, 1.2, 1, 1, 1.2))
    _draw_window(panels[0], seen.view, "window and estimate", pale=False)
    for panel, draw in zip(panels[1:], (_draw_depth, _draw_lines, _draw_evidence, _draw_deviations)):
        draw(panel, seen)
    return figure


def _deviations(
    prior: AlignmentPrior, view: View, depth: DepthFactor, contour: ContourFactor, errors: CommonErrors
) -> dict[str, np.ndarray]:
    """Those of :class:`SeenFactors`, of all factors and of all but one; fills the factors' weights."""
    nothing, state = (np.zeros((STATE, STATE)), np.zeros(STATE)), np.concatenate([np.zeros(SHIFT), errors.mean])
    no_depth, no_contour = (factor._replace(points=factor.points[:0]) for factor in (depth, contour))
    no_flow = SurfaceFlowFactor.of(FollowedPoints.none(), view, NoiseModel())
    common, parts = np.zeros((STATE, STATE)), {"prior": np.zeros((STATE, STATE))}
    common[SHIFT:, SHIFT:] = np.linalg.inv(prior.errors.covariance)
    parts["prior"][:SHIFT, :SHIFT] = prior.information
    parts["depth"] = solve(nothing, depth, no_contour, no_flow, view.center, state, 0).information
    parts["outline"] = solve(nothing, no_depth, contour, no_flow, view.center, state, 0).information
    arm = np.array([1.0] * 3 + [view.diameter_m / 2] * 3)
    deviations = {}
    for left_out in ("nothing", *parts):
        information = common + sum(part for name, part in parts.items() if name != left_out)
        deviations[left_out] = arm * np.sqrt(np.diag(np.linalg.inv(information))[:6])
    return deviations


def _draw_depth(panel: Axes, seen: SeenFactors) -> None:
    """Points of the surface, coloured by their distance to what was measured; black: they do not count."""
    view, (dx, dy, _, bias) = seen.view, seen.errors.mean
    counted = seen.depth.weights > 0
    pixels = view.frame.camera.project(seen.depth.points)
    columns, rows = np.rint(pixels[counted] - (dx, dy)).astype(int).T
    (fx, fy, cx, cy), points = view.frame.camera.numbers, seen.depth.points[counted]
    rays = np.column_stack([(columns + dx - cx) / fx, (rows + dy - cy) / fy, np.ones(len(rows))])
    apart = (view.frame.depth[rows, columns] - bias)[:, None] * rays - points
    residuals = np.sum(seen.depth.normals[counted] * apart, axis=1) * MM_PER_METRE
    _draw_window(panel, view, f"depth: {counted.sum()} of {len(counted)} points count")
    panel.scatter(*pixels[~counted].T, s=2, color="black")
    shown = panel.scatter(*pixels[counted].T, c=residuals, s=4, cmap="coolwarm", vmin=-SHOWN_MM, vmax=SHOWN_MM)
    panel.figure.colorbar(shown, ax=panel, shrink=0.7, label="measured in front [mm]")


def _draw_lines(panel: Axes, seen: SeenFactors) -> None:
    """Borders found on the lines across the outline, with their deviations, around what covers it."""
    view, lines = seen.view, seen.contour.lines[seen.contour.weights > 0]
    _draw_window(panel, view, f"outline: {len(lines)} of its lines count")
    found, deviation = (lines[:, 4] - seen.errors.mean[2])[:, None], np.sqrt(lines[:, 5])[:, None]
    ends = [lines[:, :2] + (found + side * deviation) * lines[:, 2:4] for side in (-1, 1)]
    panel.plot(*np.stack(ends).transpose(2, 0, 1), color="tab:red", linewidth=0.8)
    panel.scatter(*(lines[:, :2] + found * lines[:, 2:4]).T, s=3, color="tab:red", zorder=3)
    covered = seen.evidence.occluder > 0.5
    row, column = np.argwhere(covered if covered.any() else view.rendering.mask).mean(axis=0)
    x, y, reach = view.left + view.scale * column, view.top + view.scale * row, view.scale * view.camera.width / 3
    panel.set(xlim=(x - reach, x + reach), ylim=(y + reach, y - reach))


def _draw_evidence(panel: Axes, seen: SeenFactors) -> None:
    """What every pixel of the silhouette shows."""
    evidence, mask = seen.evidence, seen.view.rendering.mask
    shares = np.stack([evidence.surface, evidence.occluder, 1 - evidence.surface - evidence.occluder], axis=-1)
    colors = (shares @ np.array([to_rgb(color) for color in KINDS.values()])).clip(0, 1)
    x, y = _draw_window(panel, seen.view, f"evidence: present with {100 * evidence.probability:.1f} %")
    panel.pcolormesh(x, y, np.dstack([colors, mask]), shading="nearest")
    for name, color in KINDS.items():
        panel.scatter([], [], color=color, label=name)
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, fontsize="x-small", columnspacing=0.6)


def _draw_deviations(panel: Axes, seen: SeenFactors) -> None:
    width = 0.8 / len(seen.deviations)
    for number, (name, deviations) in enumerate(seen.deviations.items()):
        places = np.arange(6) + (number + 0.5) * width - 0.4
        panel.bar(places, deviations * MM_PER_METRE, width, label=f"without {name}")
    panel.set_xticks(np.arange(6), DIRECTIONS, fontsize="small")
    panel.set_title("deviation [mm]", fontsize="medium")
    panel.legend(loc="upper center", ncols=2, fontsize="x-small")
    panel.margins(y=0.25)


def _draw_window(panel: Axes, view: View, title: str, pale: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The window's part of the image, and the outline; gives the image's columns and rows of the window's."""
    x, y = (first + view.scale * np.arange(view.camera.width) for first in (view.left, view.top))
    panel.imshow(view.frame.color // 3 + 170 if pale else view.frame.color)
    panel.contour(x, y, view.rendering.mask, levels=[0.5], colors=OUTLINE, linewidths=0.8)
    panel.set(xlim=(x[0], x[-1]), ylim=(y[-1], y[0]), xticks=[], yticks=[])
    panel.set_title(title, fontsize="medium")
    return x, y
