"""``python -m pose_tracker_ros.commands.calibrate_evidence``: the numbers of ``tracking.evidence.CALIBRATION``.

They are fitted on some objects and seeds and judged on others, by shares, and by a drawing of the probability's
reliability.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.datasets.reader_options import open_with_options
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.evidence_calibration import (
    colors_alone,
    fitted,
    group_table,
    out_of_fold,
    probabilities,
    reliability,
    reliability_figure,
    summary,
)
from pose_tracker_ros.evaluation.evidence_samples import Sample, real_samples
from pose_tracker_ros.evaluation.evidence_scenes import simulated_samples
from pose_tracker_ros.evaluation.plots import save_figures
from pose_tracker_ros.evaluation.trajectory import read_trajectory
from pose_tracker_ros.tracking.evidence import CALIBRATION
from pose_tracker_ros.tracking.noise import NoiseModel

# Two halves of the benchmark's objects, and so many seeds apart, so that rooms and boards differ, too.
HALVES = ("demo_jug", "drill", "bracket"), ("carton", "bowl", "spanner")
SEEDS_APART = 100


def calibrate(
    seeds: Annotated[int, typer.Option(help="Seeds of every object.", min=1)] = 4,
    output: Annotated[Path, typer.Option(help="Folder for evidence_reliability.png.")] = Path("docs"),
    sequence: Annotated[Path | None, typer.Option(help="Check the present numbers on this real sequence instead.")] = None,
    trajectory: Annotated[Path | None, typer.Option(help="Its right poses.")] = None,
    object_name: Annotated[str, typer.Option("--object", help="Its object.")] = "",
) -> None:
    """Calibrate the evidence on simulated scenes; each half of the objects is judged by the numbers of the other."""
    console = Console(soft_wrap=True)
    with reported_errors():
        if sequence is None:
            _calibrate(console, seeds, output)
        elif trajectory is None or not object_name:
            raise ValueError("expected --trajectory and --object with --sequence; give all three")
        else:
            _check(console, sequence, trajectory, object_name)


def _calibrate(console: Console, seeds: int, output: Path) -> None:
    models = {model.name: model for model in benchmark_objects()}
    parts = []
    for number, names in enumerate(HALVES):
        chosen = [models[name] for name in names]
        first = SEEDS_APART * number
        parts.append(list(simulated_samples(chosen, chosen, range(first, first + seeds), NoiseModel())))
    curves = {}
    for name, halves in (("depth and colour", parts), ("colour alone", [colors_alone(part) for part in parts])):
        together, probability = [*halves[0], *halves[1]], out_of_fold(halves)
        _report(console, name, together, probability)
        curves[name] = reliability(together, probability)
        console.print(*(f"p {one.probability:.2f}: {one.right:.2f} of {one.samples}" for one in curves[name]), sep="\n")
        console.print(f"{name}: {fitted(together)}")
    save_figures({"evidence_reliability": reliability_figure(curves)}, output)


def _check(console: Console, sequence: Path, trajectory: Path, object_name: str) -> None:
    frames = open_with_options(sequence, ())
    model = load_tracked_object(object_name, frames)
    poses = {one.index: one.camera_T_object for one in read_trajectory(trajectory) if one.camera_T_object is not None}
    samples = list(real_samples(model, frames, poses, NoiseModel()))
    if not samples:
        raise ValueError(f"expected poses of more frames of {sequence} in {trajectory}; are its numbers the sequence's?")
    _report(console, object_name, samples, probabilities(samples, CALIBRATION))


def _report(console: Console, title: str, samples: Sequence[Sample], probability: np.ndarray) -> None:
    print_table(group_table(title, samples, probability))
    for line in summary(samples, probability):
        console.print(line)


def main() -> None:
    """The program."""
    typer.run(calibrate)


if __name__ == "__main__":
    main()
