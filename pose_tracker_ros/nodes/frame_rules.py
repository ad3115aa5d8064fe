"""What names of TF frames among the parameters must fulfil."""

from __future__ import annotations

from operator import attrgetter

from pose_tracker_ros.configuration import Rule


def frame_rule(name: str) -> Rule:
    """The option of a ``name`` is a frame, which tf2 refuses with a slash before it."""
    return Rule((name,), lambda options: not attrgetter(name)(options).startswith("/"), f"{name} without a slash before it, as tf2 has frames")
