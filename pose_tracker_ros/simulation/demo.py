"""One object before a still camera, with flat options as ROS parameters need them: the scene of the demo."""

from __future__ import annotations

from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.simulation.config import BoardConfig, ObjectConfig, SceneConfig, SensorConfig
from pose_tracker_ros.simulation.demo_config import SimulationConfig
from pose_tracker_ros.simulation.paths import MIDDLE
from pose_tracker_ros.simulation.scene import CAMERA, SceneSequence

BAR_NEARER_M = 0.08
OCCLUDER_NEARER_M = 0.05


def simulate(model: ObjectModel, config: SimulationConfig | None = None) -> SceneSequence:
    """The simulated camera with one object; raises as :class:`SceneSequence` does."""
    return SceneSequence(demo_scene(config or SimulationConfig(), model.name), {model.name: model})


def demo_scene(config: SimulationConfig, object_name: str) -> SceneConfig:
    """The scene of one object that the options describe."""
    path = "recorded" if config.trajectory else "unrelated" if config.random_poses else "hand"
    target = ObjectConfig(
        model=object_name,
        path=path,
        trajectory=config.trajectory,
        speed_mm=config.speed_mm,
        speed_deg=config.speed_deg,
    )
    return SceneConfig(
        frames=config.frames,
        rate_hz=config.rate_hz,
        seed=config.seed,
        blank_first_frame=config.blank_first_frame,
        blank_frames=config.blank_frames,
        objects=(target,),
        boards=(*_bar(config), *_side_boards(config)),
        sensor=SensorConfig(
            depth_noise_mm=config.depth_noise_mm, depth_bias_mm=config.depth_bias_mm, color_noise=config.color_noise
        ),
    )


def _bar(config: SimulationConfig) -> tuple[BoardConfig, ...]:
    if config.bar_width_px == 0:
        return ()
    return (
        BoardConfig(
            motion="sweeps",
            first_frame=config.bar_first_frame,
            frames=config.bar_sweep_frames,
            period_frames=config.bar_period_frames,
            width_m=config.bar_width_px * (MIDDLE[2] - BAR_NEARER_M) / CAMERA.fx,
            gap_m=BAR_NEARER_M,
        ),
    )


def _side_boards(config: SimulationConfig) -> tuple[BoardConfig, ...]:
    if config.spell_share == 0:
        return ()
    return (
        BoardConfig(
            share=config.spell_share,
            first_frame=config.spell_first_frame,
            frames=config.spell_frames,
            period_frames=config.spell_period_frames,
            gap_m=OCCLUDER_NEARER_M,
        ),
    )
