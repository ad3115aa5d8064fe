"""``pose-tracker bench``: trackers side by side on simulated and on real sequences."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.bench_basin import bench_basin, bench_basin_of
from pose_tracker_ros.commands.bench_real import bench_real
from pose_tracker_ros.commands.bench_scenes import bench_scenes
from pose_tracker_ros.commands.bench_times import bench_times, known_objects
from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.sequences import DepthUnit, ReaderOptions, open_frames, report_reading
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.commands.variants import check_names, knows, named_path
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.datasets import FrameSequence
from pose_tracker_ros.datasets.bop import BopSequence
from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.frozen_sets import ANGLE_DEG, FROZEN_SETS, OFFSET_M
from pose_tracker_ros.evaluation.plots import error_figure, grouped_bars, save_figures
from pose_tracker_ros.evaluation.protocol import Summary, summarize, summary_fields
from pose_tracker_ros.evaluation.report import NOT_KNOWN
from pose_tracker_ros.evaluation.track import perturbed
from pose_tracker_ros.evaluation.tracking_benchmark import (
    PUBLISHED_TIME,
    Run,
    Variant,
    benchmark_sequence,
    only_times,
    standard_variants,
    track_side_by_side,
)
from pose_tracker_ros.object_files import write_object
from pose_tracker_ros.objects import ObjectModel, load_mesh
from pose_tracker_ros.tracking import TrackerConfig
from pose_tracker_ros.tracking.config import OFFLINE

console = Console()
FRAMES = 240
# What the names of cases end with that start beside the truth.
OFF = ", off"


class Case(NamedTuple):
    """An object in a sequence with the first pose (4, 4), and how tables call it."""

    name: str
    model: ObjectModel
    sequence: FrameSequence
    camera_T_object: np.ndarray
    object_name: str


def bench(
    objects: Annotated[
        list[str] | None, typer.Argument(metavar="[OBJECT]...", help="Only these of the benchmark's objects.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help=f"Frames of each simulated sequence; default {FRAMES}.", min=2)
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Factor on the speed of the simulated motion; default 1.", min=0.0, max=5.0)
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the tracker in question; default an object's own, else the generic.")
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(help="Other weights to compare with, as NAME=FILE; may be repeated.")
    ] = None,
    compare_alone: Annotated[
        list[str] | None,
        typer.Option(help="Weights that work as published: nothing but the network; as NAME=FILE."),
    ] = None,
    ablations: Annotated[
        bool | None,
        typer.Option(
            "--ablations/--no-ablations",
            help="Also with one ingredient missing at a time; default yes, and no with --scene.",
        ),
    ] = None,
    published_time: Annotated[
        bool,
        typer.Option("--published-time", help="Also se(3)-TrackNet's pipeline with a random network, for its times."),
    ] = False,
    times: Annotated[
        bool,
        typer.Option(
            "--times",
            help="Only how long frames take: each object, one of many triangles, ten at once; geometry alone, unless --set "
            "network says when a network is asked.",
        ),
    ] = False,
    count: Annotated[
        int, typer.Option(help="With --times, only so many objects at once; 0 = all of its cases.", min=0, max=256)
    ] = 0,
    basin: Annotated[
        bool,
        typer.Option("--basin", help="Only from how far off objects are found, with --repeat starts of each object a cell."),
    ] = False,
    factors: Annotated[bool, typer.Option("--factors", hidden=True)] = False,
    scene: Annotated[
        list[str] | None,
        typer.Option(help=f"Frozen set of scenes: {', '.join(FROZEN_SETS)}, or all; may be repeated."),
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="With --scene, only the first frames of each sequence.")
    ] = False,
    workers: Annotated[
        int, typer.Option(help="With --scene, sequences at a time; times are then those of a busy machine.", min=1)
    ] = 1,
    trajectory: Annotated[
        list[str] | None,
        typer.Option(help="Simulate also a mesh along a recorded motion, as MESH=FILE of lines 't x y z qx qy qz qw'."),
    ] = None,
    sequence: Annotated[
        list[Path] | None, typer.Option(help="Real sequence with truth, instead of simulated ones; may be repeated.")
    ] = None,
    real: Annotated[
        bool,
        typer.Option("--real", help="Every real sequence with true poses below --data, beside published numbers and the images."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="With --real, folder of the sequences; default what POSE_TRACKER_SHARED_DATA names, else shared/data."),
    ] = None,
    reader: ReaderOptions = None,
    depth_unit: DepthUnit = None,
    models_folder: Annotated[
        Path | None, typer.Option(help="Folder with OBJECT/textured.obj for the objects of --sequence.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with options of the tracker.")] = None,
    set_option: Annotated[list[str] | None, typer.Option("--set", help="Option of the tracker as name=value.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for tables and pictures.")] = Path("bench_output"),
    write_objects: Annotated[
        Path | None, typer.Option(help="Only write the benchmark's objects into this folder, to train for them.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of motions, scenes and noise.", min=0)] = 0,
    repeat: Annotated[int, typer.Option(help="Simulate so often, each time with the next seed.", min=1)] = 1,
) -> None:
    """Compare trackers on the same frames: tables, a CSV file and pictures of ADD and ADD-S AUC and of losses.

    Simulated sequences start 2 cm and 10 degrees off; real ones from the truth and from there.
    With --scene also what a tracker says of itself: false tracking, false losses, recoveries. The same command again
    goes on where it was interrupted.
    """
    with reported_errors():
        if write_objects:
            for model in benchmark_objects():
                console.print(f"written to {write_object(model, write_objects / model.name)}", soft_wrap=True)
            return
        if factors:
            raise ValueError("--factors is no more: the tracker is the one on factors and evidence now; leave it out")
        if times:
            options = load_config(TrackerConfig, config, parse_overrides(set_option))
            bench_times(objects, options, frames or FRAMES, seed, count)
            return
        tracker_config = load_config(TrackerConfig, config, parse_overrides(set_option), OFFLINE)
        check_writable(output)
        if real:
            bench_real(data, objects, tracker_config, output, seed)
            return
        others, alone = ([named_path(text) for text in texts or ()] for texts in (compare, compare_alone))
        with_ablations = not (scene or basin) if ablations is None else ablations
        variants = standard_variants(tracker_config, weights, others, alone, with_ablations)
        if published_time:
            variants.append(Variant(PUBLISHED_TIME, tracker_config, times_only=True))
        check_names(variants)
        seeds = range(seed, seed + repeat)
        if basin:
            if sequence:
                for case in (case for path in sequence for case in real_cases(path, models_folder, objects, reader, depth_unit)):
                    if not case.name.endswith(OFF):
                        bench_basin_of(case.sequence, case.model, case.object_name, variants, repeat, output)
            else:
                known = [model for model in known_objects(objects) if not objects or model.name in objects]
                bench_basin(known, variants, 1.0 if speed is None else speed, seeds, output)
            return
        if scene:
            if sequence or trajectory:
                raise ValueError("expected --scene without --sequence and --trajectory, got both; run them one by one")
            if frames is not None or speed is not None:
                raise ValueError("expected --scene without --frames and --speed, since frozen sets have their own, got both")
            bench_scenes(scene, variants, objects, seeds, short, workers, output)
            return
        if short or workers > 1:
            raise ValueError("expected --short and --workers only with --scene, got them without")
        if sequence:
            cases = [case for path in sequence for case in real_cases(path, models_folder, objects, reader, depth_unit)]
        else:
            moved = [named_path(text) for text in trajectory or ()]
            cases = []
            for one in seeds:
                simulated = simulated_cases(objects, frames or FRAMES, one, moved, 1.0 if speed is None else speed)
                cases += [case._replace(name=f"{case.name}, seed {one}") if repeat > 1 else case for case in simulated]
        runs = [run for case in cases for run in run_case(case, variants)]
        report(runs, variants, output)


def simulated_cases(
    names: Sequence[str] | None, frames: int, seed: int, moved: Sequence[tuple[str, Path]], speed: float
) -> Iterator[Case]:
    """The benchmark's objects, all or the named ones, and meshes along recorded motions."""
    models = known_objects(names)
    for number, model in enumerate(models):
        if not names or model.name in names:
            yield _simulated_case(
                model.name, model, benchmark_sequence(model, seed + number, frames, speed=speed), seed
            )
    for mesh, path in moved:
        name = Path(mesh).parent.name if Path(mesh).stem == "textured" else Path(mesh).stem
        model = ObjectModel.from_mesh(name, load_mesh(mesh))
        sequence = benchmark_sequence(model, seed, frames, path)
        yield _simulated_case(f"{name}, {path.stem}", model, sequence, seed)


