"""Runs of scenes in a folder, so that a run that was interrupted goes on, and later plots need no new one."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pose_tracker_ros.evaluation.frozen_sets import VERSION, SceneCase
from pose_tracker_ros.evaluation.scene_benchmark import SceneFrame, SceneRun
from pose_tracker_ros.evaluation.tracking_benchmark import Variant
from pose_tracker_ros.geometry import make_pose, matrix_from_quaternion, quaternion_from_matrix

NUMBER_COLUMNS = SceneFrame._fields[3:9]
ESTIMATE_COLUMNS = ("x", "y", "z", "qx", "qy", "qz", "qw")
TRUTH_COLUMNS = tuple(f"true_{name}" for name in ESTIMATE_COLUMNS)
CENTER_COLUMNS = ("center_x", "center_y", "center_z")
FRAME_COLUMNS = ("index", "stamp", "state", *NUMBER_COLUMNS, *ESTIMATE_COLUMNS, *TRUTH_COLUMNS, *CENTER_COLUMNS)
# What no result of a tracker depends on.
OTHER_CODE = ("commands", "nodes", "training", "initialization", "datasets")
_RUN_FIELDS = ("name", "scene", "group", "object_name", "seed", "variant", "checksum", "diameter_m")
_RUN_FIELDS += ("symmetric", "freedom", "alone", "load", "times_only")


class RunFolder:
    """Finished runs, two files each: ``runs/VARIANT/SEQUENCE.csv`` with a row a frame, and a .json that says of what."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, case: SceneCase, variant: Variant) -> SceneRun | None:
        """The finished run of a tracker on a sequence, None where there is none.

        Raises ValueError where it was made with other options, weights or of another scene, or cannot be read.
        """
        description = self._description(case, variant)
        if description is None:
            return None
        difference = first_difference(description["settings"], settings(case, variant))
        if difference:
            raise ValueError(
                f"expected runs of the same settings in {self.path}, but in that of {variant.name!r} on {case.name!r} "
                f"{difference}; name another --output, or remove that folder to begin again"
            )
        path = self._path(case, variant, "csv")
        try:
            with path.open(newline="") as file:
                frames = tuple(_parsed(row) for row in csv.DictReader(file))
            return SceneRun(**{name: description[name] for name in _RUN_FIELDS}, frames=frames)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"expected a complete run in {path}: {error}; remove it to make it again") from error

    def code_of(self, case: SceneCase, variant: Variant) -> str:
        """What :func:`code_checksum` was when a finished run was made."""
        return self._description(case, variant)["code"]

    def save(self, run: SceneRun, case: SceneCase, variant: Variant) -> None:
        """Keep a run; either both of its files are there in the end or it is not finished.

        Raises ValueError when other trackers' runs on this sequence saw other frames.
        """
        for path in self.path.glob(f"runs/*/{_file_name(case.name)}.json"):
            other = json.loads(path.read_text())
            if other["checksum"] != run.checksum and other["variant"] != run.variant:
                raise ValueError(
                    f"expected {case.name!r} to show {run.variant!r} the frames that {other['variant']!r} saw, but "
                    f"{path} has another checksum: frames are made otherwise now; name another --output"
                )
        frames = self._path(case, variant, "csv")
        frames.parent.mkdir(parents=True, exist_ok=True)
        with _partial(frames).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(FRAME_COLUMNS)
            writer.writerows(_cells(frame) for frame in run.frames)
        _partial(frames).replace(frames)
        description = {name: getattr(run, name) for name in _RUN_FIELDS}
        description |= {"code": self._code, "settings": settings(case, variant)}
        about = self._path(case, variant, "json")
        _partial(about).write_text(json.dumps(description, indent=1))
        _partial(about).replace(about)

    def _description(self, case: SceneCase, variant: Variant) -> dict[str, Any] | None:
        path = self._path(case, variant, "json")
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"expected a description of a run in {path}: {error}; remove it to run again") from error

    def _path(self, case: SceneCase, variant: Variant, suffix: str) -> Path:
        return self.path / "runs" / _file_name(variant.name) / f"{_file_name(case.name)}.{suffix}"

    @cached_property
    def _code(self) -> str:
        return code_checksum()


def settings(case: SceneCase, variant: Variant) -> dict[str, Any]:
    """Everything that a run depends on but the code, as plain numbers, texts, lists and mappings."""
    weights = variant.weights_path(case.model)
    tracker = {"options": asdict(variant.config), "color": variant.color, "depth": variant.depth}
    tracker["times_only"] = variant.times_only
    tracker["weights"] = None if weights is None else _file_checksum(weights)
    first_pose = {"offset_m": case.offset_m, "angle_deg": case.angle_deg}
    scene = {"version of the sets": VERSION, "options": asdict(case.config), "first pose": first_pose}
    return json.loads(json.dumps({"tracker": tracker, "scene": scene}))


def first_difference(before: Any, now: Any, place: str = "") -> str | None:
    """A clause that names the first entry in which two nested values differ, None where they are equal."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        entries = ((key, before.get(key, "absent"), now.get(key, "absent")) for key in [*before, *now])
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        entries = ((number, *pair) for number, pair in enumerate(zip(before, now), 1))
    else:
        return None if before == now else f"{place} is {json.dumps(before)}, and now {json.dumps(now)}"
    differences = (first_difference(old, new, f"{place} {key}".strip()) for key, old, new in entries)
    return next((difference for difference in differences if difference), None)


def code_checksum() -> str:
    """A checksum of the package's code, without that of OTHER_CODE."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] not in OTHER_CODE:
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _file_checksum(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", name).strip("_")


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def _cells(frame: SceneFrame) -> Iterator[object]:
    yield from (frame.index, repr(float(frame.stamp)), frame.state)
    yield from (f"{getattr(frame, name):.9g}" for name in NUMBER_COLUMNS)
    for pose in (frame.estimate, frame.truth):
        known = np.isfinite(pose).all()
        numbers = (*pose[:3, 3], *quaternion_from_matrix(pose[:3, :3])) if known else ()
        yield from (f"{value:.9g}" for value in numbers) if known else [""] * len(ESTIMATE_COLUMNS)
    yield from (f"{value:.9g}" for value in frame.center)


def _parsed(row: Mapping[str, str]) -> SceneFrame:
    return SceneFrame(
        int(row["index"]),
        float(row["stamp"]),
        row["state"],
        *(float(row[name]) for name in NUMBER_COLUMNS),
        *(_parsed_pose([row[name] for name in columns]) for columns in (ESTIMATE_COLUMNS, TRUTH_COLUMNS)),
        np.array([float(row[name]) for name in CENTER_COLUMNS]),
    )


def _parsed_pose(cells: list[str]) -> np.ndarray:
    if not any(cells):
        return np.full((4, 4), np.nan)
    numbers = np.array(cells, dtype=np.float64)
    return make_pose(matrix_from_quaternion(numbers[3:]), numbers[:3])
