"""The 6D localisation task of the BOP challenge: results CSV and targets in, average recalls out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.bop import BopModels, find_models_folder, find_scenes, pose_from_entry, read_scene_file
from pose_tracker_ros.datasets.files import DatasetError, read_depth, read_json
from pose_tracker_ros.evaluation import bop_errors
from pose_tracker_ros.evaluation.bop_errors import MatchedTarget
from pose_tracker_ros.evaluation.trajectory import BopEstimate
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.symmetries import symmetry_transforms

# Models made for evaluation are evenly meshed; the challenge measures on them.
EVALUATION_FOLDERS = ("models_eval", "models", "models_cad")
DEFAULT_WIDTH_PX = 640


@dataclass(frozen=True)
class Target:
    """Find ``count`` instances of an object in an image."""

    scene_id: int
    im_id: int
    obj_id: int
    count: int


@dataclass
class BopScores:
    """Average recalls 0..1 by error name (``mssd``, ``mspd``, ``vsd``), over all objects and by object."""

    overall: dict[str, float] = field(default_factory=dict)
    by_object: dict[str, dict[str, float]] = field(default_factory=dict)
    target_count: int = 0
    instance_count: int = 0

    @property
    def average_recall(self) -> float | None:
        """The challenge's AR, the mean of the three; None while one of them is missing."""
        return float(np.mean(list(self.overall.values()))) if len(self.overall) == 3 else None


class BopGroundTruth:
    """True poses, cameras and models of one split of a BOP data set, read when they are needed."""

    def __init__(self, root: str | Path, split: str = "test", models_folder: str | Path | None = None) -> None:
        """``root`` holds ``<split>/<scene>/``; raises DatasetError when it has no such scenes or no models."""
        self.root = Path(root)
        self.scenes = {int(path.name): path for path in find_scenes(self.root / split)}
        if not self.scenes:
            raise DatasetError(f"expected scenes with a scene_camera.json in {self.root / split}, found none")
        self.models = BopModels(models_folder or self._evaluation_models())
        self._files: dict[Path, dict] = {}
        self._objects: dict[int, EvaluatedObject] = {}

    def object(self, obj_id: int) -> EvaluatedObject:
        """An object with its symmetries and points."""
        if obj_id not in self._objects:
            self._objects[obj_id] = EvaluatedObject.from_model(self.models.load(obj_id))
        return self._objects[obj_id]

    def targets(self) -> list[Target]:
        """Those of ``test_targets_bop19.json`` (or bop24), else all annotated instances."""
        for name in ("test_targets_bop19.json", "test_targets_bop24.json"):
            path = self.root / name
            if path.is_file():
                return _parse_targets(path)
        counts: dict[tuple[int, int, int], int] = defaultdict(int)
        for scene_id, folder in self.scenes.items():
            for im_id, entries in self._scene_file(folder / "scene_gt.json").items():
                for entry in entries:
                    counts[scene_id, im_id, int(entry["obj_id"])] += 1
        return [Target(*key, count) for key, count in sorted(counts.items())]

    def poses(self, target: Target) -> np.ndarray:
        """True poses (G, 4, 4) of the target's most visible instances, as many as are to be found."""
        folder = self._scene(target)
        entries = self._scene_file(folder / "scene_gt.json").get(target.im_id, [])
        numbers = [number for number, entry in enumerate(entries) if int(entry["obj_id"]) == target.obj_id]
        if len(numbers) > target.count:
            info = self._scene_file(folder / "scene_gt_info.json").get(target.im_id, [])
            numbers = sorted(numbers, key=lambda number: -info[number]["visib_fract"])[: target.count]
        return np.array([pose_from_entry(entries[number]) for number in numbers]).reshape(-1, 4, 4)

    def camera(self, target: Target, width: int, height: int) -> PinholeCamera:
        """Camera of the target's image, whose size the annotations do not tell."""
        entry = self._scene_file(self._scene(target) / "scene_camera.json")[target.im_id]
        return PinholeCamera.from_matrix(entry["cam_K"], width, height)

    def measured_depth(self, target: Target) -> np.ndarray:
        """Depth image (H, W) in metres of the target's image."""
        folder = self._scene(target)
        entry = self._scene_file(folder / "scene_camera.json")[target.im_id]
        return read_depth(folder / "depth" / f"{target.im_id:06d}.png", float(entry.get("depth_scale", 1.0)) * 0.001)

    def image_width(self) -> int:
        """Width in pixels of the data set's images, from camera.json; 640 where it is not told."""
        path = self.root / "camera.json"
        return int(read_json(path).get("width", DEFAULT_WIDTH_PX)) if path.is_file() else DEFAULT_WIDTH_PX

    def _evaluation_models(self) -> Path:
        for name in EVALUATION_FOLDERS:
            if (self.root / name / "models_info.json").is_file():
                return self.root / name
        found = find_models_folder(next(iter(self.scenes.values())))
        if found is None:
            raise DatasetError(
                f"expected models in {self.root / EVALUATION_FOLDERS[0]}, found none; name their folder (--models on the "
                "command line)"
            )
        return found

    def _scene(self, target: Target) -> Path:
        if target.scene_id not in self.scenes:
            raise DatasetError(f"expected scene {target.scene_id:06d} in {self.root}, but it is not there")
        return self.scenes[target.scene_id]

    def _scene_file(self, path: Path) -> dict:
        if path not in self._files:
            self._files[path] = read_scene_file(path)
        return self._files[path]


