"""Masks of one object with their cameras, from image files and a YAML file that lists them.

object: demo_jug                              # optional; a name of models/ or a mesh file
views:
  - mask: left.png                            # not zero = object, or with label: the pixels of that value
    camera: {width: 640, height: 480, fx: 600.0, fy: 600.0, cx: 319.5, cy: 239.5}
  - mask: right.png
    camera: {width: 640, height: 480, fx: 600.0, fy: 600.0, cx: 319.5, cy: 239.5}
    camera_T_reference: [x, y, z, qx, qy, qz, qw]   # from the first camera's frame to this one's
    depth: right_depth.png                    # 16 bit, millimetres
    color: right_color.png                    # drawn under the result
start: [x, y, z, qx, qy, qz, qw]              # optional first pose of the object in the first camera
truth: [x, y, z, qx, qy, qz, qw]              # optional
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.files import DatasetError, read_color, read_depth, read_text
from pose_tracker_ros.datasets.masks import read_mask
from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion, quaternion_from_matrix
from pose_tracker_ros.initialization.mask_views import MaskView

FILE_KEYS = {"object", "views", "start", "truth"}
VIEW_KEYS = {"mask", "label", "camera", "camera_T_reference", "depth", "color"}
CAMERA_KEYS = ("width", "height", "fx", "fy", "cx", "cy")
METRES_PER_MM = 1e-3


@dataclass(frozen=True)
class MaskViewSet:
    """What one alignment needs: views, an image (H, W, 3) uint8 to draw on for each, and poses where they are known."""

    views: tuple[MaskView, ...]
    colors: tuple[np.ndarray, ...]
    start: np.ndarray | None = None
    truth: np.ndarray | None = None
    object_name: str | None = None


def pose_of_numbers(numbers: object, name: str) -> np.ndarray:
    """Pose (4, 4) of x y z qx qy qz qw, or of the 16 numbers of a matrix; ``name`` is for the error."""
    try:
        values = np.array(numbers, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.size == 16 and np.all(np.isfinite(values)):
        return values.reshape(4, 4)
    if values.size == 7 and np.all(np.isfinite(values)):
        return make_pose(matrix_from_quaternion(values[3:]), values[:3])
    raise DatasetError(f"expected {name} as 7 numbers x y z qx qy qz qw (metres) or a 4x4 matrix, got {numbers!r}")


def numbers_of_pose(pose: np.ndarray) -> list[float]:
    """x, y, z, qx, qy, qz, qw of a pose (4, 4)."""
    return [round(float(value), 9) for value in (*pose[:3, 3], *quaternion_from_matrix(pose[:3, :3]))]


def read_mask_views(path: Path) -> MaskViewSet:
    """The views listed in a YAML file (see above); paths in it are relative to the file.

    Raises DatasetError for a missing file, unknown or missing keys, and files that can't be read.
    """
    if not path.is_file():
        raise DatasetError(f"expected a YAML file with views at {path}, but there is no such file")
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise DatasetError(f"expected valid YAML in {path}: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("views"), list) or not content["views"]:
        raise DatasetError(f"expected {path} to map 'views' to a list of views with mask and camera")
    _check_keys(content, FILE_KEYS, str(path))
    poses = {
        name: pose_of_numbers(content[name], name) if content.get(name) is not None else None
        for name in ("start", "truth")
    }
    views, colors = [], []
    for number, entry in enumerate(content["views"]):
        view, color = _read_view(entry, path.parent, f"view {number} of {path}")
        views.append(view)
        colors.append(color)
    return MaskViewSet(tuple(views), tuple(colors), poses["start"], poses["truth"], content.get("object"))


def _read_view(entry: object, folder: Path, name: str) -> tuple[MaskView, np.ndarray]:
    if not isinstance(entry, dict) or "mask" not in entry or "camera" not in entry:
        raise DatasetError(f"expected {name} to have the keys mask and camera, got {entry!r}")
    _check_keys(entry, VIEW_KEYS, name)
    camera = entry["camera"]
    if not isinstance(camera, dict) or set(camera) != set(CAMERA_KEYS):
        raise DatasetError(f"expected the camera of {name} as mapping of {', '.join(CAMERA_KEYS)}, got {camera!r}")
    relative = entry.get("camera_T_reference")
    return load_view(
        folder / entry["mask"],
        PinholeCamera(*(camera[key] for key in CAMERA_KEYS)),
        None if relative is None else pose_of_numbers(relative, f"camera_T_reference of {name}"),
        folder / entry["depth"] if entry.get("depth") else None,
        folder / entry["color"] if entry.get("color") else None,
        entry.get("label"),
    )


def load_view(
    mask: Path,
    camera: PinholeCamera | Sequence[float],
    camera_T_reference: np.ndarray | None = None,
    depth: Path | None = None,
    color: Path | None = None,
    label: object = None,
) -> tuple[MaskView, np.ndarray]:
    """A view of image files, and the image to draw its result on: the colour image, else the mask in grey.

    Parameters: ``camera``, or fx, fy, cx, cy of a camera with the size of the mask; ``label`` of the object in the mask, see
    :func:`~pose_tracker_ros.datasets.masks.parse_label`.
    """
    pixels = read_mask(mask, label)
    if not isinstance(camera, PinholeCamera):
        camera = PinholeCamera(pixels.shape[1], pixels.shape[0], *(float(number) for number in camera))
    measured = None if depth is None else read_depth(depth)
    background = grey_image(pixels) if color is None else read_color(color)
    return MaskView(pixels, camera, camera_T_reference, measured), background


def grey_image(mask: np.ndarray) -> np.ndarray:
    """A mask as image (H, W, 3) uint8 to draw on."""
    return np.where(mask[..., None], np.uint8(150), np.uint8(50)).repeat(3, axis=2)


def write_mask_views(path: Path, content: MaskViewSet) -> None:
    """Write a YAML file with its masks, depth and colour images beside it; ``read_mask_views`` reads it."""
    entries = []
    for number, (view, color) in enumerate(zip(content.views, content.colors)):
        camera = {key: getattr(view.camera, key) for key in CAMERA_KEYS}
        entry = {"mask": f"view{number}_mask.png", "camera": camera, "color": f"view{number}_color.png"}
        cv2.imwrite(str(path.parent / entry["mask"]), view.mask.astype(np.uint8) * 255)
        cv2.imwrite(str(path.parent / entry["color"]), cv2.cvtColor(color, cv2.COLOR_RGB2BGR))
        if view.camera_T_reference is not None:
            entry["camera_T_reference"] = numbers_of_pose(view.camera_T_reference)
        if view.depth is not None:
            entry["depth"] = f"view{number}_depth.png"
            cv2.imwrite(str(path.parent / entry["depth"]), np.rint(view.depth * 1000).astype(np.uint16))
        entries.append(entry)
    listing = {"object": content.object_name, "views": entries}
    for name, pose in (("start", content.start), ("truth", content.truth)):
        if pose is not None:
            listing[name] = numbers_of_pose(pose)
    path.write_text(yaml.safe_dump(listing, sort_keys=False, default_flow_style=None, width=120))


def _check_keys(mapping: dict, known: set[str], name: str) -> None:
    unknown = sorted(str(key) for key in set(mapping) - known)
    if unknown:
        raise DatasetError(f"expected only the keys {', '.join(sorted(known))} in {name}, got {', '.join(unknown)}")
