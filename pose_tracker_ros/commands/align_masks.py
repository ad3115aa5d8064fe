"""``pose-tracker align-masks``: the pose of an object from its masks in one or several calibrated cameras."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from pose_tracker_ros.camera import crop_camera
from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.configuration import load_config
from pose_tracker_ros.datasets.mask_view_files import (
    MaskViewSet,
    load_view,
    numbers_of_pose,
    read_mask_views,
    write_mask_views,
)
from pose_tracker_ros.datasets.pose_texts import parse_pose
from pose_tracker_ros.evaluation.alignment_pictures import AlignmentPainter, write_alignment_video
from pose_tracker_ros.evaluation.alignment_trials import (
    TrialSettings,
    TrialSummary,
    default_aligner,
    random_pose,
    random_start,
    rendered_views,
    run_trials,
    soft_aligner,
    trial_objects,
)
from pose_tracker_ros.evaluation.metrics import pose_errors_with_symmetry
from pose_tracker_ros.evaluation.soft_pictures import rendering_sheet
from pose_tracker_ros.geometry import make_pose, so3_exp
from pose_tracker_ros.initialization.mask_alignment import MaskAlignment, MaskAlignmentConfig, align_masks
from pose_tracker_ros.initialization.soft_alignment import SoftAlignmentSettings
from pose_tracker_ros.objects import Mesh, ObjectModel, load_mesh, load_object
from pose_tracker_ros.rendering import create_renderer
from pose_tracker_ros.symmetries import symmetry_transforms

console = Console()
SMALLEST_AREA_SHARE = 1e-6
RENDERING_PX = 240
GOOD_OVERLAP = 0.85
BENCHMARKS = {
    "two views at 90 degrees": TrialSettings(),
    "one view": TrialSettings(views=1),
    "one view with depth, 2 mm noise": TrialSettings(views=1, depth_noise_m=0.002),
    "two views, no start": TrialSettings(without_start=True),
    "one view, no start": TrialSettings(views=1, without_start=True),
}
# The classical way for comparison, from nearer starts: its silhouettes are wider than the object.
SOFT_START = {"turn_rad": float(np.radians(10.0)), "shift_m": 0.02}
SOFT_BENCHMARKS = {
    "soft silhouettes, all faces, one view": (TrialSettings(views=1, **SOFT_START), SoftAlignmentSettings()),
    "soft silhouettes, back faces culled, one view": (
        TrialSettings(views=1, **SOFT_START),
        SoftAlignmentSettings(cull_backfaces=True),
    ),
    "soft silhouettes, all faces, two views": (TrialSettings(**SOFT_START), SoftAlignmentSettings()),
}
SOFT_TRIALS = 6


def align_masks_command(
    object_name: Annotated[
        str | None, typer.Argument(metavar="OBJECT", help="Object of models/, by name or folder, or a mesh file.")
    ] = None,
    mask: Annotated[
        list[Path] | None, typer.Option(help="Mask image, not zero on the object; repeat for every view.")
    ] = None,
    intrinsics: Annotated[
        list[str] | None, typer.Option(help="'fx fy cx cy' of a mask's camera in pixels; one for all, or one each.")
    ] = None,
    relative_pose: Annotated[
        list[str] | None,
        typer.Option(help="camera_T_reference 'x y z qx qy qz qw' of each view after the first."),
    ] = None,
    depth: Annotated[list[Path] | None, typer.Option(help="16-bit depth in mm; for every view, or none.")] = None,
    color: Annotated[list[Path] | None, typer.Option(help="Image to draw on; for every view, or none.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Label of the object in masks: 3, or a colour such as 255,0,0 or #ff0000.")
    ] = None,
    views: Annotated[Path | None, typer.Option(help="YAML file that lists the views, instead of the options.")] = None,
    start: Annotated[
        str | None, typer.Option(help="First pose 'x y z qx qy qz qw' in the first camera; default: try all around.")
    ] = None,
    truth: Annotated[str | None, typer.Option(help="True pose, to print the error.")] = None,
    mesh_unit: Annotated[str | None, typer.Option(help="Unit of the mesh: m, cm, mm or inch; default the object's.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for pose, picture and video.")] = Path("align_output"),
    video: Annotated[str, typer.Option(help="Video of the optimisation: mp4, gif or none.")] = "mp4",
    config: Annotated[Path | None, typer.Option(help="YAML file with options of the alignment.")] = None,
    set_option: Annotated[list[str] | None, typer.Option("--set", help="Option of the alignment, name=value.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of the computation; more help on idle machines.", min=1)] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Two rendered views of OBJECT and a wrong start.")] = False,
    seed: Annotated[int, typer.Option(help="Of the demo's and the benchmark's random poses.")] = 0,
    benchmark: Annotated[
        int, typer.Option(help="Run this many trials for each of five shapes and print their errors.")
    ] = 0,
) -> None:
    """Align a mesh with masks: prints the pose, writes a before/after picture and a video of the way there."""
    with reported_errors():
        if video not in ("mp4", "gif", "none"):
            raise ValueError(f"expected --video to be mp4, gif or none, got {video!r}")
        torch.set_num_threads(threads)
        settings = load_config(MaskAlignmentConfig, config, parse_overrides(set_option))
        if benchmark:
            _benchmark(benchmark, settings, seed)
            return
        if demo:
            model = _load(object_name or "demo_jug", mesh_unit)
            check_writable(output)
            given = demo_views(model, object_name or "demo_jug", seed)
            write_mask_views(output / "views.yaml", given)
            _write_renderings(output / "renderings.png", model)
        else:
            given = _given(object_name, mask, intrinsics, relative_pose, depth, color, label, views, start, truth)
            model = _load(given.object_name, mesh_unit)
            check_writable(output)
        begin = time.perf_counter()
        result = align_masks(model.mesh, given.views, given.start, settings)
        _report(model, given, result, time.perf_counter() - begin)
        _write(output, model, given, result, video)
        console.print(f"written to {output}")


def demo_views(model: ObjectModel, object_name: str, seed: int = 0) -> MaskViewSet:
    """Two cameras 90 degrees apart look at the object; the start is 20 degrees and 3 cm off."""
    generator = np.random.default_rng(seed)
    settings = TrialSettings()
    truth = random_pose(model, generator)
    start = random_start(model, truth, settings, generator)
    renderer = create_renderer("raycast", model.mesh)
    views = tuple(rendered_views(model, truth, settings, generator))
    colors = []
    for view in views:
        rendering = renderer.render(view.camera, view.pose @ truth)
        colors.append(np.where(rendering.mask[..., None], rendering.color, np.uint8(60)))
    return MaskViewSet(views, tuple(colors), start, truth, object_name)


def _write_renderings(path: Path, model: ObjectModel) -> None:
    """What the differentiable renderer makes of the object, seen from the front and a little from above."""
    camera = crop_camera(np.array([0.0, 0.0, 3 * model.diameter_m]), 1.15 * model.diameter_m, RENDERING_PX)
    upright = make_pose(so3_exp(np.array([1.9, 0.4, -0.3])), np.zeros(3))
    pose = make_pose(np.eye(3), np.array([0.0, 0.0, 3 * model.diameter_m])) @ upright
    pose[:3, 3] -= pose[:3, :3] @ model.center_m
    cv2.imwrite(str(path), cv2.cvtColor(rendering_sheet(model.mesh, camera, pose), cv2.COLOR_RGB2BGR))


def _given(
    object_name: str | None,
    masks: list[Path] | None,
    intrinsics: list[str] | None,
    relative_poses: list[str] | None,
    depths: list[Path] | None,
    colors: list[Path] | None,
    label: str | None,
    listing: Path | None,
    start: str | None,
    truth: str | None,
) -> MaskViewSet:
    if listing is not None:
        if masks or intrinsics or relative_poses or depths or colors:
            raise ValueError("expected views either from --views or from --mask and its options, got both")
        given = read_mask_views(listing)
    else:
        given = _views_of_options(masks or [], intrinsics or [], relative_poses or [], depths, colors, label)
    name = object_name or given.object_name
    if name is None:
        raise ValueError(
            "expected an object: its name, folder or mesh file as argument, or 'object' in the views' file"
        )
    return MaskViewSet(
        given.views,
        given.colors,
        parse_pose(start) if start else given.start,
        parse_pose(truth) if truth else given.truth,
        name,
    )


def _views_of_options(
    masks: list[Path],
    intrinsics: list[str],
    relative_poses: list[str],
    depths: list[Path] | None,
    colors: list[Path] | None,
    label: str | None,
) -> MaskViewSet:
    if not masks:
        raise ValueError("expected at least one --mask, or --views FILE, or --demo; see --help")
    if len(intrinsics) not in (1, len(masks)):
        raise ValueError(f"expected --intrinsics once or for each of the {len(masks)} masks, got {len(intrinsics)}")
    if len(relative_poses) != len(masks) - 1:
        raise ValueError(
            f"expected a --relative-pose for each of the {len(masks) - 1} masks after the first, got {len(relative_poses)}"
        )
    for name, images in (("--depth", depths), ("--color", colors)):
        if images and len(images) != len(masks):
            raise ValueError(f"expected {name} for each of the {len(masks)} masks or for none, got {len(images)}")
    cameras = [_four_numbers(text) for text in intrinsics] * (len(masks) if len(intrinsics) == 1 else 1)
    poses = [None, *(parse_pose(text) for text in relative_poses)]
    pairs = [
        load_view(mask, camera, pose, depth, color, label)
        for mask, camera, pose, depth, color in zip(
            masks, cameras, poses, depths or [None] * len(masks), colors or [None] * len(masks)
        )
    ]
    return MaskViewSet(tuple(view for view, _ in pairs), tuple(image for _, image in pairs))


def _four_numbers(text: str) -> list[float]:
    try:
        numbers = [float(number) for number in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise ValueError(f"expected --intrinsics as 4 numbers 'fx fy cx cy', got {text!r}")
    return numbers


def _load(name: str, mesh_unit: str | None) -> ObjectModel:
    path = Path(name)
    if not path.is_file() and path.suffix.lower() not in (".ply", ".obj", ".stl", ".glb"):
        return load_object(name, mesh_unit=mesh_unit)
    mesh = load_mesh(path, mesh_unit or "m")
    _check_area(mesh, path)
    return ObjectModel.from_mesh(path.stem, mesh)


def _check_area(mesh: Mesh, path: Path) -> None:
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    if not doubled > SMALLEST_AREA_SHARE * float(np.ptp(mesh.vertices, axis=0).max()) ** 2:
        raise ValueError(f"expected a mesh with a surface in {path}, but its faces have no area; export it again")


def _report(model: ObjectModel, given: MaskViewSet, result: MaskAlignment, seconds: float) -> None:
    numbers = " ".join(map(str, numbers_of_pose(result.camera_T_object)))
    console.print(f"camera_T_object (x y z qx qy qz qw): {numbers}", soft_wrap=True)
    overlaps = ", ".join(f"{overlap:.3f}" for overlap in result.overlaps)
    turn, shift = np.degrees(result.standard_deviation[:3]).max(), 1000 * result.standard_deviation[3:].max()
    console.print(f"overlap with the masks {overlaps}; {result.iterations} steps in {seconds:.1f} s")
    console.print(
        f"expected deviation {turn:.2f} deg, {shift:.2f} mm (along the line of sight "
        f"{1000 * result.sight_deviation_m:.2f} mm)" + ("" if result.converged else "; not converged")
    )
    if result.overlaps.min() < GOOD_OVERLAP:
        console.print(
            f"a mask is overlapped by less than {GOOD_OVERLAP}: it is partly hidden, or mesh, mask or calibration are wrong",
            style="yellow",
        )
    for other in result.alternatives:
        if other.overlap > result.overlaps.mean() - 0.01:
            numbers = " ".join(map(str, numbers_of_pose(other.camera_T_object)))
            console.print(f"fits as well (overlap {other.overlap:.3f}): {numbers}", soft_wrap=True)
    if given.truth is not None:
        symmetries = symmetry_transforms(model)
        for name, pose in (("start", given.start), ("result", result.camera_T_object)):
            if pose is not None:
                shift, turn = pose_errors_with_symmetry(pose[None], given.truth[None], symmetries)
                console.print(f"error of the {name}: {np.degrees(turn[0]):.3f} deg, {1000 * shift[0]:.3f} mm")


def _write(output: Path, model: ObjectModel, given: MaskViewSet, result: MaskAlignment, video: str) -> None:
    painter = AlignmentPainter(given.views, given.colors, create_renderer("raycast", model.mesh), model.diameter_m)
    # The way begins at the start that was given; the fit may have gone out from one turned against it.
    way = result.history if given.start is None else np.concatenate([given.start[None], result.history])
    picture = painter.before_and_after(way[0], result.camera_T_object)
    cv2.imwrite(str(output / "before_after.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    (output / "pose.txt").write_text(" ".join(map(str, numbers_of_pose(result.camera_T_object))) + "\n")
    if video != "none":
        write_alignment_video(output / f"alignment.{video}", painter, way)


def _benchmark(trials: int, settings: MaskAlignmentConfig, seed: int) -> None:
    for title, given in BENCHMARKS.items():
        summaries = [run_trials(model, trials, given, default_aligner(settings), seed) for model in trial_objects()]
        print_table(trial_table(title, summaries))
    for title, (given, soft) in SOFT_BENCHMARKS.items():
        count = min(trials, SOFT_TRIALS)
        # The jug's thousands of faces would take half a minute each.
        models = [model for model in trial_objects() if len(model.mesh.faces) < 1000]
        summaries = [run_trials(model, count, given, soft_aligner(soft), seed) for model in models]
        print_table(trial_table(title, summaries))


def trial_table(title: str, summaries: list[TrialSummary]) -> Table:
    """One row an object: rates, medians and 95 % quantiles."""
    table = Table(title=f"{title}, {len(summaries[0].trials)} trials each")
    columns = ("object", "3 deg 5 mm", "rotation", "95 %", "lateral", "95 %", "depth", "95 %", "expected", "time")
    for column in columns:
        table.add_column(column, justify="left" if column == "object" else "right")
    for summary in summaries:
        table.add_row(
            summary.name,
            f"{100 * summary.success_rate:.0f} %",
            f"{np.degrees(summary.median('rotation_rad')):.2f} deg",
            f"{np.degrees(summary.quantile('rotation_rad', 0.95)):.2f} deg",
            f"{1000 * summary.median('lateral_m'):.2f} mm",
            f"{1000 * summary.quantile('lateral_m', 0.95):.2f} mm",
            f"{1000 * summary.median('depth_m'):+.2f} mm",
            f"{1000 * summary.quantile('depth_m', 0.95):.2f} mm",
            f"{1000 * summary.median('expected_depth_m'):.2f} mm",
            f"{summary.median('seconds'):.2f} s",
        )
    return table