def _simulated_case(name: str, model: ObjectModel, sequence: FrameSequence, seed: int) -> Case:
    truth = next(iter(sequence.annotations())).truth[model.name]
    return Case(name, model, sequence, perturbed(model, truth, OFFSET_M, ANGLE_DEG, seed), model.name)


def real_cases(
    path: Path,
    models_folder: Path | None,
    names: Sequence[str] | None,
    reader: Sequence[str] | None = None,
    depth_unit: str | None = None,
) -> Iterator[Case]:
    """Every object of a real sequence whose mesh can be had, from the true first pose and from one that is off.

    ``reader``: options of the sequence's reader as name=value; ``depth_unit`` of its depth images.
    """
    frames = open_frames(path, reader, depth_unit, models_folder=models_folder, on_error="skip")
    if next(iter(frames), None) is None:
        raise frames.nothing_read()
    truth = next(iter(frames.annotations())).truth
    for name in sorted(truth):
        if names and name not in names:
            continue
        try:
            is_ours = isinstance(frames, BopSequence)
            model = load_tracked_object(name, frames) if is_ours else frames.load_model(name)
        except (DatasetError, FileNotFoundError) as error:
            console.print(f"left out: {error}", style="dim", soft_wrap=True)
            continue
        label = f"{frames.name}, {name}"
        yield Case(label, model, frames, truth[name], name)
        yield Case(f"{label}{OFF}", model, frames, perturbed(model, truth[name], OFFSET_M, ANGLE_DEG), name)


