"""How a camera spoils the perfect image: one small class for each defect, and presets of them."""

from pose_tracker_ros.training.augmentation.observation import Augmentation, FirstOf, Observation, augment
from pose_tracker_ros.training.augmentation.presets import PRESETS, Preset

__all__ = ["PRESETS", "Augmentation", "FirstOf", "Observation", "Preset", "augment"]
