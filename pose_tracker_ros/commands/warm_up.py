"""``pose-tracker warm-up``: compile the kernels and export the networks now, so that nothing waits for it later."""

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
        bool, typer.Option("--benchmark", help="Also measure how long renderings and networks take.")
    ] = False,
) -> None:
    """Compile the kernels for this machine's kind of processor and export the installed networks, once per version.

    Both are kept in the user's cache.

    POSE_TRACKER_KERNEL_CACHE names another folder. With a filled cache there is nothing to do.
    """
    with reported_errors():
        compile_with_progress()
        export_with_progress()
        if benchmark:
            measure_renderers()
            measure_networks()


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


def export_with_progress() -> None:
    """Make the weights in the folders of objects ready for the runtime that they will have, and say which."""
    from pose_tracker_ros.networks.inference import load_inference
    from pose_tracker_ros.objects import models_folders

    for path in sorted({path.resolve() for folder in models_folders() for path in folder.glob("*/residual.safetensors")}):
        begin = time.perf_counter()
        with console.status(f"loading {path}"):
            network, _ = load_inference(path)
        seconds = time.perf_counter() - begin
        console.print(f"{path} loaded in {seconds:.1f} s; it runs on {network.device}", soft_wrap=True)


def measure_renderers() -> None:
    """Print the times of renderings of meshes of several sizes."""
    from pose_tracker_ros.evaluation.renderer_speed import renderer_times

    table = Table("mesh", "faces", "crop, px", "no colour", "colour", "ray casting")
    for mesh in renderer_times():
        for resolution, times in mesh.microseconds.items():
            table.add_row(mesh.name, str(mesh.faces), str(resolution), *(f"{value:.0f}" for value in times))
    print_table(table)
    console.print("microseconds on one thread, a quarter of the runs were quicker", soft_wrap=True)


def measure_networks() -> None:
    """Print how long the network for any object takes by each runtime."""
    from pose_tracker_ros.evaluation.network_speed import network_times
    from pose_tracker_ros.objects import generic_weights_path

    path = generic_weights_path()
    if path is None:
        return
    table = Table("runtime", "convolutions", "crops to residual", "whole pass", "whole / convolutions")
    for times in network_times(path):
        numbers = (times.convolutions, times.network, times.whole, times.whole / times.convolutions)
        table.add_row(times.device, *(f"{number:.2f}" for number in numbers))
    print_table(table)
    console.print("milliseconds of CPU on one thread, a quarter of the passes were quicker", soft_wrap=True)
