"""Sources of RGB-D frames; every one yields the same :class:`Frame`."""

from pose_tracker_ros.datasets.files import DatasetError
from pose_tracker_ros.datasets.open import open_sequence
from pose_tracker_ros.datasets.sequence import Annotation, FrameSequence, IndexedSequence
from pose_tracker_ros.frame import Frame

__all__ = ["Annotation", "DatasetError", "Frame", "FrameSequence", "IndexedSequence", "open_sequence"]
