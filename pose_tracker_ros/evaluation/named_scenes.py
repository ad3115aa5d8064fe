"""Scenes by what people call them: a file, one sequence of a frozen set, or the demo."""

from __future__ import annotations

from pathlib import Path

from pose_tracker_ros.evaluation.benchmark_objects import benchmark_objects
from pose_tracker_ros.evaluation.frozen_sets import FROZEN_SETS, SceneCase, frozen_cases
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.simulation.config import SceneConfig
from pose_tracker_ros.simulation.demo import simulate
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.scene import SceneSequence
from pose_tracker_ros.simulation.scene_files import load_scene

DEMO, DEMO_OBJECT = "demo", "demo_jug"
CASE_FORM = "SET/OBJECT/SEED or SET/OBJECT/SEED/GROUP"


def open_scene(name: str) -> SceneSequence:
    """The scene 'demo', a case of a frozen set as SET/OBJECT/SEED[/GROUP], or that of a file.

    Raises ValueError or FileNotFoundError, in one sentence, where there is no such scene.
    """
    if name == DEMO:
        return simulate(load_object(DEMO_OBJECT), SimulationConfig())
    parts = name.split("/")
    if parts[0] in FROZEN_SETS and not Path(name).is_file():
        if len(parts) not in (3, 4) or not parts[2].isdigit():
            raise ValueError(f"expected a case of the set {parts[0]!r} as {CASE_FORM}, got {name!r}")
        return frozen_case(parts[0], parts[1], int(parts[2]), parts[3] if len(parts) == 4 else None)[0].open()
    return open_scene_config(load_scene(name), Path(name).stem)


def open_scene_config(config: SceneConfig, name: str) -> SceneSequence:
    """A scene whose objects may also be those of the benchmark; raises as :class:`SceneSequence` does."""
    return SceneSequence(config, {model.name: model for model in benchmark_objects()}, name=name)


def frozen_case(
    scene: str, object_name: str | None = None, seed: int = 0, group: str | None = None
) -> tuple[SceneCase, tuple[str, ...]]:
    """One sequence of a frozen set, default its first object and group, and all groups of the set.

    Raises ValueError for an unknown set, object or group.
    """
    cases = frozen_cases(scene, [seed], [object_name] if object_name else None)
    cases = [case for case in cases if case.model.name == cases[0].model.name]
    groups = tuple(case.group for case in cases)
    if group is not None and group not in groups:
        known = f"one of its groups {', '.join(map(repr, groups))}" if any(groups) else "none, as it has one group"
        raise ValueError(f"expected for the set {scene!r} {known}, got {group!r}")
    return next(case for case in cases if group in (None, case.group)), groups
