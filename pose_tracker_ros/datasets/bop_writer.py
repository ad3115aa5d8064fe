"""Writing any sequence of frames as a data set in the BOP format, the counterpart of ``bop.py``.

The format: https://github.com/thodan/bop_toolkit/blob/master/docs/bop_datasets_format.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_tracker_ros.datasets.bop_model_files import write_models
from pose_tracker_ros.datasets.depth_units import NOTHING_16_BIT
from pose_tracker_ros.datasets.sequence import FrameSequence, IndexedSequence
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert
from pose_tracker_ros.objects import ObjectModel, kind_of

SCENE = Path("test", "000000")
MM_PER_METRE = 1000.0
# Depth units in millimetres, the fine one wherever 16 bits reach far enough.
FINE_MM, COARSE_MM = 0.1, 1.0
LARGEST = NOTHING_16_BIT - 1
SCENE_FILES = {"info": "scene_gt_info.json", "gt": "scene_gt.json", "camera": "scene_camera.json"}


def write_bop(sequence: FrameSequence, root: Path, models: Mapping[str, ObjectModel] | None = None) -> Iterator[int]:
    """Write a sequence as the only scene of a data set; yields the index of every frame as soon as it is there.

    Frames that an interrupted call has written are not read again where the sequence can be read in any order.
    Parameters: ``models`` of all objects by their names in the truth, in the order of their ids, default those that
    the sequence comes with.
    Raises ValueError for frames that the format cannot hold, and for objects without a model.
    """
    if models is None:
        names = dict.fromkeys(kind_of(name) for name in sequence.object_names)
        models = {name: sequence.load_model(name) for name in names}
    write_models(root / "models", models)
    scene = BopSceneWriter(root / SCENE, {name: number for number, name in enumerate(models, 1)})
    for index, frame in _new_frames(sequence, scene):
        if frame is not None:
            scene.write(frame)
        yield index
    scene.finish()


def _new_frames(sequence: FrameSequence, scene: BopSceneWriter) -> Iterator[tuple[int, Frame | None]]:
    """Index and frame of all, None for those that the scene has already."""
    if not isinstance(sequence, IndexedSequence) or sequence.on_error != "stop":
        yield from ((frame.index, None if frame.index in scene else frame) for frame in sequence)
        return
    for position, annotation in enumerate(sequence.annotations()):
        yield annotation.index, None if annotation.index in scene else sequence.read(position)


class BopSceneWriter:
    """One scene, frame by frame.

    What is known about the frames is kept in a file of lines until :meth:`finish` makes the scene's JSON files of it, so
    that a folder is a readable scene only when it is complete, and one that was interrupted goes on.
    """

    def __init__(self, folder: Path, obj_ids: Mapping[str, int]) -> None:
        """``obj_ids``: object name -> obj_id; an instance ``name#2`` has that of ``name``."""
        self._folder = folder
        self._obj_ids = dict(obj_ids)
        self._lines = folder / "frames.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._entries = {entry["index"]: entry for entry in _complete_lines(self._lines)}
        self._finished = self._read_finished() if not self._entries else set()
        if self._entries:
            _replace(self._lines, "".join(_line(entry) for entry in self._entries.values()))

    def __contains__(self, index: int) -> bool:
        """Whether the scene has the frame of an index."""
        return index in self._entries or index in self._finished

    def write(self, frame: Frame) -> None:
        """Add a frame; raises ValueError for one that the format cannot hold."""
        frame.require_registered("a BOP data set")
        entry = {"index": frame.index, "gt": [self._pose_entry(name, pose) for name, pose in frame.truth.items()]}
        depth_scale = FINE_MM if frame.depth.max(initial=0) * MM_PER_METRE <= LARGEST * FINE_MM else COARSE_MM
        entry["camera"] = _camera_entry(frame, depth_scale)
        masks = _masks(frame)
        if masks is not None and all(name in frame.visibility for name in masks):
            entry["info"] = [_info_entry(mask, frame.visibility[name]) for name, mask in masks.items()]
        self._write_images(frame, depth_scale, masks or {})
        with self._lines.open("a") as file:
            file.write(_line(entry))
        self._entries[frame.index] = entry

    def finish(self) -> None:
        """Write the scene's JSON files; nothing to do for a scene that was finished before."""
        if not self._entries:
            return
        entries = [self._entries[index] for index in sorted(self._entries)]
        for key, name in SCENE_FILES.items():
            # Frames of which the visible share is not known make the file useless for readers.
            if all(key in entry for entry in entries):
                lines = ",\n".join(f'  "{entry["index"]}": {json.dumps(entry[key])}' for entry in entries)
                _replace(self._folder / name, f"{{\n{lines}\n}}\n")
        self._lines.unlink()

    def _read_finished(self) -> set[int]:
        path = self._folder / SCENE_FILES["camera"]
        return {int(index) for index in json.loads(path.read_text())} if path.is_file() else set()

    def _pose_entry(self, name: str, camera_T_object: np.ndarray) -> dict[str, Any]:
        obj_id = self._obj_ids.get(kind_of(name))
        if obj_id is None:
            raise ValueError(
                f"expected a model of every object of the truth, got {', '.join(self._obj_ids) or 'none'} but not {name!r}"
            )
        return {"obj_id": obj_id, **_transform_entry(camera_T_object, "m2c")}

    def _write_images(self, frame: Frame, depth_scale: float, masks: Mapping[str, np.ndarray]) -> None:
        name = f"{frame.index:06d}"
        units = np.rint(frame.depth * (MM_PER_METRE / depth_scale)).clip(0, LARGEST).astype(np.uint16)
        _write_png(self._folder / "rgb" / f"{name}.png", frame.color[..., ::-1])
        _write_png(self._folder / "depth" / f"{name}.png", units)
        for number, mask in enumerate(masks.values()):
            _write_png(self._folder / "mask_visib" / f"{name}_{number:06d}.png", mask.astype(np.uint8) * 255)


