"""How a node's process begins and ends: faults are one sentence, Ctrl-C is none."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy._rclpy_pybind11 import RCLError, UnknownROSArgsError
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import uninstall_signal_handlers

from pose_tracker_ros.nodes.ros_arguments import split_arguments


def run_node(name: str, make_node: Callable[..., Node], arguments: Sequence[str] | None = None) -> None:
    """Make a node of a command line, by default the process's, and run it until it is stopped.

    Exits with 1, after one sentence, when it cannot be made.
    """
    node = None
    try:
        # Entry points have it end the process at once until here.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        start_ros(sys.argv if arguments is None else arguments)
        node = make_node() if arguments is None else make_node(cli_args=list(arguments), use_global_arguments=False)
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, OSError, RuntimeError, ParameterException) as error:
        _report(name, str(error))
        sys.exit(1)
    finally:
        # Launch and terminal both send one: the second must not come in between.
        uninstall_signal_handlers()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def start_ros(arguments: Sequence[str] = (), context: Context | None = None) -> None:
    """``rclpy.init``, but for parameters, which nodes read themselves.

    Raises OSError or ValueError, in one sentence, where there is no folder for logs or the arguments are wrong.
    """
    try:
        rclpy.init(args=split_arguments(arguments).rest, context=context)
    except UnknownROSArgsError as error:
        raise ValueError(f"unknown arguments of ROS: {error}") from error
    except RCLError as error:
        text = str(error).split(", at ")[0]
        if text.startswith("failed to initialize logging"):
            text += "; set ROS_LOG_DIR to a folder for logs that can be written, or HOME"
        raise OSError(text) from error


def _report(name: str, text: str) -> None:
    if rclpy.ok():
        rclpy.logging.get_logger(name).fatal(text)
    else:
        print(f"{name}: {text}", file=sys.stderr)