def run_case(case: Case, variants: Sequence[Variant]) -> list[Run]:
    """All variants that know the object on one sequence, with a progress bar."""
    able = [variant for variant in variants if knows(variant, case.model)]
    frames = progress(case.sequence, case.name, total=len(case.sequence), console=console, transient=True)
    runs = track_side_by_side(
        case.model, case.sequence, able, case.camera_T_object, case.name, case.object_name, frames
    )
    report_reading(case.sequence)
    return runs


def report(runs: Sequence[Run], variants: Sequence[Variant], output: Path) -> None:
    """Tables in the terminal, ``benchmark.csv`` and pictures in ``output``."""
    cases = list(dict.fromkeys(run.errors.sequence_name for run in runs))
    rows = {(run.variant, run.errors.sequence_name): summarize([run.errors], run.variant) for run in runs}
    for variant in variants:
        mine = [run.errors for run in runs if run.variant == variant.name]
        if len(mine) == len(cases):
            rows[variant.name, "ALL"] = summarize(mine, variant.name)
    timed = {variant.name for variant in variants if variant.times_only}
    rows = {key: only_times(row) if key[0] in timed else row for key, row in rows.items()}
    print_table(benchmark_table(rows, [variant.name for variant in variants], [*cases, "ALL"]))
    with (output / "benchmark.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sequence", "variant", *summary_fields()[1:]])
        writer.writerows([case, variant, *astuple(row)[1:]] for (variant, case), row in rows.items())
    bars = {
        variant.name: [100 * row.adds_auc if (row := rows.get((variant.name, case))) else 0.0 for case in cases]
        for variant in variants
        if not variant.times_only
    }
    figures = {"benchmark": grouped_bars(bars, cases, "ADD-S AUC [%]", "Trackers on the same frames")}
    first = variants[0].name
    for run in runs:
        if run.variant == first:
            name = run.errors.sequence_name.replace(", ", "_").replace("/", "-")
            figures[f"errors_{name}"] = error_figure(run.errors)
    save_figures(figures, output)
    console.print(f"look at {output / 'benchmark.png'}; all numbers are in {output / 'benchmark.csv'}", soft_wrap=True)


def benchmark_table(rows: dict[tuple[str, str], Summary], variants: Sequence[str], cases: Sequence[str]) -> Table:
    """A line a sequence, a column a variant: ADD / ADD-S AUC in percent, and how often it was lost."""
    table = Table(title="ADD / ADD-S AUC to 10 cm in percent; (how often lost)")
    table.add_column("sequence")
    for name in variants:
        table.add_column(name, justify="right")
    for case in cases:
        cells = [_cell(rows.get((name, case))) for name in variants]
        table.add_row(case, *cells, style="bold" if case == "ALL" else None)
    speeds = []
    for name in variants:
        medians = [rows[name, case].latency_median_ms for case in cases if case != "ALL" and (name, case) in rows]
        speeds.append(f"{np.median(medians):.1f}" if medians else NOT_KNOWN)
    table.add_row("ms a frame, median", *speeds)
    return table


def _cell(row: Summary | None) -> str:
    """A dash where a variant's weights do not know the object, or its poses mean nothing."""
    if row is None or np.isnan(row.add_auc):
        return NOT_KNOWN
    losses = f" ({row.losses})" if row.losses else ""
    return f"{100 * row.add_auc:.1f} / {100 * row.adds_auc:.1f}{losses}"
