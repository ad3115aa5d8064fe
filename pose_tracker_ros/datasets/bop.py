"""Data sets in the BOP format (LM, LM-O, YCB-V, T-LESS, HomebrewedDB, ...).

The format: https://github.com/thodan/bop_toolkit/blob/master/docs/bop_datasets_format.md
Lengths in its files are millimetres; here they are metres.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.depth_units import metres_per_unit
from pose_tracker_ros.datasets.files import DatasetError, read_color, read_depth, read_json
from pose_tracker_ros.datasets.masks import read_mask
from pose_tracker_ros.datasets.pose_files import rigid
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence, make_frame
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import invert, make_pose
from pose_tracker_ros.objects import ObjectModel, kind_of, load_mesh
from pose_tracker_ros.symmetries import parse_symmetries

METRES_PER_MM = 0.001
MODEL_FOLDERS = ("models", "models_eval", "models_cad", "models_reconst")
COLOR_FOLDERS = ("rgb", "gray")
LARGEST_DEPTH_SCALE = 1e6
LONGEST_IMAGE_ID = 12
IMAGE_SUFFIXES = (".png", ".jpg", ".tif", ".tiff")


class BopModels:
    """The object models of one data set: a folder with ``models_info.json`` and ``obj_000001.ply``, ...

    folder: models folder; names: obj_id -> object name, for all objects of models_info.json.
    """

    def __init__(self, folder: str | Path, names: Mapping[int, str] | None = None) -> None:
        """``names`` replaces the names of some objects. Raises DatasetError when models_info.json is at fault."""
        self.folder = Path(folder)
        path = self.folder / "models_info.json"
        info = read_json(path)
        if not isinstance(info, dict) or not all(key.isdigit() and isinstance(info[key], dict) for key in info):
            raise DatasetError(f"expected {path} to map object ids to descriptions")
        self._info = {int(key): entry for key, entry in info.items()}
        self.names = {i: str(entry.get("name", default_object_name(i))) for i, entry in self._info.items()}
        self.names.update(names or {})

    @property
    def ids(self) -> list[int]:
        """The obj_ids, in order."""
        return sorted(self._info)

    def load(self, obj_id: int) -> ObjectModel:
        """Model of an object, in metres, with the diameter and symmetries that models_info.json gives.

        Raises DatasetError for an unknown id, a missing mesh or a description without a diameter.
        """
        path = self.folder / f"{default_object_name(obj_id)}.ply"
        entry = self._info.get(obj_id)
        if entry is None or "diameter" not in entry:
            raise DatasetError(f"expected object {obj_id} with its diameter in {self.folder / 'models_info.json'}")
        try:
            mesh = load_mesh(path, unit="mm")
        except (FileNotFoundError, ValueError) as error:
            raise DatasetError(str(error)) from error
        symmetries = {kind: entry.get(f"symmetries_{kind}", []) for kind in ("discrete", "continuous")}
        discrete, continuous = parse_symmetries(symmetries, METRES_PER_MM)
        return ObjectModel(
            name=self.names[obj_id],
            mesh=mesh,
            diameter_m=float(entry["diameter"]) * METRES_PER_MM,
            discrete_symmetries=discrete,
            continuous_symmetries=continuous,
        )


class BopSequence(IndexedSequence):
    """One scene of a BOP data set as a video: the frames of ``scene_camera.json`` in the order of their ids.

    scene_id and obj_ids (object name -> obj_id) are those of BOP's result files. Stamps are frame id
    over rate. Of several instances of one object in an image the first has the object's name, the
    next ones ``name#2``, ``name#3``, ...
    """

    layout = "a BOP scene (scene_camera.json, or scene_camera_SENSOR.json)"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`: a scene, or a data set or split that holds scenes."""
        return bool(_scenes_at(path))

    def __init__(
        self,
        scene: str | Path,
        *,
        names: Mapping[int, str] | None = None,
        models_folder: str | Path | None = None,
        sensor: str | None = None,
        depth_unit: str | None = None,
        rate_hz: float = 30.0,
        on_error: str = "stop",
        masks: bool = True,
    ) -> None:
        """Open the scene's descriptions; images are read later, one frame at a time.

        Parameters: ``scene`` or a folder with one scene; ``names`` obj_id -> object name, default those of models_info.json or ``obj_000001``;
        ``models_folder`` default ``models`` (or models_eval, models_cad) of the data set; ``sensor`` whose
        images are read (scene_camera_SENSOR.json, rgb_SENSOR/, ...), default the only one; ``depth_unit`` such as 0.1mm
        instead of the depth_scale of scene_camera.json; ``masks`` whether to read the visible masks where the data set has them.
        Raises DatasetError when scene_camera.json cannot be read, or the folder holds several scenes or sensors.
        """
        self.folder = _only_scene(Path(scene))
        self._ending = _ending_of(self.folder, sensor)
        self._metres_per_unit = None if depth_unit is None else metres_per_unit(depth_unit)
        super().__init__(self.folder.name, rate_hz, on_error)
        self.scene_id = int(self.folder.name) if self.folder.name.isdigit() else 0
        self._names = dict(names or {})
        self._models_folder = Path(models_folder) if models_folder else find_models_folder(self.folder)
        self._read_masks = masks and self._of_sensor("mask_visib").is_dir()
        self._cameras = read_scene_file(self._of_sensor("scene_camera", ".json"))
        self._poses = self._read_poses()
        self._visible_shares = self._read_visible_shares()
        self.indices = sorted(self._cameras)

    def __len__(self) -> int:
        """Number of frames in scene_camera.json."""
        return len(self.indices)

    @cached_property
    def models(self) -> BopModels:
        """Models of the data set; raises DatasetError where there are none."""
        if self._models_folder is None:
            raise DatasetError(f"expected a models folder beside the splits of {self.folder}, found none")
        return BopModels(self._models_folder, self._names)

    @cached_property
    def obj_ids(self) -> dict[str, int]:
        """Object name -> obj_id of the objects in this scene."""
        ids = {int(entry["obj_id"]) for entries in self._poses.values() for entry in entries}
        return {self.object_name(obj_id): obj_id for obj_id in sorted(ids)}

    def object_name(self, obj_id: int) -> str:
        """Name of an object in this sequence's truth."""
        if obj_id in self._names:
            return self._names[obj_id]
        if self._models_folder is not None:
            return self.models.names.get(obj_id, default_object_name(obj_id))
        return default_object_name(obj_id)

    def load_model(self, name: str) -> ObjectModel:
        """See :class:`FrameSequence`; an instance ``name#2`` has the model of ``name``."""
        by_name = {self.object_name(obj_id): obj_id for obj_id in self.models.ids}
        obj_id = by_name.get(kind_of(name))
        if obj_id is None:
            known = ", ".join(sorted(by_name))
            raise DatasetError(f"expected one of the objects {known} of {self.models.folder}, got {name!r}")
        return replace(self.models.load(obj_id), name=name)

    def annotation(self, position: int) -> Annotation:
        """See :class:`IndexedSequence`."""
        index = self.indices[position]
        entries = self._poses.get(index, [])
        truth = {name: self._pose(entry, index) for name, entry in zip(self._instance_names(entries), entries)}
        return Annotation(index, index / self.rate_hz, truth)

    def read(self, position: int) -> Frame:
        """See :class:`IndexedSequence`."""
        index, stamp, truth = self.annotation(position)
        color_path = self._color_path(index)
        color = read_color(color_path)
        depth = read_depth(self._image_path("depth", f"{index:06d}"), self._metres_per_unit or self._depth_scale(index))
        return make_frame(
            color_path,
            color=color,
            depth=depth,
            camera=self._camera_of(index, color.shape[1], color.shape[0]),
            stamp=stamp,
            index=index,
            truth=truth,
            masks=self._masks(index) if self._read_masks else {},
            world_T_camera=self._world_T_camera(index),
            visibility=self._visibility(index),
        )

    def _of_sensor(self, name: str, suffix: str = "") -> Path:
        """A file or folder of the scene for the sensor that is read."""
        return self.folder / f"{name}{self._ending}{suffix}"

    def _read_poses(self) -> dict[int, list[dict]]:
        path = self._of_sensor("scene_gt", ".json")
        if not path.exists():
            return {}
        try:
            poses = read_scene_file(path)
            if not all(isinstance(entries, list) and all(_is_pose_entry(one) for one in entries) for entries in poses.values()):
                raise DatasetError(f"expected {path} to hold a list of poses with obj_id for every image")
        except DatasetError as error:
            self._skip_or_raise(error)
            return {}
        return poses

    def _read_visible_shares(self) -> dict[int, list[float]]:
        path = self._of_sensor("scene_gt_info", ".json")
        if not path.exists():
            return {}
        try:
            info = read_scene_file(path)
            try:
                return {i: [float(entry["visib_fract"]) for entry in entries] for i, entries in info.items()}
            except (KeyError, TypeError, ValueError) as error:
                raise DatasetError(f"expected {path} to hold a list with visib_fract for every image") from error
        except DatasetError as error:
            self._skip_or_raise(error)
            return {}

    def _visibility(self, index: int) -> dict[str, float]:
        return dict(zip(self._instance_names(self._poses.get(index, [])), self._visible_shares.get(index, [])))

    def _world_T_camera(self, index: int) -> np.ndarray | None:
        entry = self._camera_entry(index)
        if "cam_R_w2c" not in entry or "cam_t_w2c" not in entry:
            return None
        source = f"{self._of_sensor('scene_camera', '.json')}, image {index}"
        try:
            camera_T_world = make_pose(np.reshape(entry["cam_R_w2c"], (3, 3)), np.reshape(entry["cam_t_w2c"], 3))
        except (TypeError, ValueError) as error:
            raise DatasetError(f"expected cam_R_w2c (9) and cam_t_w2c (3) in {source}") from error
        camera_T_world[:3, 3] *= METRES_PER_MM
        return invert(rigid(camera_T_world, source))

    def _instance_names(self, entries: list[dict]) -> list[str]:
        seen: Counter[str] = Counter()
        names = []
        for entry in entries:
            name = self.object_name(int(entry["obj_id"]))
            seen[name] += 1
            names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
        return names

    def _pose(self, entry: dict, index: int) -> np.ndarray:
        try:
            return pose_from_entry(entry)
        except (KeyError, TypeError, ValueError) as error:
            path = self._of_sensor("scene_gt", ".json")
            raise DatasetError(f"expected cam_R_m2c (9) and cam_t_m2c (3) for image {index} in {path}") from error

    def _camera_entry(self, index: int) -> dict:
        entry = self._cameras[index]
        if not isinstance(entry, dict) or "cam_K" not in entry:
            path = self._of_sensor("scene_camera", ".json")
            raise DatasetError(f"expected the intrinsics cam_K of image {index} in {path}, but there are none")
        return entry

    def _depth_scale(self, index: int) -> float:
        """Metres of a unit of the depth image."""
        scale = self._camera_entry(index).get("depth_scale", 1.0)
        if not isinstance(scale, int | float) or not 0 < scale < LARGEST_DEPTH_SCALE:
            path = self._of_sensor("scene_camera", ".json")
            raise DatasetError(f"expected depth_scale of image {index} in {path} as millimetres a unit, got {scale!r}")
        return scale * METRES_PER_MM

    def _camera_of(self, index: int, width: int, height: int) -> PinholeCamera:
        matrix = self._camera_entry(index)["cam_K"]
        try:
            return PinholeCamera.from_matrix(matrix, width, height)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{self._of_sensor('scene_camera', '.json')}, image {index}: {error}") from error

    def _color_path(self, index: int) -> Path:
        folders = [name for name in COLOR_FOLDERS if self._of_sensor(name).is_dir()] or [COLOR_FOLDERS[0]]
        return self._image_path(folders[0], f"{index:06d}")

    def _image_path(self, folder: str, stem: str) -> Path:
        candidates = [self._of_sensor(folder) / f"{stem}{suffix}" for suffix in IMAGE_SUFFIXES]
        return next((path for path in candidates if path.is_file()), candidates[0])

    def _masks(self, index: int) -> dict[str, np.ndarray]:
        names = self._instance_names(self._poses.get(index, []))
        return {
            name: read_mask(self._image_path("mask_visib", f"{index:06d}_{number:06d}"))
            for number, name in enumerate(names)
        }


