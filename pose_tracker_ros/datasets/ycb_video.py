"""YCB-Video in its original layout (Xiang et al., PoseCNN, RSS 2018; https://rse-lab.cs.washington.edu/projects/posecnn).

``data/0048/000001-color.png``, ``-depth.png``, ``-label.png``, ``-meta.mat``: 92 videos of 21 objects,
of which 0048 to 0059 are the test videos and ``keyframe.txt`` lists the frames that are scored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.datasets.files import DatasetError, read_color, read_depth, read_image, read_text
from pose_tracker_ros.datasets.sequence import Annotation, IndexedSequence, make_frame
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.objects import ObjectModel, load_mesh

# The order is that of the class indices 1..21 in labels and meta files.
YCB_VIDEO_OBJECTS = (
    "002_master_chef_can",
    "003_cracker_box",
    "004_sugar_box",
    "005_tomato_soup_can",
    "006_mustard_bottle",
    "007_tuna_fish_can",
    "008_pudding_box",
    "009_gelatin_box",
    "010_potted_meat_can",
    "011_banana",
    "019_pitcher_base",
    "021_bleach_cleanser",
    "024_bowl",
    "025_mug",
    "035_power_drill",
    "036_wood_block",
    "037_scissors",
    "040_large_marker",
    "051_large_clamp",
    "052_extra_large_clamp",
    "061_foam_brick",
)
_META_VARIABLES = ("cls_indexes", "factor_depth", "intrinsic_matrix", "poses")


class YcbVideoSequence(IndexedSequence):
    """One video. Frames count from 1 as the data set does; stamps are frame number over rate.

    keyframes: numbers of the frames that the benchmark scores, empty when keyframe.txt is not there.
    """

    layout = "a YCB-Video video (000001-color.png, 000001-meta.mat)"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """See :class:`FrameSequence`."""
        return any(path.glob("[0-9]*-color.png")) or any(path.glob("[0-9]*-meta.mat"))

    def __init__(
        self,
        folder: str | Path,
        *,
        models_folder: str | Path | None = None,
        rate_hz: float = 30.0,
        on_error: str = "stop",
        masks: bool = True,
    ) -> None:
        """Open a folder such as ``data/0048``.

        Parameters: ``models_folder`` with one folder per object, default ``models`` of the data set;
        ``masks`` whether to read the label images.
        Raises DatasetError when the folder holds no frames.
        """
        self.folder = Path(folder)
        super().__init__(self.folder.name, rate_hz, on_error)
        self._read_labels = masks
        # A frame counts when any of its files is there, so that a missing colour image is noticed.
        prefixes = {path.name.partition("-")[0] for path in self.folder.glob("[0-9]*-*")}
        self._prefixes = {int(prefix): prefix for prefix in sorted(prefixes) if prefix.isdecimal()}
        self.indices = sorted(self._prefixes)
        if not self.indices:
            raise DatasetError(f"expected frames such as 000001-color.png in {self.folder}, found none")
        root = self.folder.resolve().parent.parent
        self._models_folder = Path(models_folder) if models_folder else root / "models"
        self.keyframes = frozenset(read_keyframes(root).get(self.name, ()))

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.indices)

    def load_model(self, name: str) -> ObjectModel:
        """See :class:`FrameSequence`: reads ``models/<name>/textured.obj``."""
        try:
            return ObjectModel.from_mesh(name, load_mesh(self._models_folder / name / "textured.obj"))
        except (FileNotFoundError, ValueError) as error:
            raise DatasetError(str(error)) from error

    def annotation(self, position: int) -> Annotation:
        """See :class:`IndexedSequence`."""
        index = self.indices[position]
        meta = self._read_meta(index)
        return Annotation(index, index / self.rate_hz, meta["truth"])

    def read(self, position: int) -> Frame:
        """See :class:`IndexedSequence`."""
        index = self.indices[position]
        meta = self._read_meta(index)
        color_path = self._path(index, "color.png")
        color = read_color(color_path)
        depth = read_depth(self._path(index, "depth.png"), 1.0 / meta["factor_depth"])
        height, width = color.shape[:2]
        return make_frame(
            color_path,
            color=color,
            depth=depth,
            camera=PinholeCamera.from_matrix(meta["intrinsic_matrix"], width, height),
            stamp=index / self.rate_hz,
            index=index,
            truth=meta["truth"],
            masks=self._masks(index, meta["truth"]) if self._read_labels else {},
        )

    def _path(self, index: int, ending: str) -> Path:
        return self.folder / f"{self._prefixes[index]}-{ending}"

    def _read_meta(self, index: int) -> dict:
        path = self._path(index, "meta.mat")
        if not path.is_file():
            raise DatasetError(f"expected the frame's camera and poses at {path}, but there is no such file")
        try:
            meta = scipy.io.loadmat(path, variable_names=_META_VARIABLES)
            classes = meta["cls_indexes"].reshape(-1).astype(int)
            # MATLAB drops the last axis when there is one object.
            poses = np.asarray(meta["poses"], dtype=np.float64).reshape(3, 4, -1)
            names = [YCB_VIDEO_OBJECTS[number - 1] for number in classes]
            truth = {name: make_pose(poses[:, :3, i], poses[:, 3, i]) for i, name in enumerate(names)}
            factor_depth = float(meta["factor_depth"].reshape(-1)[0])
            intrinsics = np.asarray(meta["intrinsic_matrix"], dtype=np.float64).reshape(3, 3)
        except KeyError as error:
            raise DatasetError(
                f"expected the variables {', '.join(_META_VARIABLES)} in {path}, missing {error}"
            ) from error
        except Exception as error:  # scipy raises many kinds for a file that is cut short
            raise DatasetError(f"expected a complete MATLAB file at {path}: {error}; copy it again") from error
        return {"truth": truth, "factor_depth": factor_depth, "intrinsic_matrix": intrinsics}

    def _masks(self, index: int, truth: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        labels = read_image(self._path(index, "label.png"))
        return {name: labels == YCB_VIDEO_OBJECTS.index(name) + 1 for name in truth}


def read_keyframes(root: str | Path) -> dict[str, list[int]]:
    """Video name -> frame numbers that the benchmark scores, in order, of ``keyframe.txt``.

    Looks in the data set's folder and in its image_sets folder; empty when there is no such file.
    Raises DatasetError for a line that is not ``video/frame``.
    """
    root = Path(root)
    candidates = (root / "keyframe.txt", root / "image_sets" / "keyframe.txt")
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    keyframes: dict[str, list[int]] = {}
    for line in read_text(path).split() if path else ():
        video, _, frame = line.partition("/")
        if not frame.isdigit():
            raise DatasetError(f"expected lines such as 0048/000001 in {path}, got {line!r}")
        keyframes.setdefault(video, []).append(int(frame))
    return keyframes
