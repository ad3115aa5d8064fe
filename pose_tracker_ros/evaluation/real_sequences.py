"""All real sequences with true poses below a folder, with what judges a track through them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.datasets import Annotation, DatasetError, FrameSequence, open_sequence
from pose_tracker_ros.datasets.bop import BopSequence, is_scene
from pose_tracker_ros.datasets.object_models import load_tracked_object
from pose_tracker_ros.datasets.open import find_reader
from pose_tracker_ros.datasets.recording import Recording
from pose_tracker_ros.datasets.ycb_video import YCB_VIDEO_OBJECTS, YcbVideoSequence
from pose_tracker_ros.datasets.ycbineoat import YcbInEoatSequence
from pose_tracker_ros.evaluation.published import PublishedTable, load_published
from pose_tracker_ros.objects import ObjectModel, kind_of

DEEPEST_FOLDER = 5
MODEL_FILE = "textured.obj"
OUTLINES_FOLDER = "outlines"
# What BOP calls YCB-Video, with the same objects in the same order.
BOP_YCB_VIDEO = "ycbv"


class RealSequence(NamedTuple):
    """One object of a real sequence.

    name: how tables call it; object_name: its name in the sequence; first: its true pose (4, 4) in the first frame that has
    it; outlines: folder of its outlines, None where there is none; published: what others reach on it, '' where unknown.
    """

    name: str
    sequence: FrameSequence
    model: ObjectModel
    object_name: str
    first: np.ndarray
    outlines: Path | None
    published: str


class LeftOut(NamedTuple):
    """A sequence, or an object of it, that cannot be run, and why."""

    name: str
    reason: str


def find_sequences(root: Path, deepest: int = DEEPEST_FOLDER) -> list[Path]:
    """Folders of sequences in one or below it, in order; what is inside a sequence is not looked at."""
    if _is_sequence(root):
        return [root]
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [found for folder in folders if deepest for found in find_sequences(folder, deepest - 1)]


def _is_sequence(folder: Path) -> bool:
    """Whether a folder is one sequence, not a data set of several and not a recording, which has no true poses."""
    try:
        reader = find_reader(folder)
    except DatasetError:
        return False
    return reader is not Recording and (reader is not BopSequence or is_scene(folder))


def real_sequences(root: Path) -> Iterator[RealSequence | LeftOut]:
    """Every object with a true pose of every sequence below a folder, and what is left out.

    Meshes are those of the data sets, else those of ``<object>/textured.obj`` anywhere below the folder; outlines those of
    ``outlines/<sequence>``, ``outlines/<data set>_<object>`` or ``outlines/<sequence>_<object>``.
    """
    meshes = {path.parent.name: path.parent.parent for path in sorted(root.rglob(MODEL_FILE))}
    for path in find_sequences(root):
        label = str(path.relative_to(root)) or path.name
        try:
            sequence = open_sequence(path, on_error="skip")
            first = _first_frame(sequence)
        except (DatasetError, ValueError) as error:
            yield LeftOut(label, str(error))
            continue
        if not first.truth:
            yield LeftOut(label, "no object with a true pose")
        for name, pose in sorted(first.truth.items()):
            try:
                model = _model(sequence, path, name, meshes)
            except (ValueError, OSError) as error:
                yield LeftOut(f"{label}, {name}", str(error))
                continue
            published = _published(sequence, name)
            yield RealSequence(f"{label}, {name}", sequence, model, name, pose, _outlines(root, sequence, path, name), published)


def _first_frame(sequence: FrameSequence) -> Annotation:
    """What is known of the first frame that can be read, so that a sequence without images is none."""
    frame = next(iter(sequence), None)
    if frame is None:
        raise sequence.nothing_read()
    return Annotation(frame.index, frame.stamp, frame.truth)


def _model(sequence: FrameSequence, path: Path, name: str, meshes: Mapping[str, Path]) -> ObjectModel:
    if isinstance(sequence, BopSequence):
        return load_tracked_object(name, sequence)
    try:
        return sequence.load_model(name)
    except DatasetError:
        if name not in meshes:
            raise
        return open_sequence(path, models_folder=meshes[name]).load_model(name)


def _outlines(root: Path, sequence: FrameSequence, path: Path, name: str) -> Path | None:
    data_set = path.resolve().parent.parent.name
    names = (sequence.name, f"{data_set}_{name}", f"{sequence.name}_{name}")
    return next((folder for one in names if (folder := root / OUTLINES_FOLDER / one).is_dir()), None)


def _published(sequence: FrameSequence, name: str) -> str:
    """ADD / ADD-S AUC of the first published method that gives them for the object."""
    tables = load_published()
    table: PublishedTable | None = None
    if isinstance(sequence, YcbInEoatSequence):
        table = tables["ycbineoat"]
    elif isinstance(sequence, YcbVideoSequence):
        table = tables["ycb_video"]
    elif isinstance(sequence, BopSequence) and BOP_YCB_VIDEO in sequence.folder.resolve().parts:
        table, name = tables["ycb_video"], YCB_VIDEO_OBJECTS[sequence.obj_ids[kind_of(name)] - 1]
    for method in table.methods if table else ():
        if name in method.auc:
            add, adds = method.auc[name]
            return f"{add:.1f} / {adds:.1f} {method.name}"
    return ""