@dataclass(frozen=True)
class EvaluatedObject:
    """A model with what its errors need: points and hull points (., 3), symmetries (K, 4, 4)."""

    model: ObjectModel
    points: np.ndarray
    hull: np.ndarray
    symmetries: np.ndarray

    @classmethod
    def from_model(cls, model: ObjectModel) -> EvaluatedObject:
        """All vertices of the mesh are measured, as the challenge does."""
        points = np.unique(model.mesh.vertices.astype(np.float64), axis=0)
        return cls(model, points, bop_errors.hull_points(points), symmetry_transforms(model))


def evaluate_bop(
    estimates: Sequence[BopEstimate], truth: BopGroundTruth, errors: Sequence[str] = ("mssd", "mspd")
) -> BopScores:
    """Average recalls of a results file.

    Parameters: ``errors`` among ``mssd``, ``mspd`` and ``vsd``; the last needs the depth images and renders.
    Raises DatasetError for missing files, ValueError for an unknown error.
    """
    measures = {name: _measure(name) for name in errors}
    targets = truth.targets()
    by_key = defaultdict(list)
    for estimate in estimates:
        by_key[estimate[:3]].append(estimate)
    matched: dict[str, dict[int, list[MatchedTarget]]] = {name: defaultdict(list) for name in errors}
    for target in targets:
        found = by_key.get((target.scene_id, target.im_id, target.obj_id), [])
        found = sorted(found, key=lambda estimate: -estimate.score)[: target.count]
        poses = truth.poses(target)
        for name, measure in measures.items():
            pairs = measure(truth, target, found, poses)
            matched[name][target.obj_id].append(MatchedTarget(pairs, target.count))
    return _scores(matched, truth)


def _scores(matched: dict[str, dict[int, list[MatchedTarget]]], truth: BopGroundTruth) -> BopScores:
    scores = BopScores()
    for name, by_object in matched.items():
        everything = [target for targets in by_object.values() for target in targets]
        scores.overall[name] = bop_errors.average_recall(everything, _THRESHOLDS[name])
        scores.target_count = len(everything)
        scores.instance_count = sum(target.count for target in everything)
        for obj_id, targets in sorted(by_object.items()):
            row = scores.by_object.setdefault(truth.models.names[obj_id], {})
            row[name] = bop_errors.average_recall(targets, _THRESHOLDS[name])
    return scores


Measure = Callable[[BopGroundTruth, Target, Sequence[BopEstimate], np.ndarray], np.ndarray]


def _mssd(truth: BopGroundTruth, target: Target, found: Sequence[BopEstimate], poses: np.ndarray) -> np.ndarray:
    item = truth.object(target.obj_id)
    pairs = [
        [bop_errors.mssd_error(estimate.camera_T_object, pose, item.hull, item.symmetries) for pose in poses]
        for estimate in found
    ]
    return np.reshape(pairs, (len(found), len(poses), 1)) / item.model.diameter_m


def _mspd(truth: BopGroundTruth, target: Target, found: Sequence[BopEstimate], poses: np.ndarray) -> np.ndarray:
    item = truth.object(target.obj_id)
    width = truth.image_width()
    camera = truth.camera(target, width, width)
    pairs = [
        [bop_errors.mspd_error(estimate.camera_T_object, pose, item.points, item.symmetries, camera) for pose in poses]
        for estimate in found
    ]
    # The thresholds are made for images 640 pixels wide.
    return np.reshape(pairs, (len(found), len(poses), 1)) * (bop_errors.REFERENCE_WIDTH_PX / width)


class _VsdMeasure:
    """VSD with one renderer an object."""

    def __init__(self) -> None:
        self._renderers: dict[int, object] = {}

    def __call__(
        self, truth: BopGroundTruth, target: Target, found: Sequence[BopEstimate], poses: np.ndarray
    ) -> np.ndarray:
        from pose_tracker_ros.rendering import create_renderer

        item = truth.object(target.obj_id)
        if target.obj_id not in self._renderers:
            self._renderers[target.obj_id] = create_renderer("raycast", item.model.mesh)
        renderer = self._renderers[target.obj_id]
        measured = truth.measured_depth(target)
        camera = truth.camera(target, measured.shape[1], measured.shape[0])
        true_depths = [renderer.render(camera, pose).depth for pose in poses]
        estimated_depths = [renderer.render(camera, estimate.camera_T_object).depth for estimate in found]
        pairs = [
            [bop_errors.vsd_errors(estimated, true, measured, camera, item.model.diameter_m) for true in true_depths]
            for estimated in estimated_depths
        ]
        return np.reshape(pairs, (len(found), len(poses), len(bop_errors.VSD_TAUS)))


_THRESHOLDS = {
    "mssd": bop_errors.DIAMETER_THRESHOLDS,
    "mspd": bop_errors.PIXEL_THRESHOLDS,
    "vsd": bop_errors.VSD_THRESHOLDS,
}


def _measure(name: str) -> Measure:
    if name == "vsd":
        return _VsdMeasure()
    if name not in _THRESHOLDS:
        raise ValueError(f"expected errors among {', '.join(_THRESHOLDS)}, got {name!r}")
    return _mssd if name == "mssd" else _mspd


def _parse_targets(path: Path) -> list[Target]:
    try:
        return [
            Target(int(row["scene_id"]), int(row["im_id"]), int(row["obj_id"]), int(row["inst_count"]))
            for row in read_json(path)
        ]
    except (KeyError, TypeError) as error:
        raise DatasetError(f"expected scene_id, im_id, obj_id and inst_count for every target in {path}") from error
