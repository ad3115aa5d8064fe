"""``pose-tracker bench --scene``: trackers side by side on frozen sets of simulated scenes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pose_tracker_ros.commands.interruption import exit_when_interrupted
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.commands.variants import knows
from pose_tracker_ros.evaluation.frozen_sets import FROZEN_SETS, SceneCase, frozen_cases
from pose_tracker_ros.evaluation.plots import save_figures
from pose_tracker_ros.evaluation.scene_benchmark import SceneRun
from pose_tracker_ros.evaluation.scene_folder import RunFolder, code_checksum
from pose_tracker_ros.evaluation.scene_pool import Task, run_tasks
from pose_tracker_ros.evaluation.scene_report import pooled_rows, scene_figures, scene_tables, write_scenes_csv
from pose_tracker_ros.evaluation.tracking_benchmark import Variant

console = Console()
EVERY_SET = "all"
# Sets differ in what their frames cost, so that the time left is estimated from minutes, not from moments.
SPEED_PERIOD_S = 600.0


def bench_scenes(
    scenes: Sequence[str],
    variants: Sequence[Variant],
    objects: Sequence[str] | None,
    seeds: Sequence[int],
    short: bool,
    workers: int,
    output: Path,
) -> None:
    """Run the trackers on what is not finished in ``output`` yet, and report on everything that was asked for."""
    sets = FROZEN_SETS if EVERY_SET in scenes else dict.fromkeys(scenes)
    tasks = _able([case for scene in sets for case in frozen_cases(scene, seeds, objects, short)], variants)
    folder = RunFolder(output)
    left = [task for task in (_unfinished(folder, task) for task in tasks) if task.variants]
    _say_what_is_there(folder, tasks, left)
    output.mkdir(parents=True, exist_ok=True)
    with exit_when_interrupted(output):
        _run(left, folder, workers)
    _report([folder.find(task.case, variant) for task in tasks for variant in task.variants], output)


def _able(cases: Sequence[SceneCase], variants: Sequence[Variant]) -> list[Task]:
    """Every sequence with the trackers that know its object."""
    models = {case.model.name: case.model for case in cases}
    able = {name: tuple(variant for variant in variants if knows(variant, model)) for name, model in models.items()}
    tasks = [Task(case, able[case.model.name]) for case in cases if able[case.model.name]]
    if not tasks:
        raise ValueError("expected a tracker that knows one of the objects, got none; name other weights or objects")
    return tasks


def _unfinished(folder: RunFolder, task: Task) -> Task:
    return Task(task.case, tuple(variant for variant in task.variants if not folder.find(task.case, variant)))


def _say_what_is_there(folder: RunFolder, tasks: Sequence[Task], left: Sequence[Task]) -> None:
    """How many runs are finished, and how many of them code has made that was changed since."""
    yet = {(task.case.name, variant.name) for task in left for variant in task.variants}
    runs = [(task.case, variant) for task in tasks for variant in task.variants]
    done = [(case, variant) for case, variant in runs if (case.name, variant.name) not in yet]
    if not done:
        return
    console.print(f"{len(done)} of {len(runs)} runs are in {folder.path} already", soft_wrap=True)
    code = code_checksum()
    older = sum(folder.code_of(case, variant) != code for case, variant in done)
    if older:
        console.print(
            f"{older} of them were made by other code than this; name another --output to make them again",
            style="yellow",
            soft_wrap=True,
        )


def _run(tasks: Sequence[Task], folder: RunFolder, workers: int) -> None:
    """Run and keep the runs, with the time left over all sequences."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=console, transient=True, speed_estimate_period=SPEED_PERIOD_S) as bar:
        total = sum(task.case.config.frames for task in tasks)
        shown = bar.add_task(f"0 of {len(tasks)} sequences", total=total)
        try:
            for count, (task, runs) in enumerate(run_tasks(tasks, workers, lambda some: bar.advance(shown, some)), 1):
                for run, variant in zip(runs, task.variants):
                    folder.save(run, task.case, variant)
                bar.update(shown, description=f"{count} of {len(tasks)} sequences")
                console.print(f"{task.case.name}: {_in_short(runs)}", style="dim", soft_wrap=True, highlight=False)
        except BrokenProcessPool as error:
            raise ValueError(
                f"a worker process has ended by itself, perhaps for want of memory; run again with fewer --workers "
                f"than {workers}, what is finished is kept"
            ) from error


def _in_short(runs: Sequence[SceneRun]) -> str:
    return "; ".join(f"{run.variant} {_figures(run)}" for run in runs)


def _figures(run: SceneRun) -> str:
    row = run.summary
    if run.times_only:
        return f"{row.latency_median_ms:.1f} ms"
    return f"AUC {100 * row.add_auc:.1f}, false tracking {row.false_tracking_frames} of {row.tracking_frames}"


def _report(runs: Sequence[SceneRun], output: Path) -> None:
    rows = pooled_rows(runs)
    for table in scene_tables(rows):
        print_table(table)
    write_scenes_csv(output / "scenes.csv", runs, rows)
    save_figures(scene_figures(rows), output)
    if not all(run.alone for run in runs):
        console.print("times are those of a machine on which several sequences ran at once", style="yellow")
    console.print(f"all numbers are in {output / 'scenes.csv'}, every frame in {output / 'runs'}", soft_wrap=True)
