"""``pose-tracker evaluate``: estimated poses against true ones, as the field's benchmarks score them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import typer
from rich.console import Console

from pose_tracker_ros.commands.errors import reported_errors
from pose_tracker_ros.commands.output_folders import check_writable
from pose_tracker_ros.commands.sequences import DepthUnit, ReaderOptions, open_frames, report_reading
from pose_tracker_ros.commands.tables import print_table
from pose_tracker_ros.datasets import DatasetError, FrameSequence
from pose_tracker_ros.datasets.bop import find_scenes, is_scene
from pose_tracker_ros.evaluation import agreement_report, benchmarks, report
from pose_tracker_ros.evaluation.bop_challenge import BopGroundTruth, evaluate_bop
from pose_tracker_ros.evaluation.html_report import CaptionedImage, worst_frames, write_html
from pose_tracker_ros.evaluation.image_agreement import OutlineJudge, find_outlines, judge_track
from pose_tracker_ros.evaluation.plots import accuracy_figure, save_figures, track_figures
from pose_tracker_ros.evaluation.protocol import ScoredObject, TrackErrors, evaluate_track, summarize_by_object
from pose_tracker_ros.evaluation.published import PublishedTable, load_published
from pose_tracker_ros.evaluation.result_files import has_matrices, read_track
from pose_tracker_ros.evaluation.trajectory import PoseEstimate, is_bop_results, read_bop_results
from pose_tracker_ros.objects import ObjectModel, load_mesh, load_object
from pose_tracker_ros.rendering import create_renderer

console = Console()
_ERROR_KINDS = (("ADD", "add"), ("ADD-S", "adds"))


def evaluate(
    results: Annotated[
        Path, typer.Argument(help="Trajectory CSV, BOP results CSV, TUM trajectory, folder of 4x4 matrices, or a folder with the results of a benchmark.")
    ],
    against: Annotated[
        Path | None,
        typer.Option(help="Sequence or data set with the true poses; not needed for YCB-Video keyframe results."),
    ] = None,
    object_name: Annotated[
        str | None, typer.Option("--object", help="Object to score; not needed when the sequence shows one.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Object of models/ (name or folder) to measure on, instead of the data set's model."),
    ] = None,
    mesh: Annotated[Path | None, typer.Option(help="Mesh of the object; with --model, its mesh file.")] = None,
    mesh_unit: Annotated[str | None, typer.Option(help="Unit of --mesh: m (default), cm, mm or inch.")] = None,
    models: Annotated[Path | None, typer.Option(help="Folder with the data set's models.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="YCB-Video keyframe results: method to score (repeat for several).")
    ] = None,
    vsd: Annotated[bool, typer.Option(help="BOP: also VSD, which reads depth images and renders.")] = False,
    partial: Annotated[
        bool, typer.Option(help="Score only from the first to the last row of the trajectory, not the whole sequence.")
    ] = False,
    outlines: Annotated[
        Path | None,
        typer.Option(help="Folder of the object's outlines, 000012.png, ...: 255 object, 0 not, 128 not judged."),
    ] = None,
    color_shift: Annotated[
        tuple[float, float],
        typer.Option(help="With --outlines: pixels by which the drawn outline is moved, for poses stated in depth."),
    ] = (0.0, 0.0),
    reader: ReaderOptions = None,
    depth_unit: DepthUnit = None,
    output: Annotated[Path | None, typer.Option(help="Folder for CSV files, plots and report.html.")] = None,
) -> None:
    """Score estimated poses against true ones: ADD, ADD-S, AUC, 5 deg/5 cm, losses, or BOP's average recalls.

    With --outlines also against the images: overlap and shift of the outline, difference of depth.
    """
    with reported_errors():
        if output is not None:
            check_writable(output)
        if not results.exists():
            raise DatasetError(f"expected results at {results}, but there is no such file or folder")
        if (outlines or reader) and not _is_one_track(results, against):
            raise DatasetError(
                f"expected one track through one sequence with --outlines and --reader, got {results} against {against}; "
                "name a trajectory CSV and the sequence that it belongs to"
            )
        if results.is_dir() and benchmarks.is_keyframe_results(results):
            _keyframe_results(results, method, output)
        elif against is None:
            raise DatasetError(f"expected --against SEQUENCE with the true poses to score {results}")
        elif results.is_dir() and not has_matrices(results):
            _video_results(results, against, models, output)
        elif results.is_file() and is_bop_results(results) and _is_bop_data_set(against):
            _bop_results(results, against, models, vsd, output)
        else:
            sequence = open_frames(against, reader, depth_unit, on_error="skip", models_folder=models)
            track = _read_track(results, sequence, object_name, _given_model(model, mesh, mesh_unit), outlines is None)
            if track.name in sequence.object_names:
                _true_poses(track, partial, output)
            if outlines is not None:
                _images(track, outlines, color_shift, output)
            report_reading(sequence)
        if output is not None:
            console.print(f"written to {output}")


class _Track(NamedTuple):
    """The track of one object through one sequence."""

    estimates: Sequence[PoseEstimate]
    sequence: FrameSequence
    name: str
    model: ObjectModel


def _keyframe_results(results: Path, methods: Sequence[str] | None, output: Path | None) -> None:
    """YCB-Video results with one row a keyframe, of one or several methods."""
    published = load_published()["ycb_video"]
    known = benchmarks.keyframe_methods(results)
    unknown = sorted(set(methods or ()) - set(known))
    if unknown:
        raise DatasetError(f"expected methods among {', '.join(known)} in {results}, got {', '.join(unknown)}")
    tracks = {}
    with console.status("scoring") as status:
        for name in methods or known:
            status.update(f"scoring {name}")
            tracks[name] = benchmarks.evaluate_keyframe_results(results, name)
    ours = {name: summarize_by_object(errors) for name, errors in tracks.items()}
    for name, rows in ours.items():
        print_table(report.summary_table(rows, f"YCB-Video keyframes: {name}"))
    print_table(report.comparison_table(ours, published))
    if output is None:
        return
    for name, rows in ours.items():
        report.write_summary_csv(output / f"summary_{name}.csv", rows)
    curves = {f"{name} {kind}": _pooled(errors, key) for name, errors in tracks.items() for kind, key in _ERROR_KINDS}
    figures = {"accuracy": accuracy_figure(curves, "YCB-Video keyframes")}
    save_figures(figures, output)
    first = next(iter(ours.values()))
    write_html(output / "report.html", "YCB-Video keyframes", first, figures, published=published, ours=ours)


def _video_results(results: Path, against: Path, models: Path | None, output: Path | None) -> None:
    """Results of whole videos: YCB-Video (0048_025_mug.csv) or YCBInEOAT (a file or folder a video)."""
    if any(results.glob("[0-9][0-9][0-9][0-9]_*.csv")):
        root = against.parent if against.name == "data" else against
        tracks = benchmarks.evaluate_ycb_video(results, root / "data", _models_folder(models, root))
        published = load_published()["ycb_video"]
    else:
        tracks = benchmarks.evaluate_ycbineoat(results, against, _models_folder(models, against))
        published = load_published()["ycbineoat"]
    _report_tracks(tracks, published.title, output, published=published)


def _models_folder(given: Path | None, root: Path) -> Path:
    """The given folder of models, else that of a data set."""
    folder = given or root / "models"
    if not folder.is_dir():
        raise DatasetError(f"expected the data set's models in {folder}, but there is no such folder; name theirs with --models")
    return folder


def _bop_results(results: Path, against: Path, models: Path | None, vsd: bool, output: Path | None) -> None:
    """The BOP challenge's localisation task."""
    errors = ("vsd", "mssd", "mspd") if vsd else ("mssd", "mspd")
    with console.status("scoring"):
        scores = evaluate_bop(read_bop_results(results), BopGroundTruth(against, models_folder=models), errors)
    print_table(report.bop_table(scores, f"{results.name}: {scores.target_count} targets"))
    if scores.average_recall is not None:
        console.print(f"AR {scores.average_recall:.4f}")
    if output is not None:
        report.write_bop_csv(output / "average_recalls.csv", scores)


