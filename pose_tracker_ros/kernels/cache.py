"""Where compiled kernels are kept between runs."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "POSE_TRACKER_KERNEL_CACHE"
# Of the sources, in the cache: those of some checkouts or updates; 64 bits of their hash tell them apart.
KEPT_VERSIONS = 3
HASH_DIGITS = 16


def use_cache_folder(path: str | Path) -> None:
    """Keep compiled kernels in this folder; to be called before the first kernel is imported.

    Raises RuntimeError when it is too late.
    """
    if "pose_tracker_ros.kernels.compilation" in sys.modules:
        raise RuntimeError("expected the kernel cache to be chosen before kernels are imported; do that first")
    os.environ[FOLDER_VARIABLE] = str(path)


def cache_root() -> Path:
    """The folder that NUMBA_CACHE_DIR or POSE_TRACKER_KERNEL_CACHE names, else one in the user's cache folder.

    Raises RuntimeError when there is no such variable and the user has no home.
    """
    if named := _named_root():
        return Path(named).expanduser().absolute()
    user_caches = os.environ.get("XDG_CACHE_HOME", "")
    caches = Path(user_caches) if os.path.isabs(user_caches) else Path.home() / ".cache"
    return caches / "pose_tracker_ros" / "kernels"


def private_root() -> Path:
    """A folder of this user alone below the temporary folder; raises OSError where it may be somebody else's.

    What lies in it is run, and everybody may write to the temporary folder.
    """
    root = Path(tempfile.gettempdir()) / f"pose_tracker_ros_{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    status = root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"expected {root} to be this user's alone")
    return root / "kernels"


def source_hash(paths: Iterable[Path]) -> str:
    """16 hexadecimal digits that change when any of the files does."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:HASH_DIGITS]


def cache_folder(versions: str, sources: str) -> Path:
    """A writable folder for the kernels of some ``versions`` (of compiler and Python) and a hash of their ``sources``.

    Of folders for other sources the last used ones stay, older ones are removed. Where a user has no place for caches, as one
    without a home, it is below the temporary folder; where nothing can be written it lasts as long as the process, with a warning.
    """
    reason: Exception
    for root in (cache_root,) if _named_root() else (cache_root, private_root):
        try:
            folder = root() / versions / sources
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except (OSError, RuntimeError) as error:
            reason = error
            continue
        os.utime(folder)
        _remove_old(folder.parent)
        return folder
    return _temporary_folder(reason)


def _named_root() -> str | None:
    return os.environ.get("NUMBA_CACHE_DIR") or os.environ.get(FOLDER_VARIABLE)


def _temporary_folder(reason: Exception) -> Path:
    """A private folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="pose_tracker_kernels_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logger.warning(
        "kernels are compiled anew by every process, which takes some seconds: expected a writable folder to keep them "
        "in, got %s; set %s to one",
        reason,
        FOLDER_VARIABLE,
    )
    return Path(folder)


def _remove_old(parent: Path) -> None:
    """Remove all but the last used folders of sources; others may use them at the moment, so failures do not matter."""
    with suppress(OSError):
        named = [path for path in parent.iterdir() if re.fullmatch(rf"[0-9a-f]{{{HASH_DIGITS}}}", path.name)]
        for path in sorted(named, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_VERSIONS:]:
            shutil.rmtree(path, ignore_errors=True)
