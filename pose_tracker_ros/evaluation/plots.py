"""Figures of errors; drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pose_tracker_ros.evaluation.metrics import AUC_LIMIT_M, accuracy_curve, auc_voc
from pose_tracker_ros.evaluation.protocol import TrackErrors

MM_PER_METRE = 1000.0
DOTS_PER_INCH = 110


def accuracy_figure(curves: Mapping[str, np.ndarray], title: str, limit_m: float = AUC_LIMIT_M) -> Figure:
    """Accuracy-threshold curves: the share of frames whose error (N,) metres is not above a threshold."""
    figure = _figure(6.0, 4.0)
    axes = figure.subplots()
    for name, errors in curves.items():
        thresholds, shares = accuracy_curve(errors, limit_m)
        axes.plot(thresholds * MM_PER_METRE, shares * 100, label=f"{name} (AUC {auc_voc(errors, limit_m) * 100:.1f})")
    axes.set(
        xlabel="threshold [mm]", ylabel="frames below [%]", title=title, xlim=(0, limit_m * MM_PER_METRE), ylim=(0, 101)
    )
    axes.legend(loc="lower right", fontsize="small")
    axes.grid(alpha=0.3)
    return figure


def error_figure(track: TrackErrors) -> Figure:
    """ADD, ADD-S, translation and rotation error of a track over time; lost frames are shaded."""
    figure = _figure(8.0, 4.8)
    upper, lower = figure.subplots(2, 1, sharex=True)
    time = track.stamp - track.stamp[0]
    for name, errors in (("ADD", track.add), ("ADD-S", track.adds), ("translation", track.translation)):
        upper.plot(time, _finite(errors) * MM_PER_METRE, label=name, linewidth=1)
    lower.plot(time, np.degrees(_finite(track.rotation)), color="tab:red", label="rotation", linewidth=1)
    for axes, label in ((upper, "error [mm]"), (lower, "error [deg]")):
        _shade(axes, time, track.failed)
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right", fontsize="small")
        axes.grid(alpha=0.3)
    lower.set_xlabel("time [s]")
    upper.set_title(f"{track.object_name} in {track.sequence_name}" if track.sequence_name else track.object_name)
    return figure


def grouped_bars(values: Mapping[str, Sequence[float]], groups: Sequence[str], ylabel: str, title: str) -> Figure:
    """Bars in groups: ``values`` name -> one number a group."""
    figure = _figure(max(8.0, 0.16 * len(groups) * len(values) + 2), 4.5)
    axes = figure.subplots()
    width = 0.85 / max(len(values), 1)
    for number, (name, heights) in enumerate(values.items()):
        axes.bar(np.arange(len(groups)) + (number + 0.5) * width - 0.425, heights, width, label=name)
    axes.set_xticks(np.arange(len(groups)), groups, rotation=20, ha="right", fontsize="small")
    axes.set(ylabel=ylabel, title=title)
    axes.legend(loc="lower left", fontsize="x-small", ncols=3)
    axes.grid(alpha=0.3, axis="y")
    return figure


def save_figures(figures: Mapping[str, Figure], folder: str | Path) -> list[Path]:
    """Write each figure as ``<name>.png`` into a folder; gives the paths."""
    paths = [Path(folder) / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values()):
        figure.savefig(path, dpi=DOTS_PER_INCH)
    return paths


def track_figures(tracks: Sequence[TrackErrors]) -> dict[str, Figure]:
    """The figures of a report by file name: pooled accuracy curves, and errors over time of every track."""
    pooled = {
        "ADD": np.concatenate([track.add for track in tracks]),
        "ADD-S": np.concatenate([track.adds for track in tracks]),
    }
    figures = {"accuracy": accuracy_figure(pooled, "Accuracy over threshold, all frames")}
    for track in tracks:
        name = "_".join(part for part in ("errors", track.sequence_name, track.object_name) if part)
        figures[name.replace("/", "-")] = error_figure(track)
    return figures


def _figure(width: float, height: float) -> Figure:
    # Without pyplot nothing looks for a display and figures are freed like other objects.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _finite(errors: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(errors), errors, np.nan)


def _shade(axes: object, time: np.ndarray, failed: np.ndarray) -> None:
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], failed.astype(int), [0]])))
    for first, after in edges.reshape(-1, 2):
        axes.axvspan(time[first] - step / 2, time[after - 1] + step / 2, color="tab:red", alpha=0.15, linewidth=0)
