"""Scenes as YAML files."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from pose_tracker_ros.configuration import make_config, parse_options
from pose_tracker_ros.resources import share_folder
from pose_tracker_ros.simulation.config import ObjectConfig, SceneConfig

EXAMPLES = "scenes"


def load_scene(path_or_text: str | Path) -> SceneConfig:
    """The scene of a YAML file, of one of the package's examples by its name, or of a YAML text of several lines.

    Options that are left out have their defaults. A trajectory that lies beside the file is found there.
    Raises FileNotFoundError when there is no such file, ValueError, in one sentence, for what is no scene.
    """
    if isinstance(path_or_text, str) and "\n" in path_or_text:
        return _parsed(path_or_text, "the scene")
    path = _find(Path(path_or_text))
    return _with_trajectories_beside(_parsed(path.read_text(), str(path)), path.parent)


def scene_to_yaml(scene: SceneConfig) -> str:
    """All options of a scene; :func:`load_scene` makes an equal one of the text."""
    # By way of JSON, so that numpy's numbers are written as plain ones.
    return yaml.safe_dump(json.loads(json.dumps(asdict(scene))), sort_keys=False)


def example_scenes() -> list[Path]:
    """The scene files that come with the package."""
    return sorted((share_folder("config") / EXAMPLES).glob("*.yaml"))


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    examples = {example.name: example for example in example_scenes()}
    if str(path) not in examples:
        raise FileNotFoundError(
            f"expected a scene file at {path}, but there is none; the package's own are {', '.join(examples)}"
        )
    return examples[str(path)]


def _parsed(text: str, place: str) -> SceneConfig:
    values = parse_options(text, place)
    try:
        return make_config(SceneConfig, values)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _with_trajectories_beside(scene: SceneConfig, folder: Path) -> SceneConfig:
    return replace(scene, objects=tuple(_with_trajectory_beside(one, folder) for one in scene.objects))


def _with_trajectory_beside(one: ObjectConfig, folder: Path) -> ObjectConfig:
    beside = folder / one.trajectory
    return replace(one, trajectory=str(beside.resolve())) if one.trajectory and beside.is_file() else one
