"""Objects that were put down in a mapped room: where they rest, and so where a camera sees them again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.geometry import invert, residual_between
from pose_tracker_ros.tracking.states import TrackState

# States of objects that the tracker misses; of one that something hides it knows where it is.
MISSING = (TrackState.SEARCHING, TrackState.LOST)
# Of the chi squared distribution with six degrees of freedom, 99.7 % is below.
SAME_PLACE = 20.0


class _Seen(NamedTuple):
    stamp: float
    map_T_object: np.ndarray
    covariance: np.ndarray


class Rest(NamedTuple):
    """Where an object rests: ``map_T_object`` (4, 4), ``covariance`` (6, 6) of a twist in axes of the map, and between which
    stamps (seconds) it was seen there."""

    map_T_object: np.ndarray
    covariance: np.ndarray
    since: float
    until: float


class RestingObjects:
    """Remembers where objects rest that are seen now and then by a camera whose pose is known.

    An object rests when everything that was seen of it for some time agrees, by the covariances, with one place. Once it is
    seen elsewhere the place is forgotten: it was taken away. Where that happens after nobody saw it for a while, a search may as
    well have found it wrongly: both poses are possible until it has rested at the new one.
    """

    def __init__(self, rest_s: float) -> None:
        """``rest_s``: how long it has to be seen at one place, seconds."""
        self._rest_s = rest_s
        self._seen: dict[str, list[_Seen]] = {}
        self._before: dict[str, list[_Seen]] = {}

    def see(
        self,
        name: str,
        stamp: float,
        map_T_camera: np.ndarray,
        camera_covariance: np.ndarray,
        camera_T_object: np.ndarray,
        covariance: np.ndarray,
    ) -> None:
        """An object was tracked at a pose (4, 4) by a camera at one.

        Covariances (6, 6), translation first: of the camera, of a twist in its axes; of the object, of a twist about its
        origin in axes of the camera. A stamp before the last one starts anew.
        """
        one = _Seen(stamp, map_T_camera @ camera_T_object, in_map(map_T_camera, camera_covariance, camera_T_object, covariance))
        known = self._seen.get(name, [])
        if known and stamp < known[-1].stamp:
            known = []
            self._before.pop(name, None)
        if name in self._before and _agree(self._before[name][0], one):
            known = self._before.pop(name)
        elif known and not _agree(known[0], one):
            if self._has_rested(known) and stamp - known[-1].stamp > self._rest_s:
                self._before[name] = known
            known = []
        # The first one says since when, the surest where, the last until when.
        if len(known) > 2:
            known = [known[0], min(known, key=lambda seen: np.trace(seen.covariance[:3, :3]))]
        self._seen[name] = [*known, one]
        if self._has_rested(self._seen[name]):
            self._before.pop(name, None)

    def rest(self, name: str) -> Rest | None:
        """Where an object rests; None where that is not known, or it was seen for too short a time."""
        seen = self._before.get(name) or self._seen.get(name)
        if not seen or not self._has_rested(seen):
            return None
        surest = min(seen, key=lambda one: np.trace(one.covariance[:3, :3]))
        return Rest(surest.map_T_object, surest.covariance, seen[0].stamp, seen[-1].stamp)

    def expected(self, name: str, map_T_camera: np.ndarray, camera: PinholeCamera) -> np.ndarray | None:
        """camera_T_object (4, 4) of a resting object whose origin is in the image of a camera at a pose (4, 4), else None."""
        rest = self.rest(name)
        if rest is None:
            return None
        camera_T_object = invert(map_T_camera) @ rest.map_T_object
        if camera_T_object[2, 3] <= 0:
            return None
        column, row = camera.project(camera_T_object[:3, 3])
        inside = 0 <= column < camera.width and 0 <= row < camera.height
        return camera_T_object if inside else None

    def offers(self, missing: Iterable[str], map_T_camera: np.ndarray, camera: PinholeCamera) -> dict[str, np.ndarray]:
        """First poses camera_T_object (4, 4) by name: of objects that are missing, or that were found elsewhere after nobody saw them,
        and that a camera at a pose (4, 4) should see."""
        expected = {name: self.expected(name, map_T_camera, camera) for name in {*missing, *self._before}}
        return {name: pose for name, pose in expected.items() if pose is not None}

    def forget(self, name: str | None = None) -> None:
        """Forget an object, or all."""
        if name is None:
            self._seen.clear()
            self._before.clear()
        else:
            self._seen.pop(name, None)
            self._before.pop(name, None)

    def _has_rested(self, seen: list[_Seen]) -> bool:
        return seen[-1].stamp - seen[0].stamp >= self._rest_s


def in_map(
    map_T_camera: np.ndarray, camera_covariance: np.ndarray, camera_T_object: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """Covariance (6, 6) of an object's origin and turn in axes of the map, by those of :meth:`RestingObjects.see`.

    A camera that is turned by w moves what it sees at t by w x t.
    """
    x, y, z = camera_T_object[:3, 3]
    lever = np.eye(6)
    lever[:3, 3:] = -np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    both = lever @ camera_covariance @ lever.T + covariance
    turned = np.zeros((6, 6))
    turned[:3, :3] = turned[3:, 3:] = map_T_camera[:3, :3]
    return turned @ both @ turned.T


def _agree(one: _Seen, other: _Seen) -> bool:
    twist = np.concatenate(residual_between(one.map_T_object, other.map_T_object))
    return bool(twist @ np.linalg.solve(one.covariance + other.covariance, twist) < SAME_PLACE)
