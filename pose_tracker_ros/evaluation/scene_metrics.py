"""What is counted on scenes with occlusions: what a tracker says of itself, against what could be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.evaluation.protocol import LOST_SHARE_OF_DIAMETER

TRACKING = "tracking"
# A gripper that closes where the object was believed misses it when the pose is off by a fifth of its size.
FALSE_SHARE_OF_DIAMETER = 0.2
# BOP's convention: an object of which less is visible is nobody's target.
SEEN = 0.1
# With so much in view every tracker in use goes on; what is below may rightly be doubted.
WELL_SEEN = 0.6
# As good as all of it; the silhouettes that visibility is the quotient of differ by pixels along their edges.
UNOCCLUDED = 0.98
# Being hidden for less is bridged by any motion model and is no event.
HIDDEN_FRAMES = 5
# Where half of the object is in view again, a tracker can be expected to look for it.
REAPPEARED = 0.5
# Half a second and a second at 30 Hz.
RECOVERY_FRAMES = (15, 30)
# A pose that sweeps across the object on its way elsewhere is right for a frame or two, too.
RECOVERED_FRAMES = 5
# A third of a second for a first pose that is off to be refined.
START_FRAMES = 10
# The mean step of the object's centre, in camera axes, up to which it comes back where a tracker still expects it.
EXPECTED_STEP_M = 0.002


@dataclass(frozen=True)
class SceneTrack:
    """One tracker on one object of one sequence, an array element a frame.

    object_name and seed: what intervals and rows are made over; diameter_m: of the object;
    state: (N,) str; error: (N,) metres, ADD, for symmetric objects ADD-S, infinite without a pose;
    visibility: (N,) share 0..1 of the silhouette that is visible; center: (N, 3) metres, the object's true centre in
    camera axes; error_squared: (N,) normalised error squared, NaN where not known; freedom: its degrees of freedom;
    latency_ms: (N,).
    """

    object_name: str
    seed: int
    diameter_m: float
    state: np.ndarray
    error: np.ndarray
    visibility: np.ndarray
    center: np.ndarray
    error_squared: np.ndarray
    freedom: int
    latency_ms: np.ndarray

    @property
    def tracking(self) -> np.ndarray:
        """True (N,) in the frames that are reported as tracking."""
        return self.state == TRACKING

    @property
    def right(self) -> np.ndarray:
        """True (N,) where the error is at most a fifth of the diameter."""
        return self.error <= FALSE_SHARE_OF_DIAMETER * self.diameter_m

    @property
    def failed(self) -> np.ndarray:
        """True (N,) where the object is lost, as :attr:`TrackErrors.failed` says it."""
        return ~(self.error <= LOST_SHARE_OF_DIAMETER * self.diameter_m)


class Reappearance(NamedTuple):
    """An object that was hidden and is seen again.

    hidden, reappeared: positions of the first frame of the spell and of the first after it in which half of the object
    is visible; expected_place: whether it rested, or moved slowly, in between.
    """

    hidden: int
    reappeared: int
    expected_place: bool


def reappearances(visibility: np.ndarray, center: np.ndarray) -> list[Reappearance]:
    """The events of a sequence, in order.

    A spell has at least 5 frames in a row with a visibility (N,) below 0.1; the event is the first frame after it with
    0.5 or more, and spells without such a frame in between are one. The place is the expected one when the centre
    (N, 3), in camera axes, made steps of at most 2 mm on average from the last frame before the spell to the event: a
    tracker that knows nothing of the camera's motion can then still find it.
    """
    events = []
    hidden = count = 0
    waiting = False
    for position, share in enumerate(visibility):
        count = count + 1 if share < SEEN else 0
        if count == HIDDEN_FRAMES and not waiting:
            waiting, hidden = True, position - HIDDEN_FRAMES + 1
        if waiting and share >= REAPPEARED:
            steps = np.linalg.norm(np.diff(center[max(hidden - 1, 0) : position + 1], axis=0), axis=1)
            events.append(Reappearance(hidden, position, bool(steps.mean() <= EXPECTED_STEP_M)))
            waiting = False
    return events


def judged_reappearances(track: SceneTrack) -> list[Reappearance]:
    """The events that have all frames that they are judged by; a video that ends sooner says nothing about them."""
    events = reappearances(track.visibility, track.center)
    return [event for event in events if event.reappeared + RECOVERY_FRAMES[-1] <= len(track.state)]


def recovered(track: SceneTrack, event: Reappearance, frames: int) -> bool:
    """Whether the object is tracked again within ``frames`` frames from an event on, the event among them.

    That is, 5 of them in a row are reported as tracking with an error of at most 0.2 diameters.
    """
    span = slice(event.reappeared, event.reappeared + frames)
    in_a_row = np.convolve(track.tracking[span] & track.right[span], np.ones(RECOVERED_FRAMES, int))
    return bool(in_a_row.max() == RECOVERED_FRAMES)


def due_frames(track: SceneTrack) -> np.ndarray:
    """True (N,) in the frames that ought to be reported as tracking.

    At least 0.6 visible; not among the first 10 frames; and neither between being hidden and coming back, nor within
    the 30 frames from then on, which recoveries are counted for.
    """
    due = track.visibility >= WELL_SEEN
    due[:START_FRAMES] = False
    for event in reappearances(track.visibility, track.center):
        due[event.hidden : event.reappeared + RECOVERY_FRAMES[-1]] = False
    return due
