"""Scenes rendered to a folder, to be played at any rate and read by anybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from pose_tracker_ros.datasets.bop_writer import write_bop
from pose_tracker_ros.simulation.config import SceneConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.simulation.scene_files import load_scene, scene_to_yaml

SCENE_FILE = "scene.yaml"


def prerender(sequence: SceneSequence, folder: Path) -> Iterator[int]:
    """Write a scene as a BOP data set with its options beside it; yields the index of every frame that is there.

    The folder is new, empty, or has the same scene, which then goes on where writing stopped.
    Raises ValueError, and leaves the folder as it is, when it holds anything else.
    """
    _claim(folder, sequence.config)
    yield from write_bop(sequence, folder, sequence.objects)


def _claim(folder: Path, config: SceneConfig) -> None:
    path = folder / SCENE_FILE
    if path.is_file():
        there = load_scene(path)
        different = [item.name for item in fields(config) if getattr(there, item.name) != getattr(config, item.name)]
        if different:
            raise ValueError(
                f"expected the same scene in {folder}, but its {SCENE_FILE} has other values of {', '.join(different)}; "
                "name another folder"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"expected a new or empty folder, or one with the same scene, at {folder}; name another one")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(scene_to_yaml(config))
