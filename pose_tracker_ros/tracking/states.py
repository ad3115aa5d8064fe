"""What a tracker says of an object: state, reason, pose and how sure it is."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from pose_tracker_ros.tracking.alignment import CommonErrors


class TrackState(enum.Enum):
    """What is believed about a pose.

    UNINITIALISED: there is none. TRACKING: the image shows the object there. OCCLUDED: the image cannot tell, since
    something hides the object or looks like what is around; the pose is held. SEARCHING: the image shows that the object is
    elsewhere; the pose is the last one, or the best that was found so far. LOST: it was searched for in vain; there is no pose, but the search goes on.
    """

    UNINITIALISED = "uninitialised"
    TRACKING = "tracking"
    OCCLUDED = "occluded"
    SEARCHING = "searching"
    LOST = "lost"


@dataclass(frozen=True)
class TrackResult:
    """The outcome of one frame for one object.

    reason: why the state is what it is, in words. camera_T_object: (4, 4), in LOST the last one. covariance: (6, 6) of the
    translation (m) and rotation (rad) of the object's centre in camera axes. score: 0..1, probability that the object is
    there. errors: of the camera, as far as this object shows them. seconds: ``total`` is what the frame took, all objects
    together.
    """

    state: TrackState
    reason: str
    camera_T_object: np.ndarray
    covariance: np.ndarray
    score: float
    errors: CommonErrors
    seconds: dict[str, float]
