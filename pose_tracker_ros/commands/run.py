"""``pose-tracker run``: the tracker node, and if wanted the camera node, without ``ros2 launch``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.processes import use_shared_memory
from pose_tracker_ros.commands.warm_up import compile_with_progress
from pose_tracker_ros.configuration.given import flattened
from pose_tracker_ros.nodes.launch_arguments import given_settings
from pose_tracker_ros.nodes.log_folder import require_log_folder
from pose_tracker_ros.resources import share_folder

console = Console()


def run(
    objects: Annotated[
        list[str] | None,
        typer.Option("--object", help="Object of models/, by name or folder; may be repeated; default: what the parameter file says."),
    ] = None,
    camera: Annotated[str, typer.Option(help="Namespace of the camera's topics.")] = "/camera/camera",
    play: Annotated[
        str | None, typer.Option(help="Also run the camera node with this sequence, or 'simulation'.")
    ] = None,
    scene: Annotated[
        str, typer.Option(help="With --play simulation: a scene file, or SET/OBJECT/SEED of a frozen set.")
    ] = "",
    mesh_path: Annotated[str, typer.Option(help="Mesh file instead of the object's own.")] = "",
    mesh_unit: Annotated[str, typer.Option(help="Unit of --mesh-path: m, cm, mm or inch.")] = "",
    weights_path: Annotated[str, typer.Option(help="Network weights instead of the object's own.")] = "",
    initializer: Annotated[
        bool, typer.Option(help="Also run the initializer node, which finds the first pose from a mask.")
    ] = False,
    mask_topic: Annotated[
        str | None, typer.Option(help="Masks for the initializer; default those of the camera node.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="Method of the initializer; default: what the parameter file says.")
    ] = "",
    room_map: Annotated[
        Path | None,
        typer.Option("--map", help="Folder made by pose-tracker map: also run the relocalizer node, which brings lost objects back."),
    ] = None,
    params_file: Annotated[
        list[Path] | None, typer.Option(help="ROS parameter file; default those of the package.")
    ] = None,
    set_option: Annotated[list[str] | None, typer.Option("--set", help="Parameter of the tracker as name=value.")] = None,
) -> None:
    """Run the nodes of tracker.launch.py in one process, for machines without ros2 launch; stops on Ctrl-C."""
    with reported_errors():
        require_log_folder()
        compile_with_progress()
    # ROS is loaded only by the commands that need it, and what nodes are made of only for those that run.
    from pose_tracker_ros.nodes.single_process import (
        NodeGroup,
        command_line,
        initializer_remappings,
        tracker_remappings,
    )
    from pose_tracker_ros.nodes.tracker_node import TrackerNode

    config = share_folder("config")
    files = params_file or [config / f"{name}.yaml" for name in ("tracker", "camera", "initializer", "relocalizer")]
    remappings = tracker_remappings(camera)
    if play and not initializer:
        remappings += [(f"~/{name}", f"{camera}/camera/{name}") for name in ("initial_pose", "initial_poses")]
    wanted = {"object": objects[0], "objects": objects} if objects else {}
    parameters = {**wanted, **given_settings({"mesh_path": mesh_path, "mesh_unit": mesh_unit, "weights_path": weights_path})}
    with reported_errors():
        parameters |= dict(flattened(parse_overrides(set_option)))
        if room_map is not None:
            from pose_tracker_ros.relocalization.map_files import load_map

            # A node that cannot be configured says so and stays.
            load_map(room_map)
    if play:
        use_shared_memory()
    with reported_errors(), NodeGroup() as group:
        group.start(TrackerNode, command_line(remappings, files), parameters)
        if initializer:
            from pose_tracker_ros.nodes.initializer_node import InitializerNode

            masks = initializer_remappings(camera, mask_topic or f"{camera}/camera/mask")
            chosen = given_settings({"mesh_path": mesh_path, "mesh_unit": mesh_unit, "method": method})
            group.start(InitializerNode, command_line(masks, files), {**wanted, **chosen})
        if room_map is not None:
            from pose_tracker_ros.nodes.relocalizer_node import RelocalizerNode

            # The camera node tells TF itself where its camera is; first poses are heard where the tracker hears them.
            chosen = {"map": str(room_map), "publish_tf": str(not play).lower()}
            offers = [("tracker/initial_poses", topic) for name, topic in remappings if name == "~/initial_poses"]
            group.start(RelocalizerNode, command_line(tracker_remappings(camera) + offers, files), given_settings(chosen))
        if play:
            from pose_tracker_ros.nodes.camera_node import CameraNode

            source = given_settings({"source": play, "scene": scene, "object": objects[0] if objects else ""})
            group.start(CameraNode, command_line(parameter_files=files, namespace=camera), source)
        console.print("running; Ctrl-C stops")
        try:
            while group.fault is None:
                time.sleep(0.5)
        except KeyboardInterrupt:
            console.print("stopped")
        else:
            raise group.fault
