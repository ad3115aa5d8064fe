"""One object before a still camera, with flat options as ROS parameters need them: the scene of the demo."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracker_ros.configuration import option
from pose_tracker_ros.objects import ObjectModel
from pose_tracker_ros.simulation.config import BoardConfig, ObjectConfig, SceneConfig, SensorConfig
from pose_tracker_ros.simulation.paths import MIDDLE
from pose_tracker_ros.simulation.scene import CAMERA, SceneSequence

BAR_NEARER_M = 0.08
OCCLUDER_NEARER_M = 0.05


@dataclass(frozen=True)
class SimulationConfig:
    """Options of the simulated camera. The default is the demo: hand motion, a bar in front, a blackout."""

    frames: int = option(600, "Number of frames", minimum=1, maximum=1_000_000)
    rate_hz: float = option(30.0, "Frames per second", minimum=0.1, maximum=1000.0)
    seed: int = option(0, "Seed of motion, scene and noise", minimum=0, maximum=2**31 - 1)
    speed_mm: float = option(8.9, "Mean motion from frame to frame, millimetres", minimum=0.0, maximum=100.0)
    speed_deg: float = option(3.7, "Mean turn from frame to frame, degrees", minimum=0.0, maximum=30.0)
    trajectory: str = option("", "File of lines 't x y z qx qy qz qw' to follow instead of a hand-like motion")
    random_poses: bool = option(False, "Every frame shows the object at a place and a turn of its own")
    bar_width_px: int = option(
        50, "Width of a bar that sweeps across the object, in the middle of the image; 0 = none", minimum=0, maximum=640
    )
    bar_first_frame: int = option(120, "Frame in which the bar first appears", minimum=0, maximum=1_000_000)
    bar_period_frames: int = option(150, "Frames from one sweep to the next", minimum=1, maximum=1_000_000)
    bar_sweep_frames: int = option(60, "Frames that a sweep takes", minimum=1, maximum=1_000_000)
    spell_share: float = option(
        0.0, "Share of the object that something in front hides in every spell", minimum=0.0, maximum=0.9
    )
    spell_first_frame: int = option(60, "Frame in which the first spell begins", minimum=0, maximum=1_000_000)
    spell_period_frames: int = option(90, "Frames from one spell to the next", minimum=1, maximum=1_000_000)
    spell_frames: int = option(45, "Frames that a spell lasts", minimum=1, maximum=1_000_000)
    blank_first_frame: int = option(480, "First of the blank frames", minimum=0, maximum=1_000_000)
    blank_frames: int = option(5, "Number of frames without colour and depth", minimum=0, maximum=1000)
    depth_noise_mm: float = option(
        1.2, "Standard deviation of depth at 0.6 m; 0 = perfect depth", minimum=0.0, maximum=50.0
    )
    depth_bias_mm: float = option(0.0, "What all depth is too far", minimum=-50.0, maximum=50.0)
    color_noise: float = option(3.0, "Standard deviation of colour in grey levels", minimum=0.0, maximum=100.0)

    def scene(self, object_name: str) -> SceneConfig:
        """The scene of one object that these options describe."""
        path = "recorded" if self.trajectory else "unrelated" if self.random_poses else "hand"
        target = ObjectConfig(
            model=object_name,
            path=path,
            trajectory=self.trajectory,
            speed_mm=self.speed_mm,
            speed_deg=self.speed_deg,
        )
        return SceneConfig(
            frames=self.frames,
            rate_hz=self.rate_hz,
            seed=self.seed,
            blank_first_frame=self.blank_first_frame,
            blank_frames=self.blank_frames,
            objects=(target,),
            boards=(*self._bar(), *self._side_boards()),
            sensor=SensorConfig(
                depth_noise_mm=self.depth_noise_mm, depth_bias_mm=self.depth_bias_mm, color_noise=self.color_noise
            ),
        )

    def _bar(self) -> tuple[BoardConfig, ...]:
        if self.bar_width_px == 0:
            return ()
        return (
            BoardConfig(
                motion="sweeps",
                first_frame=self.bar_first_frame,
                frames=self.bar_sweep_frames,
                period_frames=self.bar_period_frames,
                width_m=self.bar_width_px * (MIDDLE[2] - BAR_NEARER_M) / CAMERA.fx,
                gap_m=BAR_NEARER_M,
            ),
        )

    def _side_boards(self) -> tuple[BoardConfig, ...]:
        if self.spell_share == 0:
            return ()
        return (
            BoardConfig(
                share=self.spell_share,
                first_frame=self.spell_first_frame,
                frames=self.spell_frames,
                period_frames=self.spell_period_frames,
                gap_m=OCCLUDER_NEARER_M,
            ),
        )


def simulate(model: ObjectModel, config: SimulationConfig | None = None) -> SceneSequence:
    """The simulated camera with one object; raises as :class:`SceneSequence` does."""
    return SceneSequence((config or SimulationConfig()).scene(model.name), {model.name: model})
