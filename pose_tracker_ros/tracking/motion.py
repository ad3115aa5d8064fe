"""Where an object in motion is expected next, and how surely: a Kalman filter of constant velocity."""

from __future__ import annotations

import numpy as np

# How unsteady hands and robots are: standard deviations of the velocity's random walk, per square root of a second.
ACCELERATION = np.array([4.0, 4.0, 4.0, 30.0, 30.0, 30.0])
# Of an object whose velocity is unknown, metres and radians a second.
UNKNOWN_VELOCITY = np.array([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])
# Of a pose that an estimate says nothing about, metres and radians.
UNKNOWN_POSE = np.array([0.1, 0.1, 0.1, 0.5, 0.5, 0.5])


class MotionFilter:
    """Velocity of the object centre and of the turn about it, in camera axes, and what is unknown of pose and velocity.

    An image often determines some directions of a motion and not others: the turn of a rod about its axis, say. There
    the velocity stays what it was, where the difference of two estimates would be noise.

    The state is the pose's error (6,) and the velocity (6,), translation in metres before rotation in radians, as
    white noise acceleration has it (Bar-Shalom, Li and Kirubarajan 2001, section 6.2).
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Pose and velocity are unknown, most likely at rest."""
        self.velocity = np.zeros(6)
        self._pose = np.diag(UNKNOWN_POSE**2)
        self._both = np.zeros((6, 6))
        self._rate = np.diag(UNKNOWN_VELOCITY**2)

    def predict(self, seconds: float, share: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Expected motion (6,) during the next ``seconds``, and the information (6, 6) about the pose after it.

        ``share`` 0..1 of the velocity that is expected to last.
        """
        noise = np.diag(ACCELERATION**2)
        step = share * seconds
        self._pose = self._pose + step * (self._both + self._both.T) + step**2 * self._rate + seconds**3 / 3 * noise
        self._both = self._both + step * self._rate + seconds**2 / 2 * noise
        self._rate = self._rate + seconds * noise
        return step * self.velocity, np.linalg.inv(self._pose)

    def update(self, correction: np.ndarray, information: np.ndarray) -> None:
        """After an image with this ``information`` (6, 6) the pose is most likely ``correction`` (6,) beyond the prediction.

        Most likely is what image and prediction say together, so that it is zero where the image says nothing.
        """
        gain = np.linalg.solve(self._pose, self._both).T
        posterior = np.linalg.inv(np.linalg.inv(self._pose) + information)
        self.velocity = self.velocity + gain @ correction
        self._rate = self._rate - gain @ (self._pose - posterior) @ gain.T
        self._both = posterior @ gain.T
        self._pose = posterior

    def fade(self, factor: float) -> None:
        """Nothing was seen: the velocity is expected to be ``factor`` of what it was."""
        self.velocity = factor * self.velocity