def _read_track(
    results: Path, sequence: FrameSequence, object_name: str | None, model: ObjectModel | None, truth_needed: bool
) -> _Track:
    """Results, which are of one object, and that object: the given ``model``, else that of the sequence."""
    name = _choose_object(sequence, object_name) if truth_needed else _any_object(sequence, object_name, model)
    model = model or _model_of(sequence, name)
    if results.is_file() and is_bop_results(results):
        estimates = benchmarks.estimates_for_scene(read_bop_results(results), sequence, name)
    else:
        estimates = read_track(results, sequence)
    return _Track(estimates, sequence, name, model)


def _true_poses(track: _Track, partial: bool, output: Path | None) -> None:
    """A track beside the annotated poses."""
    sequence, model = track.sequence, track.model
    errors = evaluate_track(
        track.estimates,
        sequence.annotations(),
        replace(ScoredObject.from_model(model), name=track.name),
        sequence_name=sequence.name,
        whole_sequence=not partial,
    )
    worst = []
    if output is not None:
        worst = worst_frames(errors, sequence, create_renderer("raycast", model.mesh))
    _report_tracks([errors], f"{track.name} in {sequence.name}", output, worst)


def _images(track: _Track, outlines: Path, color_shift: tuple[float, float], output: Path | None) -> None:
    """A track beside the images: outlines and measured depth."""
    judge = OutlineJudge(find_outlines(outlines), create_renderer("raycast", track.model.mesh), color_shift)
    with console.status("comparing with the images"):
        agreement = judge_track(judge, track.estimates, track.sequence)
    title = f"{track.name} in the images of {track.sequence.name}"
    print_table(agreement_report.agreement_table(agreement, title))
    for note in agreement_report.agreement_notes(agreement):
        console.print(note, soft_wrap=True)
    if output is not None:
        agreement_report.write_agreement_csv(output / "agreement.csv", agreement)
        sheet = agreement_report.worst_agreement_sheet(agreement, judge, track.estimates, track.sequence)
        cv2.imwrite(str(output / "agreement.png"), sheet[..., ::-1])


