"""``pose-tracker warm-up``: compile the kernels now, so that nothing waits for it later."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.tables import print_table

console = Console()


def warm_up(
    benchmark: Annotated[
        bool, typer.Option("--benchmark", help="Also measure how long renderings take, beside ray casting.")
    ] = False,
) -> None:
    """Compile the kernels for this machine's kind of processor into the user's cache, once per version.

    POSE_TRACKER_KERNEL_CACHE names another folder. With a filled cache there is nothing to do.
    """
    with reported_errors():
        compile_with_progress()
        if benchmark:
            measure_renderers()


def compile_with_progress() -> None:
    """Compile what is not in the cache, and say where that is."""
    # Loaded late, so that other commands start without the compiler.
    from pose_tracker_ros.kernels.compilation import CACHE_FOLDER
    from pose_tracker_ros.kernels.warm_up import compile_kernels

    begin = time.perf_counter()
    with console.status("loading kernels") as status:
        compiled = compile_kernels(lambda name: status.update(f"compiling {name}"))
    seconds = time.perf_counter() - begin
    done = f"{compiled} kernels compiled" if compiled else "all kernels were compiled already; loaded"
    console.print(f"{done} in {seconds:.1f} s; they are in {CACHE_FOLDER}", soft_wrap=True)


def measure_renderers() -> None:
    """Print the times of renderings of meshes of several sizes."""
    from pose_tracker_ros.evaluation.renderer_speed import renderer_times

    table = Table("mesh", "faces", "crop, px", "no colour", "colour", "ray casting")
    for mesh in renderer_times():
        for resolution, times in mesh.microseconds.items():
            table.add_row(mesh.name, str(mesh.faces), str(resolution), *(f"{value:.0f}" for value in times))
    print_table(table)
    console.print("microseconds on one thread, a quarter of the runs were quicker", soft_wrap=True)