def _camera_entry(frame: Frame, depth_scale: float) -> dict[str, Any]:
    entry = {"cam_K": frame.camera.matrix.ravel().tolist(), "depth_scale": depth_scale}
    if frame.world_T_camera is not None:
        entry |= _transform_entry(invert(frame.world_T_camera), "w2c")
    return entry


def _transform_entry(transform: np.ndarray, kind: str) -> dict[str, list[float]]:
    rotation, translation = transform[:3, :3], transform[:3, 3] * MM_PER_METRE
    return {f"cam_R_{kind}": rotation.ravel().tolist(), f"cam_t_{kind}": translation.tolist()}


def _masks(frame: Frame) -> dict[str, np.ndarray] | None:
    """Visible masks of all objects of the truth; None where the sequence has none."""
    nothing = np.zeros(frame.depth.shape, bool)
    masks = {}
    for name in frame.truth:
        mask = frame.masks.get(name, nothing if frame.visibility.get(name) == 0 else None)
        if mask is not None:
            masks[name] = mask
    if masks and len(masks) < len(frame.truth):
        missing = ", ".join(name for name in frame.truth if name not in masks)
        raise ValueError(f"expected the visible masks of all objects of frame {frame.index} or of none, got none of {missing}")
    return masks if masks or not frame.truth else None


def _info_entry(mask: np.ndarray, visibility: float) -> dict[str, Any]:
    """Of scene_gt_info.json; a box is left, top, width, height, and -1 where nothing is visible."""
    box = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8)) if mask.any() else (-1, -1, -1, -1)
    return {"px_count_visib": int(mask.sum()), "visib_fract": float(visibility), "bbox_visib": list(box)}


def _write_png(path: Path, image: np.ndarray) -> None:
    encoded, data = cv2.imencode(".png", np.ascontiguousarray(image))
    if not encoded:
        raise OSError(f"could not encode the image {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry) + "\n"


def _complete_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Entries of a file of lines, of which the last may have been cut."""
    for line in path.read_text().splitlines(keepends=True) if path.is_file() else ():
        if line.endswith("\n"):
            yield json.loads(line)


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
