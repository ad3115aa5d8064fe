"""Nodes in processes of their own while a command watches them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from rich.console import Console
from rich.progress import Progress

from pose_tracker_ros.evaluation.machine_findings import PROFILE_VARIABLES
from pose_tracker_ros.resources import share_folder

if TYPE_CHECKING:
    from pose_tracker_ros.nodes.demo_listener import DemoListener

SETTLE_S = 1.0
END_S = 10.0


def use_shared_memory() -> None:
    """Have nodes that are made from here on share memory for images, which the middleware's default is too small for.

    A profile that the user has set stays the only one.
    """
    if not any(os.environ.get(name) for name in PROFILE_VARIABLES):
        os.environ[PROFILE_VARIABLES[1]] = str(share_folder("config") / "fastdds.xml")


@contextmanager
def camera_process(parameters: Mapping[str, Any], folder: Path, namespace: str) -> Iterator[subprocess.Popen]:
    """The camera node in a process of its own, with its parameters in ``folder``; ended on leaving."""
    file = folder / "camera.yaml"
    file.write_text(yaml.safe_dump({"/**/camera": {"ros__parameters": dict(parameters)}}))
    module = "pose_tracker_ros.nodes.camera_node"
    ros_arguments = ["--ros-args", "-r", f"__ns:={namespace}", "--params-file", str(file)]
    process = subprocess.Popen([sys.executable, "-m", module, *ros_arguments])
    with ended(process):
        yield process


@contextmanager
def ended(process: subprocess.Popen) -> Iterator[None]:
    """Ends a process on leaving, as Ctrl-C does, and, where that is not heard, by force."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()


def watch(
    camera: subprocess.Popen, listener: DemoListener, total: int, console: Console, once: Callable[[], bool] | None = None
) -> None:
    """Show progress until the camera has finished and the last pose has had time to arrive.

    ``once``: is called now and then until it has done what it is for. Raises OSError when the camera ends before its time.
    """
    # Rarely drawn, since that takes time from the tracker in this process.
    with Progress(console=console, transient=True, refresh_per_second=2) as bar:
        rendering, tracking = (bar.add_task(name, total=total, start=False) for name in ("rendering first", "tracking"))
        while not listener.finished.wait(0.5):
            for task, completed in ((rendering, listener.prerendered), (tracking, len(listener.published))):
                if completed:
                    bar.start_task(task)
                    bar.update(task, completed=completed)
            if once is not None and once():
                once = None
            if camera.poll() is not None:
                raise OSError(f"the simulated camera ended with exit status {camera.returncode}; see its message above")
    time.sleep(SETTLE_S)


def stages_of(listener: DemoListener) -> dict[str, str]:
    """Times from the camera to the listener, as median / 95 % in ms."""
    return {
        "camera (stamp to images out)": median_and_95(listener.camera_ms),
        **listener.stages,
        "stamp to listener": median_and_95(listener.latency_ms.values()),
    }


def median_and_95(times_ms: Collection[float]) -> str:
    """Median and 95 % of times."""
    if not times_ms:
        return "–"
    median, high = np.percentile(list(times_ms), [50, 95])
    return f"{median:.2f} / {high:.2f}"
