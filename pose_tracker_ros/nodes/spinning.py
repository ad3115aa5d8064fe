"""What waits for a node's messages, and runs its callbacks one after the other."""

from __future__ import annotations

import sys
import threading
from contextlib import redirect_stderr

from rclpy._rclpy_pybind11 import RCLError
from rclpy.context import Context
from rclpy.executors import Executor, ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node

# Where it is to wait for ever the executor of events does not sleep, in some builds.
LONGEST_WAIT_S = 1.0
END_S = 5.0


class Spinner:
    """Runs the callbacks of a node, from one thread."""

    def __init__(self, node: Node, context: Context | None = None) -> None:
        """``context``: that of the node; None, ROS's default."""
        self._executor = make_executor(context)
        self._executor.add_node(node)
        self._stopped = threading.Event()

    def spin(self) -> None:
        """Returns when ROS is shut down, or :meth:`stop` called; exceptions of callbacks pass."""
        try:
            while self._executor.context.ok() and not self._stopped.is_set():
                self._executor.spin_once(LONGEST_WAIT_S)
        except (ExternalShutdownException, ShutdownException):
            pass
        except RCLError:
            # The usual executor fails so where ROS is shut down after it was asked and before it waits.
            if self._executor.context.ok():
                raise

    def stop(self) -> None:
        """End it; of any thread."""
        self._stopped.set()
        self._executor.shutdown(timeout_sec=END_S)


def make_executor(context: Context | None = None) -> Executor:
    """The executor of events where this rclpy has one (since Jazzy).

    The usual one looks at all that a node has, in Python, whenever anything wakes it: with the topics of four objects that takes
    1.5 ms of a core and of Python's lock, several times a frame.
    """
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor(context=context)
    # It turns on Python's handler of faults, which needs a real file where standard error may be something else.
    with redirect_stderr(sys.__stderr__):
        return EventsExecutor(context=context)