def _report_tracks(
    tracks: Sequence[TrackErrors],
    title: str,
    output: Path | None,
    worst: Sequence[CaptionedImage] = (),
    published: PublishedTable | None = None,
) -> None:
    rows = summarize_by_object(tracks)
    one_object = len(rows) == 2
    print_table(report.summary_table(rows[:1] if one_object else rows, title))
    if published is not None:
        print_table(report.comparison_table({"this run": rows}, published))
    if output is None:
        return
    report.write_summary_csv(output / "summary.csv", rows)
    report.write_errors_csv(output / "errors.csv", tracks)
    figures = track_figures(tracks)
    save_figures(figures, output)
    write_html(output / "report.html", title, rows, figures, worst, published)


def _pooled(tracks: Sequence[TrackErrors], key: str) -> np.ndarray:
    return np.concatenate([getattr(track, key) for track in tracks])


def _is_bop_data_set(path: Path) -> bool:
    return not is_scene(path) and bool(find_scenes(path))


def _is_one_track(results: Path, against: Path | None) -> bool:
    several = against is not None and results.is_file() and is_bop_results(results) and _is_bop_data_set(against)
    return (results.is_file() or has_matrices(results)) and not several


def _given_model(name: str | None, mesh: Path | None, unit: str | None) -> ObjectModel | None:
    if name is not None:
        return load_object(name, mesh, unit)
    return None if mesh is None else ObjectModel.from_mesh(mesh.stem, load_mesh(mesh, unit or "m"))


def _choose_object(sequence: FrameSequence, wanted: str | None) -> str:
    known = sequence.object_names
    if wanted in known:
        return wanted
    if wanted is None and len(known) == 1:
        return known[0]
    if not known:
        raise DatasetError(
            f"expected true poses in sequence {sequence.name!r}, got none; say whose they are with --reader object_name=NAME, or "
            "compare with the images themselves: --outlines FOLDER"
        )
    raise DatasetError(f"expected --object with one of {', '.join(known)} of sequence {sequence.name!r}, got {wanted or 'none'}")


def _any_object(sequence: FrameSequence, wanted: str | None, model: ObjectModel | None) -> str:
    """The object's name where it need not have a true pose."""
    if wanted is not None:
        return wanted
    if sequence.object_names or model is None:
        return _choose_object(sequence, wanted)
    return model.name


def _model_of(sequence: FrameSequence, name: str) -> ObjectModel:
    """The data set's model of an object, else the one of that name among the installed models."""
    try:
        return sequence.load_model(name)
    except DatasetError as error:
        try:
            return load_object(name)
        except FileNotFoundError:
            raise DatasetError(
                f"{error}; name the folder of the data set's models with --models, an object of models/ with --model, or "
                "a mesh with --mesh"
            ) from error
