"""How a node's process begins and ends: faults are one sentence, Ctrl-C is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy._rclpy_pybind11 import RCLError, UnknownROSArgsError
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions, install_signal_handlers, uninstall_signal_handlers

from pose_tracker_ros.nodes.log_folder import require_log_folder
from pose_tracker_ros.nodes.one_interrupt import OneInterrupt
from pose_tracker_ros.nodes.ros_arguments import split_arguments
from pose_tracker_ros.nodes.spinning import Spinner

# Compiled kernels let other threads have Python's lock, and want it back after each of them. A thread that computes in Python meanwhile,
# as one that reads a mesh does, keeps it for so long: by Python's default for 5 ms, of which a frame has room for a few.
SWITCH_S = 2e-4


def run_node(name: str, make_node: Callable[..., Node], arguments: Sequence[str] | None = None) -> None:
    """Make a node of a command line, by default the process's, and run it until it is stopped.

    Exits with 1, after one sentence, when it cannot be made.
    """
    node = interrupt = spinner = None
    try:
        # Entry points have SIGINT end the process at once until there is a node: libraries that load and compile swallow exceptions.
        start_ros(sys.argv if arguments is None else arguments)
        node = make_node() if arguments is None else make_node(cli_args=list(arguments), use_global_arguments=False)
        interrupt = OneInterrupt()
        install_signal_handlers(SignalHandlerOptions.ALL)
        spinner = Spinner(node)
        spinner.spin()
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if interrupt is not None and interrupt.has_come:
            # C code makes another exception of it.
            return
        if not isinstance(error, ValueError | OSError | RuntimeError | ParameterException):
            raise
        _report(name, str(error))
        sys.exit(1)
    finally:
        if interrupt is not None:
            interrupt.end()
        uninstall_signal_handlers()
        if spinner is not None:
            spinner.stop()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def start_ros(arguments: Sequence[str] = (), context: Context | None = None) -> None:
    """``rclpy.init``, but for parameters, which nodes read themselves.

    Raises OSError or ValueError, in one sentence, where there is no folder for logs or the arguments are wrong.
    """
    require_log_folder()
    sys.setswitchinterval(SWITCH_S)
    try:
        rclpy.init(args=split_arguments(arguments).rest, context=context, signal_handler_options=SignalHandlerOptions.NO)
    except UnknownROSArgsError as error:
        raise ValueError(f"unknown arguments of ROS: {error}") from error
    except RCLError as error:
        raise OSError(str(error).split(", at ")[0]) from error


def _report(name: str, text: str) -> None:
    if rclpy.ok():
        rclpy.logging.get_logger(name).fatal(text)
    else:
        print(f"{name}: {text}", file=sys.stderr)
