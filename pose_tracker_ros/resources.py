"""Folders that are installed beside the Python package."""

from __future__ import annotations

from pathlib import Path


def share_folder(name: str) -> Path:
    """Folder ``config`` or ``launch`` of the source tree or of the installation.

    Raises FileNotFoundError when the installation is incomplete.
    """
    parents = Path(__file__).resolve().parents
    candidates = [parents[1] / name, *(parent / "share" / "pose_tracker_ros" / name for parent in parents)]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"expected the folder {name} of pose_tracker_ros beside {parents[1]}; install the package again"
    )
