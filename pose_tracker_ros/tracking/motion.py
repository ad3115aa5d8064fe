"""Where an object in motion is expected next, and how surely: a Kalman filter of constant velocity."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pose_tracker_ros.kernels import filtering as kernels

# How unsteady hands and robots are: variances of the velocity's random walk, by deviations of metres or radians a second per square
# root of a second.
ACCELERATION = np.diag([4.0, 4.0, 4.0, 30.0, 30.0, 30.0]) ** 2
# Of an object whose velocity is unknown, metres and radians a second.
UNKNOWN_VELOCITY = np.array([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])
# Of a pose that an estimate says nothing about, metres and radians.
UNKNOWN_POSE = np.array([0.1, 0.1, 0.1, 0.5, 0.5, 0.5])


@dataclass(frozen=True)
class Motion:
    """Velocity of the object's centre and of the turn about it, and what is unknown of pose and velocity.

    An image often determines some directions of a motion and not others: the turn of a rod about its axis, say. There
    the velocity stays what it was, where the difference of two estimates would be noise.

    velocity (6,), metres and radians a second, translation first, camera axes; covariances (6, 6) of the pose's error, of the
    pose with the velocity, and of the velocity, as white noise acceleration has it (Bar-Shalom, Li and Kirubarajan
    2001, section 6.2).
    """

    velocity: np.ndarray = field(default_factory=lambda: np.zeros(6))
    pose: np.ndarray = field(default_factory=lambda: np.diag(UNKNOWN_POSE**2))
    both: np.ndarray = field(default_factory=lambda: np.zeros((6, 6)))
    rate: np.ndarray = field(default_factory=lambda: np.diag(UNKNOWN_VELOCITY**2))

    def predicted(self, seconds: float) -> Motion:
        """The motion ``seconds`` later."""
        return Motion(self.velocity, *kernels.predict(self.pose, self.both, self.rate, ACCELERATION, seconds))

    def turned(self, rotation: np.ndarray) -> Motion:
        """The same in axes that are turned: ``rotation`` (3, 3) takes vectors to them."""
        both = np.kron(np.eye(2), rotation)
        return Motion(both @ self.velocity, *(both @ one @ both.T for one in (self.pose, self.both, self.rate)))

    def corrected(self, correction: np.ndarray, information: np.ndarray) -> Motion:
        """After an image with this ``information`` (6, 6) the pose is most likely ``correction`` (6,) beyond the prediction.

        Most likely is what image and prediction say together, so that it is zero where the image says nothing.
        """
        return Motion(*kernels.correct(self.velocity, self.pose, self.both, self.rate, correction, information))
