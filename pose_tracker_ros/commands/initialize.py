"""``pose-tracker initialize``: the first pose of an object under a mask."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.sequences import DepthUnit, ReaderOptions, open_frames, print_warning
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.commands.track import name_object
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.datasets import FrameSequence, IndexedSequence
from pose_tracker_ros.datasets.masks import read_mask
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.evaluation.alignment_trials import trial_objects
from pose_tracker_ros.evaluation.depth_plausibility import remark_under_mask
from pose_tracker_ros.evaluation.initialization import (
    evaluate_initializer,
    false_accepts,
    masked_scenes,
    wrong_mask_scenes,
)
from pose_tracker_ros.evaluation.metrics import auc_voc, pose_errors_with_symmetry
from pose_tracker_ros.evaluation.overlay import draw_overlay
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import quaternion_from_matrix
from pose_tracker_ros.initialization.config import METHODS, HypothesesConfig
from pose_tracker_ros.initialization.initializer import Initializer, create_initializer, initialize
from pose_tracker_ros.initialization.observation import InitialPose
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.symmetries import symmetry_transforms

console = Console()
OCCLUSIONS = (0.0, 0.3, 0.5)


def initialize_command(
    object_name: Annotated[str | None, typer.Argument(metavar="OBJECT", help="Object, by name or folder.")] = None,
    sequence: Annotated[
        Path | None, typer.Argument(help="BOP scene, YCB-Video or YCBInEOAT video, or recording.")
    ] = None,
    frame: Annotated[int, typer.Option(help="Which frame of the sequence, from 0.", min=0)] = 0,
    mask: Annotated[Path | None, typer.Option(help="Mask image of any kind, zero = not the object; default the sequence's.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Label of the object in the mask: 3, or a colour such as 255,0,0 or #ff0000.")
    ] = None,
    method: Annotated[str, typer.Option(help=f"How: {', '.join(METHODS)}.")] = "hypotheses",
    output: Annotated[Path, typer.Option(help="Folder for the picture.")] = Path("initialize_output"),
    truth_name: Annotated[str | None, typer.Option(help="The object's name in the sequence, where it differs.")] = None,
    mesh: Annotated[Path | None, typer.Option(help="Mesh file instead of the object's own.")] = None,
    mesh_unit: Annotated[str | None, typer.Option(help="Unit of --mesh: m, cm, mm or inch; default the object's.")] = None,
    reader: ReaderOptions = None,
    depth_unit: DepthUnit = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of dense_fusion instead of the object's own.")] = None,
    set_option: Annotated[list[str] | None, typer.Option("--set", help="Option of the method as name=value.")] = None,
    benchmark: Annotated[
        int, typer.Option(help="Measure on so many simulated scenes a case instead; without OBJECT on five shapes.")
    ] = 0,
) -> None:
    """Find the first pose of an object under a mask; prints it as --initial-pose of track takes it."""
    with reported_errors():
        config = load_config(HypothesesConfig, None, parse_overrides(set_option))
        if benchmark:
            models = trial_objects() if object_name is None else [load_object(object_name, mesh, mesh_unit)]
            run_benchmark(models, method, config, benchmark, weights)
            return
        if object_name is None or sequence is None:
            raise ValueError("expected OBJECT and SEQUENCE, or --benchmark N")
        frames = open_frames(sequence, reader, depth_unit)
        model = load_tracked_object(object_name, frames, mesh, mesh_unit)
        name = truth_name or model.name
        name_object(frames, name, certain=mesh is not None or truth_name is not None)
        shown = read_frame(frames, frame)
        pixels = _mask_of(shown, name, mask, label)
        if shown.registered:
            warn_of_unit(shown, pixels, model)
        check_writable(output)
        initializer = create_initializer(method, model, config, weights)
        answer = initialize(initializer, shown, pixels)
        report(answer, model, shown.truth.get(name))
        path = write_picture(output, shown, pixels, model, answer)
        console.print(f"look at {path}", soft_wrap=True)
        if not answer.accepted:
            raise typer.Exit(1)


def read_frame(sequence: FrameSequence, position: int) -> Frame:
    """The frame at a position from 0, whether or not those before it can be read; raises ValueError beyond the end."""
    if isinstance(sequence, IndexedSequence) and position < len(sequence):
        return sequence.read(position)
    found = next(islice(sequence, position, None), None)
    if found is None:
        raise ValueError(f"expected a frame number below {len(sequence)}, got {position}")
    return found


def _mask_of(frame: Frame, name: str, path: Path | None, label: str | None) -> np.ndarray:
    """The object's mask (H, W) bool: that of a file, else that of the sequence."""
    if path is not None:
        return read_mask(path, label)
    name = name if label is None else f"label {label}"
    if name not in frame.masks:
        known = ", ".join(frame.masks) or "none"
        raise ValueError(
            f"expected a mask of {name!r} in this frame, which has {known}; give --mask, --label or --truth-name"
        )
    return frame.masks[name]