def _is_pose_entry(entry: object) -> bool:
    try:
        int(entry["obj_id"])
    except (TypeError, KeyError, ValueError, OverflowError):
        return False
    return True


def default_object_name(obj_id: int) -> str:
    """Name of an object that the data set does not name, e.g. ``obj_000005``."""
    return f"obj_{obj_id:06d}"


def pose_from_entry(entry: Mapping) -> np.ndarray:
    """camera_T_object (4, 4), metres, of an entry of scene_gt.json."""
    rotation = np.reshape(np.asarray(entry["cam_R_m2c"], dtype=np.float64), (3, 3))
    translation = np.reshape(np.asarray(entry["cam_t_m2c"], dtype=np.float64), 3)
    return make_pose(rotation, translation * METRES_PER_MM)


def read_scene_file(path: Path) -> dict[int, dict | list]:
    """scene_camera.json, scene_gt.json or scene_gt_info.json as image id -> entry.

    Raises DatasetError when the file is missing, cut short or not keyed by image ids.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(key.isdecimal() and len(key) <= LONGEST_IMAGE_ID for key in content):
        raise DatasetError(f"expected {path} to be a JSON mapping keyed by image ids")
    return {int(key): entry for key, entry in content.items()}


def find_models_folder(scene: Path) -> Path | None:
    """The models folder of the data set that a scene folder ``<root>/<split>/<scene>`` belongs to."""
    root = scene.resolve().parent.parent
    return next((root / name for name in MODEL_FOLDERS if (root / name / "models_info.json").is_file()), None)


def is_scene(path: Path) -> bool:
    """Whether a folder is one scene."""
    return any(path.glob("scene_camera*.json"))


def _scenes_at(path: Path) -> list[Path]:
    return [path] if is_scene(path) else find_scenes(path)


def _ending_of(scene: Path, sensor: str | None) -> str:
    """What the names of a sensor's files and folders end with: nothing where a scene has one sensor without a name.

    Raises DatasetError that lists the sensors when the wanted one is not there or none is named of several.
    """
    endings = sorted(path.stem.removeprefix("scene_camera") for path in scene.glob("scene_camera*.json"))
    named = [ending.removeprefix("_") for ending in endings]
    if sensor is None and len(endings) <= 1:
        return endings[0] if endings else ""
    if sensor is None and "" in endings:
        return ""
    if sensor not in named:
        raise DatasetError(
            f"expected the scene {scene} to have one sensor or {'the sensor ' + sensor if sensor else 'one to be named'}, "
            f"it has {', '.join(filter(None, named)) or 'one without a name'}; on the command line give --reader sensor=NAME"
        )
    return f"_{sensor}"


def _only_scene(path: Path) -> Path:
    scenes = _scenes_at(path)
    if len(scenes) > 1:
        raise DatasetError(f"expected one sequence, but {path} has {len(scenes)}; name one, e.g. {scenes[0]}")
    return scenes[0] if scenes else path


def find_scenes(root: Path) -> list[Path]:
    """Scene folders of a BOP data set or of one of its splits, in order."""
    found = {path.parent for pattern in ("*", "*/*") for path in root.glob(f"{pattern}/scene_camera*.json")}
    return sorted(path for path in found if re.fullmatch(r"\d+", path.name))
