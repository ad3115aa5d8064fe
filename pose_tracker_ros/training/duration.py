"""How long a run is: so many steps, or as many as fit into some minutes."""

from __future__ import annotations

import time


class Duration:
    """What is done of a run, by its steps or by its time. All processes of a run go by the clock of the first.

    seconds: that the run has taken up to its last step, sittings before an interruption included.
    """

    def __init__(self, steps: int, minutes: float, seconds: float = 0.0) -> None:
        """``minutes`` 0 = by ``steps``; ``seconds`` of earlier sittings. The clock starts now."""
        self.seconds = seconds
        self._steps, self._limit_s = steps, 60 * minutes
        self._begin = time.monotonic() - seconds

    def after(self, seconds: float) -> Duration:
        """The same of a run that had taken so many seconds when this one began."""
        duration = Duration(self._steps, self._limit_s / 60, seconds)
        duration._begin = self._begin - seconds
        return duration

    def clock(self) -> float:
        """Seconds of the run until now, by the clock of this process."""
        return time.monotonic() - self._begin

    def share(self, done: int) -> float:
        """How much of the run, 0..1, is over after so many steps."""
        return min(1.0, self.seconds / self._limit_s if self._limit_s else done / self._steps)

    def expected_steps(self, done: int) -> int:
        """Of the whole run: where its time is set, if the next steps take as long as those before."""
        share = self.share(done)
        if not self._limit_s or done == 0 or share == 0:
            return self._steps
        return max(done, round(done / share))

    def is_over(self, done: int) -> bool:
        """Whether no step is left after so many."""
        return self.share(done) >= 1

    def longer(self, done: int) -> str:
        """What to set so that a run that is over goes on, in words."""
        return f"minutes above {self._limit_s / 60:g}" if self._limit_s else f"steps above {done}"
