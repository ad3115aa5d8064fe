"""Folders that commands write into, looked at before anything is computed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pose_tracker_ros.commands.sequences import print_warning


def check_writable(folder: Path, option: str = "--output") -> None:
    """Make the folder unless it is there.

    Raises ValueError, which names the ``option`` for another one, when nothing can be written in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise ValueError(f"expected to write in {folder.absolute()}: {reason}; name another folder with {option}") from error


def is_writable(folder: Path) -> bool:
    """Whether files can be written in a folder, which is made unless it is there."""
    try:
        check_writable(folder)
    except ValueError:
        return False
    return True


def install_targets(folders: Sequence[Path], install: bool | None, output: Path) -> list[Path]:
    """Of folders of models those into which the finished weights will be copied.

    Parameters: ``install`` True for all, False for none, None for those that can be written, with a word about the others;
    ``output`` where the weights are in any case.
    Raises ValueError where all are wanted and one cannot be written.
    """
    if install is False:
        return []
    if install:
        for folder in folders:
            check_writable(folder, "--no-install, and use the weights with --weights; they are in --output")
    writable = [folder for folder in folders if is_writable(folder)]
    for folder in folders:
        if folder not in writable:
            print_warning(
                f"{folder} cannot be written, so the weights will stay in {output.absolute()}; use them with --weights, or "
                "weights_path of the node"
            )
    return writable