def warn_of_unit(frame: Frame, mask: np.ndarray, model: ObjectModel) -> None:
    """Print it when depth under the mask and the mesh cannot both be right."""
    if mask.shape == frame.depth.shape:
        remark = remark_under_mask(frame.depth, mask, frame.camera, model)
        if remark:
            print_warning(remark)


def report(answer: InitialPose, model: ObjectModel, truth: np.ndarray | None) -> None:
    """Print the pose, its score, and its error where the truth is known."""
    pose = answer.camera_T_object
    numbers = [*pose[:3, 3], *quaternion_from_matrix(pose[:3, :3])]
    console.print("pose: " + " ".join(f"{number:.5f}" for number in numbers), soft_wrap=True)
    console.print(f"score {answer.score:.2f}, {'accepted' if answer.accepted else 'refused'}, {answer.seconds:.2f} s")
    if answer.reason:
        console.print(answer.reason, soft_wrap=True)
    if truth is not None:
        symmetries = symmetry_transforms(model, largest_step=0.05)
        translation, rotation = pose_errors_with_symmetry(pose[None], truth[None], symmetries)
        console.print(f"error: {translation[0] * 1e3:.1f} mm, {np.degrees(rotation[0]):.2f} deg")


def write_picture(output: Path, frame: Frame, mask: np.ndarray, model: ObjectModel, answer: InitialPose) -> Path:
    """The mask beside the pose, as a PNG."""
    rendering = create_renderer("raycast", model.mesh).render(frame.camera, answer.camera_T_object)
    found = draw_overlay(
        frame.color, rendering, frame.camera, answer.camera_T_object, model.diameter_m, [f"score {answer.score:.2f}"]
    )
    masked = frame.color.copy()
    masked[mask != 0] = (0.5 * masked[mask != 0] + 0.5 * np.array([255, 160, 0])).astype(np.uint8)
    path = output / f"{model.name}_{frame.index:06d}.png"
    cv2.imwrite(str(path), np.hstack([masked, found])[..., ::-1])
    return path


def run_benchmark(
    models: Sequence[ObjectModel], method: str, config: HypothesesConfig, count: int, weights: Path | None
) -> None:
    """Print how often the method is right, and how often wrong masks are believed."""
    table = Table(title=f"{method}: {count} simulated scenes a case, masks degraded")
    for heading in ("object", "hidden", "within 5 deg, 1 cm", "accepted", "accepted, wrong", "ADD-S AUC", "median s"):
        table.add_column(heading, justify="left" if heading == "object" else "right")
    wrong = [0, 0]
    for model in models:
        initializer = create_initializer(method, model, config, weights)

        def estimate(frame: Frame, mask: np.ndarray, initializer: Initializer = initializer) -> InitialPose:
            return initialize(initializer, frame, mask)

        for occlusion in OCCLUSIONS:
            scenes = masked_scenes(model, count, occlusion, seed=1)
            shown = progress(scenes, f"{model.name}, {occlusion:.0%} hidden", total=count, console=console)
            result = evaluate_initializer(estimate, model, shown, model.sample_points(1000))
            table.add_row(
                model.name,
                f"{occlusion:.0%}",
                f"{result.right:.1%}",
                f"{result.accepted:.1%}",
                f"{result.accepted_wrong:.1%}",
                f"{100 * auc_voc(result.adds_m):.1f}",
                f"{np.median(result.seconds):.2f}",
            )
        others = [other for other in trial_objects() if other.name != model.name]
        scenes = progress(
            wrong_mask_scenes(model, others, count, seed=1), f"{model.name}, wrong masks", total=count, console=console
        )
        wrong = [before + new for before, new in zip(wrong, false_accepts(estimate, scenes))]
    print_table(table)
    console.print(f"wrong masks (background, other objects) believed: {wrong[0]} of {wrong[1]}")
