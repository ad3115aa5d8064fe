"""What the machine is like, as far as it matters to tracking: shared memory, kernel cache, GPU, NumPy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np

from pose_tracker_ros.evaluation.findings import Finding, Verdict, judged
from pose_tracker_ros.resources import share_folder

SHARED_MEMORY = Path("/dev/shm")
# Both streams of a 720p camera in some images.
LEAST_SHARED_BYTES = 64 * 2**20
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


def machine_findings() -> list[Finding]:
    """All lines about this machine."""
    return [shared_memory_finding(), kernel_cache_finding(), gpu_finding(), numpy_finding()]


def shared_memory_finding() -> Finding:
    """Whether images can go from process to process without the network."""
    if not SHARED_MEMORY.is_dir():
        return Finding("shared memory", f"no {SHARED_MEMORY}", Verdict.LOOK, "images go through the network: expect some to be lost")
    free = shutil.disk_usage(SHARED_MEMORY).free
    profile = next((os.environ[name] for name in PROFILE_VARIABLES if os.environ.get(name)), "")
    middleware = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    found = f"{free / 2**20:.0f} MB free, {middleware}, " + (f"profile {profile}" if profile else "no profile")
    own = share_folder("config") / "fastdds.xml"
    return judged(
        "shared memory",
        found,
        [
            (free < LEAST_SHARED_BYTES, Verdict.BAD, "give containers --shm-size=512m or --ipc=host"),
            (bool(profile) and not Path(profile).is_file(), Verdict.BAD, "the profile's file is not there"),
            (
                not profile and "fastrtps" in middleware,
                Verdict.LOOK,
                f"segments are smaller than images: export {PROFILE_VARIABLES[1]}={own}",
            ),
        ],
    )


def kernel_cache_finding() -> Finding:
    """Whether compiled kernels are kept."""
    from pose_tracker_ros.kernels.compilation import CACHE_FOLDER

    compiled = len(list(Path(CACHE_FOLDER).glob("**/*.nbc")))
    return judged(
        "kernel cache",
        f"{compiled} compiled kernels in {CACHE_FOLDER}",
        [
            (not os.access(CACHE_FOLDER, os.W_OK) and not compiled, Verdict.BAD, "name a folder that can be written: POSE_TRACKER_KERNEL_CACHE"),
            (not compiled, Verdict.LOOK, "pose-tracker warm-up, or the first start takes a minute"),
        ],
    )


def gpu_finding() -> Finding:
    """Whether networks have a GPU."""
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", torch.cuda.get_device_name(0))
    return Finding("GPU", f"none for torch {torch.__version__}: networks run on the CPU, where they are needed")


def numpy_finding() -> Finding:
    """Versions that other ROS packages depend on."""
    where = Path(np.__file__).parent.parent
    in_environment = "a virtual environment" if "VIRTUAL_ENV" in os.environ or (where.parents[2] / "pyvenv.cfg").is_file() else "the system"
    mixed = np.__version__.startswith("2") and in_environment == "the system"
    advice = "packages of ROS that were compiled for NumPy 1 break: install into a venv as the README says"
    return judged(
        "NumPy, OpenCV", f"{np.__version__} and {cv2.__version__} in {in_environment} ({where})", [(mixed, Verdict.LOOK, advice)]
    )
